"""A counted number of places, whose count can be changed while it is in use.

`asyncio.Semaphore` cannot be resized. This is also the pool's own queue: waiting happens here,
before the HTTP library is entered, so that nothing stands between the last check before
dialling and the first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

__all__ = ["Slots"]


class Slots:
    """At most `limit` holders at once; those who wait are served in order."""

    __slots__ = ("_limit", "_taken", "_waiters")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def taken(self) -> int:
        return self._taken

    @property
    def waiting(self) -> int:
        return sum(not waiter.done() for waiter in self._waiters)

    @property
    def is_free(self) -> bool:
        """Somebody who asks now need not wait."""
        return self._taken < self._limit and not self._waiters

    def try_acquire(self) -> bool:
        """Take a slot if one is free and nobody is waiting for it."""
        if self._taken < self._limit and not self._waiters:
            self._taken += 1
            return True
        return False

    async def acquire(self) -> None:
        """Take a slot, waiting for one if need be."""
        if self.try_acquire():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        # A released slot may lie idle behind waiters that were cancelled.
        self._hand_out()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # it was handed to us in the same moment
            else:
                with contextlib.suppress(ValueError):  # dropped while slots were handed out
                    self._waiters.remove(waiter)
            raise

    def release(self) -> None:
        """Give a slot back."""
        self._taken -= 1
        if self._waiters:
            self._hand_out()

    def resize(self, limit: int) -> None:
        """Change the limit. Lowering it takes no slot away; fewer are handed out."""
        self._limit = limit
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiters and self._taken < self._limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._taken += 1
                waiter.set_result(None)
