"""Workers that share a ledger on PostgreSQL, in one process: each has its own connections."""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import attrs
import pytest

from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.feeder import Ending
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.records import CampaignRecord, Suppression
from talkstack_async.campaign.runner import CampaignRunner
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.campaign.worker import Worker, WorkerResult, run_worker
from talkstack_async.cli.sharing import SharedRun
from talkstack_async.clock import SystemClock
from talkstack_async.emulator import EmulatorThread, Fault, Script
from talkstack_async.errors import AuthenticationError, CampaignError, LedgerError
from tests.support.ledgers import claim_one
from tests.support.workers import Plan, client_for, create

# Controls reach every worker within so many seconds.
REACH = 3.0


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread(
        script=Script(latency=0.02, queued_for=0.1, ringing_for=0.1, talking_for=0.4)
    ) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def talkative() -> Iterator[EmulatorThread]:
    """One whose calls take seconds."""
    script = Script(latency=0.02, queued_for=0.1, ringing_for=0.1, talking_for=4.0)
    with EmulatorThread(script=script) as emulator:
        yield emulator


@attrs.define
class Team:
    """Workers under way, and a ledger of the test's own to look on and to interfere."""

    plan: Plan
    ledger: Any
    workers: list[Worker] = attrs.field(factory=list)
    tasks: list[asyncio.Task[WorkerResult]] = attrs.field(factory=list)

    async def join(self, *, until_done: bool = True, grace: float = 5, **options: Any) -> Worker:
        """Let one more worker begin; return once it works."""
        began: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()

        async def work() -> WorkerResult:
            async with open_ledger(self.plan.ledger) as ledger, client_for(self.plan) as client:
                worker = Worker(
                    client, ledger, heartbeat_seconds=3.0, grace_seconds=grace, **options
                )
                began.set_result(worker)
                return await worker.run(until_done=until_done)

        self.tasks.append(asyncio.create_task(work()))
        self.workers.append(await began)
        return self.workers[-1]

    async def finish(self) -> list[WorkerResult]:
        return list(await asyncio.gather(*self.tasks))

    async def campaign(self, name: str = "chaos") -> Campaign:
        return await Campaign.open(self.ledger, name)

    async def states(self, record: CampaignRecord) -> dict[ContactState, int]:
        counts = await self.ledger.counts(record.campaign_id, now=SystemClock().now())
        return dict(counts.contacts)


@pytest.fixture
async def team(emulator: EmulatorThread, postgres_url: str) -> AsyncIterator[Team]:
    async with open_ledger(postgres_url) as ledger:
        team = Team(Plan.of(emulator, postgres_url), ledger)
        try:
            yield team
        finally:
            for task in team.tasks:
                task.cancel()
            await asyncio.gather(*team.tasks, return_exceptions=True)


def phones(count: int) -> list[str]:
    return [f"+1415{2000000 + n}" for n in range(count)]


def rings(emulator: EmulatorThread) -> Counter[str]:
    return Counter(ring.number for ring in emulator.rings)


