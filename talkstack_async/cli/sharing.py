"""Running a campaign of a shared ledger until it is over: this process is one worker of many."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ..campaign.campaign import Campaign
from ..campaign.feeder import Ending
from ..campaign.ledger.base import Counts
from ..campaign.progress import Phase, RunProgress
from ..campaign.records import CampaignRecord
from ..campaign.rules import budget_left
from ..campaign.runner import RunResult
from ..campaign.states import CampaignState, ContactState
from ..client import Client
from ..errors import TalkstackError

if TYPE_CHECKING:
    from ..campaign.worker import Worker

__all__ = ["SharedRun", "ending_of"]

_LOOK_SECONDS = 2.0


class SharedRun:
    """Works on one campaign, beside whoever else does, until nobody is left to be called.

    Args:
        client: An open client.
        campaign: In a shared ledger, its list read.
    """

    def __init__(self, client: Client, campaign: Campaign) -> None:
        from ..campaign.worker import Worker

        self._worker: Worker = Worker(client, campaign.ledger, campaign=campaign.name)
        self._campaign = campaign
        self._clock = client.clock
        self._working: asyncio.Task[object] | None = None
        self._stopped = False
        self._in_vain = False

    @property
    def progress(self) -> RunProgress:
        return self._worker.progress

    def stop(self) -> None:
        self._stopped = True
        self._worker.stop()

    def hurry(self) -> None:
        self.stop()
        if self._working is not None:
            self._working.cancel()

    async def run(self, *, wait: bool) -> RunResult:
        """Work until the campaign is over, whoever works on it.

        Args:
            wait: If everything that is left waits for a moment, wait, too. Otherwise return.

        Raises:
            TalkstackError: This worker cannot go on; others may.
        """
        self._working = asyncio.create_task(self._worker.run(until_done=True))
        looking = asyncio.create_task(self._look(wait=wait))
        try:
            await asyncio.wait((self._working,))
        finally:
            self._working.cancel()
            looking.cancel()
            await asyncio.wait((self._working, looking))
        if not self._working.cancelled():
            self._working.result()
        return await self._result()

    async def _look(self, *, wait: bool) -> None:
        """Leave when nothing happens any more without somebody's doing."""
        while True:
            await self._clock.sleep(_LOOK_SECONDS)
            with contextlib.suppress(TalkstackError):
                campaign, counts = await self._campaign.refresh(), await self._campaign.counts()
                is_idle = _is_idle(campaign, counts) and (not wait or budget_left(campaign) == 0)
                self._in_vain = not wait and _looks_in_vain(self.progress)
                if is_idle or self._in_vain:
                    self._worker.stop()
                    return

    async def _result(self) -> RunResult:
        progress = self.progress
        campaign, counts = await self._campaign.refresh(), await self._campaign.counts()
        ending = ending_of(campaign, counts, is_stopped=self._stopped)
        if ending is Ending.WAITING and self._in_vain:
            ending = Ending.UNCERTAIN
        return RunResult(
            ending=ending,
            counts=counts,
            progress=progress,
            next_due_at=counts.next_due_at if ending is Ending.WAITING else None,
        )


def ending_of(campaign: CampaignRecord, counts: Counts, *, is_stopped: bool) -> Ending:
    """Say why a worker of a campaign has ended, by how the campaign stands."""
    contacts = counts.contacts
    is_left = contacts.get(ContactState.READY, 0)
    is_under_way = contacts.get(ContactState.ACTIVE, 0)
    if campaign.state is CampaignState.CANCELED:
        return Ending.CANCELED
    if not is_left and not is_under_way:
        return Ending.FINISHED
    if is_stopped:
        return Ending.STOPPED
    return Ending.BUDGET if budget_left(campaign) == 0 else Ending.WAITING


def _looks_in_vain(progress: RunProgress) -> bool:
    """Whether all that this worker could do is look for lost calls, and it cannot."""
    is_busy = progress.in_flight or progress.followed
    return progress.phase is Phase.WAITING and bool(progress.note) and not is_busy


def _is_idle(campaign: CampaignRecord, counts: Counts) -> bool:
    """Whether nobody is being called, and nobody can be now."""
    if counts.contacts.get(ContactState.ACTIVE, 0):
        return False
    due = counts.contacts.get(ContactState.READY, 0) - counts.waiting
    may_call = campaign.state is CampaignState.RUNNING and budget_left(campaign) != 0
    return due <= 0 or not may_call
