"""The recipes for services and task queues do what they say, on a real ledger."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import aiohttp
import httpx
import pytest
from aiohttp.test_utils import TestServer
from celery import signals
from celery.contrib.testing.worker import start_worker

from talkstack_async.campaign import Campaign, CampaignSettings, open_ledger
from talkstack_async.emulator import EmulatorThread
from tests.e2e.test_examples import environment, load

__all__ = ["environment"]

ADA, BO, REFUSED, LOST = "+14155550101", "+14155550102", "+14155550186", "+14155550191"


@pytest.fixture(params=["postgres", "sqlite"])
def any_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "reminders.talkstack.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def service(environment: None, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TALKSTACK_LEDGER", postgres_url)
    monkeypatch.setenv("CALLING_WINDOW", "00:00-24:00")
    return postgres_url


@functools.cache
def celery_tasks() -> ModuleType:
    # Once: Celery knows the tasks of a process by their names.
    return load("celery_tasks")


@pytest.fixture
def logging_as_it_is() -> Iterator[None]:
    """Celery sets up the logging of a whole process, unless somebody else says it will."""

    def leave(**_: object) -> None:
        pass

    signals.setup_logging.connect(leave)
    yield
    signals.setup_logging.disconnect(leave)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


async def workers_of(url: str) -> list[str]:
    async with open_ledger(url) as ledger:
        return [each.name for each in await ledger.workers()]  # type: ignore[union-attr]


async def test_a_fastapi_service_works_takes_contacts_and_awaits_a_call(
    service: str, talkstack_emulator: EmulatorThread
) -> None:
    rang = talkstack_emulator.rings_to
    app = load("fastapi_service").app
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        rows = [{"number": ADA, "name": "Ada"}, {"number": "nonsense"}]
        answers = [(await client.post("/contacts", json=rows)) for _ in range(2)]
        assert [reply.status_code for reply in answers] == [202, 202]
        assert [row["verdict"] for row in answers[0].json()] == ["added", None]
        assert answers[1].json()[0]["verdict"] == "unchanged"
        bodies = [{"number": number, "name": "Bo"} for number in (BO, REFUSED, LOST)]
        calls = [await client.post("/calls", json=body) for body in bodies]
        assert [reply.status_code for reply in calls] == [200, 422, 502]
        assert [reply.json().get("uncertain") for reply in calls] == [None, False, True]
        await until(lambda: bool(rang(ADA)))
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["state"]) == (200, "working")
        assert await workers_of(service) == [ready.json()["worker"]]
    assert len(rang(ADA)) == len(rang(BO)) == 1
    assert await workers_of(service) == []


async def test_an_aiohttp_service_works_and_tells_how_it_is(
    service: str, talkstack_emulator: EmulatorThread
) -> None:
    app = load("aiohttp_service").make_app()
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        rows = [{"number": ADA, "name": "Ada"}, {"number": "nonsense"}]
        async with session.post("/contacts", json=rows) as reply:
            told = await reply.json()
        assert (reply.status, told["new"], [row["row"] for row in told["refused"]]) == (
            202,
            1,
            [2],
        )
        await until(lambda: bool(talkstack_emulator.rings))
        async with session.get("/health/readyz") as reply:
            assert (reply.status, (await reply.json())["ready"]) == (200, True)
        async with session.get("/health/metrics") as reply:
            metrics = await reply.text()
        assert reply.content_type == "text/plain"
        assert 'talkstack_requests_total{operation="calls.make",status="200"} 1.0' in metrics
        assert 'talkstack_workers{state="working"} 1.0' in metrics
        assert ADA not in metrics
    assert [ring.number for ring in talkstack_emulator.rings] == [ADA]
    assert await workers_of(service) == []


def test_a_celery_task_hands_people_to_a_campaign(
    any_ledger: str, monkeypatch: pytest.MonkeyPatch, logging_as_it_is: None
) -> None:
    async def prepare() -> None:
        async with open_ledger(any_ledger) as ledger:
            settings = CampaignSettings(project_id="p", agent_id="a")
            await Campaign.open(ledger, "reminders", settings=settings)

    async def enqueued() -> dict[str, str]:
        async with open_ledger(any_ledger) as ledger:
            campaign = await Campaign.open(ledger, "reminders")
            exported = ledger.export(campaign.record.campaign_id)
            return {contact.number: contact.variables["name"] async for contact, _ in exported}

    asyncio.run(prepare())
    monkeypatch.setenv("TALKSTACK_LEDGER", any_ledger)
    tasks = celery_tasks()
    tasks.app.conf.update(result_backend="cache+memory://", broker_url="memory://")
    with start_worker(tasks.app, perform_ping_check=False, pool="solo"):
        given = [ADA, BO, ADA, "nonsense"]
        sent = [tasks.remind.delay(number, name="Ada") for number in given]
        told = [each.get(timeout=30) for each in sent]
    assert told[:3] == ["added", "added", "unchanged"]
    assert "number" in told[3]
    assert asyncio.run(enqueued()) == {ADA: "Ada", BO: "Ada"}
