"""The pace of a campaign that many workers dial: no permit from the common bucket, no call."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from ..clock import Clock
from ..dispatch.pacing import Pace
from ..errors import LedgerError, StaleClaimError
from ..telemetry import logger

__all__ = ["Permits", "SharedPace"]

# A permit counts from when it was given. One that is used later would be a call too many in the
# second after; `permits.py` leaves room for this much.
_KEPT_SECONDS = 0.05
_AGAIN_SECONDS = 1.0
_JITTER_SECONDS = 0.004


class Permits(Protocol):
    """The bucket that all workers of a campaign take their permits from."""

    def at_once(self, calls_per_second: float) -> int:
        """Say how many permits to ask for in one go, at most."""
        ...

    async def take(self, count: int, calls_per_second: float) -> float | None:
        """Take some permits, all or none; if there are none now, say after how many seconds.

        Raises:
            LedgerError: The bucket cannot be reached.
        """
        ...


class SharedPace(Pace):
    """Gives turns as the common bucket does, and as the service lets this worker.

    One task asks for permits while somebody waits for a turn. Use it with `async with`.

    Args:
        clock: Tells how old a permit is.
        permits: Where they come from.
        calls_per_second: Of the whole campaign, all workers together; None for no limit.
        part: What part of that this worker may expect, from 0 to 1.
    """

    def __init__(
        self,
        clock: Clock,
        permits: Permits,
        calls_per_second: float | None,
        *,
        part: Callable[[], float],
    ) -> None:
        self._whole: float | None = None
        self._permits = permits
        self._part = part
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._wanted = asyncio.Event()
        self._taker: asyncio.Task[None] | None = None
        self._given = _Rate()
        super().__init__(clock, calls_per_second)

    @property
    def calls_per_second(self) -> float | None:
        """New calls per second of all workers together, None for no limit."""
        return self._whole

    @calls_per_second.setter
    def calls_per_second(self, value: float | None) -> None:
        self._whole = value

    @property
    def is_open(self) -> bool:
        return self._whole is None and super().is_open

    async def turn(self) -> None:
        """Wait for one's turn to place a call. First come, first served.

        Raises:
            StaleClaimError: The bucket cannot be reached: do not call.
        """
        await super().turn()
        while self._whole is not None and not await self._permit():
            pass

    def turns_within(self, seconds: float, *, at_most: int) -> int:
        own = super().turns_within(seconds, at_most=at_most)
        return own if self._whole is None else min(own, 1 + int(seconds * self._expected()))

    async def __aenter__(self) -> Self:
        self._taker = asyncio.create_task(self._take())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._taker is not None:
            self._taker.cancel()
            await asyncio.wait((self._taker,))

    def _expected(self) -> float:
        """Say how many permits a second to expect: a fair part, or what the others leave."""
        whole = self._whole or 0.0
        recent = self._given.at(self._clock.monotonic())
        return min(whole, max(self._part() * whole, 1.5 * recent))

    async def _permit(self) -> bool:
        """Wait for a permit; False if it is too old to be used."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wanted.set()
        given_at = await future
        return self._clock.since_boot() - given_at <= _KEPT_SECONDS

    async def _take(self) -> None:
        while True:
            await self._wanted.wait()
            while self._whole is not None and (count := self._count_waiting()):
                await self._take_some(min(count, self._permits.at_once(self._whole)), self._whole)
            self._wanted.clear()
            if self._whole is None:
                self._give(len(self._waiting))

    async def _take_some(self, count: int, calls_per_second: float) -> None:
        try:
            wait = await self._permits.take(count, calls_per_second)
        except LedgerError as error:
            # Nobody calls without a permit, and by the next one their claims would be old.
            logger.info("no permits to call just now: %s", error)
            self._turn_away(len(self._waiting))
            await self._clock.sleep(_AGAIN_SECONDS)
            return
        if wait is not None:
            # Jitter, so that those who wait for the same moment do not meet at the bucket.
            await self._clock.sleep(wait + random.uniform(0.0, _JITTER_SECONDS))  # noqa: S311
            return
        self._given.add(count, self._clock.monotonic())
        self._give(count)

    def _give(self, count: int) -> None:
        """Give permits to those who wait longest; what nobody waits for any more is void."""
        now = self._clock.since_boot()
        while count and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(now)
                count -= 1

    def _turn_away(self, count: int) -> None:
        for _ in range(count):
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(StaleClaimError("there was no permit to call just then"))

    def _count_waiting(self) -> int:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return len(self._waiting)


class _Rate:
    """How many of something there were in about the last second."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._counted_at = 0.0

    def add(self, count: int, now: float) -> None:
        self._rate = self.at(now) + count
        self._counted_at = now

    def at(self, now: float) -> float:
        return self._rate * math.exp(self._counted_at - now)
