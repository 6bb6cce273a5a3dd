"""What becomes of a ledger on PostgreSQL when the server, the wire or another worker fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import attrs
import psycopg
import pytest

from talkstack_async.campaign.decisions import CallNow, Candidate, Decision
from talkstack_async.campaign.ledger import SharedLedger, open_ledger
from talkstack_async.campaign.ledger.postgres_writer import PostgresWriter
from talkstack_async.campaign.records import AttemptRecord, CampaignRecord
from talkstack_async.campaign.settings import Budget
from talkstack_async.campaign.states import AttemptState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import LedgerBusyError, LedgerError
from tests.support.ledgers import (
    NOW,
    SETTINGS,
    campaign_of,
    claim,
    claim_one,
    number,
    settlement,
)
from tests.support.postgres import Databases, PostgresServer, on_server
from tests.support.wire import Cut, Wire

PLACED, RELEASED = AttemptState.PLACED, AttemptState.RELEASED
DISPATCHING = AttemptState.DISPATCHING

ANN, BOB = "ann:1:aa", "bob:2:bb"


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Wire]:
    with Wire(postgres_url) as wire:
        yield wire


def opened(url: str, **given: Any) -> Any:
    return open_ledger(url, clock=ManualClock(NOW), max_clock_skew_seconds=None, **given)


async def attempts_of(ledger: SharedLedger, campaign: CampaignRecord) -> list[AttemptRecord]:
    return [
        attempt
        async for _, attempts in ledger.export(campaign.campaign_id)
        for attempt in attempts
    ]


# --- The wire is cut during a commit.


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_claim_whose_commit_was_cut_is_answered_and_happens_once(
    postgres_url: str, wire: Wire, cut: Cut
) -> None:
    async with opened(wire.url) as ledger:
        campaign = await campaign_of(ledger, 1, 2, 3)
        wire.cut(cut)

        claims = (await claim(ledger, campaign)).claims

        attempts = on_server(postgres_url, "SELECT attempt_id, n, state FROM attempt ORDER BY 1")
        assert attempts == [(each.attempt_id, 1, DISPATCHING) for each in claims]
        assert [each.phone for each in claims] == [number(n) for n in (1, 2, 3)]
        placed = [settlement(each, PLACED, call_id=each.phone) for each in claims]
        assert await ledger.settle(placed) == [True] * 3
        assert await ledger.verify() == []


async def test_without_asking_what_became_of_it_a_claim_would_be_forgotten(
    postgres_url: str, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresWriter, "_is_committed", lambda *_: False)
    async with opened(wire.url) as ledger:
        campaign = await campaign_of(ledger, 1, 2, 3)
        wire.cut(Cut.AFTER_COMMIT)
        assert (await claim(ledger, campaign)).claims == ()
        assert on_server(postgres_url, "SELECT count(*) FROM attempt") == [(3,)]


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_settlement_whose_commit_was_cut_is_true_and_written_once(
    wire: Wire, cut: Cut
) -> None:
    async with opened(wire.url) as ledger:
        campaign = await campaign_of(ledger, 1)
        taken = await claim_one(ledger, campaign)
        wire.cut(cut)
        ended = settlement(taken, AttemptState.FINAL, cost_micros=7, call_id="c")

        assert await ledger.settle([ended]) == [True]

        found = await ledger.campaign("spring")
        assert found is not None
        assert (found.unpriced, found.spent_micros) == (0, 7)
        assert await ledger.verify() == []


async def test_a_commit_the_server_is_still_at_is_waited_for(
    server: PostgresServer, database: str
) -> None:
    with Wire(database) as wire:
        async with opened(wire.url) as ledger:
            campaign = await campaign_of(ledger, 1, 2, 3)
            with no_commit_ends(server) as begun:
                wire.cut(Cut.DURING_COMMIT)
                claiming = asyncio.create_task(claim(ledger, campaign))
                while begun() < 2:
                    await asyncio.sleep(0.01)
                done, _ = await asyncio.wait((claiming,), timeout=0.5)
                assert not done, "it is not known either way"

            claims = (await claiming).claims

            rows = on_server(database, "SELECT attempt_id FROM attempt ORDER BY 1")
            assert rows == [(each.attempt_id,) for each in claims]
            assert len(rows) == 3
            assert await ledger.verify() == []


@contextlib.contextmanager
def no_commit_ends(server: PostgresServer) -> Iterator[Callable[[], int]]:
    """Have every commit wait for a standby there is none; yield how to count those that do."""

    def begun() -> int:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        ((count,),) = on_server(server.url, waiting)
        return int(count)

    def commit_until_it_hangs() -> None:
        while not is_over.is_set():
            on_server(server.url, "SELECT pg_logical_emit_message(true, 'a', 'b')")

    is_over = threading.Event()
    one = threading.Thread(target=commit_until_it_hangs)
    on_server(server.url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    on_server(server.url, "SELECT pg_reload_conf()")
    one.start()
    try:
        while not begun():  # the setting reaches all by and by
            threading.Event().wait(0.01)
        yield begun
    finally:
        is_over.set()
        on_server(server.url, "ALTER SYSTEM RESET synchronous_standby_names")
        on_server(server.url, "SELECT pg_reload_conf()")
        one.join()


async def test_claims_whose_caller_was_told_that_they_failed_are_released(wire: Wire) -> None:
    async with opened(wire.url, reconnect_seconds=0.2) as ledger:
        campaign = await campaign_of(ledger, 1, 2)
        wire.cut(Cut.AFTER_COMMIT)
        wire.is_open = False
        with pytest.raises(LedgerBusyError):
            await claim(ledger, campaign)

        wire.is_open = True
        await ledger.count_live(campaign.campaign_id)  # comes back, and finds what was written
        await ledger.count_live(campaign.campaign_id)

        assert await ledger.count_live(campaign.campaign_id) == 0
        attempts = await attempts_of(ledger, campaign)
        assert [attempt.state for attempt in attempts] == [RELEASED, RELEASED]
        again = (await claim(ledger, campaign)).claims
        assert [each.attempts for each in again] == [1, 1]
        assert await ledger.verify() == []


async def test_a_server_that_stays_away_is_one_clear_error(wire: Wire) -> None:
    async with opened(wire.url, reconnect_seconds=0.2) as ledger:
        campaign = await campaign_of(ledger, 1)
        wire.cut(Cut.BEFORE_COMMIT)
        wire.is_open = False
        with pytest.raises(LedgerBusyError, match="the ledger postgresql://127"):
            await claim(ledger, campaign)
        wire.is_open = True
        assert len((await claim(ledger, campaign)).claims) == 1


# --- The server goes and comes back.


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that may be stopped."""
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    """The address of a fresh, empty ledger on that server."""
    databases = Databases(server.url)
    with databases.fresh() as url:
        yield url
    databases.close()


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
async def test_work_goes_on_after_the_server_was_restarted(
    server: PostgresServer, database: str, how: str
) -> None:
    async with opened(database) as ann, opened(database) as bob:
        campaign = await campaign_of(ann, *range(1, 301))
        dialled: list[str] = []
        work = [
            asyncio.create_task(dial_all(ledger, campaign, worker=worker, dialled=dialled))
            for ledger, worker in ((ann, ANN), (bob, BOB))
        ]
        for share in (50, 150):
            while len(dialled) < share:
                await asyncio.sleep(0.001)
            await asyncio.to_thread(server.kill if how == "kill" else lambda: server.stop(how))
            await asyncio.to_thread(server.start)
        await asyncio.gather(*work)

        assert sorted(dialled) == [number(n) for n in range(1, 301)]
        attempts = await attempts_of(ann, campaign)
        assert Counter(attempt.state for attempt in attempts) == {PLACED: 300}
        assert await ann.verify() == []


