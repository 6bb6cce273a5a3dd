"""One list being dialled: workers that pull, place and deliver.

There are at most as many workers as calls may be placed at once. One of them pulls at any time;
as soon as it has a request, the next may pull, and if nobody is idle a worker joins. So a list
of a million costs a handful of tasks, and a short list never starts a thousand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ..errors import DeadlineError, TalkstackError
from ..models.calls import CallRequest
from ..transport.slots import Slots
from .flight import Flight
from .outcomes import Outcome, failed
from .placing import Steps
from .progress import Tally
from .sources import Source

__all__ = ["Run", "finish"]

Numbered: TypeAlias = tuple[int, Outcome]

_CLOSING = Flight()  # of the task that closes the source: stopping leaves it alone
_CLOSING.sent = True


class Run:
    """The tasks and the outcomes of one list. Owned by a dispatcher.

    Args:
        source: Where the requests come from; closed when the run is over.
        place: Places one call and returns its outcome. It raises only if it is cancelled, or
            if what went wrong concerns the whole list.
        slots: Shared with the other lists and calls of the dispatcher.
        tally: Where what is taken on, and what becomes of it, is counted.
        when_over: Called once, when nothing is pulled and nothing is in flight any more.
    """

    def __init__(
        self,
        source: Source,
        *,
        place: Steps,
        slots: Slots,
        tally: Tally,
        when_over: Callable[[Run], None],
    ) -> None:
        self._source = source
        self._place = place
        self._slots = slots
        self._tally = tally
        self._when_over = when_over
        self._workers: dict[asyncio.Task[None], Flight | None] = {}
        self._placing = 0
        self._pulled = 0
        self._outcomes: deque[Numbered] = deque()
        self._stopping = False
        self._is_source_closed = False
        self._failure: Exception | None = None
        self._give_to: Callable[[Outcome], None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._pulling = asyncio.Lock()
        self._room = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Nothing is pulled and nothing is in flight any more."""
        return self._stopping and not self._workers

    def start(self, deadline_seconds: float | None) -> None:
        """Begin to pull, and stop when the deadline passes."""
        if deadline_seconds is not None:
            error = DeadlineError(f"the list was not finished within {deadline_seconds:g} s")
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(deadline_seconds, self.stop, error)
        self.staff()

    def staff(self) -> None:
        """Let one more worker pull, unless one is idle or there are as many as may call."""
        is_somebody_idle = len(self._workers) > self._placing
        if self._stopping or is_somebody_idle or len(self._workers) >= self._slots.limit:
            return
        worker = asyncio.create_task(self._work())
        self._workers[worker] = None
        worker.add_done_callback(self._dismiss)

    def ready(self) -> Numbered | None:
        """Return the next outcome if there is one already, at the cost of no coroutine."""
        if not self._outcomes:
            return None
        self._room.set()
        return self._outcomes.popleft()

    async def next(self) -> Numbered:
        """Return the next outcome, with the place its request had in the list.

        Raises:
            StopAsyncIteration: Every outcome was delivered.
            Exception: Every outcome was delivered, and this had ended the list early.
        """
        while not self._outcomes:
            if self.is_over:
                failure, self._failure = self._failure, None
                raise failure or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._room.set()
        return self._outcomes.popleft()

    def stop(self, reason: Exception | None = None) -> None:
        """Pull no more. What has not left does not leave; what has left is waited for."""
        self._stopping = True
        self._failure = self._failure or reason
        self._news.set()
        for worker, flight in self._workers.items():
            if flight is None or flight.ask_to_stop():
                worker.cancel()

    async def finish(self, grace_seconds: float) -> None:
        """Stop, and wait for the replies to what has left.

        What has no reply after the grace period is given up and recorded as uncertain.
        """
        self.stop()
        await finish(self._workers, grace_seconds=grace_seconds)

    def abandon(self, give_to: Callable[[Outcome], None]) -> None:
        """Stop, and hand over every outcome: nobody is left to fetch them."""
        self._give_to = give_to
        self.stop()
        for outcome in self.take_outcomes():
            give_to(outcome)

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes that were not fetched, and forget them."""
        left = [outcome for _, outcome in self._outcomes]
        self._outcomes.clear()
        return left

    async def _work(self) -> None:
        me = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            while not self._stopping:
                if self._source.is_asynchronous or not self._is_needed():
                    pulled = await self._pull()
                else:
                    pulled = self._take_now()  # nothing to wait for: no turns need to be taken
                if pulled is None:
                    break
                number, request = pulled
                flight = self._workers[me] = Flight()
                self._placing += 1
                try:
                    if not self._slots.try_acquire():
                        await self._slots.acquire()
                    try:
                        if self._placing >= len(self._workers) < self._slots.limit:
                            self.staff()  # nobody is idle
                        outcome = await self._place(request, flight)
                    finally:
                        self._slots.release()
                except asyncio.CancelledError:
                    self._deliver(number, flight.stopped(request))
                    raise
                except TalkstackError as error:
                    self._deliver(number, failed(request, error))
                    self.stop(error)
                else:
                    self._deliver(number, outcome)
                finally:
                    self._placing -= 1
                    self._workers[me] = None
        finally:
            self._stopping = True

    async def _pull(self) -> tuple[int, CallRequest] | None:
        async with self._pulling:
            if not self._stopping and not self._is_needed():
                await self._wait_until_needed()
            return None if self._stopping else await self._take()

    async def _take(self) -> tuple[int, CallRequest] | None:
        if not self._source.is_asynchronous:
            return self._take_now()
        try:
            return self._taken(await self._source.pull())
        except StopAsyncIteration:
            self._stopping = True
        except Exception as error:
            self._stopping, self._failure = True, error
        return None

    def _take_now(self) -> tuple[int, CallRequest] | None:
        try:
            request = self._source.pull_now()
        except StopIteration:
            self._stopping = True
        except Exception as error:
            self._stopping, self._failure = True, error
        else:
            return self._taken(request)
        return None

    def _taken(self, request: CallRequest) -> tuple[int, CallRequest]:
        number, self._pulled = self._pulled, self._pulled + 1
        self._tally.take()
        return number, request

    def _is_needed(self) -> bool:
        return len(self._outcomes) < self._slots.limit and self._slots.is_free

    async def _wait_until_needed(self) -> None:
        """Wait until the outcomes are being fetched and a slot is free.

        The slot is not kept: a source that takes its time must not keep it from `call()`.
        """
        while len(self._outcomes) >= self._slots.limit:
            self._room.clear()
            await self._room.wait()
        await self._slots.acquire()
        self._slots.release()

    def _deliver(self, number: int, outcome: Outcome) -> None:
        self._tally.record(outcome)
        if self._give_to is not None:
            self._give_to(outcome)
            return
        self._outcomes.append((number, outcome))
        self._news.set()

    def _dismiss(self, worker: asyncio.Task[None]) -> None:
        del self._workers[worker]
        self._news.set()
        if not worker.cancelled() and (error := worker.exception()) is not None:
            # The source, when it was closed; or a fault of ours.
            self.stop(error if isinstance(error, Exception) else None)
        if not self._workers:
            self._wind_up()

    def _wind_up(self) -> None:
        """Close the source once nobody pulls any more, and be over once it is closed."""
        if self._is_source_closed:
            if self._deadline is not None:
                self._deadline.cancel()
            self._when_over(self)
            return
        self._is_source_closed = True
        closing = asyncio.create_task(self._source.aclose())
        self._workers[closing] = _CLOSING
        closing.add_done_callback(self._dismiss)


async def finish(tasks: Mapping[asyncio.Task[Any], object], *, grace_seconds: float) -> None:
    """Wait for tasks, and cancel those that are not done after a grace period.

    Args:
        tasks: Tasks that take themselves out of this mapping when they are done.
        grace_seconds: How long to wait.
    """
    try:
        async with asyncio.timeout(grace_seconds):
            while tasks:
                await asyncio.wait(tuple(tasks))
    except TimeoutError:
        pass
    finally:
        for task in tasks:
            task.cancel()
        while tasks:
            await asyncio.wait(tuple(tasks))
