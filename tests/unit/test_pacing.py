from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.clock import Clock, ManualClock
from talkstack_async.dispatch.pacing import Pace
from talkstack_async.errors import ConfigurationError

TINY = 1e-6
# Monotonic time starts anywhere; a machine has usually been up for a while.
START = 1_000.0


async def started(clock: ManualClock | None = None) -> ManualClock:
    begun = clock or ManualClock()
    await begun.advance(START)
    return begun


class LateClock(ManualClock):
    """A clock whose timers are late, as those of a busy machine are."""

    def __init__(self, lateness: Iterable[float]) -> None:
        super().__init__()
        self._lateness = iter(lateness)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + next(self._lateness, 0.0))


async def take(pace: Pace, clock: Clock, count: int = 1) -> list[float]:
    """Take turns, as fast as they are given; return their moments."""
    moments = []
    for _ in range(count):
        await pace.turn()
        moments.append(clock.monotonic() - START)
    return moments


async def taken(pace: Pace, clock: ManualClock, count: int) -> list[float]:
    task = asyncio.create_task(take(pace, clock, count))
    while not task.done():
        await clock.advance(1)
    return task.result()


def gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


@pytest.mark.parametrize("cps", [0.5, 1, 3, 10, 100])
async def test_turns_are_evenly_spaced(cps: float) -> None:
    clock = await started()
    moments = await taken(Pace(clock, cps), clock, 8)
    assert moments[0] == 0
    assert gaps(moments) == pytest.approx([1 / cps] * 7)


async def test_without_a_limit_nobody_waits() -> None:
    clock = await started()
    assert await take(Pace(clock, None), clock, 1_000) == [0] * 1_000


async def test_the_pace_is_shared_by_all_tasks() -> None:
    clock = await started()
    pace = Pace(clock, 2)
    tasks = [asyncio.create_task(take(pace, clock)) for _ in range(6)]
    await clock.advance(10)
    assert [task.result()[0] for task in tasks] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])


async def test_a_cancelled_task_does_not_use_up_a_turn_or_block_the_line() -> None:
    clock = await started()
    pace = Pace(clock, 1)
    tasks = [asyncio.create_task(take(pace, clock)) for _ in range(4)]
    await clock.advance(0.2)
    tasks[1].cancel()  # at the head of the line
    tasks[2].cancel()  # behind it
    await clock.advance(5)
    assert tasks[1].cancelled()
    assert tasks[2].cancelled()
    assert tasks[3].result() == pytest.approx([1.0])


async def test_there_is_no_burst_after_a_stall() -> None:
    clock = await started()
    pace = Pace(clock, 10)
    await taken(pace, clock, 3)
    await clock.advance(60)
    after = gaps(await taken(pace, clock, 5))
    assert after == pytest.approx([0.1] * 4)


async def test_late_timers_do_not_slow_the_pace_down() -> None:
    clock = await started(LateClock([0.001] * 1_000))
    moments = await taken(Pace(clock, 100), clock, 101)
    assert moments[-1] == pytest.approx(1.0, abs=0.02)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 100),
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.003, 0.4, 2.0]), max_size=40),
    st.lists(st.floats(0, 0.5), max_size=20),
)
def test_in_any_second_there_are_at_most_as_many_turns_as_the_pace_allows_and_one(
    cps: int, pauses: list[float], lateness: list[float]
) -> None:
    async def scenario() -> list[float]:
        clock = await started(LateClock(lateness))
        pace, moments = Pace(clock, cps), list[float]()

        async def work() -> None:
            for pause in pauses + [0.0] * 20:
                if pause:
                    await clock.sleep(pause)
                moments.extend(await take(pace, clock))

        task = asyncio.create_task(work())
        while not task.done():
            await clock.advance(5)
        return moments

    moments = asyncio.run(scenario())
    for start in moments:
        assert sum(start <= moment < start + 1 - TINY for moment in moments) <= cps + 1
    assert all(gap >= 0.5 / cps - TINY for gap in gaps(moments))


async def test_a_faster_pace_is_noticed_while_waiting() -> None:
    clock = await started()
    pace = Pace(clock, 0.01)
    task = asyncio.create_task(take(pace, clock, 2))
    await clock.advance(1)
    pace.calls_per_second = 10
    await clock.advance(0.25)
    assert task.done()
    assert pace.calls_per_second == 10


