"""The crew: as many workers as calls may go on at once, each with one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from ..dispatch.flight import stopped
from ..errors import TalkstackError
from ..transport.outgoing import SentMark
from .attempting import Attempting, Following
from .fence import FencedFlight, Stamp
from .jobs import Jobs
from .records import Claim
from .run_state import RunState
from .settling import settle_failed

__all__ = ["Crew"]

Judge: TypeAlias = Callable[[TalkstackError | None, Stamp], None]


class Crew:
    """Dials claims and follows calls; a slot stands for a call until it is settled.

    Args:
        judge: Told of each call what went wrong, None if it was placed, and when its claim was
            asked for.

    Attributes:
        unsent: Claims that have not left yet.
        finished: Jobs done so far.
    """

    def __init__(self, run: RunState, attempting: Attempting, *, judge: Judge) -> None:
        self._run = run
        self._attempting = attempting
        self._judge = judge
        self._jobs = Jobs(run.clock)
        self._job_news = asyncio.Event()
        self._workers: dict[asyncio.Task[None], FencedFlight | None] = {}
        self._idle = 0
        self._limit = 1
        self._followed: set[int] = set()
        self.unsent = 0
        self.finished = 0

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self._workers) - self._idle

    @property
    def dialling(self) -> int:
        """Calls being placed."""
        flights = self._workers.values()
        return sum(flight is not None and flight.call_id is None for flight in flights)

    @property
    def queued(self) -> int:
        """Jobs that wait for a slot."""
        return len(self._jobs)

    @property
    def is_busy(self) -> bool:
        """Whether anything is going on."""
        return bool(self._jobs or self.unsent or self.busy)

    def dial(self, claims: Sequence[Claim], stamp: Stamp) -> None:
        """Have claims dialled, each as soon as there is a slot and a turn."""
        self.unsent += len(claims)
        fence_seconds = self._run.settings.evidence.fence_seconds
        self._jobs.add_claims(claims, stamp, fence_seconds=fence_seconds)

    def follow(self, following: Following) -> None:
        """Have a call followed, before anything new is dialled: its phone rings already."""
        if following.attempt.attempt_id not in self._followed:
            self._followed.add(following.attempt.attempt_id)
            self._run.tally.followed += 1
            self._jobs.add_call(following)

    def staff(self) -> None:
        """Have a worker for each job, up to the limit."""
        self._job_news.set()
        # Whoever has lost all slots to other workers still has to see its claims off.
        self._limit = self._run.slots or 1
        missing = min(self._limit - len(self._workers), len(self._jobs) - self._idle)
        for _ in range(missing):
            worker = asyncio.create_task(self._work())
            self._workers[worker] = None
            worker.add_done_callback(self._dismiss)

    def stand_down(self) -> None:
        """Give back what has not left, and let those finish whose call has."""
        self.give_back()
        self._jobs.drop_calls()
        for worker, flight in tuple(self._workers.items()):
            if flight is None or flight.ask_to_stop():
                worker.cancel()

    def give_back(self) -> None:
        """Give back what has not left. Calls that have are answered and followed."""
        for claim in self._jobs.take_claims(lambda _: True):
            self._give_back(claim)
        for worker, flight in tuple(self._workers.items()):
            if flight is not None and not flight.sent and flight.call_id is None:
                worker.cancel()

    def unsent_phones(self) -> list[str]:
        """Return the numbers of claims that have not left yet."""
        waiting = [claim.phone for claim in self._jobs.claims]
        return waiting + [flight.claim.phone for flight in self._unsent_flights()]

    def withdraw(self, phones: Collection[str]) -> None:
        """Give back the claims on some numbers, those of them that have not left yet."""
        for claim in self._jobs.take_claims(lambda claim: claim.phone in phones):
            self._give_back(claim)
        for flight in self._unsent_flights():
            if flight.claim.phone in phones:
                flight.withdraw()

    def _unsent_flights(self) -> list[FencedFlight]:
        return [each for each in self._workers.values() if each is not None and not each.sent]

    async def finish(self, *, grace_seconds: float, hurried: asyncio.Event) -> None:
        """Wait for answers, then give up waiting; every attempt is recorded either way."""
        hurrying = asyncio.create_task(hurried.wait())
        try:
            async with asyncio.timeout(grace_seconds):
                while self._workers and not hurrying.done():
                    await asyncio.wait(
                        (*self._workers, hurrying), return_when=asyncio.FIRST_COMPLETED
                    )
        except TimeoutError:
            pass
        finally:
            hurrying.cancel()
            while self._workers:
                for worker in self._workers:
                    worker.cancel()
                await asyncio.wait(tuple(self._workers))

    async def _work(self) -> None:
        me: Any = asyncio.current_task()
        while not self._run.stopping and len(self._workers) <= self._limit:
            while not self._jobs:
                await self._wait_for_jobs()
            job = self._jobs.take()
            try:
                if isinstance(job, Following):
                    await self._follow(job)
                else:
                    self._workers[me] = job
                    error = await self._attempting.dial(
                        job, self._run.settings, left=self._has_left
                    )
                    self._judge(error, job.stamp)
                    if job.call_id is not None and job.may_follow:
                        await self._follow(self._followed_from(job.claim, job.call_id))
            finally:
                self._workers[me] = None
                self.finished += 1
                self._run.news.set()

    async def _wait_for_jobs(self) -> None:
        self._idle += 1
        self._job_news.clear()
        try:
            await self._job_news.wait()
        finally:
            self._idle -= 1

    def _followed_from(self, claim: Claim, call_id: str) -> Following:
        self._followed.add(claim.attempt_id)
        self._run.tally.followed += 1
        return Following(attempt=claim, call_id=call_id)

    async def _follow(self, following: Following) -> None:
        try:
            await self._attempting.follow(following, self._run.settings)
        finally:
            self._run.tally.followed -= 1
            self._followed.discard(following.attempt.attempt_id)

    def _has_left(self) -> None:
        self.unsent -= 1

    def _give_back(self, claim: Claim) -> None:
        self.unsent -= 1
        now = self._run.clock.now()
        self._run.record(settle_failed(claim, stopped(SentMark()), now=now))

    def _dismiss(self, worker: asyncio.Task[None]) -> None:
        del self._workers[worker]
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._run.fail(error)
        self._run.news.set()
