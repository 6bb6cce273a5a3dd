from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.transport.slots import Slots


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Crowd:
    """Tasks that take slots, with a note of who got one, in order."""

    def __init__(self, limit: int) -> None:
        self.slots = Slots(limit)
        self.tasks: list[asyncio.Task[None]] = []
        self.served: list[int] = []

    def join(self) -> int:
        number = len(self.tasks)
        self.tasks.append(asyncio.create_task(self._take(number)))
        return number

    async def _take(self, number: int) -> None:
        await self.slots.acquire()
        self.served.append(number)

    async def disperse(self) -> None:
        for task in self.tasks:
            task.cancel()
        results = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(r is None or type(r) is asyncio.CancelledError for r in results), results


async def test_no_more_than_the_limit_get_a_slot() -> None:
    crowd = Crowd(3)
    for _ in range(10):
        crowd.join()
    await turns()
    assert crowd.served == [0, 1, 2]
    assert (crowd.slots.limit, crowd.slots.taken, crowd.slots.waiting) == (3, 3, 7)
    await crowd.disperse()


async def test_those_who_wait_are_served_in_order() -> None:
    crowd = Crowd(1)
    for _ in range(10):
        crowd.join()
    await turns()
    for _ in range(9):
        crowd.slots.release()
        await turns()
    assert crowd.served == list(range(10))


async def test_nobody_overtakes_those_who_wait() -> None:
    crowd = Crowd(1)
    crowd.join()
    crowd.join()
    await turns()
    crowd.slots.release()  # handed over, although the receiver has not run yet
    assert not crowd.slots.try_acquire()
    await turns()
    assert crowd.served == [0, 1]
    await crowd.disperse()


async def test_trying_takes_a_slot_only_if_one_is_free() -> None:
    slots = Slots(2)
    assert [slots.try_acquire() for _ in range(3)] == [True, True, False]
    slots.release()
    assert slots.try_acquire()
    assert slots.taken == 2


async def test_a_free_slot_is_taken_without_a_turn_of_the_loop() -> None:
    slots = Slots(1)
    coroutine = slots.acquire()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert slots.taken == 1


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    crowd = Crowd(1)
    for _ in range(3):
        crowd.join()
    await turns()
    crowd.tasks[1].cancel()
    await turns()
    assert crowd.tasks[1].cancelled()
    assert crowd.slots.waiting == 1
    crowd.slots.release()
    await turns()
    assert crowd.served == [0, 2]
    assert crowd.slots.taken == 1
    await crowd.disperse()


async def test_a_waiter_cancelled_in_the_moment_it_is_served_passes_its_slot_on() -> None:
    crowd = Crowd(1)
    for _ in range(3):
        crowd.join()
    await turns()
    crowd.slots.release()  # handed to 1 ...
    crowd.tasks[1].cancel()  # ... which is cancelled before it runs
    await turns()
    assert crowd.tasks[1].cancelled()
    assert crowd.served == [0, 2]
    assert crowd.slots.taken == 1
    await crowd.disperse()


async def test_a_slot_given_back_in_the_moment_of_a_cancellation_is_not_lost() -> None:
    crowd = Crowd(1)
    crowd.join()
    crowd.join()
    await turns()
    crowd.tasks[1].cancel()  # its future is cancelled, but it has not run yet ...
    crowd.slots.release()  # ... when it is skipped
    results = await asyncio.gather(*crowd.tasks, return_exceptions=True)
    assert type(results[1]) is asyncio.CancelledError  # and not an error of the bookkeeping
    assert (crowd.slots.taken, crowd.slots.waiting) == (0, 0)
    assert crowd.slots.try_acquire()


async def test_the_next_one_is_served_past_a_cancelled_one_that_has_not_run_yet() -> None:
    crowd = Crowd(1)
    for _ in range(3):
        crowd.join()
    await turns()
    crowd.tasks[1].cancel()
    crowd.slots.release()
    await turns()
    assert crowd.served == [0, 2]
    results = await asyncio.gather(*crowd.tasks, return_exceptions=True)
    assert type(results[1]) is asyncio.CancelledError


async def test_a_higher_limit_serves_those_who_wait_at_once() -> None:
    crowd = Crowd(1)
    for _ in range(5):
        crowd.join()
    await turns()
    crowd.slots.resize(4)
    await turns()
    assert crowd.served == [0, 1, 2, 3]
    await crowd.disperse()


async def test_a_lower_limit_takes_no_slot_away_but_hands_out_fewer() -> None:
    crowd = Crowd(3)
    for _ in range(5):
        crowd.join()
    await turns()
    crowd.slots.resize(1)
    assert crowd.slots.taken == 3
    for _ in range(2):
        crowd.slots.release()
        await turns()
        assert crowd.served == [0, 1, 2]
    crowd.slots.release()
    await turns()
    assert crowd.served == [0, 1, 2, 3]
    await crowd.disperse()


async def test_with_no_slots_everybody_waits_until_there_are_some() -> None:
    crowd = Crowd(0)
    crowd.join()
    await turns()
    assert crowd.served == []
    crowd.slots.resize(1)
    await turns()
    assert crowd.served == [0]


steps = st.lists(
    st.one_of(
        st.just(("join", 0)),
        st.just(("release", 0)),
        st.just(("turn", 0)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("resize"), st.integers(0, 4)),
    ),
    max_size=40,
)


async def _any_schedule(limit: int, schedule: list[tuple[str, int]]) -> None:
    crowd = Crowd(limit)
    slots, released = crowd.slots, 0
    for step, number in schedule:
        before = slots.taken
        if step == "join":
            crowd.join()
            await turns(1)  # so that they stand in line in the order of their numbers
        elif step == "release" and len(crowd.served) > released:
            released += 1
            slots.release()
        elif step == "cancel" and crowd.tasks:
            crowd.tasks[number % len(crowd.tasks)].cancel()
        elif step == "resize":
            slots.resize(number)
        elif step == "turn":
            await turns(1)
        assert slots.taken <= max(before, slots.limit)
        assert len(crowd.served) - released <= slots.taken
    await turns()
    assert crowd.served == sorted(crowd.served)
    assert slots.taken == len(crowd.served) - released
    assert slots.waiting == sum(not task.done() for task in crowd.tasks)
    assert not slots.waiting or slots.taken >= slots.limit
    await crowd.disperse()
    for _ in range(slots.taken):
        slots.release()
    assert (slots.taken, slots.waiting) == (0, 0)
    slots.resize(2)
    assert [slots.try_acquire() for _ in range(3)] == [True, True, False]


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 3), steps)
def test_in_any_order_of_events_no_slot_is_lost_or_handed_out_twice(
    limit: int, schedule: list[tuple[str, int]]
) -> None:
    asyncio.run(_any_schedule(limit, schedule))
