"""How far a running campaign has come, counted as it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from .records import Settlement
from .states import AttemptState

__all__ = ["Phase", "RunProgress", "Tally"]


class Phase(StrEnum):
    """What a runner is doing."""

    DIALLING = "dialling"
    WAITING = "waiting"  # for a calling window, a redial, or evidence
    PAUSED = "paused"
    CIRCUIT_OPEN = "circuit open"  # too much fails
    BUDGET = "budget used up"
    STOPPING = "stopping"


@attrs.frozen(kw_only=True)
class RunProgress:
    """How far this run has come.

    Attributes:
        attempts: By the state each reached first in this run: placed, rejected, released,
            unknown; and those that became final or lost.
        dispositions: Of the calls that ended.
        in_flight: Calls being placed.
        followed: Calls being followed.
        until: What is waited for, if that is a moment.
        note: Why it waits, in words; empty if it does not, or only for a moment. While
            `WAITING`: why calls whose answer was lost cannot be looked for.
    """

    phase: Phase
    attempts: Mapping[AttemptState, int]
    dispositions: Mapping[str, int]
    in_flight: int
    followed: int
    until: datetime | None
    note: str


@attrs.define
class Tally:
    """The counters behind a `RunProgress`."""

    attempts: Counter[AttemptState] = attrs.field(factory=Counter)
    dispositions: Counter[str] = attrs.field(factory=Counter)
    followed: int = 0
    phase: Phase = Phase.WAITING
    until: datetime | None = None
    note: str = ""

    def settled(self, settlement: Settlement) -> None:
        """Count what became of an attempt."""
        self.attempts[settlement.after] += 1
        if settlement.disposition is not None:
            self.dispositions[str(settlement.disposition)] += 1

    def turn_to(self, phase: Phase, *, until: datetime | None = None, note: str = "") -> None:
        """Note what is being done now."""
        self.phase, self.until, self.note = phase, until, note

    def snapshot(self, *, in_flight: int) -> RunProgress:
        """Return the counters as they stand, and how many calls are being placed."""
        return RunProgress(
            phase=self.phase,
            attempts=dict(self.attempts),
            dispositions=dict(self.dispositions),
            in_flight=in_flight,
            followed=self.followed,
            until=self.until,
            note=self.note,
        )
