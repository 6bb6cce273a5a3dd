"""The pace of new calls: smooth, shared by a whole dispatcher, changeable while it runs."""

from __future__ import annotations

import asyncio

from ..clock import Clock
from ..errors import ConfigurationError

__all__ = ["Pace"]

# A new pace, or a shorter wait, is noticed within this many seconds.
_NOTICE = 0.25
# Timers are late by a millisecond or so. That much may be caught up with, or a pace of 1000
# calls per second would come out as 500. It adds at most 4 calls per second in a thousand.
_CATCH_UP = 0.004
_FIRST_GAP, _WIDEST_GAP, _NO_GAP = 0.010, 1.0, 0.001


class Pace:
    """Gives turns one after the other, never closer together than the pace allows.

    After a stall there is no burst: turns that were missed are gone. Only a timer that was late
    is made good, by half a gap at most. A refusal by the service holds everybody back for as
    long as it asked, and then widens the gap between turns; each accepted call narrows it
    again. So a dispatcher finds the pace of a service that does not tell its limits.
    """

    def __init__(self, clock: Clock, calls_per_second: float | None) -> None:
        self._clock = clock
        self._line = asyncio.Lock()
        self._next_at = float("-inf")
        self._held_until = 0.0
        self._gap = 0.0
        self._asking = 0  # how many wait for their turn
        self._calls_per_second: float | None = None
        self.calls_per_second = calls_per_second

    @property
    def calls_per_second(self) -> float | None:
        """New calls per second, None for no limit."""
        return self._calls_per_second

    @calls_per_second.setter
    def calls_per_second(self, value: float | None) -> None:
        if value is not None and not _is_pace(value):
            raise ConfigurationError(
                f"calls_per_second must be a number above 0, or None for no limit, not {value!r}"
            )
        before, self._calls_per_second = self._interval, value
        # The wait that is running was worked out from the old pace.
        self._next_at += self._interval - before

    @property
    def is_open(self) -> bool:
        """Whether whoever asks now need not wait for a turn."""
        return not (self._asking or self._calls_per_second or self._gap or self._held_until)

    async def turn(self) -> None:
        """Wait for one's turn to place a call. First come, first served."""
        if self.is_open:
            return
        self._asking += 1
        try:
            await self._turn()
        finally:
            self._asking -= 1

    async def _turn(self) -> None:
        async with self._line:
            while (wait := self._due_at() - self._clock.monotonic()) > 0:
                await self._clock.sleep(min(wait, _NOTICE))
            self._take_turn(self._clock.monotonic())

    def hold_back(self, seconds: float) -> None:
        """Let nobody call for some seconds, and widen the gap from then on."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)
        self._gap = min(_WIDEST_GAP, max(_FIRST_GAP, 2 * self._gap))

    def ease(self) -> None:
        """Note that the service accepted a call: the gap after refusals narrows."""
        if self._gap:
            self._gap = self._gap * 0.9 if self._gap > _NO_GAP else 0.0

    def turns_within(self, seconds: float, *, at_most: int) -> int:
        """Say how many turns will come within a span, if nobody else takes them."""
        wait = max(0.0, self._due_at() - self._clock.monotonic())
        if wait > seconds:
            return 0
        if not self._interval:
            return at_most
        return min(at_most, 1 + int((seconds - wait) / self._interval))

    def next_in(self) -> float:
        """Return the seconds until the next turn."""
        return max(0.0, self._due_at() - self._clock.monotonic())

    @property
    def _interval(self) -> float:
        wanted = 1.0 / self._calls_per_second if self._calls_per_second else 0.0
        return max(wanted, self._gap)

    def _due_at(self) -> float:
        return max(self._next_at, self._held_until)

    def _take_turn(self, now: float) -> None:
        if self._held_until and now >= self._held_until:
            self._held_until = 0.0
        interval = self._interval
        late = now - self._next_at
        # The next turn follows the plan and not the late timer. Who was not late but idle, or
        # fell a whole gap behind, has nothing to catch up with.
        allowance = max(interval / 2, _CATCH_UP)
        credit = min(late, allowance) if late <= max(interval, _CATCH_UP) else 0.0
        self._next_at = now - credit + interval


def _is_pace(value: object) -> bool:
    return isinstance(value, int | float) and 0 < value < float("inf")
