"""A deadline around one request.

Like `asyncio.timeout`, at a third of its cost: it stands around every call, and on Python 3.11
`asyncio.timeout` takes 7 microseconds of some 100.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, cast

__all__ = ["Deadline"]


class Deadline:
    """Cancels what is inside when the time is up, and turns that into `TimeoutError`.

    A cancellation that comes from outside stays one, also if both come together.
    """

    __slots__ = ("_cancelling", "_has_passed", "_loop", "_task", "_timer", "when")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._has_passed = False
        self.when = self._loop.time() + seconds

    @property
    def seconds_left(self) -> float:
        return self.when - self._loop.time()

    def __enter__(self) -> Self:
        self._cancelling = self._task.cancelling()
        self._timer = self._loop.call_at(self.when, self._pass)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if not self._has_passed:
            return
        was_only_us = self._task.uncancel() <= self._cancelling
        if was_only_us and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _pass(self) -> None:
        self._has_passed = True
        self._task.cancel()
