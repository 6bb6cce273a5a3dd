"""Stopping in an orderly way: first no new calls, then no more patience."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

__all__ = ["Stop"]


class Stop:
    """A wish to stop, from a signal or from inside. Belongs to one event loop.

    Attributes:
        requested: No new calls from now on.
        hurried: Give up waiting for answers.
        signals: How often a person or the system asked for it.
    """

    def __init__(self, *, tell: Callable[[str], None]) -> None:
        self.requested = asyncio.Event()
        self.hurried = asyncio.Event()
        self.signals = 0
        self._tell = tell
        self._actions: list[Callable[[], None]] = []

    @property
    def interrupted(self) -> bool:
        """Whether a person or the system asked for it, and not a mishap of ours."""
        return self.signals > 0

    def when_requested(self, action: Callable[[], None]) -> None:
        """Have something done in the very step in which stopping is requested."""
        self._actions.append(action)

    def request(self) -> None:
        """Stop calling, for a reason of our own."""
        self.requested.set()
        for action in self._actions:
            action()

    def interrupt(self) -> None:
        """Take in a signal: the first stops new calls, the second the waiting for answers."""
        self.signals += 1
        if self.requested.is_set():
            self.hurried.set()
            return
        self.request()
        self._tell(
            "stopping: no new calls; waiting for the answers to those that have left "
            "(once more to give up waiting)"
        )

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
