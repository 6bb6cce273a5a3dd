"""The dispatcher without sockets: what it keeps, and what it does when things break."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest

from talkstack_async import CallRequest, CallResult, NotPlaced, Placed, Uncertain
from talkstack_async.clock import ManualClock
from talkstack_async.dispatch import CallDispatcher
from talkstack_async.models import Call
from talkstack_async.transport.outgoing import SentMark


class Calls:
    """Stands where `client.calls` does: answers after a turn of the loop, or breaks."""

    def __init__(self, error: Exception | None = None, *, after_sending: bool = False) -> None:
        self.error = error
        self.after_sending = after_sending

    async def place(
        self, call: CallRequest, *, wait_out_refusals: bool, mark: SentMark
    ) -> CallResult:
        mark.sent = self.after_sending
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return CallResult(call_id="CA1", to=call.number)


def requests(count: int) -> Iterator[CallRequest]:
    return (CallRequest(f"+1415{i:07d}", dynamic_variables={"row": i}) for i in range(count))


async def test_a_long_list_is_streamed_and_not_kept() -> None:
    grown = 0
    async with CallDispatcher(Calls(), max_concurrency=50) as dispatcher:
        tracemalloc.start()
        try:
            done = 0
            async for _ in dispatcher.dial(requests(12_000)):
                done += 1
                if done == 2_000:
                    gc.collect()
                    grown = -tracemalloc.get_traced_memory()[0]
            gc.collect()
            grown += tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert dispatcher.progress.placed == 12_000
    assert grown < 100_000  # bytes; keeping the requests would take some millions


@pytest.mark.parametrize("after_sending", [False, True])
async def test_a_bug_of_ours_is_an_outcome_that_tells_the_truth(after_sending: bool) -> None:
    calls = Calls(ZeroDivisionError(), after_sending=after_sending)
    async with CallDispatcher(calls) as dispatcher:
        outcomes = await dispatcher.dial_all(requests(3))
    assert {type(outcome) for outcome in outcomes} == {Uncertain if after_sending else NotPlaced}


class Broken(Calls):
    """Places calls well, and breaks before or after that."""

    async def wait_until_final(self, call_id: str, *, project_id: str | None) -> Call:
        raise ZeroDivisionError

    def variable_check(self) -> Broken:
        return self

    async def check(self, call: CallRequest) -> None:
        raise ZeroDivisionError


async def test_a_bug_while_following_loses_no_row_that_was_placed() -> None:
    async with CallDispatcher(Broken()) as dispatcher:
        outcomes = await dispatcher.dial_all(requests(3), follow=True)
        outcomes.append(await dispatcher.call(next(requests(1)), follow=True))
    assert [type(outcome) for outcome in outcomes] == [Placed] * 4
    assert dispatcher.progress.in_flight == 0


async def test_a_bug_while_checking_loses_no_row_and_places_none() -> None:
    async with CallDispatcher(Broken()) as dispatcher:
        outcomes = await dispatcher.dial_all(requests(3), check_variables=True)
    assert [type(outcome) for outcome in outcomes] == [NotPlaced] * 3
    assert dispatcher.progress.in_flight == 0


async def test_an_endless_source_can_be_stopped_and_is_closed() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[CallRequest]:
        try:
            while True:
                yield CallRequest("+14155550101")
        finally:
            await asyncio.sleep(0)
            closed.set()

    async with CallDispatcher(Calls(), max_concurrency=3) as dispatcher:
        dial = dispatcher.dial(endless())
        async for _ in dial:
            if dispatcher.progress.placed >= 10:
                dial.stop()
    assert closed.is_set()
    assert not dispatcher.undelivered


async def test_the_pace_of_a_dispatcher_follows_its_clock() -> None:
    clock = ManualClock()
    async with CallDispatcher(Calls(), calls_per_second=2, clock=clock) as dispatcher:
        dialling = asyncio.create_task(dispatcher.dial_all(requests(10)))
        await clock.advance(1.9)
        assert dispatcher.progress.placed == 4
        dispatcher.calls_per_second = 100
        await clock.advance(1)
        assert len(await dialling) == 10


async def test_single_calls_and_lists_share_one_account() -> None:
    async with CallDispatcher(Calls()) as dispatcher:
        await dispatcher.call(next(requests(1)))
        await dispatcher.dial_all(requests(4))
        assert dispatcher.progress.placed == dispatcher.progress.finished == 5
        assert dispatcher.progress.in_flight == 0
        assert all(isinstance(o, Placed) for o in await dispatcher.dial_all(requests(2)))