async def dial_all(
    ledger: SharedLedger, campaign: CampaignRecord, *, worker: str, dialled: list[str]
) -> None:
    """Claim and settle until nobody is left; note who would have been called."""
    while True:
        claimed = await claim(ledger, campaign, worker=worker, limit=5)
        dialled += [each.phone for each in claimed.claims]
        placed = [settlement(each, PLACED, call_id=each.phone) for each in claimed.claims]
        assert all(await ledger.settle(placed))
        if claimed.next_due_at is None and not claimed.claims:
            return
        await asyncio.sleep(0.001)


async def test_a_server_that_is_not_there_is_one_clear_error(unused_port: int) -> None:
    url = f"postgresql://me:s3cret@127.0.0.1:{unused_port}/calls"
    with pytest.raises(LedgerBusyError, match="cannot be reached") as caught:
        async with opened(url):
            pass
    assert "s3cret" not in told_by(caught.value)
    assert f"postgresql://127.0.0.1:{unused_port}/calls" in str(caught.value)


async def test_a_wrong_password_is_one_clear_error(server: PostgresServer, database: str) -> None:
    on_server(database, "CREATE ROLE caller LOGIN PASSWORD 'right'")
    with only_by_password(server, "caller"):
        url = database.replace("postgres@", "caller:s3cret@")
        with pytest.raises(LedgerError, match="does not let this user in") as caught:
            async with opened(url):
                pass
    assert "s3cret" not in told_by(caught.value)


