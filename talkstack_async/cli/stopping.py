"""Stopping in an orderly way: first no new calls, then no more patience."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

__all__ = ["Stop", "StopRequestedError"]

_T = TypeVar("_T")

_TOLD = (
    "stopping: no new calls; waiting for the answers to those that have left "
    "(once more to give up waiting)"
)


class StopRequestedError(Exception):
    """Some work was dropped because stopping was requested."""


class Stop:
    """A wish to stop, from a signal or from inside. Belongs to one event loop.

    Args:
        tell: Shows a line to people.
        told: What they are told when they ask for it first.

    Attributes:
        requested: No new calls from now on.
        hurried: Give up waiting for answers.
        signals: How often a person or the system asked for it.
    """

    def __init__(self, *, tell: Callable[[str], None], told: str = _TOLD) -> None:
        self.requested = asyncio.Event()
        self.hurried = asyncio.Event()
        self.signals = 0
        self._tell = tell
        self._told = told
        self._when_requested: list[Callable[[], None]] = []
        self._when_hurried: list[Callable[[], None]] = []

    @property
    def interrupted(self) -> bool:
        """Whether a person or the system asked for it, and not a mishap of ours."""
        return self.signals > 0

    def when_requested(self, action: Callable[[], None]) -> None:
        """Have something done in the very step in which stopping is requested."""
        self._when_requested.append(action)
        if self.requested.is_set():
            action()

    def when_hurried(self, action: Callable[[], None]) -> None:
        """Have something done in the very step in which waiting is given up."""
        self._when_hurried.append(action)
        if self.hurried.is_set():
            action()

    def request(self) -> None:
        """Stop calling, for a reason of our own."""
        self.requested.set()
        for action in self._when_requested:
            action()

    def interrupt(self) -> None:
        """Take in a signal: the first stops new calls, the second the waiting for answers."""
        self.signals += 1
        if self.requested.is_set():
            self.hurried.set()
            for action in self._when_hurried:
                action()
            return
        self.request()
        self._tell(self._told)

    async def unless_requested(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do some work that rings nobody, and drop it when stopping is requested.

        Raises:
            StopRequestedError: It was dropped.
        """
        doing = asyncio.create_task(work)
        waiting = asyncio.create_task(self.requested.wait())
        try:
            await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            is_dropped = not doing.done()
            doing.cancel()
            await asyncio.wait((doing,))
        if is_dropped:
            if not doing.cancelled():
                doing.exception()
            raise StopRequestedError
        return doing.result()

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen to Ctrl-C, to a request to terminate and to a terminal that goes away."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            for number in _signals():
                _listen(number, self.interrupt, loop=loop, stack=stack)
            yield


def _signals() -> Iterator[signal.Signals]:
    yield signal.SIGINT
    yield signal.SIGTERM
    hang_up: signal.Signals | None = getattr(signal, "SIGHUP", None)
    # Under nohup it is ignored, and should stay so.
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        yield hang_up


def _listen(
    number: signal.Signals,
    action: Callable[[], None],
    *,
    loop: asyncio.AbstractEventLoop,
    stack: contextlib.ExitStack,
) -> None:
    stack.callback(signal.signal, number, signal.getsignal(number) or signal.SIG_DFL)
    try:
        loop.add_signal_handler(number, action)
    except NotImplementedError:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(action))
    else:
        stack.callback(loop.remove_signal_handler, number)