async def until(condition: Callable[[], bool], *, within: float = 20.0) -> float:
    """Wait for something; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, "it did not come to that"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def held(worker: Worker) -> int:
    return len(worker.standing.held)


# --- Working together.


async def test_workers_dial_a_campaign_together_and_ring_everybody_once(
    team: Team, emulator: EmulatorThread
):
    record = await create(team.ledger, team.plan, phones(400))
    for _ in range(3):
        await team.join()
    results = await team.finish()
    assert rings(emulator) == Counter(phones(400))
    assert all(result.is_done for result in results)
    assert sum(result.progress.attempts.get(AttemptState.PLACED, 0) for result in results) == 400
    assert await team.states(record) == {ContactState.DONE: 400}
    assert await team.ledger.verify() == []
    assert await team.ledger.workers() == []


async def test_no_log_of_a_worker_holds_a_whole_number_or_the_key(
    team: Team, emulator: EmulatorThread, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    emulator.add_fault(Fault("drop", rate=0.1, rings=True))
    numbers = phones(100)
    await create(team.ledger, team.plan, numbers)
    await team.join()
    await team.finish()
    assert rings(emulator) == Counter(numbers)
    assert "talkstack" in caplog.text, "something was logged at all"
    assert [number for number in numbers if number[1:] in caplog.text] == []
    assert team.plan.key not in caplog.text


async def test_a_worker_that_comes_later_gets_its_fair_share(team: Team):
    await create(team.ledger, team.plan, phones(8000))
    first = await team.join()
    await until(lambda: held(first) == 16)
    second = await team.join()
    # What is not taken while it is offered is offered again twenty seconds later.
    await until(lambda: held(second) == 8, within=60)
    await until(lambda: held(first) == 8)


async def test_a_worker_that_stops_leaves_its_shards_to_the_others_at_once(
    team: Team, emulator: EmulatorThread
):
    await create(team.ledger, team.plan, phones(800))
    first, second = await team.join(), await team.join()
    await until(lambda: held(first) > 2 and held(second) > 2)
    first.stop()
    result = await team.tasks[0]
    assert not result.is_done
    assert first.standing.state == "ended"
    assert first.standing.held == ()
    await until(lambda: held(second) == 16)
    await team.finish()
    assert rings(emulator) == Counter(phones(800))


async def test_a_worker_for_one_campaign_leaves_the_others_alone(
    team: Team, emulator: EmulatorThread
):
    await create(team.ledger, team.plan, phones(100), name="mine")
    other = await create(team.ledger, team.plan, phones(200)[100:], name="other")
    await team.join(campaign="mine")
    await team.finish()
    assert rings(emulator) == Counter(phones(100))
    assert await team.states(other) == {ContactState.READY: 100}


async def test_a_worker_dials_all_campaigns_that_are_there_or_come(
    team: Team, emulator: EmulatorThread
):
    await create(team.ledger, team.plan, phones(50), name="one")
    worker = await team.join(until_done=False)
    await until(lambda: len(rings(emulator)) == 50)
    await create(team.ledger, team.plan, phones(100)[50:], name="two")
    await until(lambda: len(rings(emulator)) == 100)
    worker.stop()
    await team.finish()
    assert rings(emulator) == Counter(phones(100))


async def test_fewer_calls_at_once_than_workers_still_come_to_an_end(
    team: Team, emulator: EmulatorThread
):
    record = await create(team.ledger, team.plan, phones(60), max_concurrency=16)
    campaign = await team.campaign()
    await campaign.change(attrs.evolve(record.settings, max_concurrency=2))
    for _ in range(3):
        await team.join()
    await team.finish()
    assert rings(emulator) == Counter(phones(60))


async def test_workers_that_follow_calls_keep_to_the_limit_of_live_calls_together(
    team: Team, emulator: EmulatorThread
):
    await create(
        team.ledger, team.plan, phones(200), follow=True, max_concurrency=20, calls_per_second=None
    )
    await team.join()
    await team.join()
    await team.finish()
    assert rings(emulator) == Counter(phones(200))
    # A call lives for 0.6 seconds, so the calls of any half second live at once.
    at = emulator.arrivals
    most = max(bisect_left(at, began + 0.5) - nth for nth, began in enumerate(at))
    assert 10 < most <= 20


# --- Controls.


@pytest.fixture
async def busy(team: Team, emulator: EmulatorThread) -> Team:
    """Two workers in the middle of a campaign of 20 calls a second."""
    await create(team.ledger, team.plan, phones(2000), calls_per_second=40.0)
    first, second = await team.join(until_done=False), await team.join(until_done=False)
    await until(lambda: held(first) > 0 and held(second) > 0 and len(emulator.rings) > 40)
    return team


async def test_a_pause_reaches_all_workers_and_so_does_going_on(
    busy: Team, emulator: EmulatorThread
):
    campaign = await busy.campaign()
    await campaign.pause()
    await asyncio.sleep(REACH)
    before = len(emulator.rings)
    await asyncio.sleep(1)
    assert len(emulator.rings) == before
    await campaign.resume()
    await until(lambda: len(emulator.rings) > before, within=REACH)


async def test_a_cancellation_reaches_all_workers(busy: Team, emulator: EmulatorThread):
    campaign = await busy.campaign()
    await campaign.cancel()
    await asyncio.sleep(REACH)
    before = len(emulator.rings)
    await asyncio.sleep(1)
    assert len(emulator.rings) == before


async def test_a_new_pace_reaches_all_workers(busy: Team, emulator: EmulatorThread):
    campaign = await busy.campaign()
    await campaign.change(attrs.evolve(campaign.record.settings, calls_per_second=4.0))
    await asyncio.sleep(REACH)
    before = len(emulator.rings)
    await asyncio.sleep(2)
    assert 4 <= len(emulator.rings) - before <= 9
    await campaign.change(attrs.evolve(campaign.record.settings, calls_per_second=60.0))
    await asyncio.sleep(REACH)
    before = len(emulator.rings)
    await asyncio.sleep(1)
    assert 40 <= len(emulator.rings) - before <= 63


async def test_a_fresh_suppression_reaches_all_workers(busy: Team, emulator: EmulatorThread):
    last = phones(2000)[200:]
    await busy.ledger.suppress(
        [
            Suppression(number=number, reason="asked", source="test", added_at=SystemClock().now())
            for number in last
        ]
    )
    before = len(emulator.rings)
    rung = {ring.number for ring in emulator.rings[:before]}
    await asyncio.sleep(REACH)
    later = {ring.number for ring in emulator.rings} - rung
    assert later.isdisjoint(last)


# --- Trouble.


async def test_a_credential_that_is_refused_stops_the_worker(team: Team, emulator: EmulatorThread):
    await create(team.ledger, team.plan, phones(20))
    team.plan = attrs.evolve(team.plan, key="wrong")
    await team.join()
    with pytest.raises(AuthenticationError):
        await team.finish()
    assert len(emulator.rings) == 0
    assert await team.ledger.workers() == []


async def test_a_campaign_that_is_not_there_is_a_clear_error(team: Team):
    await team.join(campaign="nowhere")
    with pytest.raises(CampaignError, match="nowhere"):
        await team.finish()


async def test_a_runner_that_would_dial_beside_the_workers_is_refused(
    team: Team, emulator: EmulatorThread
):
    record = await create(team.ledger, team.plan, phones(3))
    async with client_for(team.plan) as client:
        with pytest.raises(LedgerError, match="Worker"):
            await CampaignRunner(client, team.ledger, record).run()
    assert emulator.rings == []


async def test_a_dial_that_is_not_to_wait_leaves_where_the_history_cannot_be_read(
    team: Team, emulator: EmulatorThread
):
    emulator.add_fault(Fault("drop", rings=True, times=1))
    emulator.add_fault(Fault("status", status=500, operation="getCallHistory"))
    await create(team.ledger, team.plan, phones(2))
    async with client_for(team.plan) as client, asyncio.timeout(60):
        campaign = await team.campaign()
        result = await SharedRun(client, campaign).run(wait=False)
        assert result.ending is Ending.UNCERTAIN
        assert result.counts.attempts == {AttemptState.UNKNOWN: 1, AttemptState.PLACED: 1}
        emulator.clear_faults()
        result = await SharedRun(client, campaign).run(wait=False)
        assert result.ending is Ending.FINISHED
    assert rings(emulator) == Counter(phones(2))


async def test_a_ledger_in_a_file_is_refused(tmp_path: Any, emulator: EmulatorThread):
    async with (
        open_ledger(tmp_path / "campaign.db") as ledger,
        client_for(Plan.of(emulator, "")) as client,
    ):
        with pytest.raises(LedgerError, match="PostgreSQL"):
            Worker(client, ledger)  # type: ignore[arg-type]


async def test_a_cancelled_worker_gives_back_everything(team: Team, emulator: EmulatorThread):
    await create(team.ledger, team.plan, phones(2000))

    async def service() -> WorkerResult:
        async with open_ledger(team.plan.ledger) as ledger, client_for(team.plan) as client:
            return await run_worker(client, ledger)

    task = asyncio.create_task(service())
    await until(lambda: len(emulator.rings) > 50)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert await team.ledger.workers() == []
    await team.join(until_done=False)
    before = len(emulator.rings)
    await until(lambda: len(emulator.rings) > before + 50)
    assert max(rings(emulator).values()) == 1


async def test_what_an_earlier_run_of_the_same_name_was_dispatching_is_looked_for(
    team: Team, emulator: EmulatorThread
):
    # As when a run broke off with its ledger, and its results with it.
    record = await create(team.ledger, team.plan, phones(3))
    long_ago = SystemClock().now() - timedelta(minutes=1)
    left = await claim_one(team.ledger, record, worker="ann", now=long_ago)
    await team.join(name="ann")
    (result,) = await team.finish()
    assert result.is_done
    assert result.progress.attempts[AttemptState.LOST] == 1
    assert rings(emulator) == Counter(phones(3)), f"also {left.phone}, as the settings say"


async def test_calls_of_a_run_that_broke_off_are_followed_by_others_while_its_worker_lives(
    team: Team, talkative: EmulatorThread
):
    team.plan = Plan.of(talkative, team.plan.ledger)
    record = await create(team.ledger, team.plan, phones(12), follow=True)
    ann = await team.join(name="ann", until_done=False, grace=0)
    await until(lambda: ann.progress.followed == 12)
    bob = await team.join(name="bob")
    run = ann._runs.get(record.campaign_id)
    assert run is not None

    async def refused(campaign_id: int) -> Any:
        raise LedgerError(f"as if nothing of campaign {campaign_id} could be read here")

    ann._runs._make = refused
    run.runner._run.fail(LedgerError("as if it had been gone for a moment"))
    await until(lambda: sum(bob.progress.dispositions.values()) == 12, within=40)
    assert ann.standing.is_healthy
    ann.stop()
    await team.finish()
    assert rings(talkative) == Counter(phones(12))
    assert await team.states(record) == {ContactState.DONE: 12}


async def test_a_worker_is_healthy_while_the_ledger_hears_of_it(team: Team):
    await create(team.ledger, team.plan, phones(2000))
    worker = await team.join(until_done=False)
    assert not worker.standing.is_healthy
    await until(lambda: held(worker) == 16)
    standing = worker.standing
    assert standing.is_healthy
    assert standing.state == "working"
    assert standing.last_beat_seconds_ago is not None
    (record,) = await team.ledger.workers()
    assert record.name == worker.name
    worker.stop()
    await team.finish()
    assert not worker.standing.is_healthy
