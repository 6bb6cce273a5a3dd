"""Running a campaign, end to end: a real ledger, real sockets, and who was rung in the end."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from talkstack_async.campaign.campaign import Campaign, Resolution
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.progress import Phase
from talkstack_async.campaign.records import EventRecord
from talkstack_async.campaign.runner import CampaignRunner, Ending
from talkstack_async.campaign.settings import (
    BreakerSettings,
    Budget,
    CallingWindow,
    Caps,
    EvidenceSettings,
    LostRule,
    RedialPolicy,
)
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.config import FollowSettings
from talkstack_async.emulator import EmulatorThread, Fault, Script
from talkstack_async.errors import AuthenticationError, CampaignError, LedgerError
from talkstack_async.models.statuses import Disposition
from talkstack_async.telemetry import AttemptChanged
from tests.support.campaigns import client_for, people, phone, rings, stage

BUSY, NO_ANSWER, REFUSED, LOST, FAILS = (f"+120255501{n}" for n in (80, 81, 86, 87, 92))


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    script = Script(queued_for=0.01, ringing_for=0.01, talking_for=0.02)
    with EmulatorThread(script=script) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


async def test_everybody_is_rung_once_and_accounted_for(emulator: EmulatorThread, tmp_path: Path):
    numbers = [phone(n) for n in range(60)]
    async with stage(emulator, tmp_path, numbers) as it:
        result = await it.runner().run()
        assert result.ending is Ending.FINISHED
        assert result.counts.contacts == {ContactState.DONE: 60}
        assert result.counts.dispositions == {"answered": 60}
        assert await it.ledger.verify() == []
    assert rings(emulator) == Counter(numbers)


async def test_an_id_that_comes_twice_leaves_a_call_that_is_looked_for_and_no_run_that_hangs(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        await it.runner().run()
        emulator.reset()  # the same seed: the next call gets the id of the last one
        await it.campaign.add(people([phone(2)]))
        result = await asyncio.wait_for(it.runner().run(), 60)
        assert result.counts.contacts == {ContactState.DONE: 1, ContactState.REVIEW: 1}
        assert await it.ledger.verify() == []


async def test_a_second_run_rings_nobody(emulator: EmulatorThread, tmp_path: Path):
    async with stage(emulator, tmp_path, [phone(1), phone(2)]) as it:
        await it.runner().run()
        result = await it.runner().run()
        assert result.ending is Ending.FINISHED
    assert len(emulator.rings) == 2


async def test_who_is_busy_is_redialled_as_often_as_the_policy_says(
    emulator: EmulatorThread, tmp_path: Path
):
    redial = RedialPolicy(max_attempts=3, gaps={Disposition.BUSY: 0.05})
    async with stage(emulator, tmp_path, [BUSY, NO_ANSWER], redial=redial) as it:
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 2}
        assert result.counts.reasons == {"attempts_used": 1, "no_redial": 1}
    assert rings(emulator) == {BUSY: 3, NO_ANSWER: 1}


async def test_without_following_nobody_is_redialled(emulator: EmulatorThread, tmp_path: Path):
    async with stage(emulator, tmp_path, [BUSY, phone(1)], follow=False) as it:
        result = await it.runner().run()
        assert result.counts.attempts == {AttemptState.PLACED: 2}
        assert result.counts.contacts == {ContactState.DONE: 2}
    assert rings(emulator) == {BUSY: 1, phone(1): 1}


async def test_a_refused_number_is_not_tried_again(emulator: EmulatorThread, tmp_path: Path):
    async with stage(emulator, tmp_path, [REFUSED]) as it:
        result = await it.runner().run()
        assert result.counts.attempts == {AttemptState.REJECTED: 1}
        assert result.counts.reasons == {"refused": 1}
    assert not emulator.rings


async def test_a_call_whose_reply_was_lost_is_found_in_the_history(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [LOST, phone(1)]) as it:
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 2}
        assert result.counts.attempts == {AttemptState.FINAL: 2}
        assert await it.ledger.verify() == []
    assert rings(emulator) == {LOST: 1, phone(1): 1}


NO_HISTORY = Fault("status", status=500, operation="getCallHistory")


async def test_a_history_that_cannot_be_read_ends_a_run_that_is_not_to_wait(
    emulator: EmulatorThread, tmp_path: Path
):
    emulator.add_fault(NO_HISTORY)
    async with stage(emulator, tmp_path, [LOST, phone(1)]) as it:
        async with asyncio.timeout(60):
            result = await it.runner().run(wait=False)
        assert result.ending is Ending.UNCERTAIN
        assert result.counts.attempts == {AttemptState.UNKNOWN: 1, AttemptState.FINAL: 1}
        emulator.clear_faults()
        result = await it.runner().run(wait=False)
        assert result.ending is Ending.FINISHED
        assert result.counts.attempts == {AttemptState.FINAL: 2}
        assert await it.ledger.verify() == []
    assert rings(emulator) == {LOST: 1, phone(1): 1}


async def test_a_run_that_waits_says_that_the_history_cannot_be_read_and_looks_again(
    emulator: EmulatorThread, tmp_path: Path
):
    emulator.add_fault(NO_HISTORY)
    async with stage(emulator, tmp_path, [LOST]) as it, asyncio.timeout(60):
        runner = it.runner()
        run = asyncio.create_task(runner.run())
        while not runner.progress.note:
            assert not run.done()
            await asyncio.sleep(0.02)
        assert (runner.progress.phase, "500" in runner.progress.note) == (Phase.WAITING, True)
        emulator.clear_faults()
        assert (await run).ending is Ending.FINISHED
        assert not runner.progress.note
    assert rings(emulator) == {LOST: 1}


async def test_a_call_that_left_no_trace_waits_for_a_person(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [FAILS]) as it:
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.REVIEW: 1}
        assert result.counts.attempts == {AttemptState.LOST: 1}
        assert not emulator.rings

        assert await it.campaign.resolve(Resolution.REDIAL, numbers=[FAILS]) == 1
        emulator.reset()
        again = await it.runner().run()
        assert again.counts.attempts == {AttemptState.LOST: 2}


async def test_what_is_lost_can_be_redialled_by_rule(emulator: EmulatorThread, tmp_path: Path):
    emulator.add_fault(Fault("status", status=500, times=1))
    evidence = EvidenceSettings(margin_seconds=0.05, history_lag_seconds=0.1, lost=LostRule.REDIAL)
    async with stage(emulator, tmp_path, [phone(1)], evidence=evidence) as it:
        result = await it.runner().run()
        assert result.counts.attempts == {AttemptState.LOST: 1, AttemptState.FINAL: 1}
    assert rings(emulator) == {phone(1): 1}


async def test_resolving_as_done_and_as_suppressed_ends_it(
    emulator: EmulatorThread, tmp_path: Path
):
    others = [f"+121355501{n}" for n in (91, 92)]
    async with stage(emulator, tmp_path, [FAILS, *others], follow=False) as it:
        await it.runner().run()
        assert await it.campaign.resolve(Resolution.DONE, numbers=[FAILS]) == 1
        assert await it.campaign.resolve(Resolution.SUPPRESS) >= 1
        counts = await it.campaign.counts()
        assert ContactState.REVIEW not in counts.contacts
        assert (await it.campaign.explain(others[1])).suppression is not None


async def test_a_wait_for_a_window_is_told_and_not_sat_out(
    emulator: EmulatorThread, tmp_path: Path
):
    from datetime import time, timedelta

    from talkstack_async.clock import SystemClock

    now = SystemClock().now()
    later = CallingWindow(
        start=time((now.hour + 12) % 24, 0), end=time((now.hour + 14) % 24, 0), margin_seconds=0
    )
    # +44 is one zone at any time of the year: London, an hour from UTC at most.
    async with stage(emulator, tmp_path, ["+442079460000"], window=later) as it:
        result = await it.runner().run(wait=False)
    assert result.ending is Ending.WAITING
    assert result.next_due_at is not None
    assert timedelta(hours=9) < result.next_due_at - now < timedelta(hours=13)
    assert not emulator.rings


async def test_a_redial_is_waited_for_unless_told_not_to(emulator: EmulatorThread, tmp_path: Path):
    redial = RedialPolicy(gaps={Disposition.BUSY: 3600.0})
    async with stage(emulator, tmp_path, [BUSY], redial=redial) as it:
        result = await it.runner().run(wait=False)
        assert result.ending is Ending.WAITING
        assert result.next_due_at is not None
        assert result.counts.reasons == {"redial": 1}


async def test_a_budget_is_never_overshot_and_reserves_the_worst_of_what_is_not_known(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(50)]
    budget = Budget(limit=0.5, worst_call=0.1)
    # Without following nobody learns what a call cost, so each stays reserved at its worst.
    async with stage(emulator, tmp_path, numbers, budget=budget, follow=False) as it:
        result = await it.runner().run()
        assert result.ending is Ending.BUDGET
        assert len(emulator.rings) == 5
        more = attrs.evolve(it.campaign.record.settings, budget=Budget(limit=0.7, worst_call=0.1))
        await it.campaign.change(more)
        await it.runner().run()
    assert len(emulator.rings) == 7


async def test_a_paused_campaign_calls_nobody_until_it_is_resumed(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(n) for n in range(5)]) as it:
        await it.campaign.pause()
        assert (await it.runner().run(wait=False)).ending is Ending.WAITING
        assert not emulator.rings
        runner = it.runner()
        run = asyncio.create_task(runner.run())
        while runner.progress.phase is not Phase.PAUSED:
            await asyncio.sleep(0.01)
        await it.campaign.resume()
        assert (await run).ending is Ending.FINISHED
    assert len(emulator.rings) == 5


async def test_a_canceled_campaign_stops_and_stays_so(emulator: EmulatorThread, tmp_path: Path):
    numbers = [phone(n) for n in range(400)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=50) as it:
        run = asyncio.create_task(it.runner().run())
        while not emulator.rings:
            await asyncio.sleep(0.01)
        await it.campaign.cancel()
        result = await run
        assert result.ending is Ending.CANCELED
        assert len(emulator.rings) < 400
        with pytest.raises(CampaignError, match="canceled"):
            await it.campaign.resume()
        assert await it.ledger.verify() == []


async def test_new_settings_are_taken_over_while_it_runs(emulator: EmulatorThread, tmp_path: Path):
    numbers = [phone(n) for n in range(60)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=0.5) as it:
        run = asyncio.create_task(it.runner().run())
        while not emulator.rings:
            await asyncio.sleep(0.01)
        faster = attrs.evolve(it.campaign.record.settings, calls_per_second=None)
        await it.campaign.change(faster)
        assert (await run).ending is Ending.FINISHED  # at the old pace it would take two minutes
    assert len(emulator.rings) == 60


async def test_stopping_gives_back_what_has_not_left_and_the_next_run_goes_on(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(200)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=100) as it:
        runner = it.runner()
        run = asyncio.create_task(runner.run())
        while len(emulator.rings) < 20:
            await asyncio.sleep(0.005)
        runner.stop()
        first = await run
        assert first.ending is Ending.STOPPED
        assert AttemptState.DISPATCHING not in first.counts.attempts
        assert 20 <= len(emulator.rings) < 200
        faster = attrs.evolve(it.campaign.record.settings, calls_per_second=None)
        await it.campaign.change(faster)
        second = await it.runner().run()
        assert second.counts.contacts == {ContactState.DONE: 200}
        assert await it.ledger.verify() == []
    assert rings(emulator) == Counter(numbers)


async def test_cancelling_the_task_loses_nothing_either(emulator: EmulatorThread, tmp_path: Path):
    numbers = [phone(n) for n in range(100)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=100) as it:
        run = asyncio.create_task(it.runner().run())
        while len(emulator.rings) < 10:
            await asyncio.sleep(0.005)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert await it.ledger.verify() == []
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 100}
    assert rings(emulator) == Counter(numbers)


async def test_a_refused_credential_ends_the_run_and_gives_the_contacts_back(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(30)]
    async with stage(emulator, tmp_path, numbers) as it:
        emulator.add_fault(Fault("status", status=401))
        with pytest.raises(AuthenticationError):
            await it.runner().run()
        counts = await it.campaign.counts()
        assert counts.contacts == {ContactState.READY: 30}
        emulator.clear_faults()
    assert not emulator.rings


async def test_when_too_much_fails_the_circuit_opens_and_later_closes(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(60)]
    breaker = BreakerSettings(least=5, window=10, cooldown_seconds=0.3, longest_seconds=0.5)
    async with stage(
        emulator, tmp_path, numbers, breaker=breaker, max_concurrency=5, follow=False
    ) as it:
        emulator.add_fault(Fault("status", status=400))
        runner = it.runner()
        run = asyncio.create_task(runner.run())
        while runner.progress.phase is not Phase.CIRCUIT_OPEN:
            await asyncio.sleep(0.005)
        refused = runner.progress.attempts[AttemptState.REJECTED]
        assert 5 <= refused <= 10
        emulator.clear_faults()
        result = await run
        assert result.counts.attempts[AttemptState.PLACED] >= 60 - refused - 5
        assert not result.counts.contacts.get(ContactState.READY)


async def test_an_opt_out_on_the_call_keeps_other_campaigns_from_ringing(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(20)]
    # The emulator draws whether somebody was interested; here that counts as an opt-out.
    async with stage(emulator, tmp_path, numbers, opt_out_keys=("interested",)) as it:
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 20}
        opted_out = {one.number async for one in it.ledger.suppressions()}
        assert 0 < len(opted_out) < 20
        assert result.counts.reasons == {"suppressed": len(opted_out)}
        other = await Campaign.open(it.ledger, "summer", settings=it.campaign.record.settings)
        await other.add(people(numbers))
        again = await CampaignRunner(it.client, it.ledger, other.record).run()
        assert again.counts.contacts[ContactState.EXCLUDED] == len(opted_out)
    assert all(count == 1 + (number not in opted_out) for number, count in rings(emulator).items())


async def test_two_campaigns_of_a_ledger_keep_the_gap_between_them(
    emulator: EmulatorThread, tmp_path: Path
):
    caps = Caps(per_day=5, per_week=5, gap_seconds=3600)
    async with stage(emulator, tmp_path, [phone(1)], caps=caps) as it:
        await it.runner().run()
        other = await Campaign.open(it.ledger, "summer", settings=it.campaign.record.settings)
        await other.add(people([phone(1)]))
        result = await CampaignRunner(it.client, it.ledger, other.record).run(wait=False)
        assert result.ending is Ending.WAITING
        assert result.counts.reasons == {"gap": 1}
    assert len(emulator.rings) == 1


async def test_a_list_that_lacks_a_value_of_the_instruction_rings_only_the_others(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, []) as it:
        settings = it.campaign.record.settings
        await it.client.agents.update(
            settings.agent_id, project_id=settings.project_id, instruction="Hi {{name}}, {{day}}!"
        )
        await it.campaign.check_agent(it.client)
        first, second = people([phone(1), phone(2)])
        await it.campaign.add([first, attrs.evolve(second, variables={"name": "B", "day": "Mo"})])
        result = await it.runner().run()
        assert result.counts.reasons == {"placeholder": 1}
    assert rings(emulator) == {phone(2): 1}


async def test_an_instruction_that_changed_is_checked_against_the_contacts_that_are_left(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        settings = it.campaign.record.settings
        await it.client.agents.update(
            settings.agent_id, project_id=settings.project_id, instruction="It is {{day}}."
        )
        assert await it.campaign.check_agent(it.client) == 1
        assert (await it.runner().run()).counts.contacts == {ContactState.EXCLUDED: 1}
    assert not emulator.rings


async def test_with_following_no_more_calls_live_than_the_limit(tmp_path: Path):
    numbers = [phone(n) for n in range(40)]
    lasting = 0.2
    slow = Script(queued_for=0.0, ringing_for=0.0, talking_for=lasting, jitter=0)
    with EmulatorThread(script=slow) as emulator:
        async with stage(emulator, tmp_path, numbers, max_concurrency=4) as it:
            await it.runner().run()
        began = sorted(ring.at for ring in emulator.rings)
    assert len(began) == 40
    # When a call begins, the fourth one before it is over.
    assert all(
        later - earlier >= lasting for earlier, later in zip(began, began[4:], strict=False)
    )


async def test_an_event_from_outside_has_the_call_read_at_once(tmp_path: Path):
    never = {"follow": FollowSettings(first_gap_seconds=600, longest_gap_seconds=600)}
    with EmulatorThread(
        script=Script(queued_for=0.01, ringing_for=0.01, talking_for=0.1)
    ) as emulator:
        async with stage(emulator, tmp_path, [phone(1)], config=never) as it:
            run = asyncio.create_task(it.runner().run())
            call_id = await placed_call(it.ledger)
            while not (await it.client.calls.get(call_id)).is_final:
                await asyncio.sleep(0.01)
            await it.ledger.receive(event(call_id))
            result = await asyncio.wait_for(run, 30)  # without the event it takes ten minutes
            assert result.counts.dispositions == {"answered": 1}


async def test_an_event_may_prove_a_call_whose_reply_was_lost(tmp_path: Path):
    # The history never tells of it, but somebody from outside does.
    silent = Script(queued_for=0.01, ringing_for=0.01, talking_for=0.02, listed_after=3600)
    evidence = EvidenceSettings(margin_seconds=0.05, history_lag_seconds=600)
    with EmulatorThread(script=silent) as emulator:
        async with stage(emulator, tmp_path, [LOST], evidence=evidence) as it:
            run = asyncio.create_task(it.runner().run())
            while not emulator.rings:
                await asyncio.sleep(0.01)
            (ring,) = emulator.rings
            assert ring.call_id is not None
            await it.ledger.receive(event(ring.call_id))
            result = await asyncio.wait_for(run, 60)
            assert result.counts.attempts == {AttemptState.FINAL: 1}
            assert await it.ledger.verify() == []


async def test_no_log_and_no_audit_holds_a_whole_number(
    emulator: EmulatorThread, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    numbers = [phone(1), BUSY, REFUSED, LOST, FAILS]
    caplog.set_level("DEBUG", logger="talkstack_async")
    async with stage(emulator, tmp_path, numbers) as it:
        await it.runner().run()
    with contextlib.closing(sqlite3.connect(tmp_path / "campaign.db")) as database:
        audit = str(database.execute("SELECT * FROM audit").fetchall())
        listed = str(database.execute("SELECT number FROM contact").fetchall())
    assert caplog.records  # the lost and the failed call are told about
    for number in numbers:
        digits = number.removeprefix("+")
        assert digits in listed  # so that they would be found
        assert digits not in caplog.text
        assert digits not in audit


async def test_a_ledger_that_is_not_held_alone_is_not_dialled_from(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        settings = it.campaign.record.settings
    async with open_ledger(tmp_path / "campaign.db") as ledger, client_for(emulator) as client:
        campaign = await Campaign.open(ledger, "spring", settings=settings)
        with pytest.raises(LedgerError, match="exclusive=True"):
            await CampaignRunner(client, ledger, campaign.record).run()
    assert not emulator.rings


async def test_an_event_nobody_can_place_is_asked_about_less_and_less(tmp_path: Path):
    silent = Script(queued_for=0.01, ringing_for=0.01, talking_for=0.02, listed_after=3600)
    evidence = EvidenceSettings(fence_seconds=0.5, margin_seconds=0.05, history_lag_seconds=600)
    with EmulatorThread(script=silent) as emulator:
        async with stage(emulator, tmp_path, [LOST], evidence=evidence) as it:
            await it.ledger.receive(event("CA" + "0" * 32))
            runner = it.runner()
            run = asyncio.create_task(runner.run())
            while emulator.calls_of("getCall") < 3:  # at once, and after one and two seconds
                await asyncio.sleep(0.02)
            runner.stop()
            result = await run
            assert result.counts.attempts == {AttemptState.UNKNOWN: 1}
            assert emulator.calls_of("getCall") <= 4


async def test_an_observer_learns_of_every_attempt_and_of_no_number(
    emulator: EmulatorThread, tmp_path: Path
):
    seen: list[AttemptChanged] = []

    def note(fact: object) -> None:
        if isinstance(fact, AttemptChanged):
            seen.append(fact)

    async with stage(emulator, tmp_path, [phone(1), BUSY]) as it:
        await it.runner(observer=note).run()
    assert Counter(fact.state for fact in seen) == {"placed": 4, "final": 4}
    assert Counter(fact.disposition for fact in seen if fact.disposition) == {
        "answered": 1,
        "busy": 3,
    }
    assert phone(1) not in repr(seen)
    assert {fact.state for fact in seen if fact.is_over} == {"final"}
    assert all(fact.call_id for fact in seen)
    # Since the claim, also for the second fact about an attempt.
    first: dict[int, float] = {}
    for fact in seen:
        assert fact.elapsed_seconds is not None
        assert fact.elapsed_seconds >= first.setdefault(fact.attempt_id, fact.elapsed_seconds) > 0


def event(call_id: str) -> EventRecord:
    return EventRecord(
        event_id=0, call_id=call_id, digest="d", status=None, received_at=datetime.now(UTC)
    )


async def placed_call(ledger: Any) -> str:
    while True:
        for contact, attempts in [one async for one in ledger.export(1)]:
            if attempts and attempts[-1].call_id and contact.state is ContactState.ACTIVE:
                return str(attempts[-1].call_id)
        await asyncio.sleep(0.01)
