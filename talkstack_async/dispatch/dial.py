"""What `dispatcher.dial()` returns: outcomes as they come."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from .outcomes import Outcome
from .run import Run

__all__ = ["Dial"]


class Dial(AsyncIterator[Outcome]):
    """Outcomes of one list, in the order in which they are known.

    Leaving the loop early (`break`, an exception) stops the list: nothing more is dialled. Its
    tasks belong to the dispatcher, which waits for what had left already and keeps those
    outcomes in `dispatcher.undelivered`.
    """

    def __init__(
        self,
        run: Run,
        *,
        close: Callable[[Run], Awaitable[None]],
        abandon: Callable[[Run], None],
    ) -> None:
        self._run = run
        self._close = close
        # `break` drops the last reference to this object and tells nobody else.
        loop = asyncio.get_running_loop()
        weakref.finalize(self, _call_soon, loop, abandon, run).atexit = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        _, outcome = self._run.ready() or await self._run.next()
        return outcome

    def stop(self) -> None:
        """Dial nothing more. What has left is still answered and yielded; then the loop ends."""
        self._run.stop()

    async def aclose(self) -> None:
        """Stop the list and wait for the replies to what has left."""
        await self._close(self._run)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _call_soon(loop: asyncio.AbstractEventLoop, abandon: Callable[[Run], None], run: Run) -> None:
    # The garbage collector may come by in any thread, and after the loop is closed.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(abandon, run)
