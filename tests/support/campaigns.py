"""Small campaigns on the emulator, quick enough for tests: open hours, short gaps, short lags."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from talkstack_async import Client, ClientConfig, RetrySettings, Timeouts
from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.sqlite import SqliteLedger
from talkstack_async.campaign.rows import Contact
from talkstack_async.campaign.runner import CampaignRunner
from talkstack_async.campaign.settings import (
    CallingWindow,
    CampaignSettings,
    Caps,
    EvidenceSettings,
    RedialPolicy,
)
from talkstack_async.clock import Clock
from talkstack_async.config import FollowSettings
from talkstack_async.emulator import EmulatorThread
from talkstack_async.models.statuses import Disposition
from talkstack_async.phone import PhoneNumber

QUICK_GAPS = {Disposition.BUSY: 0.1, Disposition.NO_ANSWER: 0.1}


def settings_for(emulator: EmulatorThread, **changes: Any) -> CampaignSettings:
    settings: dict[str, Any] = {
        "project_id": emulator.project_id,
        "agent_id": emulator.agent_id,
        "window": CallingWindow.parse("00:00-24:00"),
        "caps": Caps(per_day=100, per_week=100, gap_seconds=0),
        "redial": RedialPolicy(gaps=QUICK_GAPS),
        "evidence": EvidenceSettings(
            fence_seconds=0.5, margin_seconds=0.05, history_lag_seconds=0.1
        ),
        "max_concurrency": 20,
    }
    return CampaignSettings(**{**settings, **changes})


def client_for(emulator: EmulatorThread, *, clock: Clock | None = None, **changes: Any) -> Client:
    settings: dict[str, Any] = {
        "calls_url": emulator.url,
        "api_url": emulator.url,
        "project_id": emulator.project_id,
        "agent_id": emulator.agent_id,
        "timeouts": Timeouts(connect=2, read=0.5, total=1.0),
        "retry": RetrySettings(max_retries=2, first_wait_seconds=0.01, max_wait_seconds=0.05),
        "follow": FollowSettings(first_gap_seconds=0.02, longest_gap_seconds=0.1),
    }
    config = ClientConfig(**{**settings, **changes})
    return Client(emulator.api_key, config=config, clock=clock)


def phone(n: int) -> str:
    return f"+1415{2000000 + n}"


def people(numbers: Iterable[str]) -> list[Contact]:
    return [
        Contact(row=row, number=PhoneNumber.parse(number), variables={"name": f"Nr. {row}"})
        for row, number in enumerate(numbers, 1)
    ]


def rings(emulator: EmulatorThread) -> Counter[str]:
    return Counter(ring.number for ring in emulator.rings)


@attrs.frozen(kw_only=True)
class Stage:
    """An open ledger, an open client, and a campaign with its list."""

    ledger: SqliteLedger
    client: Client
    campaign: Campaign

    def runner(self, **options: Any) -> CampaignRunner:
        return CampaignRunner(self.client, self.ledger, self.campaign.record, **options)


@asynccontextmanager
async def stage(
    emulator: EmulatorThread,
    path: Path,
    numbers: Iterable[str],
    *,
    clock: Clock | None = None,
    name: str = "spring",
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    async with (
        open_ledger(path / "campaign.db", exclusive=True) as ledger,
        client_for(emulator, clock=clock, **(config or {})) as client,
    ):
        campaign = await Campaign.open(
            ledger, name, settings=settings_for(emulator, **settings), clock=clock
        )
        await campaign.check_agent(client)
        await campaign.add(people(numbers))
        yield Stage(ledger=ledger, client=client, campaign=campaign)
