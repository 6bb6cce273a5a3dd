"""The part that one of many workers has in a campaign, as its runner sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from .shares import slots_under

__all__ = ["KEPT_ALIVE", "Part", "Slice"]

# For connections that nobody else watches: a server that vanished is noticed in seconds.
KEPT_ALIVE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}


@attrs.frozen
class Slice:
    """A shard of a campaign, as something to be worked by one worker at a time."""

    campaign_id: int
    shard: int


@attrs.define
class Part:
    """What a worker has of a campaign: changed by the worker, read by the runner.

    Attributes:
        worker: The name under which the runner claims.
        shards: Those whose slots it uses.
        open_shards: Those of the whole campaign in which something is left to do.
        earlier: What was open a moment ago; other workers may still share the slots out so.
        foreign: Calls under way in its shards that other workers began: they use its slots.
        elsewhere: Calls of other workers in the whole campaign. More than their share may go on
            while shares change, and then there is less here.
    """

    worker: str
    shards: frozenset[int] = frozenset()
    open_shards: tuple[int, ...] = ()
    earlier: tuple[tuple[int, ...], ...] = ()
    foreign: int = 0
    elsewhere: int = 0
    _limit: int = -1
    _slots: int = 0

    def change(
        self,
        shards: Iterable[int],
        *,
        open_shards: Sequence[int],
        foreign: int,
        elsewhere: int = 0,
        earlier: Iterable[tuple[int, ...]] = (),
    ) -> None:
        """Note what the worker has now."""
        self.shards = frozenset(shards)
        self.open_shards = tuple(sorted(open_shards))
        self.earlier = tuple(earlier)
        self.foreign = foreign
        self.elsewhere = elsewhere
        self._limit = -1

    def slots(self, limit: int) -> int:
        """Say how many calls this runner may have at once, of those the campaign may have."""
        if limit != self._limit:  # asked for each call, and changed now and then
            own = slots_under(self.shards, self.open_shards, limit, earlier=self.earlier)
            left = min(own - self.foreign, limit - self.elsewhere)
            self._limit, self._slots = limit, max(0, left)
        return self._slots

    def of_pace(self) -> float:
        """Say what part of the campaign's pace this runner may expect, from 0 to 1."""
        mine = sum(shard in self.open_shards for shard in self.shards)
        return mine / len(self.open_shards) if self.open_shards else 0.0
