"""Many calls, a bounded number at a time, at a smooth pace, each accounted for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ..clock import Clock, SystemClock
from ..config import RetrySettings
from ..errors import ClientStateError, ConfigurationError, NotStartedError
from ..models.calls import CallRequest
from ..telemetry import Observer
from ..transport.slots import Slots
from .dial import Dial
from .flight import Flight
from .outcomes import Outcome, failed
from .pacing import Pace
from .placing import Calls, Placing, Steps
from .progress import Progress, Tally, Watcher
from .run import Run, finish
from .sources import Requests, Source

__all__ = ["CallDispatcher"]

# Outcomes that nobody fetched are kept for whoever asks, but not for ever.
_KEPT = 100_000


class CallDispatcher:
    """Places many calls: lists with `dial`, short lists with `dial_all`, single ones with `call`.

    All of them share one limit and one pace. Use it with `async with`: leaving the block stops
    what has not left, waits for the replies to what has, and leaves no task behind.

    Args:
        calls: `client.calls`.
        max_concurrency: Calls being placed at once.
        calls_per_second: Pace of new calls, evenly spaced; None for no limit.
        grace_seconds: How long leaving the block waits for replies to what has left.
        retry: How patiently refusals (429) are waited out.
        on_outcome: Called with each outcome in the step in which it is known, before anybody
            fetches it. It must be quick; what it raises is logged.
        observer: Called when a refusal slows the dispatcher down.
        reserve: Told how many connections are needed, and may object.
        clock: Where waiting comes from; for tests.
    """

    def __init__(
        self,
        calls: Calls,
        *,
        max_concurrency: int = 10,
        calls_per_second: float | None = None,
        grace_seconds: float = 30.0,
        retry: RetrySettings | None = None,
        on_outcome: Watcher | None = None,
        observer: Observer | None = None,
        reserve: Callable[[int], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._slots = Slots(0)
        self._pace = Pace(self._clock, calls_per_second)
        self._placing = Placing(
            calls, pace=self._pace, retry=retry or RetrySettings(), observer=observer
        )
        self._reserve = reserve
        self._grace_seconds = grace_seconds
        self._tally = Tally(on_outcome)
        self._runs: set[Run] = set()
        self._singles: dict[asyncio.Task[Outcome], Flight] = {}
        self._undelivered: deque[Outcome] = deque(maxlen=_KEPT)
        self._is_open = False
        self.max_concurrency = max_concurrency

    @property
    def max_concurrency(self) -> int:
        """Calls being placed at once. Lowering it lets those in flight finish."""
        return self._slots.limit

    @max_concurrency.setter
    def max_concurrency(self, limit: int) -> None:
        if limit < 1:
            raise ConfigurationError(f"max_concurrency must be 1 or more, not {limit!r}")
        if self._reserve is not None:
            self._reserve(limit)
        self._slots.resize(limit)
        for run in self._runs:
            run.staff()

    @property
    def calls_per_second(self) -> float | None:
        """Pace of new calls, None for no limit. A change is noticed within a quarter second."""
        return self._pace.calls_per_second

    @calls_per_second.setter
    def calls_per_second(self, value: float | None) -> None:
        self._pace.calls_per_second = value

    @property
    def progress(self) -> Progress:
        """How far this dispatcher has come, over all its lists and calls."""
        return self._tally.snapshot()

    @property
    def undelivered(self) -> tuple[Outcome, ...]:
        """Outcomes that became known after nobody waited for them any more.

        After a `break`, an exception or a cancelled `call()`, this is where the outcomes of
        requests that had left already are found. Complete once the block is left; the last
        100,000 are kept.
        """
        return tuple(self._undelivered)

    def dial(
        self,
        requests: Requests,
        *,
        follow: bool = False,
        check_variables: bool = False,
        deadline_seconds: float | None = None,
    ) -> Dial:
        """Place a call for each request and yield the outcomes as they come.

        Requests are pulled only when a slot is free, so a list may be endless. A bad row is an
        outcome, not an exception. If the source raises, everything that had left is yielded
        first and the exception comes after it.

        Args:
            requests: Any iterable or async iterable. A generator is closed at the end.
            follow: Follow each call to its end and yield `Ended`. A slot is then held until
                the call is over, so `max_concurrency` bounds live calls. A call whose end is
                not learnt, also because the list is stopped, is `Placed`.
            check_variables: Read each agent once, and do not place a call for a row that gives
                a placeholder of its instruction no value.
            deadline_seconds: After this time nothing more is dialled, and after the outcomes
                of what had left `DeadlineError` is raised.
        """
        run = self._start(
            requests,
            self._placing.steps(follow=follow, check_variables=check_variables),
            deadline_seconds=deadline_seconds,
        )
        return Dial(run, close=self._close, abandon=self._abandon)

    async def dial_all(
        self,
        requests: Requests,
        *,
        follow: bool = False,
        check_variables: bool = False,
        deadline_seconds: float | None = None,
    ) -> list[Outcome]:
        """Place a call for each request; return the outcomes in the order of the requests.

        For short lists: it keeps everything. If it does not get to the end, what is known by
        then is found in `undelivered`.
        """
        run = self._start(
            requests,
            self._placing.steps(follow=follow, check_variables=check_variables),
            deadline_seconds=deadline_seconds,
        )
        outcomes: dict[int, Outcome] = {}
        try:
            while True:
                number, outcome = await run.next()
                outcomes[number] = outcome
        except StopAsyncIteration:
            return [outcomes[number] for number in sorted(outcomes)]
        except BaseException:
            self._undelivered.extend(outcomes.values())
            self._abandon(run)
            raise

    async def call(
        self, request: CallRequest, *, follow: bool = False, check_variables: bool = False
    ) -> Outcome:
        """Place one call under the common limit and pace; for web handlers.

        `follow` and `check_variables` are those of `dial`.

        If the caller is cancelled before the request has left, nothing rings. If it had left,
        the reply is still waited for in the background and found in `undelivered`.
        """
        self._check_open()
        flight = Flight()
        steps = self._placing.steps(follow=follow, check_variables=check_variables)
        single = asyncio.create_task(self._call(request, flight, steps))
        self._singles[single] = flight
        single.add_done_callback(self._singles.pop)
        try:
            return await asyncio.shield(single)
        except asyncio.CancelledError:
            single.add_done_callback(self._keep)
            if flight.ask_to_stop():
                single.cancel()
            raise

    async def aclose(self) -> None:
        """Stop what has not left and wait for the replies to what has."""
        if not self._is_open:
            return
        self._is_open = False
        await asyncio.gather(self._finish_singles(), *map(self._close, tuple(self._runs)))

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _start(self, requests: Requests, steps: Steps, *, deadline_seconds: float | None) -> Run:
        self._check_open()
        run = Run(
            Source(requests),
            place=steps,
            slots=self._slots,
            tally=self._tally,
            when_over=self._runs.discard,
        )
        self._runs.add(run)
        run.start(deadline_seconds)
        return run

    async def _call(self, request: CallRequest, flight: Flight, steps: Steps) -> Outcome:
        self._tally.take()
        try:
            await self._slots.acquire()
            try:
                outcome = await steps(request, flight)
            finally:
                self._slots.release()
        except asyncio.CancelledError:
            # Only this dispatcher cancels a single; its outcome is the answer to that.
            outcome = flight.stopped(request)
        except ClientStateError as error:
            self._tally.record(failed(request, error))
            raise
        self._tally.record(outcome)
        return outcome

    async def _finish_singles(self) -> None:
        for single, flight in self._singles.items():
            if flight.ask_to_stop():
                single.cancel()
        await finish(self._singles, grace_seconds=self._grace_seconds)

    async def _close(self, run: Run) -> None:
        try:
            await run.finish(self._grace_seconds)
        finally:
            self._undelivered.extend(run.take_outcomes())

    def _abandon(self, run: Run) -> None:
        """Stop a list whose outcomes nobody can fetch any more."""
        run.abandon(self._undelivered.append)

    def _keep(self, single: asyncio.Task[Outcome]) -> None:
        if not single.cancelled() and single.exception() is None:
            self._undelivered.append(single.result())

    def _check_open(self) -> None:
        if self._is_open:
            return
        raise NotStartedError(
            "the dispatcher is not open: use it inside 'async with client.dispatcher(...)'"
        )
