"""Campaigns that are killed, again and again: judged by the emulator's own count of rings."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.emulator import EmulatorThread, Fault, Script
from tests.support.killing import POINTS, Plan, run_child

SIGKILLED = -9
_WHILE_READING = ("while the list is read", "when the list was read", "while a row is checked")
_LATER = [point for point in POINTS if point not in _WHILE_READING]


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    script = Script(queued_for=0.05, ringing_for=0.05, talking_for=0.1, latency=0.01)
    with EmulatorThread(script=script) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


def plan_for(emulator: EmulatorThread, path: Path, count: int, **options: Any) -> Plan:
    contacts = path / "list.csv"
    rows = "".join(f"+1415{2000000 + n},Nr. {n}\n" for n in range(count))
    contacts.write_text(f"number,name\n{rows}", encoding="utf-8")
    return Plan(
        ledger=str(path / "list.db"),
        contacts=str(contacts),
        url=emulator.url,
        key=emulator.api_key,
        project_id=emulator.project_id,
        agent_id=emulator.agent_id,
        **options,
    )


def rung_twice(emulator: EmulatorThread) -> dict[str, int]:
    rings = Counter(ring.number for ring in emulator.rings)
    return {number: count for number, count in rings.items() if count > 1}


def accounted_for(plan: Plan, count: int) -> None:
    """Every contact is done, by an attempt that was placed; and the ledger is in order."""

    async def findings() -> Any:
        async with open_ledger(plan.ledger) as ledger:
            return await ledger.verify()

    assert asyncio.run(findings()) == []
    with contextlib.closing(sqlite3.connect(plan.ledger)) as database:
        states = dict(
            database.execute("SELECT state, count(*) FROM contact GROUP BY 1").fetchall()
        )
        open_attempts = database.execute(
            "SELECT count(*) FROM attempt WHERE state IN (1, 6)"
        ).fetchone()
    assert states == {2: count}
    assert open_attempts == (0,)


def kill_again_and_again(plan: Plan, *, kills: int, seed: int) -> Counter[int | None]:
    """Kill a campaign at every point in turn and at random moments, then let it come to its end.

    Until then it goes slowly, so that there is always something to interrupt.
    """
    dice = random.Random(seed)
    points = [*_WHILE_READING, *dice.sample(_LATER, len(_LATER))]
    slow = attrs.evolve(plan, calls_per_second=60)
    codes: Counter[int | None] = Counter()
    for nth in range(kills):
        if nth >= len(points) and nth % 2:
            codes[run_child(slow, kill_after=dice.uniform(0.02, 0.8))] += 1
        else:
            point = points[nth % len(points)]
            doomed = attrs.evolve(slow, point=point, nth=dice.choice((1, 1, 3, 8, 30)))
            codes[run_child(doomed, kill_after=2.0)] += 1
    assert run_child(plan) == 0
    return codes


@pytest.mark.parametrize(
    "follow",
    [pytest.param(True, id="followed"), pytest.param(False, id="placed", marks=pytest.mark.deep)],
)
def test_a_campaign_that_is_killed_at_every_point_rings_nobody_twice(
    emulator: EmulatorThread, tmp_path: Path, follow: bool
):
    count = 1500  # more than a machine under load can dial before the last kill
    plan = plan_for(emulator, tmp_path, count, follow=follow)
    codes = kill_again_and_again(plan, kills=len(POINTS), seed=7 + follow)
    assert codes == {SIGKILLED: len(POINTS)}
    assert rung_twice(emulator) == {}
    assert len(emulator.rings) == count
    accounted_for(plan, count)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_kills_ring_nobody_twice(emulator: EmulatorThread, tmp_path: Path, seed: int):
    emulator.add_fault(Fault("drop", rate=0.02, rings=True))
    count = 1500
    plan = plan_for(emulator, tmp_path, count, follow=bool(seed % 2), max_concurrency=60)
    codes = kill_again_and_again(plan, kills=20, seed=seed)
    print(f"seed {seed}: {codes}; {len(emulator.rings)} rings")
    assert rung_twice(emulator) == {}
    assert len(emulator.rings) == count
    accounted_for(plan, count)


def test_without_fence_and_with_a_lazy_t1_the_same_campaign_rings_somebody_twice(
    emulator: EmulatorThread, tmp_path: Path
):
    plan = plan_for(emulator, tmp_path, 400, unsafe=True, calls_per_second=200)
    for _ in range(30):
        # In the moment in which calls have left whose claim is not on disk.
        run_child(attrs.evolve(plan, point="when the reply is there", nth=12))
        if rung_twice(emulator):
            break
    assert rung_twice(emulator) != {}
