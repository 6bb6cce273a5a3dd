"""What workers of a shared ledger say of themselves, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

__all__ = ["SILENT_SECONDS", "Beat", "Standing", "WorkerRecord"]


@attrs.frozen(kw_only=True)
class Beat:
    """What a worker says of itself every few seconds.

    Attributes:
        worker: Its name, which is also that of its claims and settlements.
        state: `working`, or `draining` once it takes no new shards.
        in_flight: Calls it is placing or following.
    """

    worker: str
    host: str
    pid: int
    began_at: datetime
    state: str = "working"
    in_flight: int = 0


@attrs.frozen(kw_only=True)
class Standing:
    """What the ledger answers to a beat.

    Attributes:
        held: Campaign and shard of what the worker really holds.
        foreign: Active contacts in those shards whose attempt is still another worker's, by
            campaign; a campaign without any is left out.
        elsewhere: Of the whole campaign, placed calls that other workers have, by campaign of
            which the worker holds something.
        live_workers: Workers that live and take shards, this one included if it does.
    """

    held: frozenset[tuple[int, int]]
    foreign: Mapping[int, int]
    live_workers: int
    elsewhere: Mapping[int, int] = attrs.field(factory=dict)


# A worker that was not heard of for so long counts as dead: it takes no share of the work.
SILENT_SECONDS = 15.0


@attrs.frozen(kw_only=True)
class WorkerRecord:
    """A worker as the ledger knows it.

    Attributes:
        beat_seconds_ago: Since it was last heard of, by the database's clock.
        held: Campaign (its name) and shard of what it holds.
    """

    name: str
    host: str
    pid: int
    began_at: datetime
    beat_seconds_ago: float
    state: str
    in_flight: int
    held: tuple[tuple[str, int], ...] = ()
