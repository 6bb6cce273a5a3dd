"""Time as a value that is handed in.

Everything that waits, or asks what time it is, takes a `Clock`; only this file touches the
real one. Tests and the campaign planner move a `ManualClock` by hand. Timeouts of the network
are the exception: they belong to the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]

# Only Linux has it; elsewhere the wall clock must notice a sleep.
_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """Where waiting, now and monotonic time come from."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...

    def since_boot(self) -> float:
        """Return monotonic seconds that go on while the machine is asleep.

        Where the system has no such clock this is `monotonic`; whoever must notice a sleep
        compares `now` as well.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for a span of seconds; zero or less gives other tasks one turn."""
        ...


class SystemClock:
    """The machine's own clock, asked several times for each call: without a frame in between."""

    now = staticmethod(partial(datetime.now, UTC))
    monotonic = staticmethod(time.monotonic)
    since_boot = staticmethod(
        time.monotonic if _BOOT is None else partial(time.clock_gettime, _BOOT)
    )

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that stands still until it is advanced.

    Sleepers wake in the order of their moments, and each gets the loop's attention before the
    clock goes on to the next, so a run over three days takes milliseconds and is repeatable.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 5, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep on this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def since_boot(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._numbers), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let a span of time pass, waking every sleeper whose moment comes."""
        if seconds < 0:
            raise ValueError("a clock does not run backwards")
        target = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not future.done():
                future.set_result(None)
                await _settle()
        self._elapsed = target
        await _settle()


async def _settle() -> None:
    # A woken task may wake others; some turns of the loop let the chain run out.
    for _ in range(20):
        await asyncio.sleep(0)
