"""A thread that does what it is handed, in groups, and answers on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import attrs

from ...errors import ClosedError

__all__ = ["Waiting", "WriterThread"]

T = TypeVar("T")
X = TypeVar("X")

# More than that would let the first wait too long for the last.
_LARGEST_GROUP = 500


@attrs.define(eq=False)
class Waiting(Generic[X]):
    """An operation that waits for the thread, and whoever waits for its answer.

    It may be run twice, if something else in its group failed or the connection was lost; so it
    changes nothing but the database.
    """

    operation: Callable[[X], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def run(self, transaction: X) -> None:
        self.error = None
        self.result = self.operation(transaction)


class WriterThread(ABC, Generic[X]):
    """Runs operations in one thread; everything that waits when it is free goes into one group."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Waiting[X] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._is_closed = False

    # --- The matter of each database, in the thread.

    @abstractmethod
    def _begin(self) -> None:
        """Connect."""

    @abstractmethod
    def _attempt(self, group: Sequence[Waiting[X]]) -> Waiting[X] | None:
        """Run a group in one transaction; return the operation that spoilt it, if one did.

        The result or the error of each is noted.
        """

    @abstractmethod
    def _translated(self, error: Exception) -> Exception:
        """Return an error of the driver as one of ours; any other as it is."""

    @abstractmethod
    def _end(self) -> None:
        """Let the connection go."""

    # --- On the loop.

    async def open(self) -> None:
        """Start the thread and connect."""
        thread = threading.Thread(target=self._work, name="talkstack-ledger", daemon=True)
        thread.start()
        await self._opened

    def submit(self, operation: Callable[[X], T]) -> asyncio.Future[T]:
        """Queue an operation; the future is done once it is on disk, or has failed.

        Cancelling the future does not stop the operation: what was handed over is written.

        Raises:
            ClosedError: The ledger was closed.
        """
        if self._is_closed:
            raise ClosedError("the ledger was closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Waiting(operation, future))
        return future

    async def close(self) -> None:
        """Write what is waiting, and disconnect. Closing twice does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        await asyncio.shield(self._ended)

    # --- In the thread.

    def _work(self) -> None:
        try:
            self._begin()
        except Exception as error:
            self._tell(_fail, self._opened, error)
            self._tell(_succeed, self._ended)
            return
        self._tell(_succeed, self._opened)
        try:
            self._serve()
        finally:
            self._end()
            self._tell(_succeed, self._ended)

    def _serve(self) -> None:
        goes_on = True
        while goes_on:
            group, goes_on = self._next_group()
            if group:
                self._write(group)
                self._tell(_answer, group)

    def _next_group(self) -> tuple[list[Waiting[X]], bool]:
        """Wait for something to do, and take everything else that waits by then."""
        group: list[Waiting[X]] = []
        waiting = self._queue.get()
        while waiting is not None:
            group.append(waiting)
            if len(group) == _LARGEST_GROUP:
                return group, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _write(self, group: Sequence[Waiting[X]]) -> None:
        culprit = self._attempt(group)
        if culprit is None or len(group) == 1:
            return
        # One bad operation must not fail the others, and they were rolled back with it.
        for waiting in group:
            self._attempt([waiting])

    def _fail_all(self, group: Iterable[Waiting[X]], error: Exception) -> None:
        error = self._translated(error)
        for waiting in group:
            waiting.error = error

    def _tell(self, what: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(what, *args)


# --- On the loop.


def _answer(group: Iterable[Waiting[Any]]) -> None:
    for waiting in group:
        if waiting.future.done():
            continue  # whoever waited was cancelled
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
