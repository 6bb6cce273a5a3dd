"""A frozen process, a clock that jumps, a disk that is full: one clear error, and nothing lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from talkstack_async.campaign.feeder import Ending
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.settings import EvidenceSettings, LostRule
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.clock import SystemClock
from talkstack_async.emulator import EmulatorThread, Script
from talkstack_async.errors import (
    ClockJumpError,
    LedgerBusyError,
    LedgerCorruptError,
    LedgerFullError,
    LedgerInUseError,
)
from tests.faults.test_campaign_kills import accounted_for, plan_for, rung_twice
from tests.support.campaigns import phone, rings, stage
from tests.support.killing import run_child, start_child


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    script = Script(queued_for=0.01, ringing_for=0.01, talking_for=0.02, latency=0.01)
    with EmulatorThread(script=script) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


REDIAL = EvidenceSettings(
    fence_seconds=0.5, margin_seconds=0.05, history_lag_seconds=0.1, lost=LostRule.REDIAL
)


class SettableClock(SystemClock):
    """The machine's clock, as somebody sets it."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


# --- Frozen.


@pytest.mark.parametrize(
    "seconds", [3.0, pytest.param(20.0, marks=pytest.mark.deep)], ids=["3 s", "20 s"]
)
def test_a_process_that_is_frozen_and_thawed_rings_nobody_twice(
    emulator: EmulatorThread, tmp_path: Path, seconds: float
):
    # Both are longer than the fence of half a second and the timeout of one.
    plan = plan_for(emulator, tmp_path, 400, calls_per_second=100)
    child = start_child(plan)
    wait_for_rings(emulator, 50)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGCONT)
    child.join(60)
    assert child.exitcode == 0
    assert rung_twice(emulator) == {}
    assert len(emulator.rings) == 400
    accounted_for(plan, 400)


def test_a_frozen_runner_keeps_its_ledger_so_that_nobody_dials_beside_it(
    emulator: EmulatorThread, tmp_path: Path
):
    plan = plan_for(emulator, tmp_path, 300, calls_per_second=100)
    child = start_child(plan)
    wait_for_rings(emulator, 20)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    try:
        before = len(emulator.rings)
        assert run_child(plan) == 1  # LedgerInUseError
        assert len(emulator.rings) <= before + 50  # what had left already
    finally:
        os.kill(child.pid, signal.SIGCONT)
    child.join(60)
    assert child.exitcode == 0
    assert rung_twice(emulator) == {}


def test_a_claim_that_grew_old_is_given_up_unsent_and_taken_up_afresh(
    emulator: EmulatorThread, tmp_path: Path
):
    async def frozen() -> None:
        async with stage(emulator, tmp_path, [phone(n) for n in range(40)]) as it:
            runner = it.runner()
            run = asyncio.create_task(runner.run())
            while not emulator.rings:
                await asyncio.sleep(0)
            time.sleep(0.8)  # noqa: ASYNC251 # the whole process stands still
            result = await run
            assert result.counts.contacts == {ContactState.DONE: 40}
            assert await it.ledger.verify() == []

    asyncio.run(frozen())
    assert rings(emulator) == Counter(phone(n) for n in range(40))


# --- The clock.


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_jumps_stops_the_campaign_and_loses_nothing(
    emulator: EmulatorThread, tmp_path: Path, hours: int
):
    clock = SettableClock()
    numbers = [phone(n) for n in range(200)]
    async with stage(emulator, tmp_path, numbers, clock=clock, calls_per_second=100) as it:
        run = asyncio.create_task(it.runner().run())
        while len(emulator.rings) < 10:
            await asyncio.sleep(0.005)
        clock.offset = timedelta(hours=hours)
        way = "forward" if hours > 0 else "back"
        with pytest.raises(ClockJumpError, match=f"set {way} by 3600 s"):
            await run
        counts = await it.campaign.counts()
        assert AttemptState.DISPATCHING not in counts.attempts
        assert sum(counts.contacts.values()) == 200
        clock.offset = timedelta(0)
        if hours > 0:
            # The hour ahead stands in the ledger; who comes back is told so, once it matters.
            with pytest.raises(ClockJumpError, match="set the clock right"):
                await it.runner().run()
            clock.offset = timedelta(hours=1)
        faster = attrs.evolve(it.campaign.record.settings, calls_per_second=None)
        await it.campaign.change(faster)
        result = await it.runner().run()
        assert result.ending is Ending.FINISHED
    assert rings(emulator) == Counter(numbers)


