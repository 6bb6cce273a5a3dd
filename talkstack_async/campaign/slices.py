"""Working slices: a shard is taken in the ledger, worked by the campaign's run, and given back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum

from ..clock import Clock
from ..errors import ConfigurationError, LedgerError
from ..telemetry import logger
from .holdings import Holdings
from .ledger.base import SharedLedger
from .part import Slice

__all__ = ["End", "Slices"]

_AFTER_TROUBLE = 5.0
# Others look into the queue every second. Whoever comes back to a shard after that has had enough
# patience (see `holdings`).
_LEFT_SECONDS = 1.5


class End(Enum):
    """Why the work at a slice ended."""

    DONE = "nothing is left to do in it"
    LOST = "another worker took it"
    OFFERED = "others have too little"
    DRAINING = "the worker stops"
    TROUBLE = "the run broke off"
    ADRIFT = "the queue was lost"


class Slices:
    """The slices that the queue gave to a worker.

    What is worked and what is held are two things. A slice that was offered, or whose job was
    lost with the queue, is still held, and its run goes on claiming, until the ledger says that
    somebody else took it.

    Args:
        name: Of the worker.
        ledger: Where shards are held.
        holdings: What this worker holds.
        join: Has the run of a campaign at work.
        changed: Told that what is held of a campaign has changed.
        taken: Told that a shard was taken. Its slots are used once the ledger was asked how many
            calls go on there.
        rest: Takes nothing of a campaign from the queue for some seconds.
        clock: For the patience with other workers.
    """

    def __init__(
        self,
        name: str,
        ledger: SharedLedger,
        holdings: Holdings,
        *,
        join: Callable[[int], Awaitable[object]],
        changed: Callable[[int], None],
        taken: Callable[[], None],
        rest: Callable[[int, float], None],
        clock: Clock,
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._holdings = holdings
        self._join = join
        self._changed = changed
        self._taken = taken
        self._rest = rest
        self._clock = clock
        self._ends: dict[Slice, asyncio.Future[End]] = {}
        self._is_draining = False

    async def work(self, piece: Slice) -> float | None:
        """Work a slice as long as it is ours; say after how many seconds it is due again.

        None means that the job is over: whoever sees that something is left queues it anew.
        """
        if self._is_draining:
            return 0.0
        if not self._holdings.wants(piece, now=self._clock.monotonic()):
            self._leave(piece.campaign_id)
            return 0.0
        try:
            await self._take(piece)
            end = self._begin(piece)
            if not end.done():
                await self._join(piece.campaign_id)
        except (LedgerError, ConfigurationError) as error:
            logger.warning("a shard cannot be worked just now: %s", error)
            await self.give_back(piece)
            return _about(_AFTER_TROUBLE)
        self._changed(piece.campaign_id)
        return await self._see_off(piece, await end)

    def end(self, piece: Slice, why: End) -> None:
        """End the work at a slice, if there is any."""
        future = self._ends.pop(piece, None)
        if future is not None and not future.done():
            future.set_result(why)

    def end_all(self, why: End, *, campaign_id: int | None = None) -> None:
        """End the work at all slices, or at those of a campaign."""
        for piece in tuple(self._ends):
            if campaign_id in (None, piece.campaign_id):
                self.end(piece, why)

    def drain(self) -> None:
        """Take nothing more, and let the others have what is here."""
        self._is_draining = True
        self.end_all(End.DRAINING)

    def is_worked(self, piece: Slice) -> bool:
        """Say whether there is work at a slice that can be ended."""
        return piece in self._ends

    async def give_back(self, *pieces: Slice) -> None:
        """Hold some slices no longer. If the ledger is gone, others take them all the same."""
        for piece in pieces:
            self._holdings.drop(piece)
            self._changed(piece.campaign_id)
        await asyncio.gather(*map(self._let_go, pieces))

    def _leave(self, campaign_id: int) -> None:
        """Let others be quicker at the queue."""
        self._rest(campaign_id, _LEFT_SECONDS * random.uniform(1.0, 1.2))  # noqa: S311

    async def _let_go(self, piece: Slice) -> None:
        try:
            await self._ledger.let_go(piece.campaign_id, piece.shard, worker=self._name)
        except LedgerError as error:
            logger.info("a shard could not be given back: %s", error)

    async def _take(self, piece: Slice) -> None:
        if piece in self._holdings.held:
            return
        self._holdings.taking(piece)
        await self._ledger.hold(piece.campaign_id, piece.shard, worker=self._name)
        self._holdings.took(piece)
        self._taken()

    def _begin(self, piece: Slice) -> asyncio.Future[End]:
        # The job before this one may have been lost with its queue.
        self.end(piece, End.ADRIFT)
        future: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._ends[piece] = future
        if self._is_draining:
            self.end(piece, End.DRAINING)
        return future

    async def _see_off(self, piece: Slice, why: End) -> float | None:
        match why:
            case End.DONE:
                await self.give_back(piece)
                return None
            case End.LOST | End.ADRIFT:
                return None
            case End.OFFERED:
                self._leave(piece.campaign_id)
                return 0.0
            case End.TROUBLE:
                await self.give_back(piece)
                return _about(_AFTER_TROUBLE)
            case End.DRAINING:
                await self.give_back(piece)
                return 0.0


def _about(seconds: float) -> float:
    """Spread what happens to several workers at once."""
    return seconds * random.uniform(0.6, 1.4)  # noqa: S311
