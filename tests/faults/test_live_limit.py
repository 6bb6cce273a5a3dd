"""The limit of live calls, while shards change hands: it is one of all workers together."""

from __future__ import annotations

import asyncio
import signal
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.ledger import SharedLedger, open_ledger
from talkstack_async.campaign.worker import Worker
from talkstack_async.emulator import EmulatorThread, Script
from tests.support.postgres import on_server
from tests.support.workers import Fleet, Plan, client_for, create, send

LIMIT = 16
NUMBERS = [f"+1415{2000000 + n}" for n in range(100)]
# A call lives for a tenth less than it talks, or longer: those of a shorter span live at once.
TALKING, SPAN = 12.0, 9.5


@pytest.fixture
def emulator() -> Iterator[EmulatorThread]:
    script = Script(latency=0.02, queued_for=0.1, ringing_for=0.1, talking_for=TALKING)
    with EmulatorThread(script=script) as emulator:
        yield emulator


@pytest.fixture
def plan(emulator: EmulatorThread, postgres_url: str) -> Plan:
    return Plan.of(emulator, postgres_url)


async def campaign_on(plan: Plan) -> None:
    async with open_ledger(plan.ledger) as ledger:
        shared = cast("SharedLedger", ledger)
        await create(
            shared, plan, NUMBERS, follow=True, max_concurrency=LIMIT, calls_per_second=None
        )


@asynccontextmanager
async def paused(plan: Plan) -> AsyncIterator[None]:
    """Have nobody called in the block: workers take their shards at their leisure."""
    async with open_ledger(plan.ledger) as ledger:
        campaign = await Campaign.open(ledger, "chaos")
        await campaign.pause()
        yield
        await campaign.resume()


@asynccontextmanager
async def working(plan: Plan) -> AsyncIterator[Worker]:
    async with open_ledger(plan.ledger) as ledger, client_for(plan) as client:
        worker = Worker(client, ledger, heartbeat_seconds=3.0, grace_seconds=0)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def most_live(emulator: EmulatorThread) -> int:
    at = emulator.arrivals
    return max(bisect_left(at, began + SPAN) - nth for nth, began in enumerate(at))


async def test_whoever_takes_over_counts_the_calls_of_the_dead(
    emulator: EmulatorThread, plan: Plan
):
    await campaign_on(plan)
    with Fleet(plan) as fleet:
        dead = fleet.start()
        await until(lambda: len(emulator.arrivals) == LIMIT)
        send(dead, signal.SIGKILL)
        async with working(plan) as worker:
            await until(lambda: len(worker.standing.held) == LIMIT)
            await asyncio.sleep(2.5)
    assert most_live(emulator) == LIMIT


async def test_work_that_comes_to_shards_that_were_done_waits_for_the_calls_of_the_others(
    emulator: EmulatorThread, plan: Plan
):
    await campaign_on(plan)
    # As at the end of a list: half of the shards are done, and the others have their slots.
    on_server(plan.ledger, "UPDATE contact SET shard = contact_id % 8")
    async with working(plan) as first, working(plan) as second:

        def held() -> list[set[int]]:
            return [{shard for _, shard in one.standing.held} for one in (first, second)]

        async with paused(plan):
            await until(lambda: [len(each) for each in held()] == [4, 4])
        await until(lambda: len(emulator.arrivals) == LIMIT)
        on_server(plan.ledger, "UPDATE contact SET shard = shard + 8 WHERE state = 0")
        await until(lambda: set(range(8, 16)) <= set.union(*held()))
        await asyncio.sleep(2.5)
    assert most_live(emulator) == LIMIT
