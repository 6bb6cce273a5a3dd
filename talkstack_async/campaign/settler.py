"""Writing settlements without making calls wait for the disk.

A result may be written late: losing it makes an attempt unknown, never a second ring. So calls
hand their settlements over and go on; one task writes whatever has come together meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ..clock import Clock
from ..telemetry import logger
from .ledger.base import Ledger
from .records import Settlement
from .settling import settle_mistaken
from .states import AttemptState

__all__ = ["Settler"]

_AGAIN_SECONDS = 0.5
_GATHER_SECONDS = 0.02


class Settler:
    """Hands settlements to a ledger in groups, in the order in which they came.

    Args:
        when_failing: Told when the ledger cannot be written. What waits is kept, and tried
            again until it is closed.
    """

    def __init__(
        self, ledger: Ledger, *, clock: Clock, when_failing: Callable[[Exception], None]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._when_failing = when_failing
        self._waiting: list[Settlement] = []
        self._news = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._task: asyncio.Task[None] | None = None
        self.failure: Exception | None = None

    def add(self, settlement: Settlement) -> None:
        """Have a settlement written soon."""
        if not self._waiting:
            self._is_empty.clear()
            self._news.set()
        self._waiting.append(settlement)

    async def flush(self, *, within_seconds: float) -> bool:
        """Wait until everything is written; say whether it is."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            # Each group is a commit, and nobody waits for it: let some come together.
            await self._clock.sleep(_GATHER_SECONDS)
            await self._write_group()

    async def _write_group(self) -> None:
        group = self._waiting
        self._waiting = []
        try:
            written = await self._ledger.settle(group)
        except Exception as failure:  # also what is nobody's fault but ours: the run must end
            self._waiting = group + self._waiting
            self.failure = failure
            self._when_failing(failure)
            await self._clock.sleep(_AGAIN_SECONDS)
            self._news.set()
            return
        except BaseException:
            self._waiting = group + self._waiting
            raise
        self.failure = None
        for settlement, is_ours in zip(group, written, strict=True):
            if not is_ours:
                self._refused(settlement)
        if not self._waiting:
            self._is_empty.set()

    def _refused(self, settlement: Settlement) -> None:
        logger.warning(
            "attempt %d was not ours any more when it came to be %s, or its call is another's",
            settlement.attempt_id,
            settlement.after.name.lower(),
        )
        if settlement.after is AttemptState.PLACED and settlement.call_id is not None:
            # If it still is ours, the service gave it the id of another call. What became of
            # it is not known, then; if it is not ours, this changes nothing.
            self.add(settle_mistaken(settlement))
