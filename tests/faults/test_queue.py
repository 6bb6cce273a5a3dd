"""The queue of slices, on a real server: leases that are taken, lost, and taken over."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from talkstack_async.campaign.engine import Engine
from talkstack_async.campaign.part import Slice
from talkstack_async.clock import SystemClock
from tests.support.postgres import on_server

PIECES = [Slice(7, shard) for shard in range(4)]


class Desk:
    """An engine, and what it was given to work."""

    def __init__(self, url: str) -> None:
        self.given: Counter[Slice] = Counter()
        self.at_work: dict[Slice, asyncio.Future[float | None]] = {}
        self.losses = 0
        self.engine = Engine(
            url,
            work=self._work,
            when_lost=self._lose,
            when_ready=lambda: None,
            heartbeat_seconds=2.0,
            clock=SystemClock(),
        )
        self.engine.serve([7])
        self.task = asyncio.create_task(self.engine.run())

    async def queue(self, *pieces: Slice) -> None:
        """Queue slices as the steward does: again and again."""
        await until(lambda: self.engine._queries is not None)
        await self.engine.queue(pieces)

    def end(self, again: float | None = None) -> None:
        for future in self.at_work.values():
            if not future.done():
                future.set_result(again)

    async def close(self) -> None:
        self.engine.stop()
        self.end()
        await self.task

    async def _work(self, piece: Slice) -> float | None:
        self.given[piece] += 1
        future = asyncio.get_running_loop().create_future()
        self.at_work[piece] = future
        try:
            return await future
        finally:
            del self.at_work[piece]

    def _lose(self) -> None:
        self.losses += 1
        self.end()


async def until(condition: Callable[[], bool], *, within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def desk(empty_database: str) -> AsyncIterator[Desk]:
    desk = Desk(empty_database)
    yield desk
    await desk.close()


def jobs(url: str) -> int:
    ((count,),) = on_server(url, "SELECT count(*) FROM talkstack_pgqueuer")
    return count


async def test_a_slice_is_queued_once_and_worked_by_one(desk: Desk, empty_database: str):
    await desk.queue(*PIECES)
    await desk.queue(*PIECES)
    await until(lambda: len(desk.at_work) == 4)
    await desk.queue(*PIECES)
    other = Desk(empty_database)
    await asyncio.sleep(2.5)
    assert desk.given == Counter(PIECES)
    assert other.given == Counter()
    await other.close()
    desk.end()
    await until(lambda: jobs(empty_database) == 0)


async def test_workers_may_all_start_at_once_on_a_database_without_a_queue(empty_database: str):
    desks = [Desk(empty_database) for _ in range(4)]
    for desk in desks:
        await desk.queue(*PIECES)
    await until(lambda: sum(len(desk.at_work) for desk in desks) == 4)
    await asyncio.gather(*(desk.close() for desk in desks))
    # A queue that users have for themselves is left alone.
    assert on_server(empty_database, "SELECT to_regclass('pgqueuer')") == [(None,)]


async def test_a_slice_that_is_due_again_goes_to_somebody_else_if_this_one_rests(
    desk: Desk, empty_database: str
):
    other = Desk(empty_database)
    other.engine.rest(7, 3.0)
    await desk.queue(PIECES[0])
    await until(lambda: len(desk.at_work) == 1)
    other.engine.rest(7, 0.0)
    desk.engine.rest(7, 10.0)
    desk.end(again=0.0)
    await until(lambda: len(other.at_work) == 1)
    await other.close()


async def test_a_slice_that_was_taken_over_is_not_finished_by_who_had_it_before(
    desk: Desk, empty_database: str
):
    await desk.queue(*PIECES)
    await until(lambda: len(desk.at_work) == 4)
    on_server(empty_database, "UPDATE talkstack_pgqueuer SET queue_manager_id = %s", uuid.uuid4())
    desk.engine.rest(7, 60.0)
    desk.end()
    await until(lambda: not desk.at_work)
    await desk.close()
    assert jobs(empty_database) == 4


async def test_a_lost_connection_ends_the_work_and_the_queue_comes_back_by_itself(
    desk: Desk, empty_database: str
):
    await desk.queue(*PIECES)
    await until(lambda: len(desk.at_work) == 4)
    on_server(
        empty_database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'talkstack-queue'",
    )
    await until(lambda: desk.losses > 0)
    await until(lambda: not desk.at_work)
    # The jobs are still in the old connection's name, until its heartbeat runs out.
    await until(lambda: len(desk.at_work) == 4)


async def test_a_queue_that_cannot_be_reached_can_still_be_stopped():
    desk = Desk("postgresql://nobody@127.0.0.1:1/nothing")
    await asyncio.sleep(0.5)
    await desk.close()
