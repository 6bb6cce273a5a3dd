"""Running a campaign: claim what is due, dial it, and account for every attempt.

A runner holds the ledger alone. It can be killed at any moment: whoever runs the campaign next
takes up where it was, looks for the calls whose end was not seen, and rings nobody again who may
have been rung.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import attrs

from ..client import Client
from ..dispatch.pacing import Pace
from ..errors import CampaignError, ClockJumpError, LedgerError
from ..telemetry import Observer
from .attempting import Attempting
from .crew import Crew
from .feeder import CLOCK_TOLERANCE_SECONDS, Ending, Feeder
from .ledger.base import Counts, Ledger
from .part import Part
from .progress import Phase, RunProgress
from .records import CampaignRecord
from .regions import RegionRules
from .rules import Rulebook
from .run_state import RunState
from .settler import Settler
from .states import CampaignState
from .watching import Watching

__all__ = ["CampaignRunner", "Ending", "RunResult"]

_LAST_WRITES_SECONDS, _SURELY_WRITES_SECONDS = 10.0, 2.0


@attrs.frozen(kw_only=True)
class RunResult:
    """How a run ended, and how the campaign stands.

    Attributes:
        next_due_at: With `Ending.WAITING`: when to go on; None if that depends on somebody.
    """

    ending: Ending
    counts: Counts
    progress: RunProgress
    next_due_at: datetime | None = None


class CampaignRunner:
    """Dials a campaign from its ledger.

    Args:
        client: An open client. Its pool grows to the campaign's `max_concurrency`.
        ledger: Opened with `exclusive=True`. One on PostgreSQL is for a `Worker`.
        campaign: As `Campaign.open` returned it, its list read.
        regions: Calling rules of regions, instead of those the settings name.
        grace_seconds: How long a stop waits for the answers to what has left.
        observer: Told of every attempt: `AttemptChanged`.

    Raises:
        ConfigurationError: The rules of the regions cannot be read.
    """

    _part: Part | None = None
    _pace: Pace | None = None

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        campaign: CampaignRecord,
        *,
        regions: RegionRules | None = None,
        grace_seconds: float = 30.0,
        observer: Observer | None = None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._regions = regions
        self._grace_seconds = grace_seconds
        self._hurried = asyncio.Event()
        clock = client.clock
        self._run = RunState(
            campaign,
            settler=lambda fail: Settler(ledger, clock=clock, when_failing=fail),
            clock=clock,
            observer=observer or client.observer,
            part=self._part,
        )
        pace = self._pace or Pace(clock, campaign.settings.calls_per_second)
        self._feeder = Feeder(
            self._run,
            ledger,
            pace=pace,
            rulebook=self._rulebook,
            reserve=client.sessions.reserve,
        )
        attempting = Attempting(
            client.calls,
            pace=pace,
            clock=clock,
            record=self._run.record,
        )
        self._crew = Crew(self._run, attempting, judge=self._feeder.judge)
        self._run.when_stopping(self._crew.stand_down)

    @property
    def progress(self) -> RunProgress:
        """How far this run has come."""
        return self._run.tally.snapshot(in_flight=self._crew.dialling)

    @property
    def campaign(self) -> CampaignRecord:
        """The campaign as the last claim found it."""
        return self._run.campaign

    def stop(self) -> None:
        """Dial nothing more; `run` returns when what has left is answered or the grace over."""
        self._run.stop()

    def hurry(self) -> None:
        """Give up waiting for answers: what has none is unknown, and looked for next time."""
        self._run.stop()
        self._hurried.set()

    async def run(self, *, wait: bool = True) -> RunResult:
        """Dial until every contact is accounted for. Once per runner.

        Args:
            wait: If everything that is left waits for a calling window or a redial, wait, too.
                Otherwise return. Attempts whose end is not known are looked for in any case.

        Raises:
            LedgerError: The ledger cannot be written. Nothing leaves without it; what was on
                its way is looked for by the next run.
            AuthenticationError: The service refuses the credential.
            ClockJumpError: The clock was set while the campaign ran, or since it last ran.
            CampaignError: Its list was not read to the end.
        """
        await self._prepare()
        async with self._run.settler:
            try:
                async with Watching(self._run, self._crew, self._client, self._ledger):
                    ending, next_due_at = await self._feeder.feed(self._crew, wait=wait)
            finally:
                await self._wind_up()
        if self._run.failure is not None:
            raise self._run.failure
        campaign_id = self._run.campaign.campaign_id
        return RunResult(
            ending=ending,
            counts=await self._ledger.counts(campaign_id, now=self._run.clock.now()),
            progress=self.progress,
            next_due_at=next_due_at,
        )

    async def _prepare(self) -> None:
        campaign, now = self._run.campaign, self._run.clock.now()
        if self._run.part is None and not self._ledger.is_exclusive:
            raise LedgerError(
                # It would have slots and a pace of its own, beside those of the workers.
                "a ledger that is shared is dialled by workers: use Worker, or run_worker"
                if self._ledger.is_shared
                else "to run a campaign, open its ledger with exclusive=True"
            )
        newest = await self._ledger.newest()
        if newest is not None and (newest - now).total_seconds() > CLOCK_TOLERANCE_SECONDS:
            raise ClockJumpError(
                f"the ledger was last written at {newest:%Y-%m-%d %H:%M:%S} UTC, and the clock "
                f"says {now:%Y-%m-%d %H:%M:%S} UTC: set the clock right and run again"
            )
        if campaign.state is CampaignState.IMPORTING:
            raise CampaignError("its list was not read to the end, so nobody is called")
        self._client.sessions.reserve(campaign.settings.max_concurrency)
        detail: dict[str, str | int] = {"worker": self._run.worker}
        if self._ledger.is_exclusive:
            # Whoever else had claims is dead. Elsewhere, those are taken over once they are old.
            detail["unknown"] = await self._ledger.recover(worker=self._run.worker)
        await self._ledger.note("run began", now=now, detail=detail)

    async def _wind_up(self) -> None:
        """Let what has left be answered, give back what has not, and write it all down."""
        self._run.stop()
        self._run.tally.turn_to(Phase.STOPPING)
        await self._crew.finish(grace_seconds=self._grace_seconds, hurried=self._hurried)
        # What is known is written also by those who have no patience for answers.
        last_writes = min(_LAST_WRITES_SECONDS, max(_SURELY_WRITES_SECONDS, self._grace_seconds))
        if await self._run.settler.flush(within_seconds=last_writes):
            detail = {"worker": self._run.worker}
            await self._ledger.note("run ended", now=self._run.clock.now(), detail=detail)
        elif self._run.failure is None:
            self._run.failure = self._run.settler.failure

    def _rulebook(self, campaign: CampaignRecord) -> Rulebook:
        regions = self._regions or RegionRules.named_by(campaign.settings.rules_file)
        return Rulebook(
            settings=campaign.settings, regions=regions, placeholders=campaign.placeholders
        )


class PartRunner(CampaignRunner):
    """Dials the part of a campaign that one of many workers has, until it is stopped.

    Args:
        client: An open client.
        ledger: One that is shared.
        campaign: As the ledger knows it.
        part: What the worker has of it; may change at any time.
        pace: Where turns to call come from.
        options: Those of `CampaignRunner`.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        campaign: CampaignRecord,
        *,
        part: Part,
        pace: Pace,
        **options: Any,
    ) -> None:
        self._part = part
        self._pace = pace
        super().__init__(client, ledger, campaign, **options)

    @property
    def busy(self) -> int:
        """How many calls are being placed or followed, or about to be."""
        return self._crew.busy + self._crew.queued
