"""Workers in processes of their own, to be killed, frozen, stopped and added by tests.

They are forked from a server that has imported everything. Nothing here is part of the product;
what takes the safety off is done to it from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Iterable
from multiprocessing.process import BaseProcess
from typing import Any

import attrs

from talkstack_async import Client, ClientConfig, RetrySettings, Timeouts
from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.fence import FencedFlight
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.base import SharedLedger
from talkstack_async.campaign.records import CampaignRecord
from talkstack_async.campaign.rows import Contact
from talkstack_async.campaign.settings import (
    CallingWindow,
    CampaignSettings,
    Caps,
    EvidenceSettings,
    LostRule,
    RedialPolicy,
)
from talkstack_async.campaign.shared_pace import SharedPace
from talkstack_async.campaign.worker import Worker
from talkstack_async.config import FollowSettings
from talkstack_async.emulator import EmulatorThread
from talkstack_async.models.statuses import Disposition
from talkstack_async.phone import PhoneNumber

__all__ = ["Fleet", "Plan", "client_for", "create", "send", "settings_for"]

TOTAL_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class Plan:
    """What the workers of a test are told.

    `unsafe`: no fence, and no claim is given back for want of a permit.
    """

    ledger: str
    url: str
    key: str
    project_id: str
    agent_id: str
    heartbeat_seconds: float = 3.0
    unsafe: bool = False

    @classmethod
    def of(cls, emulator: EmulatorThread, ledger: str, **options: Any) -> Plan:
        return cls(
            ledger=ledger,
            url=emulator.url,
            key=emulator.api_key,
            project_id=emulator.project_id,
            agent_id=emulator.agent_id,
            **options,
        )


def settings_for(plan: Plan, **changes: Any) -> CampaignSettings:
    plain: dict[str, Any] = {
        "project_id": plan.project_id,
        "agent_id": plan.agent_id,
        "window": CallingWindow.parse("00:00-24:00"),
        "caps": Caps(per_day=1000, per_week=1000, gap_seconds=0),
        # What is lost is dialled again at once: any mistake in finding it shows as a ring.
        "redial": RedialPolicy(max_attempts=1000, gaps={Disposition.FAILED: 0.01}),
        "evidence": EvidenceSettings(
            margin_seconds=0.5, history_lag_seconds=0.5, lost=LostRule.REDIAL
        ),
        "follow": False,
        "max_concurrency": 60,
        "calls_per_second": 100.0,
    }
    return CampaignSettings(**{**plain, **changes})


def client_for(plan: Plan) -> Client:
    config = ClientConfig(
        calls_url=plan.url,
        api_url=plan.url,
        project_id=plan.project_id,
        agent_id=plan.agent_id,
        timeouts=Timeouts(connect=1, read=TOTAL_SECONDS, total=TOTAL_SECONDS),
        retry=RetrySettings(max_retries=2, first_wait_seconds=0.01, max_wait_seconds=0.05),
        follow=FollowSettings(first_gap_seconds=0.05, longest_gap_seconds=0.2),
    )
    return Client(plan.key, config=config)


async def create(
    ledger: SharedLedger,
    plan: Plan,
    numbers: Iterable[str],
    *,
    name: str = "chaos",
    **changes: Any,
) -> CampaignRecord:
    """Create a campaign, ready to be worked."""
    async with client_for(plan) as client:
        campaign = await Campaign.open(ledger, name, settings=settings_for(plan, **changes))
        await campaign.check_agent(client)
        await campaign.add(
            Contact(row=row, number=PhoneNumber(number), variables={"name": f"Nr. {row}"})
            for row, number in enumerate(numbers, 1)
        )
        return campaign.record


class Fleet:
    """Worker processes. With `with`: none outlives the block."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.support.workers"])
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process.is_alive():
                process.kill()
        for process in self._processes:
            process.join(10)

    def start(self, **changes: Any) -> BaseProcess:
        """Start one more worker."""
        plan = attrs.evolve(self._plan, **changes)
        process = self._context.Process(target=_work, args=(plan,), daemon=True)
        process.start()
        self._processes.append(process)
        return process

    def stop(self, process: BaseProcess, *, within: float = 20.0) -> int | None:
        """Let a worker drain; return its exit code."""
        send(process, signal.SIGTERM)
        process.join(within)
        return process.exitcode


def send(process: BaseProcess, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def _work(plan: Plan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.environ.get("TALKSTACK_TEST_VERBOSE"):
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    if plan.unsafe:
        for look in ("is_stale", "waited_too_long"):
            setattr(FencedFlight, look, property(lambda flight: False))
        # Frozen while it asked for permits, it would give its claims back for want of them.
        SharedPace._turn_away = lambda pace, count: None  # type: ignore[method-assign]
    asyncio.run(_run(plan))


async def _run(plan: Plan) -> None:
    async with open_ledger(plan.ledger) as ledger, client_for(plan) as client:
        worker = Worker(client, ledger, heartbeat_seconds=plan.heartbeat_seconds, grace_seconds=5)
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()
