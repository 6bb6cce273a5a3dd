"""What goes on beside the dialling: evidence, events, suppressions, and calls of earlier runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from ..client import Client
from ..models.calls import Call
from .attempting import Following
from .crew import Crew
from .evidence import Evidence
from .inbox import Inbox
from .ledger.base import Ledger
from .records import OpenAttempt, Settlement
from .run_state import RunState
from .settling import settle_found
from .states import ContactState

__all__ = ["Watching"]

_INBOX_SECONDS = 1.0
_ADOPT_SECONDS = 15.0
_HEED_SECONDS = 1.0
_AT_ONCE = 1000


class Watching:
    """Looks for lost calls, acts on events, and takes up calls that are still to be followed.

    Use it with `async with`: its tasks end with the block. What one of them raises fails the
    run.
    """

    def __init__(self, run: RunState, crew: Crew, client: Client, ledger: Ledger) -> None:
        self._run = run
        self._crew = crew
        self._calls = client.calls
        self._ledger = ledger
        self._total_seconds = client.config.timeouts.total
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for work in (self._look(), self._work_inbox(), self._adopt(), self._heed_suppressions()):
            self._begin(work)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    @property
    def _grace_seconds(self) -> float:
        """After so long a request has been answered, or never will be."""
        evidence = self._run.settings.evidence
        return evidence.fence_seconds + self._total_seconds + evidence.margin_seconds

    async def _look(self) -> None:
        evidence = Evidence(
            self._calls,
            self._ledger,
            worker=self._run.worker,
            began_at=self._run.began_at,
            grace_seconds=self._grace_seconds,
            clock=self._run.clock,
        )
        while True:
            for attempt, settlement in await evidence.look(self._run.campaign):
                self._take_in(attempt, settlement)
            if self._ledger.is_exclusive:
                await self._look_for_others(evidence)
            self._run.cannot_look = evidence.trouble
            lag = self._run.settings.evidence.history_lag_seconds
            await self._run.clock.sleep(min(5.0, lag / 4))

    async def _look_for_others(self, evidence: Evidence) -> None:
        """Look for open attempts of the ledger's other campaigns: they block their numbers.

        Nobody else may run those now. What was placed is followed when they run again.
        """
        for campaign in await self._ledger.campaigns():
            if campaign.campaign_id != self._run.campaign.campaign_id:
                for _, settlement in await evidence.look(campaign):
                    self._run.settler.add(settlement)

    async def _work_inbox(self) -> None:
        worker = None if self._run.part is None else self._run.worker
        inbox = Inbox(self._calls, self._ledger, clock=self._run.clock, worker=worker)
        while True:
            await inbox.work(self._unknown, self._found, project_id=self._run.settings.project_id)
            await self._run.clock.sleep(_INBOX_SECONDS)

    async def _heed_suppressions(self) -> None:
        """Do not dial whom somebody has suppressed since the claim."""
        while True:
            if phones := self._crew.unsent_phones():
                self._crew.withdraw(await self._ledger.suppressed_among(phones))
            await self._run.clock.sleep(_HEED_SECONDS)

    async def _unknown(self) -> Sequence[OpenAttempt]:
        return await self._ledger.take_stale(
            self._run.campaign.campaign_id,
            worker=self._run.worker,
            before=self._run.clock.now() - timedelta(seconds=self._grace_seconds),
            limit=_AT_ONCE,
            own_before=self._run.began_at,
        )

    def _found(self, attempt: OpenAttempt, call: Call) -> None:
        now = self._run.clock.now()
        self._take_in(attempt, settle_found(attempt, call, settings=self._run.settings, now=now))

    def _take_in(self, attempt: OpenAttempt, settlement: Settlement) -> None:
        self._run.record(settlement)
        # A campaign that does not follow is done with a contact whose call was found.
        if settlement.contact is ContactState.ACTIVE and settlement.call_id:
            self._follow(attempt, settlement.call_id)
        self._run.news.set()

    async def _adopt(self) -> None:
        """Take up placed calls of earlier runs, and those that could not be read before.

        Also if the campaign follows no more: whoever is active waits for an end.
        """
        while True:
            after_id, is_more = 0, True
            while is_more:
                page = await self._ledger.followed(
                    self._run.campaign.campaign_id,
                    worker=self._run.worker,
                    after_id=after_id,
                    limit=_AT_ONCE,
                )
                for attempt in page:
                    after_id = attempt.attempt_id
                    if attempt.call_id:
                        self._follow(attempt, attempt.call_id)
                is_more = len(page) == _AT_ONCE
            await self._run.clock.sleep(_ADOPT_SECONDS)

    def _follow(self, attempt: OpenAttempt, call_id: str) -> None:
        self._crew.follow(Following(attempt=attempt, call_id=call_id))
        self._crew.staff()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._dismiss)

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._run.fail(error)