def told_by(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


@contextlib.contextmanager
def only_by_password(server: PostgresServer, role: str) -> Iterator[None]:
    file = server.directory / "data" / "pg_hba.conf"
    before = file.read_text()
    file.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{before}")
    on_server(server.url, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        file.write_text(before)
        on_server(server.url, "SELECT pg_reload_conf()")


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port nobody listens on, and nobody else gets meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


# --- Another worker is in the way.


async def test_a_deadlock_is_tried_again(postgres_url: str) -> None:
    # Who notices it first is the one that must give way.
    patient = f"{postgres_url}?options=-c%20deadlock_timeout%3D2s"
    async with opened(patient) as ledger:
        campaign = await campaign_of(ledger, 1, 2)
        budget = Budget(limit=9.0, worst_call=0.1)
        taken = await claim_one(ledger, campaign)
        told = attrs.evolve(SETTINGS, budget=budget)
        await ledger.change_campaign(campaign.campaign_id, now=NOW, settings=told)
        with psycopg.connect(postgres_url) as other:
            other.execute("SET deadlock_timeout = '60s'")
            other.execute("SELECT 1 FROM contact WHERE state = 1 FOR UPDATE")
            # In one transaction: it has the campaign, and wants the contact.
            work = asyncio.gather(
                claim(ledger, campaign), ledger.settle([settlement(taken, RELEASED)])
            )
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while on_server(postgres_url, waiting) != [(1,)]:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(other.execute, "UPDATE campaign SET name = 'autumn'")
            other.commit()

        claimed, settled = await work

        assert (len(claimed.claims), settled) == (1, [True])
        assert claimed.campaign.name == "autumn", "it came second"
        assert await ledger.verify() == []


async def test_a_worker_that_freezes_in_the_middle_holds_nobody_up(postgres_url: str) -> None:
    async with opened(postgres_url) as ann, opened(postgres_url) as bob:
        campaign = await campaign_of(ann, *range(1, 5))
        told = attrs.evolve(SETTINGS, budget=Budget(limit=9.0, worst_call=0.1))
        await ann.change_campaign(campaign.campaign_id, now=NOW, settings=told)
        reached, go_on = threading.Event(), threading.Event()

        def freeze(candidate: Candidate, now: datetime) -> Decision:
            reached.set()
            assert go_on.wait(60)
            return CallNow()

        frozen = asyncio.create_task(claim(ann, campaign, worker=ANN, limit=2, decide=freeze))
        assert await asyncio.to_thread(reached.wait, 60)

        others = (await claim(bob, campaign, worker=BOB, limit=2)).claims
        go_on.set()

        assert len(others) == 2
        # It thaws, finds that it lost everything, and begins anew.
        mine = (await frozen).claims
        assert {each.phone for each in mine}.isdisjoint({each.phone for each in others})
        assert len(mine) == 2
        assert await bob.verify() == []