async def test_a_slower_pace_is_noticed_while_waiting() -> None:
    clock = await started()
    pace = Pace(clock, 10)
    task = asyncio.create_task(take(pace, clock, 2))
    await clock.advance(0.02)
    pace.calls_per_second = 1
    await clock.advance(0.9)
    assert not task.done()
    await clock.advance(0.1)
    assert task.result()[1] == pytest.approx(1.0)


async def test_lifting_the_limit_lets_everybody_go() -> None:
    clock = await started()
    pace = Pace(clock, 0.01)
    tasks = [asyncio.create_task(take(pace, clock)) for _ in range(5)]
    await clock.advance(0)
    pace.calls_per_second = None
    await clock.advance(0.25)
    assert all(task.done() for task in tasks)


async def test_going_back_and_forth_gives_no_free_turns() -> None:
    clock = await started()
    pace = Pace(clock, 1)
    await take(pace, clock)
    task = asyncio.create_task(take(pace, clock))
    for _ in range(10):
        pace.calls_per_second = 100
        pace.calls_per_second = 1
    await clock.advance(0.4)
    assert not task.done()
    await clock.advance(0.6)
    assert task.done()


async def test_a_limit_that_returns_holds_from_the_next_turn_on() -> None:
    clock = await started()
    pace = Pace(clock, 1)
    pace.calls_per_second = None
    await take(pace, clock, 100)
    pace.calls_per_second = 1
    moments = await taken(pace, clock, 3)
    assert all(gap >= 0.5 - TINY for gap in gaps(moments))


@pytest.mark.parametrize("cps", [None, 100])
async def test_a_refusal_holds_everybody_back_for_as_long_as_asked(cps: float | None) -> None:
    clock = await started()
    pace = Pace(clock, cps)
    pace.hold_back(30)
    tasks = [asyncio.create_task(take(pace, clock)) for _ in range(5)]
    await clock.advance(29.9)
    assert not any(task.done() for task in tasks)
    await clock.advance(1)
    moments = [task.result()[0] for task in tasks]
    assert moments[0] == pytest.approx(30)
    assert min(gaps(moments)) >= 0.005 - TINY  # and not all of them at once


async def test_a_refusal_also_holds_back_those_who_wait_already() -> None:
    clock = await started()
    pace = Pace(clock, 1)
    task = asyncio.create_task(take(pace, clock, 2))
    await clock.advance(0.3)
    pace.hold_back(10)
    await clock.advance(9.9)
    assert not task.done()
    await clock.advance(0.2)
    assert task.result()[1] == pytest.approx(10.3)


async def test_a_short_refusal_does_not_cut_a_long_one_short() -> None:
    clock = await started()
    pace = Pace(clock, None)
    pace.hold_back(60)
    pace.hold_back(1)
    task = asyncio.create_task(take(pace, clock))
    await clock.advance(59)
    assert not task.done()
    await clock.advance(1)
    assert task.done()


async def test_repeated_refusals_widen_the_gap_but_not_for_ever() -> None:
    clock = await started()
    pace = Pace(clock, None)
    widths = []
    for _ in range(12):
        pace.hold_back(0)
        widths.append(gaps(await taken(pace, clock, 4))[-1])
    assert widths == pytest.approx(sorted(widths))
    assert widths[0] == pytest.approx(0.01)
    assert widths[1] == pytest.approx(0.02)
    assert widths[-1] == pytest.approx(1.0)


async def test_accepted_calls_bring_the_old_pace_back() -> None:
    clock = await started()
    pace = Pace(clock, None)
    for _ in range(10):
        pace.hold_back(1)
    for _ in range(200):
        pace.ease()
    await clock.advance(2)
    assert await taken(pace, clock, 1) == [2]  # this one ends the hold
    assert gaps(await take(pace, clock, 50)) == [0] * 49


async def test_a_refusal_never_makes_the_pace_faster_than_wanted() -> None:
    clock = await started()
    pace = Pace(clock, 2)
    pace.hold_back(0)
    moments = await taken(pace, clock, 4)
    assert gaps(moments)[1:] == pytest.approx([0.5] * 2)
    assert gaps(moments)[0] >= 0.25 - TINY


@pytest.mark.parametrize("value", [0, 0.0, -1, -0.1, math.inf, -math.inf, math.nan, "5", b"5", []])
def test_a_pace_that_cannot_be_kept_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="calls_per_second must be"):
        Pace(ManualClock(), value)


async def test_a_refused_pace_leaves_the_old_one_in_force() -> None:
    pace = Pace(ManualClock(), 5)
    with pytest.raises(ConfigurationError):
        pace.calls_per_second = -1
    assert pace.calls_per_second == 5
