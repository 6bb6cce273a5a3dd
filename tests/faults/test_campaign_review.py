"""What an adversary tried against the campaign runner: each of these went wrong once."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, web

from talkstack_async import Timeouts
from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.feeder import Ending
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.runner import CampaignRunner
from talkstack_async.campaign.settings import Budget, CallingWindow
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.clock import SystemClock
from talkstack_async.emulator import EmulatorThread, Fault, Script
from talkstack_async.errors import CampaignError, ConfigurationError, LedgerError
from tests.support.campaigns import people, phone, rings, settings_for, stage

LOST = "+12025550187"  # rings, and the reply is lost


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    script = Script(queued_for=0.01, ringing_for=0.01, talking_for=0.02)
    with EmulatorThread(script=script) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


Bend = Callable[[str, Any], Any]


@asynccontextmanager
async def bent(emulator: EmulatorThread, bend: Bend, *, query: bool = True) -> AsyncIterator[str]:
    """Stand between client and emulator, and change what is answered with 200."""

    async def pass_on(request: web.Request) -> web.Response:
        dropped = ("host", "content-length", "connection")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in dropped}
        url = f"{emulator.url}{request.path_qs if query else request.path}"
        async with session.request(
            request.method, url, data=await request.read(), headers=headers
        ) as reply:
            body, status = await reply.read(), reply.status
        if status == 200:
            body = json.dumps(bend(request.path, json.loads(body))).encode()
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    async with ClientSession() as session:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://localhost:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def through(url: str) -> dict[str, Any]:
    return {"calls_url": url, "api_url": url}


# --- Following.


async def test_a_look_at_a_call_that_times_out_is_repeated_and_the_end_still_learnt(
    emulator: EmulatorThread, tmp_path: Path
):
    # As the defaults are: a silence is as long as the deadline, and ends as one.
    patient = {"timeouts": Timeouts(connect=2, read=0.3, total=0.3)}
    async with stage(emulator, tmp_path, [phone(1)], config=patient) as it:
        emulator.add_fault(Fault("stall", operation="getCall", times=1))
        async with asyncio.timeout(10):
            result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 1}
        assert result.counts.dispositions == {"answered": 1}


async def test_a_call_nobody_can_read_is_left_to_a_person_once_it_was_followed_long_enough(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)], follow_seconds=0.2) as it:
        emulator.add_fault(Fault("status", status=400, operation="getCall"))
        first = it.runner()
        run = asyncio.create_task(first.run())
        await asyncio.sleep(0.4)
        first.stop()
        await run
        async with asyncio.timeout(10):
            result = await it.runner().run()
        assert result.counts.contacts == {ContactState.REVIEW: 1}


async def test_calls_placed_to_be_followed_are_so_also_by_a_run_that_follows_no_more(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1), phone(2)]) as it:
        emulator.add_fault(Fault("stall", operation="getCall", times=20))
        first = it.runner(grace_seconds=1)
        run = asyncio.create_task(first.run())
        while len(emulator.rings) < 2 or first.progress.followed < 2:
            await asyncio.sleep(0.01)
        first.stop()
        await run
        emulator.clear_faults()
        await it.campaign.change(attrs.evolve(it.campaign.record.settings, follow=False))
        async with asyncio.timeout(10):
            result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 2}


# --- Odd replies.


async def test_a_wait_of_thousands_of_years_does_not_break_the_run(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        emulator.add_fault(Fault("throttle", retry_after="99999999999999", times=1))
        runner = it.runner(grace_seconds=1)
        run = asyncio.create_task(runner.run())
        while not runner.progress.attempts and not run.done():
            await asyncio.sleep(0.01)
        runner.stop()
        async with asyncio.timeout(10):
            result = await run
        assert result.counts.attempts == {AttemptState.RELEASED: 1}


async def test_two_calls_of_the_same_id_leave_nobody_active_for_ever(
    emulator: EmulatorThread, tmp_path: Path
):
    def same(path: str, body: Any) -> Any:
        if path == "/call/makeCall":
            body["call"]["call_id"] = body["call"]["sid"] = body["call"]["callSid"] = "CAsame"
        return {"calls": []} if "history" in path else body

    async with bent(emulator, same) as url:
        numbers = [phone(1), phone(2)]
        async with stage(emulator, tmp_path, numbers, config=through(url), follow=False) as it:
            async with asyncio.timeout(10):
                result = await it.runner().run()
            assert result.counts.contacts == {ContactState.DONE: 1, ContactState.REVIEW: 1}
            assert await it.ledger.verify() == []
    assert rings(emulator) == Counter(numbers)


async def test_a_call_id_no_database_takes_does_not_stall_the_campaign(
    emulator: EmulatorThread, tmp_path: Path
):
    def half(path: str, body: Any) -> Any:
        if path == "/call/makeCall":
            for name in ("call_id", "sid", "callSid"):
                if name in body["call"]:
                    body["call"][name] = "CA\ud800"
        return body

    async with bent(emulator, half) as url:
        async with stage(emulator, tmp_path, [phone(1)], config=through(url), follow=False) as it:
            async with asyncio.timeout(10):
                result = await it.runner(grace_seconds=1).run()
            assert result.counts.contacts == {ContactState.DONE: 1}
    assert rings(emulator) == {phone(1): 1}


async def test_a_history_that_ignores_the_number_asked_for_gives_nobody_a_wrong_call(
    emulator: EmulatorThread, tmp_path: Path
):
    # Somebody else's call goes out at the same time, in the same project.
    numbers = ["+12025550192"]  # fails, and leaves no trace
    async with bent(emulator, lambda _, body: body, query=False) as url:
        async with stage(emulator, tmp_path, numbers, config=through(url)) as it:
            await it.client.calls.make(phone(99))
            async with asyncio.timeout(10):
                result = await it.runner().run()
            assert result.counts.contacts == {ContactState.REVIEW: 1}
            assert result.counts.attempts == {AttemptState.LOST: 1}


async def test_a_clock_that_is_ahead_of_the_services_loses_no_call(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [LOST], clock=AheadClock()) as it:
        async with asyncio.timeout(10):
            result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 1}
    assert rings(emulator) == {LOST: 1}


class AheadClock(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(seconds=45)


async def test_an_account_without_money_uses_nobody_up(emulator: EmulatorThread, tmp_path: Path):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        emulator.add_fault(Fault("status", status=402, times=1))
        async with asyncio.timeout(10):
            result = await it.runner().run()
        assert result.counts.contacts == {ContactState.REVIEW: 1}


# --- Waiting.


async def claims_within(ledger: Any, seconds: float) -> int:
    count = 0
    claim = ledger.claim

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return await claim(*args, **options)

    ledger.claim = counted
    await asyncio.sleep(seconds)
    del ledger.claim
    return count


async def test_a_paused_campaign_asks_the_ledger_now_and_then_and_not_all_the_time(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        await it.campaign.pause()
        runner = it.runner()
        run = asyncio.create_task(runner.run())
        count = await claims_within(it.ledger, 1.0)
        runner.stop()
        await run
    assert count < 10


async def test_a_used_up_budget_is_looked_at_now_and_then_while_calls_go_on(
    emulator: EmulatorThread, tmp_path: Path
):
    budget = Budget(limit=1, worst_call=1)
    async with stage(emulator, tmp_path, [phone(1), phone(2)], budget=budget) as it:
        emulator.add_fault(Fault("status", status=500, operation="getCall"))
        runner = it.runner(grace_seconds=1)
        run = asyncio.create_task(runner.run())
        while not emulator.rings:
            await asyncio.sleep(0.01)
        count = await claims_within(it.ledger, 1.0)
        runner.stop()
        await run
    assert count < 20


async def test_a_paused_campaign_with_nobody_left_is_finished(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        await it.runner().run()
        await it.campaign.pause()
        async with asyncio.timeout(5):
            assert (await it.runner().run()).ending is Ending.FINISHED


async def test_a_cancellation_is_noticed_also_while_the_service_asks_to_be_left_alone(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(5)]
    async with stage(emulator, tmp_path, numbers, max_concurrency=1) as it:
        emulator.add_fault(Fault("throttle", retry_after="3600"))
        runner = it.runner(grace_seconds=1)
        run = asyncio.create_task(runner.run())
        while not runner.progress.attempts:
            await asyncio.sleep(0.01)
        await it.campaign.cancel()
        async with asyncio.timeout(5):
            result = await run
        assert result.ending is Ending.CANCELED
        assert result.counts.contacts == {ContactState.READY: 5}


@pytest.mark.parametrize("by_another_run", [False, True])
async def test_the_calls_of_a_canceled_campaign_are_followed_to_their_end(
    emulator: EmulatorThread, tmp_path: Path, by_another_run: bool
):
    numbers = [phone(n) for n in range(5)]
    async with stage(emulator, tmp_path, numbers, max_concurrency=1) as it:
        emulator.add_fault(Fault("status", status=500, operation="getCall"))
        runner = it.runner(grace_seconds=1)
        run = asyncio.create_task(runner.run())
        while not runner.progress.followed:
            await asyncio.sleep(0.01)
        if by_another_run:
            runner.stop()
            await run
        await it.campaign.cancel()
        if by_another_run:
            run = asyncio.create_task(it.runner().run())
        emulator.clear_faults()
        async with asyncio.timeout(5):
            result = await run
        assert result.ending is Ending.CANCELED
        assert result.counts.contacts == {ContactState.DONE: 1, ContactState.READY: 4}
    assert len(emulator.rings) == 1


async def test_a_cancellation_gives_back_who_waits_for_a_turn(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(5)]
    async with stage(emulator, tmp_path, numbers, max_concurrency=5) as it:
        emulator.add_fault(Fault("throttle", retry_after="3600", times=1))
        emulator.add_fault(Fault("slow", seconds=0.3))
        runner = it.runner(grace_seconds=1)
        run = asyncio.create_task(runner.run())
        while not runner.progress.attempts:
            await asyncio.sleep(0.01)
        await it.campaign.cancel()
        async with asyncio.timeout(5):
            result = await run
        assert AttemptState.DISPATCHING not in result.counts.attempts
        assert ContactState.ACTIVE not in result.counts.contacts
        assert await it.ledger.verify() == []


async def test_many_who_wait_are_put_off_in_large_groups_also_by_a_small_crew(
    emulator: EmulatorThread, tmp_path: Path
):
    now = SystemClock().now()
    later = CallingWindow(
        start=time((now.hour + 12) % 24, 0), end=time((now.hour + 14) % 24, 0), margin_seconds=0
    )
    numbers = [f"+4420794{n:05d}" for n in range(2000)]
    async with stage(emulator, tmp_path, numbers, window=later, max_concurrency=1) as it:
        count = 0
        claim = it.ledger.claim

        async def counted(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return await claim(*args, **options)

        it.ledger.claim = counted  # type: ignore[method-assign]
        result = await it.runner().run(wait=False)
        assert result.ending is Ending.WAITING
    assert count < 50


# --- Settings.


async def test_rules_that_cannot_be_read_stop_the_run_and_lose_no_claim(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(300)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=100) as it:
        run = asyncio.create_task(it.runner(grace_seconds=2).run())
        while len(emulator.rings) < 5:
            await asyncio.sleep(0.005)
        gone = attrs.evolve(it.campaign.record.settings, rules_file=str(tmp_path / "none.json"))
        await it.campaign.change(gone)
        with pytest.raises(ConfigurationError):
            async with asyncio.timeout(10):
                await run
        counts = await it.campaign.counts()
        assert AttemptState.DISPATCHING not in counts.attempts


async def test_a_campaign_stays_in_its_project_while_a_call_is_looked_for(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [LOST]) as it:
        runner = it.runner(grace_seconds=2)
        run = asyncio.create_task(runner.run())
        while AttemptState.UNKNOWN not in runner.progress.attempts:
            await asyncio.sleep(0.01)
        runner.stop()
        await run
        other = attrs.evolve(it.campaign.record.settings, project_id="another")
        with pytest.raises(CampaignError, match="under way"):
            await it.campaign.change(other)
        async with asyncio.timeout(10):
            await it.runner().run()
        await it.campaign.change(other)


async def test_an_instruction_that_was_mended_brings_those_back_who_lacked_a_value(
    emulator: EmulatorThread, tmp_path: Path
):
    file = tmp_path / "list.csv"
    file.write_text(f"number,name\n{phone(1)},Ann\n", encoding="utf-8")
    async with stage(emulator, tmp_path, []) as it:
        settings = it.campaign.record.settings

        async def instruct(text: str) -> None:
            await it.client.agents.update(
                settings.agent_id, project_id=settings.project_id, instruction=text
            )
            await it.campaign.check_agent(it.client)
            await it.campaign.read_list(file)

        await instruct("Hello {{nmae}}")
        assert (await it.campaign.counts()).contacts == {ContactState.EXCLUDED: 1}
        await instruct("Hello {{name}}")
        assert (await it.campaign.counts()).contacts == {ContactState.READY: 1}


# --- Two campaigns.


async def test_an_attempt_nobody_looks_for_any_more_does_not_block_its_number_for_ever(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [LOST]) as it:
        runner = it.runner(grace_seconds=2)
        run = asyncio.create_task(runner.run())
        while AttemptState.UNKNOWN not in runner.progress.attempts:
            await asyncio.sleep(0.01)
        runner.stop()
        await run
        await it.campaign.cancel()
        assert AttemptState.UNKNOWN in (await it.campaign.counts()).attempts
        other = await Campaign.open(
            it.ledger, "summer", settings=settings_for(emulator, follow=False)
        )
        await other.add(people([LOST]))
        runner = CampaignRunner(it.client, it.ledger, other.record, grace_seconds=1)
        run = asyncio.create_task(runner.run())
        async with asyncio.timeout(8):
            while AttemptState.UNKNOWN in (await it.campaign.counts()).attempts:
                await asyncio.sleep(0.05)
        runner.stop()
        await run
        # What was found is followed to its end when its own campaign runs again.
        async with asyncio.timeout(5):
            result = await it.runner().run()
        assert result.ending is Ending.CANCELED
        assert result.counts.contacts == {ContactState.DONE: 1}
        assert await it.ledger.verify() == []
    assert rings(emulator) == {LOST: 1}


# --- Files and the end of a run.


async def test_no_grace_still_writes_down_what_is_known(emulator: EmulatorThread, tmp_path: Path):
    numbers = [phone(n) for n in range(200)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=100) as it:
        runner = it.runner(grace_seconds=0)
        run = asyncio.create_task(runner.run())
        while len(emulator.rings) < 10:
            await asyncio.sleep(0.005)
        runner.stop()
        await run
        assert AttemptState.DISPATCHING not in (await it.campaign.counts()).attempts


async def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path):
    victim = tmp_path / "diary.txt"
    victim.write_text("mine", encoding="utf-8")
    (tmp_path / "campaign.db.lock").symlink_to(victim)
    with pytest.raises(LedgerError):
        async with open_ledger(tmp_path / "campaign.db", exclusive=True):
            pass
    assert victim.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["a b?c#d%41&e.db", "ü'\"\\.db", os.fsdecode(b"\xff.db")])
async def test_a_ledger_may_have_an_odd_name(tmp_path: Path, name: str):
    async with open_ledger(tmp_path / name, exclusive=True) as ledger:
        assert await ledger.campaigns() == []
    assert set(os.listdir(tmp_path)) == {name, f"{name}.lock"}  # noqa: PTH208 # not waited for
