"""Worker processes that are killed, frozen, stopped and added while they dial one campaign.

Judged by the emulator: by what rang, when, and how often. The short form is part of the suite;
`make deep` runs the long one.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.states import AttemptState
from talkstack_async.emulator import EmulatorThread, Fault, Script
from tests.support.postgres import Databases, PostgresServer, on_server
from tests.support.workers import Fleet, Plan, create, send

PACE = 100.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that writes as a real one does."""
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture
def ledger(server: PostgresServer) -> Iterator[str]:
    databases = Databases(server.url)
    with databases.fresh() as url:
        yield url
    databases.close()


@pytest.fixture
def emulator() -> Iterator[EmulatorThread]:
    with EmulatorThread(script=Script(latency=0.03)) as emulator:
        yield emulator


def phones(count: int) -> list[str]:
    return [f"+1415{2000000 + n}" for n in range(count)]


def prepare(plan: Plan, count: int, **settings: Any) -> None:
    """Create a campaign that is paused."""

    async def main() -> None:
        async with open_ledger(plan.ledger) as ledger:
            await create(ledger, plan, phones(count), **settings)
            await (await Campaign.open(ledger, "chaos")).pause()

    asyncio.run(main())


def begin(ledger: str, *, workers: int) -> None:
    """Have everybody called as soon as so many workers have their shards."""
    wait_for_workers(ledger, workers)

    async def main() -> None:
        async with open_ledger(ledger) as opened:
            await (await Campaign.open(opened, "chaos")).resume()

    asyncio.run(main())


def wait_for_the_end(ledger: str, *, within: float) -> None:
    """Wait until every contact is done."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            if not on_server(ledger, "SELECT 1 FROM contact WHERE state <> 2 LIMIT 1"):
                return
        time.sleep(0.25)
    states = on_server(ledger, "SELECT state, count(*) FROM contact GROUP BY 1")
    raise AssertionError(f"the campaign did not come to its end: {states}")


def busiest_second(arrivals: list[float]) -> int:
    return max(bisect_left(arrivals, at + 1.0) - nth for nth, at in enumerate(arrivals))


def longest_idleness(ledger: str, emulator: EmulatorThread) -> float:
    """How long at most no call was placed in some shard, while it had contacts to call.

    Everybody is due from the start, so that is as long as there are first calls to come; those
    that were lost and placed again may come later.
    """
    shard_of = dict(on_server(ledger, "SELECT number, shard FROM contact WHERE tries = 1"))
    moments: defaultdict[int, list[float]] = defaultdict(list)
    for ring in emulator.rings:
        if ring.number in shard_of:
            moments[shard_of[ring.number]].append(ring.at)
    return max(later - earlier for each in moments.values() for earlier, later in pairwise(each))


def rung_twice(emulator: EmulatorThread) -> dict[str, int]:
    rings = Counter(ring.number for ring in emulator.rings)
    return {number: count for number, count in rings.items() if count > 1}


def findings(ledger: str) -> Any:
    async def main() -> Any:
        async with open_ledger(ledger) as opened:
            return await opened.verify()

    return asyncio.run(main())


def wait_for_workers(ledger: str, count: int, *, within: float = 30.0) -> None:
    """Wait until so many workers have shards, none much more than the others."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        held = [n for (n,) in on_server(ledger, "SELECT count(*) FROM holding GROUP BY worker")]
        if len(held) == count and min(held) > 1:
            return
        time.sleep(0.1)
    raise AssertionError(f"the workers hold {held}")


def torment(fleet: Fleet, ledger: str, *, frozen_for: float) -> None:
    """Three workers; one is killed, one is frozen and thawed, and a new one comes."""
    killed, frozen, _ = fleet.start(), fleet.start(), fleet.start()
    begin(ledger, workers=3)
    time.sleep(2)
    killed.kill()
    # Before it could take up what the other one had: that would be a second heartbeat's wait.
    time.sleep(0.5)
    send(frozen, signal.SIGSTOP)
    time.sleep(2)
    fleet.start()
    time.sleep(frozen_for - 2)
    send(frozen, signal.SIGCONT)


def judge(
    emulator: EmulatorThread, ledger: str, *, count: int, heartbeat: float, slack: float = 5.0
) -> None:
    arrivals = emulator.arrivals
    busiest, idle = busiest_second(arrivals), longest_idleness(ledger, emulator)
    spent = arrivals[-1] - arrivals[0]
    print(f"{count} calls in {spent:.1f} s, {busiest} in a second, a shard idle for {idle:.1f} s")
    assert rung_twice(emulator) == {}
    assert len(emulator.rings) == count
    assert busiest <= PACE * 1.05
    assert idle <= heartbeat + slack
    assert findings(ledger) == []


def test_workers_that_are_killed_frozen_and_added_ring_everybody_exactly_once(
    emulator: EmulatorThread, ledger: str
):
    emulator.add_fault(Fault("drop", rate=0.01, rings=True))
    plan = Plan.of(emulator, ledger, heartbeat_seconds=3.0)
    prepare(plan, 2000)
    with Fleet(plan) as fleet:
        torment(fleet, ledger, frozen_for=9.0)
        wait_for_the_end(ledger, within=60)
    # Beside other tests on the same two cores, five seconds are those of the machine.
    judge(emulator, ledger, count=2000, heartbeat=3.0, slack=10.0)


