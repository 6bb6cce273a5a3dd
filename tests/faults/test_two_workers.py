"""Two workers do nearly twice the work of one, where the machine has cores to spare.

So that it has, the kernel allows each worker a small part of a core. That takes control groups,
and the right to make some.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.emulator import EmulatorThread, Script
from tests.support.postgres import Databases, PostgresServer, on_server
from tests.support.workers import Fleet, Plan, create

PART_OF_A_CORE = 0.15
PERIOD_US = 20_000
PLACE = Path("/sys/fs/cgroup")


class Group:
    """A control group whose processes get a part of a core; version 1 or 2, whichever is there."""

    def __init__(self, name: str) -> None:
        is_second = (PLACE / "cgroup.controllers").exists()
        self._place = (PLACE if is_second else PLACE / "cpu") / name
        quota = int(PERIOD_US * PART_OF_A_CORE)
        try:
            self._place.mkdir()
            if is_second:
                (self._place / "cpu.max").write_text(f"{quota} {PERIOD_US}")
            else:
                (self._place / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (self._place / "cpu.cfs_quota_us").write_text(str(quota))
        except OSError as error:
            self.remove()
            pytest.skip(f"no control groups can be made here: {error}")

    def take(self, pid: int | None) -> None:
        (self._place / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._place.rmdir()


@pytest.fixture
def groups() -> Iterator[list[Group]]:
    made = [Group(f"talkstack-test-{n}") for n in range(2)]
    yield made
    for group in made:
        group.remove()


def calls_per_second(server: PostgresServer, groups: list[Group]) -> float:
    """Let as many workers as there are groups dial for some seconds; return how fast they were."""
    databases = Databases(server.url)
    script = Script(latency=0.02)
    with databases.fresh() as ledger, EmulatorThread(script=script) as emulator:
        plan = Plan.of(emulator, ledger, heartbeat_seconds=10.0)
        asyncio.run(prepare(plan))
        with Fleet(plan) as fleet:
            workers = [fleet.start() for _ in groups]
            wait_until_shared(ledger, len(workers))
            for group, worker in zip(groups, workers, strict=True):
                group.take(worker.pid)
            asyncio.run(resume(plan))
            while not emulator.arrivals:
                time.sleep(0.1)
            time.sleep(2)
            before, began = len(emulator.arrivals), time.monotonic()
            time.sleep(5)
            speed = (len(emulator.arrivals) - before) / (time.monotonic() - began)
    databases.close()
    return speed


async def prepare(plan: Plan) -> None:
    phones = (f"+1415{2000000 + n}" for n in range(20_000))
    async with open_ledger(plan.ledger) as ledger:
        await create(ledger, plan, phones, calls_per_second=None, max_concurrency=200)
        await (await Campaign.open(ledger, "chaos")).pause()


async def resume(plan: Plan) -> None:
    async with open_ledger(plan.ledger) as ledger:
        await (await Campaign.open(ledger, "chaos")).resume()


def wait_until_shared(ledger: str, count: int) -> None:
    until = time.monotonic() + 60
    held: list[int] = []
    while time.monotonic() < until:
        held = [n for (n,) in on_server(ledger, "SELECT count(*) FROM holding GROUP BY worker")]
        if len(held) == count and sum(held) == 16 and max(held) - min(held) <= 2:
            return
        time.sleep(0.3)
    raise AssertionError(f"the workers hold {held}")


@pytest.mark.deep
def test_two_workers_reach_nearly_twice_the_speed_of_one(groups: list[Group]):
    with PostgresServer(durable=True) as server:
        ratios = []
        for _ in range(5):
            one = calls_per_second(server, groups[:1])
            two = calls_per_second(server, groups)
            print(f"one worker {one:.0f} calls/s, two {two:.0f}")
            ratios.append(two / one)
    assert statistics.median(ratios) >= 1.7
