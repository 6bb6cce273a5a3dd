"""A campaign that runs in a thread of its own, beside whatever a test does to its ledger."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from talkstack_async import Client, ClientConfig
from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.contacts import Contact
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.progress import Phase
from talkstack_async.campaign.runner import CampaignRunner, RunResult
from talkstack_async.campaign.settings import (
    CallingWindow,
    CampaignSettings,
    Caps,
    EvidenceSettings,
    LostRule,
)
from talkstack_async.config import RetrySettings, Timeouts
from talkstack_async.emulator import EmulatorThread
from talkstack_async.phone import PhoneNumber

__all__ = ["RunningCampaign", "numbers", "settings_for"]

_EAGER = EvidenceSettings(
    fence_seconds=1.0, margin_seconds=0.05, history_lag_seconds=0.1, lost=LostRule.REVIEW
)


def numbers(count: int) -> list[str]:
    """Numbers that exist and mean nothing to the emulator."""
    return [f"+1202456{end:04d}" for end in range(count)]


def settings_for(emulator: EmulatorThread, **more: Any) -> CampaignSettings:
    """Settings that let a test run at any hour, and as often as it likes."""
    plain: dict[str, Any] = {
        "project_id": emulator.project_id,
        "agent_id": emulator.agent_id,
        "window": CallingWindow.parse("00:00-24:00"),
        "caps": Caps(per_day=100, per_week=100, gap_seconds=0),
        "evidence": _EAGER,
        "follow": False,
    }
    return CampaignSettings(**{**plain, **more})


class RunningCampaign:
    """Runs a campaign of some numbers until it is over, or until the block ends."""

    def __init__(
        self,
        emulator: EmulatorThread,
        ledger: Path,
        people: Sequence[str] = (),
        *,
        name: str = "contacts.csv",
        **settings: Any,
    ) -> None:
        self._emulator = emulator
        self._ledger = ledger
        self._people = people
        self._name = name
        self._settings = settings_for(emulator, **settings)
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: CampaignRunner | None = None
        self._began = threading.Event()
        self._result: RunResult | None = None
        self._error: BaseException | None = None

    @property
    def phase(self) -> Phase:
        assert self._runner is not None
        return self._runner.progress.phase

    def finish(self) -> RunResult:
        """Wait for the end of the run."""
        self._thread.join(60)
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._began.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._runner is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._runner.hurry)
        self.finish()

    def _main(self) -> None:
        try:
            self._result = asyncio.run(self._run())
        except BaseException as error:
            self._error = error
        finally:
            self._began.set()

    async def _run(self) -> RunResult:
        self._loop = asyncio.get_running_loop()
        emulator = self._emulator
        config = ClientConfig(
            calls_url=emulator.calls_url,
            api_url=emulator.api_url,
            timeouts=Timeouts(read=1.0, total=1.0),
            retry=RetrySettings(max_retries=0),
        )
        async with (
            Client(emulator.api_key, config=config) as client,
            open_ledger(self._ledger, exclusive=True) as ledger,
        ):
            campaign = await Campaign.open(ledger, self._name, settings=self._settings)
            if self._people:
                await campaign.add(
                    Contact(row=row, number=PhoneNumber(number), variables={"name": "Ada"})
                    for row, number in enumerate(self._people, 1)
                )
            self._runner = CampaignRunner(client, ledger, campaign.record)
            self._began.set()
            return await self._runner.run()
