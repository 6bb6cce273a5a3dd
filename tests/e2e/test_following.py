"""Following calls to their end, one by one and by the list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from talkstack_async import CallRequest, Client, ClientConfig, Ended, NotPlaced, Placed
from talkstack_async.clock import ManualClock
from talkstack_async.config import FollowSettings, RetrySettings
from talkstack_async.emulator import Emulator, Fault, Script
from talkstack_async.errors import DeadlineError, NotFoundError
from talkstack_async.models import CallStatus, Disposition
from tests.support.clients import number

QUICK = FollowSettings(first_gap_seconds=0.01, longest_gap_seconds=0.02, deadline_seconds=20)


def client_of(emulator: Emulator, *, clock: Any = None, **changes: Any) -> Client:
    settings: dict[str, Any] = {
        "calls_url": emulator.calls_url,
        "api_url": emulator.api_url,
        "project_id": emulator.project_id,
        "agent_id": emulator.agent_id,
        "follow": QUICK,
        "retry": RetrySettings(first_wait_seconds=0.001, max_wait_seconds=0.002),
    }
    config = ClientConfig(**{**settings, **changes})
    return Client(emulator.api_key, config=config, clock=clock)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


async def advancing(emulator: Emulator, task: asyncio.Task[Any]) -> Any:
    """Let the emulator's calls go on, a second at a time, until the task is done."""
    while not task.done():
        emulator.advance(1)
        await asyncio.sleep(0.005)
    return task.result()


ENDINGS = {
    "+14155550101": Disposition.ANSWERED,
    "+14155550180": Disposition.BUSY,
    "+14155550181": Disposition.NO_ANSWER,
    "+14155550182": Disposition.VOICEMAIL,
    "+14155550183": Disposition.SILENCE,
    "+14155550184": Disposition.FAILED,
    "+14155550185": Disposition.CANCELED,
}


@pytest.mark.parametrize(("whom", "disposition"), ENDINGS.items())
async def test_a_call_is_followed_to_its_end(
    emulator: Emulator, whom: str, disposition: Disposition
) -> None:
    async with client_of(emulator) as client:
        result = await client.calls.make(whom)
        following = asyncio.create_task(client.calls.wait_until_final(result.call_id))
        call = await advancing(emulator, following)
    assert (call.call_id, call.disposition, call.is_final) == (result.call_id, disposition, True)


async def test_a_list_that_is_followed_yields_ends_and_holds_its_slots(
    emulator: Emulator,
) -> None:
    most = 0

    async def dial(client: Client) -> list[Any]:
        async with client.dispatcher(max_concurrency=3) as dispatcher:
            rows = [CallRequest(whom) for whom in [*ENDINGS, "bad", "+14155550186"]]
            return await dispatcher.dial_all(rows, follow=True)

    async with client_of(emulator) as client:
        task = asyncio.create_task(dial(client))
        while not task.done():
            calls = [await client.calls.get(ring.call_id) for ring in emulator.rings]
            most = max(most, sum(not call.is_final for call in calls))
            emulator.advance(1)
            await asyncio.sleep(0.005)
        outcomes = task.result()
    ended = [outcome for outcome in outcomes if isinstance(outcome, Ended)]
    assert [outcome.disposition for outcome in ended] == list(ENDINGS.values())
    assert [type(outcome) for outcome in outcomes[-2:]] == [NotPlaced, NotPlaced]
    assert 1 <= most <= 3


async def test_a_call_that_is_not_visible_yet_is_waited_for() -> None:
    async with Emulator(script=Script(visible_after=5)) as emulator:
        async with client_of(emulator) as client:
            result = await client.calls.make(number(1))
            with pytest.raises(NotFoundError):
                await client.calls.get(result.call_id)
            task = asyncio.create_task(client.calls.wait_until_final(result.call_id))
            assert (await advancing(emulator, task)).is_final


async def test_a_call_the_service_does_not_know_is_not_waited_for_for_ever(
    emulator: Emulator,
) -> None:
    settings = FollowSettings(first_gap_seconds=0.001, invisible_seconds=0.01)
    async with client_of(emulator, follow=settings) as client:
        with pytest.raises(NotFoundError):
            await client.calls.wait_until_final("CA" + "0" * 32)


async def test_a_call_that_does_not_end_in_time_is_a_deadline_and_not_uncertain(
    emulator: Emulator,
) -> None:
    async with client_of(emulator) as client:
        result = await client.calls.make(number(1))
        with pytest.raises(DeadlineError, match="was not over") as caught:
            await client.calls.wait_until_final(result.call_id, deadline_seconds=0.05)
        assert not caught.value.uncertain


async def test_the_gaps_grow_and_a_notice_wakes_at_once(emulator: Emulator) -> None:
    clock = ManualClock()
    settings = FollowSettings(first_gap_seconds=100, longest_gap_seconds=1000)
    async with client_of(emulator, clock=clock, follow=settings) as client:
        result = await client.calls.make(number(1))
        task = asyncio.create_task(client.calls.wait_until_final(result.call_id))
        while emulator.calls_of("getCall") < 1 or not clock.sleepers:
            await asyncio.sleep(0.001)
        emulator.advance(600)
        client.calls.notice("another call")
        await asyncio.sleep(0.01)
        assert not task.done()
        client.calls.notice(result.call_id)
        assert (await task).status is CallStatus.COMPLETED
        assert clock.monotonic() == 0
        assert not clock.sleepers


async def test_lost_reads_do_not_end_the_following(emulator: Emulator) -> None:
    emulator.add_fault(Fault("drop", operation="getCall", times=3))
    emulator.add_fault(Fault("status", status=500, operation="getCall", times=7))
    async with client_of(emulator) as client:
        result = await client.calls.make(number(1))
        task = asyncio.create_task(client.calls.wait_until_final(result.call_id))
        assert (await advancing(emulator, task)).is_final


async def test_stopping_a_followed_list_keeps_what_was_placed(emulator: Emulator) -> None:
    async with client_of(emulator) as client:
        async with client.dispatcher(max_concurrency=5, grace_seconds=3600) as dispatcher:
            dial = dispatcher.dial((CallRequest(number(i)) for i in range(50)), follow=True)
            await emulator.wait_for_rings(5)
        outcomes = dispatcher.undelivered
        assert {type(outcome) for outcome in outcomes} == {Placed}
        assert {o.request.number for o in outcomes} == {ring.number for ring in emulator.rings}
        del dial


async def test_a_single_call_can_be_followed_too(emulator: Emulator) -> None:
    async with client_of(emulator) as client, client.dispatcher() as dispatcher:
        task = asyncio.create_task(dispatcher.call(CallRequest(number(1)), follow=True))
        outcome = await advancing(emulator, task)
    assert isinstance(outcome, Ended)
    assert outcome.disposition is Disposition.ANSWERED