# --- The disk.


async def test_a_full_disk_stops_the_campaign_and_the_next_run_goes_on(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(300)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=200, evidence=REDIAL) as it:
        run = asyncio.create_task(it.runner(grace_seconds=1).run())
        while len(emulator.rings) < 20:
            await asyncio.sleep(0.005)
        await limit_pages(it.ledger, "page_count")
        with pytest.raises(LedgerFullError, match="room"):
            await run
        rung = len(emulator.rings)
        await asyncio.sleep(0.1)
        assert len(emulator.rings) == rung < 300
    # The same ledger, with room again. What was claimed and could not be given back on paper is
    # looked for first.
    async with stage(emulator, tmp_path, numbers, evidence=REDIAL) as it:
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 300}
        assert await it.ledger.verify() == []
    assert rings(emulator) == Counter(numbers)


async def limit_pages(ledger: Any, limit: str) -> None:
    """Let the database not grow any further, as on a disk that is full."""

    def act(transaction: Any) -> None:
        (pages,) = transaction.connection.execute(f"PRAGMA {limit}").fetchone()
        transaction.connection.execute(f"PRAGMA max_page_count = {pages}")

    # It may share its transaction with the run's own writes, which are then the first not to fit.
    with suppress(LedgerFullError):
        await ledger._submit(act)


async def test_a_ledger_that_somebody_keeps_locked_stops_the_campaign(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(200)]
    async with stage(emulator, tmp_path, numbers, calls_per_second=100, evidence=REDIAL) as it:
        await quick_to_give_up(it.ledger)
        run = asyncio.create_task(it.runner(grace_seconds=1).run())
        while len(emulator.rings) < 10:
            await asyncio.sleep(0.005)
        other = sqlite3.connect(tmp_path / "campaign.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.wait((run,))
        other.execute("ROLLBACK")
        other.close()
        with pytest.raises(LedgerBusyError, match="another program"):
            await run
        faster = attrs.evolve(it.campaign.record.settings, calls_per_second=None)
        await it.campaign.change(faster)
        result = await it.runner().run()
        assert result.counts.contacts == {ContactState.DONE: 200}
    assert rings(emulator) == Counter(numbers)


async def quick_to_give_up(ledger: Any) -> None:
    await ledger._submit(
        lambda transaction: transaction.connection.execute("PRAGMA busy_timeout = 50")
    )


async def test_a_damaged_ledger_is_refused_before_anybody_is_called(
    emulator: EmulatorThread, tmp_path: Path
):
    numbers = [phone(n) for n in range(500)]
    async with stage(emulator, tmp_path, numbers):
        pass
    file = tmp_path / "campaign.db"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = os.urandom(8192)
    file.write_bytes(data)
    with pytest.raises(LedgerCorruptError, match="restore"):
        async with stage(emulator, tmp_path, numbers) as it:
            await it.runner().run()
    assert not emulator.rings


async def test_a_second_runner_on_the_same_file_is_refused(
    emulator: EmulatorThread, tmp_path: Path
):
    async with stage(emulator, tmp_path, [phone(1)]) as it:
        with pytest.raises(LedgerInUseError):
            async with open_ledger(tmp_path / "campaign.db", exclusive=True):
                pass
        await it.runner().run()
    assert rings(emulator) == {phone(1): 1}


def wait_for_rings(emulator: EmulatorThread, count: int) -> None:
    while len(emulator.rings) < count:
        time.sleep(0.01)
