"""What would happen, found out by the rules and the ledger themselves, without calling anybody.

The list is read into a copy of the ledger that is thrown away; every contact is decided on there
just as a run would decide, and sent away again.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from ..client import Client
from ..clock import Clock, SystemClock
from .campaign import Campaign
from .decisions import Candidate, Decision, Reason, Wait
from .ledger.base import Ledger
from .ledger.opening import copy_ledger, open_ledger
from .plan import Forecast, Pace, Plan
from .records import ImportSummary, Suppression
from .regions import RegionRules
from .rules import Rulebook
from .settings import CampaignSettings
from .states import CampaignState, ContactState

__all__ = ["DryRun", "dry_run"]

_AT_ONCE = 1000
# Long after anything a contact may wait for, so that every one of them is decided on.
_FAR = timedelta(days=3650)
# How long a call takes its slot is not known beforehand: of those that are followed, a minute.
_FOLLOWED_SECONDS, _PLACED_SECONDS = 60.0, 1.0


@attrs.frozen(kw_only=True)
class DryRun:
    """What would happen.

    Attributes:
        imported: What became of the rows; None if the list is the one that was read last.
    """

    plan: Plan
    imported: ImportSummary | None


async def dry_run(
    path: Path,
    *,
    ledger: Path | None,
    name: str,
    settings: CampaignSettings,
    client: Client | None = None,
    region: str | None = None,
    rejects: Path | None = None,
    regions: RegionRules | None = None,
    suppressed: AsyncIterable[Suppression] | None = None,
    clock: Clock | None = None,
) -> DryRun:
    """Say what a run would do with a list; nothing is written but `rejects`.

    Args:
        path: The list.
        ledger: The ledger it would run on; it need not exist. None for a new one.
        name: Of the campaign.
        settings: As the run would have them.
        client: To read the agent's instruction with; without it placeholders are not checked.
        region: For numbers in national form.
        rejects: Where rows nobody can be called from are written.
        regions: Calling rules of regions, instead of those that are shipped.
        suppressed: A suppression list that holds besides that of the ledger.
        clock: Where the time comes from; for tests.
    """
    clock = clock or SystemClock()
    async with _copy_of(ledger, clock=clock) as copy:
        if suppressed is not None:
            await copy.suppress([each async for each in suppressed])
        campaign = await Campaign.open(copy, name, settings=settings, clock=clock)
        if client is not None:
            await campaign.check_agent(client)
        imported = await campaign.read_list(path, region=region, rejects=rejects)
        rulebook = Rulebook(
            settings=settings,
            regions=regions or RegionRules.named_by(settings.rules_file),
            placeholders=campaign.record.placeholders,
        )
        forecast = Forecast(
            rulebook, pace=_pace(settings), now=clock.now(), campaign=campaign.record
        )
        await _decide_on_all(copy, campaign, forecast, now=clock.now())
        await _leave_out(campaign, forecast, imported)
    return DryRun(plan=forecast.result(), imported=imported)


async def _decide_on_all(
    ledger: Ledger, campaign: Campaign, forecast: Forecast, *, now: datetime
) -> None:
    campaign_id = campaign.record.campaign_id
    await ledger.change_campaign(campaign_id, now=now, state=CampaignState.RUNNING)
    later = now + _FAR

    def note(candidate: Candidate, _: datetime) -> Decision:
        forecast.add(candidate)
        return Wait(until=later + _FAR, reason=Reason.OUTSIDE_WINDOW)

    considered = _AT_ONCE
    while considered == _AT_ONCE:
        claimed = await ledger.claim(
            campaign_id,
            worker="dry-run",
            limit=_AT_ONCE,
            now=now,
            due_by=later,
            decide=note,
            admit=lambda _: _AT_ONCE,
        )
        considered = claimed.considered


async def _leave_out(
    campaign: Campaign, forecast: Forecast, imported: ImportSummary | None
) -> None:
    """Count those who are out before any rule is asked."""
    if imported is not None:
        if imported.rejected:
            forecast.leave_out(Reason.INVALID_NUMBER, imported.rejected)
        if imported.duplicates:
            forecast.leave_out(Reason.DUPLICATE, imported.duplicates)
    counts = await campaign.counts()
    excluded = counts.contacts.get(ContactState.EXCLUDED, 0)
    if excluded:
        forecast.leave_out(Reason.PLACEHOLDER, excluded)


def _pace(settings: CampaignSettings) -> Pace:
    return Pace(
        max_concurrency=settings.max_concurrency,
        seconds_per_call=_FOLLOWED_SECONDS if settings.follow else _PLACED_SECONDS,
        calls_per_second=settings.calls_per_second,
    )


@asynccontextmanager
async def _copy_of(ledger: Path | None, *, clock: Clock) -> AsyncIterator[Ledger]:
    with tempfile.TemporaryDirectory(prefix="talkstack-dry-run-") as directory:
        copy = Path(directory) / "ledger.db"
        if ledger is not None and await asyncio.to_thread(ledger.exists):
            await copy_ledger(ledger, copy)
        async with open_ledger(copy, clock=clock) as opened:
            yield opened
