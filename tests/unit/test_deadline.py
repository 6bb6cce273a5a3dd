"""Deadlines, alone and under one timer."""

from __future__ import annotations

import asyncio

import pytest

from talkstack_async.transport.deadline import Deadline, Deadlines

FAR = 1000.0


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def bounded(deadline: Deadline) -> str:
    try:
        with deadline:
            await forever()
    except TimeoutError:
        return "passed"
    return "never"


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_deadline_ends_what_is_inside(is_shared: bool) -> None:
    together = Deadlines(asyncio.get_running_loop(), 0.01) if is_shared else None
    assert await bounded(Deadline(0.01, together)) == "passed"
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_cancellation_from_outside_stays_one(is_shared: bool) -> None:
    together = Deadlines(asyncio.get_running_loop(), FAR) if is_shared else None

    async def wait() -> None:
        with Deadline(FAR, together):
            await forever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("is_shared", [False, True])
async def test_if_both_come_together_the_cancellation_wins(is_shared: bool) -> None:
    together = Deadlines(asyncio.get_running_loop(), FAR) if is_shared else None
    inside: list[Deadline] = []

    async def wait() -> None:
        with Deadline(FAR, together) as deadline:
            inside.append(deadline)
            await forever()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    inside[0].let_pass()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_deadlines_that_share_a_timer_all_pass_and_leave_nothing() -> None:
    together = Deadlines(asyncio.get_running_loop(), 0.01)

    async def one(i: int) -> str:
        for _ in range(i):
            await asyncio.sleep(0)
        return await bounded(Deadline(0.01, together))

    assert set(await asyncio.gather(*(one(i) for i in range(30)))) == {"passed"}
    assert not together.running


async def test_one_that_ends_in_time_does_not_disturb_the_next() -> None:
    together = Deadlines(asyncio.get_running_loop(), 0.02)
    with Deadline(0.02, together):
        pass
    assert await bounded(Deadline(0.02, together)) == "passed"


async def test_whatever_ended_is_forgotten_at_once_behind_one_that_lasts() -> None:
    together = Deadlines(asyncio.get_running_loop(), FAR)
    with Deadline(FAR, together) as lasting:
        for _ in range(1000):
            with Deadline(FAR, together):
                pass
        assert list(together.running) == [lasting]
    assert lasting.seconds_left > 0
