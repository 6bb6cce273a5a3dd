from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.clock import Clock, ManualClock, SystemClock

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


async def _sleep_and_note(clock: Clock, seconds: float, notes: list[tuple[float, float]]) -> None:
    await clock.sleep(seconds)
    notes.append((seconds, clock.monotonic()))


async def test_sleepers_wake_in_the_order_of_their_moments_and_on_time() -> None:
    clock, notes = ManualClock(), list[tuple[float, float]]()
    async with asyncio.TaskGroup() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.create_task(_sleep_and_note(clock, seconds, notes))
        await clock.advance(10)
    assert notes == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert clock.monotonic() == 10


async def test_sleepers_of_one_moment_wake_first_come_first_served() -> None:
    clock, order = ManualClock(), list[int]()

    async def sleeper(number: int) -> None:
        await clock.sleep(5)
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(sleeper(number))
        await clock.advance(5)
    assert order == list(range(20))


async def test_nobody_wakes_too_early() -> None:
    clock, notes = ManualClock(), list[tuple[float, float]]()
    task = asyncio.create_task(_sleep_and_note(clock, 1.0, notes))
    await clock.advance(0.999)
    assert not task.done()
    assert clock.sleepers == 1
    await clock.advance(0.001)
    await task
    assert clock.sleepers == 0


async def test_time_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(START)
    await asyncio.sleep(0)
    assert clock.now() == START
    assert clock.monotonic() == 0


async def test_wall_clock_and_monotonic_time_move_together() -> None:
    clock = ManualClock(START)
    await clock.advance(3 * 86_400 + 0.5)
    assert clock.now() == START + timedelta(days=3, seconds=0.5)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() == 3 * 86_400 + 0.5


async def test_a_sleeper_that_sleeps_again_wakes_again_within_one_advance() -> None:
    clock, moments = ManualClock(), list[float]()

    async def ticker() -> None:
        for _ in range(5):
            await clock.sleep(2)
            moments.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(ticker())
        await clock.advance(10)
    assert moments == [2, 4, 6, 8, 10]


async def test_a_cancelled_sleeper_is_forgotten_and_disturbs_nobody() -> None:
    clock, notes = ManualClock(), list[tuple[float, float]]()
    cancelled = asyncio.create_task(_sleep_and_note(clock, 1, notes))
    other = asyncio.create_task(_sleep_and_note(clock, 2, notes))
    await clock.advance(0)
    assert clock.sleepers == 2
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert clock.sleepers == 1
    await clock.advance(2)
    await other
    assert notes == [(2, 2.0)]


@pytest.mark.parametrize("seconds", [0, -1, -0.0])
async def test_sleeping_for_no_time_gives_others_a_turn(seconds: float) -> None:
    clock, turns = ManualClock(), list[str]()

    async def other() -> None:
        turns.append("other")

    task = asyncio.create_task(other())
    await clock.sleep(seconds)
    assert turns == ["other"]
    assert clock.monotonic() == 0
    await task


async def test_manual_time_never_runs_backwards() -> None:
    clock = ManualClock()
    await clock.advance(5)
    with pytest.raises(ValueError, match=r".+"):
        await clock.advance(-1)
    assert clock.monotonic() == 5


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 50), max_size=12), st.lists(st.integers(1, 20), max_size=8))
def test_whoever_is_due_has_woken_and_nobody_else(sleeps: list[int], steps: list[int]) -> None:
    async def scenario() -> None:
        clock, notes = ManualClock(), list[tuple[float, float]]()
        tasks = [asyncio.create_task(_sleep_and_note(clock, s, notes)) for s in sleeps]
        passed = 0
        await clock.advance(0)
        for step in steps:
            passed += step
            await clock.advance(step)
            assert [due for due, _ in notes] == sorted(s for s in sleeps if s <= passed)
        assert all(due == woken for due, woken in notes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert clock.sleepers == 0

    asyncio.run(scenario())


async def test_the_real_clock_is_aware_and_never_runs_backwards() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.monotonic()
    await clock.sleep(-5)
    assert clock.monotonic() >= before