@pytest.mark.deep
def test_the_long_torment_rings_everybody_exactly_once(emulator: EmulatorThread, ledger: str):
    emulator.add_fault(Fault("drop", rate=0.01, rings=True))
    plan = Plan.of(emulator, ledger, heartbeat_seconds=10.0)
    prepare(plan, 6000)
    with Fleet(plan) as fleet:
        torment(fleet, ledger, frozen_for=22.0)
        wait_for_the_end(ledger, within=120)
    judge(emulator, ledger, count=6000, heartbeat=10.0)


def freeze_with_claims(worker: BaseProcess, ledger: str, emulator: EmulatorThread) -> set[str]:
    """Freeze a worker in a moment in which it has claims that have not left."""
    until = time.monotonic() + 10
    query = f"SELECT number FROM attempt WHERE state = 1 AND worker LIKE '%:{worker.pid}:%'"
    while time.monotonic() < until:
        send(worker, signal.SIGSTOP)
        time.sleep(0.1)  # what is on its way arrives
        claimed = {number for (number,) in on_server(ledger, query)}
        unsent = claimed - {ring.number for ring in emulator.rings}
        if unsent:
            return unsent
        send(worker, signal.SIGCONT)
        time.sleep(0.3)
    raise AssertionError("it never had claims that had not left")


def wait_until_lost(ledger: str, phones: set[str], *, within: float) -> None:
    """Wait until others have looked for these calls and found that they were never placed."""
    until = time.monotonic() + within
    query = f"SELECT number FROM attempt WHERE state = {AttemptState.LOST.value}"
    while not phones <= {number for (number,) in on_server(ledger, query)}:
        assert time.monotonic() < until, "nobody looked for what the frozen worker had"
        time.sleep(0.1)


def test_without_the_fence_a_frozen_worker_rings_somebody_twice(
    emulator: EmulatorThread, ledger: str
):
    plan = Plan.of(emulator, ledger, heartbeat_seconds=3.0, unsafe=True)
    prepare(plan, 1200)
    with Fleet(plan) as fleet:
        frozen, _, _ = fleet.start(), fleet.start(), fleet.start()
        begin(ledger, workers=3)
        claimed = freeze_with_claims(frozen, ledger, emulator)
        wait_until_lost(ledger, claimed, within=40)
        send(frozen, signal.SIGCONT)
        # What was lost is dialled again once everybody else was called.
        until = time.monotonic() + 40
        while not rung_twice(emulator) and time.monotonic() < until:
            time.sleep(0.2)
    assert rung_twice(emulator) != {}


def stop_in_the_middle(server: PostgresServer, emulator: EmulatorThread, how: str) -> set[str]:
    """Stop a server while it is worked with; return who was called by then."""
    time.sleep(2)
    server.stop(how)
    # What had left is answered meanwhile, and nothing else leaves without a ledger.
    time.sleep(1)
    before = len(emulator.arrivals)
    time.sleep(2)
    assert len(emulator.arrivals) == before
    return {ring.number for ring in emulator.rings}


def without_a_claim(ledger: str, called: set[str], *, by: float) -> set[str]:
    """Return those called whose claim is not in the ledger, of those made before a moment."""
    claimed = on_server(ledger, "SELECT number FROM attempt WHERE sent_at < %s", int(by * 1000))
    return called - {number for (number,) in claimed}


@pytest.mark.parametrize("how", ["immediate", pytest.param("fast", marks=pytest.mark.deep)])
def test_a_restart_of_the_database_stops_the_workers_only_for_a_while(
    emulator: EmulatorThread, ledger: str, server: PostgresServer, how: str
):
    plan = Plan.of(emulator, ledger)
    prepare(plan, 800)
    with Fleet(plan) as fleet:
        fleet.start(), fleet.start()
        began_at = time.time()
        begin(ledger, workers=2)
        called = stop_in_the_middle(server, emulator, how)
        stopped_at = time.time()
        server.start()
        assert without_a_claim(ledger, called, by=stopped_at) == set()
        assert without_a_claim(ledger, called, by=began_at) == called, "the check finds them"
        wait_for_the_end(ledger, within=60)
    assert rung_twice(emulator) == {}
    assert {ring.number for ring in emulator.rings} == set(phones(800))
    placed = on_server(ledger, "SELECT number FROM attempt WHERE state = 2")
    assert Counter(number for (number,) in placed) == Counter(phones(800))
    assert findings(ledger) == []


@pytest.mark.deep
def test_a_rolling_restart_loses_nothing_and_rings_nobody_twice(
    emulator: EmulatorThread, ledger: str
):
    plan = Plan.of(emulator, ledger)
    prepare(plan, 1500, calls_per_second=50.0)
    with Fleet(plan) as fleet:
        old = [fleet.start(), fleet.start()]
        begin(ledger, workers=2)
        for worker in old:
            fleet.start()
            wait_for_workers(ledger, 3)
            assert fleet.stop(worker) == 0
        wait_for_the_end(ledger, within=60)
    assert on_server(ledger, "SELECT count(*) FROM worker") == [(2,)]
    judge(emulator, ledger, count=1500, heartbeat=0.0)
    unknown = on_server(ledger, "SELECT count(*) FROM audit WHERE detail LIKE '%unknown%'")
    assert unknown == [(0,)]
