"""Counting as we go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, assert_never

import attrs

from ..telemetry import logger
from .outcomes import Ended, NotPlaced, Outcome, Placed, Uncertain

__all__ = ["Progress", "Watcher"]


@attrs.frozen(kw_only=True)
class Progress:
    """How far a dispatcher has come. The outcomes sum up to `finished`.

    Attributes:
        taken: Requests taken from a list or handed to `call()`.
        placed: Accepted by the service, and not followed any further.
        ended: Followed to their final status.
        not_placed: Certainly did not ring.
        uncertain: May have rung.
    """

    taken: int = 0
    placed: int = 0
    ended: int = 0
    not_placed: int = 0
    uncertain: int = 0

    @property
    def finished(self) -> int:
        return self.placed + self.ended + self.not_placed + self.uncertain

    @property
    def in_flight(self) -> int:
        return self.taken - self.finished


Watcher: TypeAlias = Callable[[Outcome], None]


class Tally:
    """The counters behind `Progress`, cheap to move. Whatever is counted here is accounted for."""

    __slots__ = ("_ended", "_not_placed", "_placed", "_taken", "_uncertain", "_watcher")

    def __init__(self, watcher: Watcher | None) -> None:
        self._watcher = watcher
        self._taken = self._placed = self._ended = self._not_placed = self._uncertain = 0

    def take(self) -> None:
        """Count a request that was taken on."""
        self._taken += 1

    def record(self, outcome: Outcome) -> None:
        """Count an outcome and tell the watcher."""
        match outcome:
            case Placed():
                self._placed += 1
            case Ended():
                self._ended += 1
            case NotPlaced():
                self._not_placed += 1
            case Uncertain():
                self._uncertain += 1
            case _ as unreachable:
                assert_never(unreachable)
        if self._watcher is not None:
            try:
                self._watcher(outcome)
            except Exception:
                logger.exception("on_outcome failed on a %s", type(outcome).__name__)

    def snapshot(self) -> Progress:
        """Return the counts as a value."""
        return Progress(
            taken=self._taken,
            placed=self._placed,
            ended=self._ended,
            not_placed=self._not_placed,
            uncertain=self._uncertain,
        )
