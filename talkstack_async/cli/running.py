"""Running a campaign from the command line: the live view, stopping, and the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..campaign.states import ContactState
from ..client import Client
from ..errors import TalkstackError
from .conclusion import Conclusion
from .ledgers import Place
from .live import shown_run
from .output import Screen
from .stopping import Stop

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.ledger.base import Counts
    from ..campaign.progress import RunProgress
    from ..campaign.records import ContactRecord, ImportSummary
    from ..campaign.runner import RunResult

__all__ = ["Running"]


class _Run(Protocol):
    """A campaign that is run, alone or as one worker of many."""

    @property
    def progress(self) -> RunProgress: ...

    def stop(self) -> None: ...

    def hurry(self) -> None: ...

    async def run(self, *, wait: bool) -> RunResult: ...


class Running:
    """One run of a campaign, and what is told of it.

    Args:
        client: An open client.
        campaign: Its list read; its ledger is shared, or opened with `exclusive=True`.
        imported: What became of the list's rows; None if an earlier run read it.
        ledger: As people call it.
        rejects: Where rejected rows are.
        report: Where a report is written at the end, if anywhere.
        screen: Where it is told.
    """

    def __init__(
        self,
        client: Client,
        campaign: Campaign,
        *,
        imported: ImportSummary | None,
        ledger: Place,
        rejects: Path,
        report: Path | None,
        screen: Screen,
    ) -> None:
        self._client = client
        self._campaign = campaign
        self._imported = imported
        self._ledger = ledger
        self._rejects = rejects
        self._report = report
        self._screen = screen

    async def run(self, stop: Stop, *, wait: bool) -> Conclusion:
        """Run until the campaign is over or a stop is requested; say how it ended.

        Raises:
            TalkstackError: It could not go on, and the ledger cannot even be read.
        """
        result, error = await self._dial(stop, wait=wait)
        try:
            return await self._conclude(result, error, stop=stop)
        except TalkstackError as unreadable:
            raise error or unreadable from unreadable

    async def _dial(
        self, stop: Stop, *, wait: bool
    ) -> tuple[RunResult | None, TalkstackError | None]:
        run = self._alone() if isinstance(self._ledger, Path) else self._with_others()
        stop.when_requested(run.stop)
        stop.when_hurried(run.hurry)
        shown = shown_run(
            lambda: run.progress, self._campaign, screen=self._screen, clock=self._client.clock
        )
        async with shown:
            try:
                return await run.run(wait=wait), None
            except TalkstackError as error:
                return None, error

    def _alone(self) -> _Run:
        from ..campaign.runner import CampaignRunner

        return CampaignRunner(self._client, self._campaign.ledger, self._campaign.record)

    def _with_others(self) -> _Run:
        from .sharing import SharedRun

        return SharedRun(self._client, self._campaign)

    async def _conclude(
        self, result: RunResult | None, error: TalkstackError | None, *, stop: Stop
    ) -> Conclusion:
        record = await self._campaign.refresh()
        counts = result.counts if result else await self._campaign.counts()
        report, unwritten = await self._write_report()
        trouble = error or unwritten
        return Conclusion(
            campaign=record,
            ending=None if result is None else result.ending,
            counts=counts,
            look=await self._look(counts),
            imported=self._imported,
            rejected=await self._count_rejected(),
            next_due_at=None if result is None else result.next_due_at,
            ledger=self._ledger,
            rejects=self._rejects,
            report=report,
            trouble=None if trouble is None else str(trouble),
            interrupted=stop.interrupted,
        )

    async def _write_report(self) -> tuple[Path | None, TalkstackError | None]:
        if self._report is None:
            return None, None
        from ..campaign.report import write_report

        try:
            path = await write_report(
                self._campaign.ledger,
                self._campaign.record,
                self._report,
                now=self._client.clock.now(),
            )
        except TalkstackError as error:
            return None, error
        return path, None

    async def _look(self, counts: Counts) -> tuple[ContactRecord, ...]:
        if not counts.contacts.get(ContactState.REVIEW, 0):
            return ()
        reviews = await self._campaign.ledger.reviews(self._campaign.record.campaign_id)
        return tuple(contact for contact, _ in reviews[:10])

    async def _count_rejected(self) -> int:
        """Return how many rows of the list nobody can be called from, whoever read it."""
        if self._imported is not None:
            return self._imported.rejected
        now = self._client.clock.now()
        facts = await self._campaign.ledger.facts(self._campaign.record.campaign_id, now=now)
        return facts.imports[-1][2].get("rejected", 0) if facts.imports else 0
