"""A process that runs a campaign and is killed at a named point, for the tests of the law.

Children are forked from a server that has imported everything, so that two hundred of them take
a minute. Nothing here is part of the product: the points are wrapped around it from outside.
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import attrs

from talkstack_async import Client, ClientConfig, RetrySettings, Timeouts
from talkstack_async.campaign import importing
from talkstack_async.campaign.attempting import Attempting
from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.evidence import Evidence
from talkstack_async.campaign.fence import FencedFlight
from talkstack_async.campaign.ledger import open_ledger, writing
from talkstack_async.campaign.ledger.sqlite import SqliteLedger
from talkstack_async.campaign.ledger.sqlite_transaction import SqliteTransaction
from talkstack_async.campaign.ledger.sqlite_writer import SqliteWriter
from talkstack_async.campaign.runner import CampaignRunner
from talkstack_async.campaign.settings import (
    CallingWindow,
    CampaignSettings,
    Caps,
    EvidenceSettings,
    LostRule,
    RedialPolicy,
)
from talkstack_async.campaign.settler import Settler
from talkstack_async.config import FollowSettings
from talkstack_async.models.statuses import Disposition
from talkstack_async.resources.calls import Calls
from talkstack_async.transport.pool import HostPool

TOTAL_SECONDS = 1.0

__all__ = ["POINTS", "Plan", "run_child", "settings_for"]


@attrs.frozen(kw_only=True)
class Plan:
    """What a child is to do.

    `point` and `nth`: kill at the nth time that point is reached. `unsafe`: no fence, and T1 is
    answered before it is on disk.
    """

    ledger: str
    contacts: str
    url: str
    key: str
    project_id: str
    agent_id: str
    point: str | None = None
    nth: int = 1
    follow: bool = False
    unsafe: bool = False
    max_concurrency: int = 40
    calls_per_second: float | None = None


def settings_for(plan: Plan) -> CampaignSettings:
    return CampaignSettings(
        project_id=plan.project_id,
        agent_id=plan.agent_id,
        window=CallingWindow.parse("00:00-24:00"),
        caps=Caps(per_day=1000, per_week=1000, gap_seconds=0),
        # What is lost is dialled again at once: any mistake in finding it shows as a ring.
        redial=RedialPolicy(max_attempts=1000, gaps={Disposition.FAILED: 0.01}),
        evidence=EvidenceSettings(
            fence_seconds=0.5, margin_seconds=0.1, history_lag_seconds=0.2, lost=LostRule.REDIAL
        ),
        follow=plan.follow,
        max_concurrency=plan.max_concurrency,
        calls_per_second=plan.calls_per_second,
    )


def run_child(plan: Plan, *, kill_after: float | None = None, timeout: float = 60.0) -> int | None:
    """Run a child to its end, or kill it after a while; return its exit code."""
    child = start_child(plan)
    child.join(kill_after if kill_after is not None else timeout)
    if child.is_alive():
        child.kill()
        child.join(10)
        if kill_after is None:
            raise AssertionError("the child did not come to an end")
    return child.exitcode


def start_child(plan: Plan) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.killing"])
    child = context.Process(target=_child, args=(plan,), daemon=True)
    child.start()
    return child


def _child(plan: Plan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if plan.unsafe:
        _take_the_safety_off()
    if plan.point is not None:
        _arm(plan.point, plan.nth)
    asyncio.run(_run(plan))


async def _run(plan: Plan) -> None:
    config = ClientConfig(
        calls_url=plan.url,
        api_url=plan.url,
        project_id=plan.project_id,
        agent_id=plan.agent_id,
        timeouts=Timeouts(connect=1, read=TOTAL_SECONDS, total=TOTAL_SECONDS),
        retry=RetrySettings(max_retries=2, first_wait_seconds=0.01, max_wait_seconds=0.05),
        follow=FollowSettings(first_gap_seconds=0.05, longest_gap_seconds=0.2),
    )
    async with (
        open_ledger(Path(plan.ledger), exclusive=True) as ledger,
        Client(plan.key, config=config) as client,
    ):
        campaign = await Campaign.open(ledger, "kill", settings=settings_for(plan))
        await campaign.check_agent(client)
        await campaign.read_list(Path(plan.contacts))
        await CampaignRunner(client, ledger, campaign.record).run()


# --- Points: a wrapper around a method that kills before or after it.

_Wrap = tuple[Any, str, str]

POINTS: dict[str, _Wrap] = {
    "while the list is read": (SqliteLedger, "add_contacts", "after"),
    "when the list was read": (SqliteLedger, "finish_import", "after"),
    "before a claim": (SqliteLedger, "claim", "before"),
    "before the commit": (SqliteTransaction, "commit", "before"),
    "after the commit": (SqliteTransaction, "commit", "after"),
    "when a claim is answered": (SqliteLedger, "claim", "after"),
    "when a worker has a claim": (Attempting, "dial", "before"),
    "before the request": (HostPool, "exchange", "before"),
    "before the fence": (FencedFlight, "leave", "before"),
    "after the fence": (FencedFlight, "leave", "after"),
    "when the reply is there": (HostPool, "exchange", "after"),
    "when the call is placed": (Calls, "place_to", "after"),
    "when the result waits to be written": (Settler, "add", "after"),
    "before the result is written": (SqliteLedger, "settle", "before"),
    "after the result is written": (SqliteLedger, "settle", "after"),
    "at recovery": (SqliteLedger, "recover", "after"),
    "before a look": (Evidence, "look", "before"),
    "after a look": (Evidence, "look", "after"),
    "after a look was noted": (SqliteLedger, "note_looks", "after"),
    "when an end was read": (Calls, "wait_until_final", "after"),
    "while a row is checked": (importing, "new_contact", "before"),
}


def _arm(point: str, nth: int) -> None:
    owner, name, moment = POINTS[point]
    original = getattr(owner, name)
    left = [nth]

    def reached() -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, _wrapped(original, reached, moment=moment))


def _wrapped(original: Callable[..., Any], reached: Callable[[], None], *, moment: str) -> Any:
    async def later(awaited: Awaitable[Any]) -> Any:
        result = await awaited
        if moment == "after":
            reached()
        return result

    def at_once(*args: Any, **options: Any) -> Any:
        if moment == "before":
            reached()
        result = original(*args, **options)
        if inspect.isawaitable(result):
            return later(result)
        if moment == "after":
            reached()
        return result

    return at_once


def _take_the_safety_off() -> None:
    """Send whatever its age, and say that T1 is on disk a while before it is."""
    for look in ("is_stale", "waited_too_long"):
        setattr(FencedFlight, look, property(lambda flight: False))

    def attempt(self: SqliteWriter, group: Any) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        transaction = SqliteTransaction(connection)
        for waiting in group:
            waiting.run(transaction)
        self._tell(writing._answer, group)
        time.sleep(0.2)
        transaction.commit()

    SqliteWriter._attempt = attempt  # type: ignore[method-assign]
