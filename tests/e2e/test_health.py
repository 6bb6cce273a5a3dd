"""Whether a worker is well, and what a ledger knows as metrics: asked of real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psycopg
import pytest
from prometheus_client import CollectorRegistry

from talkstack_async.campaign import Campaign, Ledger, Worker, open_ledger
from talkstack_async.campaign.settings import CampaignSettings
from talkstack_async.clock import ManualClock
from talkstack_async.emulator import EmulatorThread, Script
from talkstack_async.integrations import health
from talkstack_async.integrations.ledger_metrics import LedgerMetrics
from talkstack_async.integrations.prometheus import exposition
from tests.support.campaigns import client_for, phone, settings_for
from tests.support.postgres import Databases, PostgresServer, on_server

SETTINGS = CampaignSettings(project_id="p", agent_id="a", calls_per_second=7)
CALLEE = "+12025550123"


@asynccontextmanager
async def serving(
    check: health.Health, *, scrape: health.Scrape | None = None
) -> AsyncIterator[str]:
    async with health.serve(health.application(check, scrape=scrape), port=0) as url:
        yield url


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status, await reply.text()


def break_file(file: Path) -> None:
    file.write_bytes(b"this is no database" * 100)


async def test_a_program_that_only_enqueues_is_ready_if_its_ledger_answers(tmp_path: Path):
    async with open_ledger(tmp_path / "ledger.db") as ledger:
        async with serving(health.Health(ledger)) as url:
            assert url.startswith("http://127.0.0.1:")
            assert await get(f"{url}/livez") == (200, "ok\n")
            assert await get(f"{url}/readyz") == (200, '{"ready": true, "reasons": []}')
            # Nothing to scrape, and nothing else is told to anybody.
            assert (await get(f"{url}/metrics"))[0] == 404
            assert (await get(f"{url}/"))[0] == 404


async def test_a_ledger_that_cannot_be_read_is_not_ready_and_alive_all_the_same(tmp_path: Path):
    async with open_ledger(tmp_path / "ledger.db") as ledger:
        pass
    break_file(tmp_path / "ledger.db")
    async with serving(health.Health(ledger)) as url:
        status, text = await get(f"{url}/readyz")
        assert (status, "the ledger cannot be used" in text) == (503, True)
        assert (await get(f"{url}/livez"))[0] == 200


async def test_a_database_that_is_gone_is_not_ready_until_it_is_back():
    clock = ManualClock()
    with PostgresServer() as server:
        databases = Databases(server.url)
        with databases.fresh() as url:
            password = url.replace("postgres@", "postgres:hunter2-very-secret@")
            async with open_ledger(password, reconnect_seconds=30) as ledger:
                check = health.Health(ledger, timeout_seconds=1.0, clock=clock)
                assert (await check.examine()).is_ready
                server.stop()
                await clock.advance(2)
                gone = await check.examine()
                server.start()
                # Not asked again for a second: many probes are one question.
                assert await check.examine() == gone
                await clock.advance(2)
                assert (await check.examine()).is_ready
        databases.close()
    assert not gone.is_ready
    assert "hunter2" not in str(gone.document())


async def test_a_ledger_that_does_not_answer_is_asked_by_one_probe_only(postgres_url: str):
    clock = ManualClock()
    async with open_ledger(postgres_url) as ledger:
        await ledger.campaigns()
        check = health.Health(ledger, timeout_seconds=0.05, clock=clock)
        with psycopg.connect(postgres_url) as somebody:
            somebody.execute("LOCK TABLE campaign")
            for _ in range(5):
                (reason,) = (await check.examine()).reasons
                assert "has not answered" in reason
                await clock.advance(2)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            assert on_server(postgres_url, waiting) == [(1,)]
        await asyncio.sleep(0)
        await clock.advance(2)
        slowly = health.Health(ledger, clock=clock)
        assert (await slowly.examine()).is_ready


async def test_a_worker_is_ready_while_it_works_and_not_once_it_drains(postgres_url: str):
    with EmulatorThread(script=Script(latency=1.0)) as emulator:
        async with open_ledger(postgres_url) as ledger, client_for(emulator) as client:
            campaign = await Campaign.open(ledger, "spring", settings=settings_for(emulator))
            await campaign.enqueue([{"number": phone(1), "name": "Ada"}])
            worker = Worker(client, ledger)
            check = health.Health(ledger, worker)
            before = await check.examine()
            working = asyncio.create_task(worker.run())
            while not worker.progress.in_flight:
                await asyncio.sleep(0.01)
            during = await check.examine()
            worker.stop()
            await asyncio.sleep(0)
            while worker.standing.state == "working":
                await asyncio.sleep(0.01)
            draining = await check.examine()
            await working
            after = await check.examine()
    assert before.reasons == ("the worker is starting",)
    assert (during.is_ready, during.document()["in_flight"]) == (True, 1)
    assert draining.reasons == ("the worker is draining",)
    assert after.reasons == ("the worker has ended",)


# --- Metrics.


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


async def fill(ledger: Ledger, *numbers: str, name: str = "spring") -> Campaign:
    campaign = await Campaign.open(ledger, name, settings=SETTINGS)
    await campaign.enqueue([{"number": each} for each in numbers])
    return campaign


async def test_a_ledger_is_counted_campaign_by_campaign_and_names_no_number(
    postgres_url: str, registry: CollectorRegistry
):
    async with open_ledger(postgres_url) as ledger:
        await fill(ledger, phone(1), phone(2))
        await (await fill(ledger, phone(3), name=f"{CALLEE}.csv")).pause()
        await (await fill(ledger, phone(4), name="over")).cancel()
        await LedgerMetrics(ledger, registry=registry).refresh()
    ask = registry.get_sample_value
    assert ask("talkstack_contacts", {"campaign": "spring", "state": "ready"}) == 2
    assert ask("talkstack_campaign_calls_per_second_limit", {"campaign": "spring"}) == 7
    assert ask("talkstack_campaign_paused", {"campaign": "spring"}) == 0
    assert ask("talkstack_campaign_spent_micros", {"campaign": "spring"}) == 0
    assert ask("talkstack_contacts", {"campaign": "over", "state": "ready"}) is None
    assert ask("talkstack_workers", {"state": "working"}) == 0
    shown = exposition(registry).decode()
    assert CALLEE[1:] not in shown
    assert "talkstack_ledger_readable 1.0" in shown


async def test_the_ledger_is_not_asked_at_every_scrape(
    tmp_path: Path, registry: CollectorRegistry
):
    clock, ready = ManualClock(), {"campaign": "spring", "state": "ready"}
    async with open_ledger(tmp_path / "ledger.db") as ledger:
        metrics = LedgerMetrics(ledger, registry=registry, clock=clock)
        await fill(ledger, phone(1))
        await metrics.scrape()
        await fill(ledger, phone(2))
        await metrics.scrape()
        assert registry.get_sample_value("talkstack_contacts", ready) == 1
        await clock.advance(11)
        text, content_type = await metrics.scrape()
        assert registry.get_sample_value("talkstack_contacts", ready) == 2
    assert content_type.startswith("text/plain")
    # A file has no workers.
    assert b"talkstack_workers" not in text


async def test_metrics_of_a_ledger_that_cannot_be_read_say_so_and_nothing_else(
    tmp_path: Path, registry: CollectorRegistry
):
    clock = ManualClock()
    async with open_ledger(tmp_path / "ledger.db") as ledger:
        metrics = LedgerMetrics(ledger, registry=registry, clock=clock)
        await fill(ledger, phone(1))
        await metrics.refresh()
    break_file(tmp_path / "ledger.db")
    await clock.advance(11)
    text, _ = await metrics.scrape()
    assert b"talkstack_ledger_readable 0.0" in text
    assert b"talkstack_contacts" not in text
