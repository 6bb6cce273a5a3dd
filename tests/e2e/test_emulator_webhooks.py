"""Webhooks of the emulated service, delivered to a real receiver."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from talkstack_async.emulator import Emulator, EmulatorThread, Script, WebhookScript
from talkstack_async.emulator.loopback import address_to_tell

# Long spans, so that a slow machine does not bring about what only the clock should.
STEADY = Script(queued_for=100, ringing_for=400, talking_for=2000, jitter=0)
LIFE = ["queued", "ringing", "in-progress", "completed"]
HOOK = "/project/call-status/add-webhookurl"


class Receiver:
    """A server that notes what it is told and answers as it is told to."""

    def __init__(self) -> None:
        self.url = ""
        self.told: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.stalls = False
        self.released = asyncio.Event()

    async def hear(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.content_type == "application/json"
        self.told.append(json.loads(await request.read()))
        if self.stalls:
            await self.released.wait()
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    @property
    def statuses(self) -> list[str]:
        return [one["status"] for one in self.told]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    heard = Receiver()
    server = web.Server(heard.hear, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    heard.url = f"http://127.0.0.1:{port}/hook"
    yield heard
    heard.released.set()
    listener.close()
    await server.shutdown(0)


async def send(emulator: Emulator, path: str, content: Any) -> Any:
    headers = {"x-api-key": emulator.api_key}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(emulator.url + path, json=content) as reply,
    ):
        assert reply.status == 200
        return await reply.json()


async def listen(emulator: Emulator, url: str) -> None:
    await send(emulator, HOOK, {"projectId": emulator.project_id, "webhookURL": url})


async def make(emulator: Emulator, number: str = "+12025550101", project: str = "") -> str:
    wanted = {"number": number, "projectId": project or emulator.project_id, "agentId": "a1"}
    return str((await send(emulator, "/call/makeCall", wanted))["call"]["call_id"])


def running(script: WebhookScript | None = None, seed: int = 0) -> Emulator:
    return Emulator(script=STEADY, webhooks=script or WebhookScript(), seed=seed)


async def test_each_status_change_is_told_once_in_order_when_it_happens(
    receiver: Receiver,
) -> None:
    async with running() as emulator:
        await listen(emulator, receiver.url)
        call_id = await make(emulator)
        for seconds, known in ((0, 1), (200, 2), (400, 3), (2000, 4), (6000, 4)):
            emulator.advance(seconds)
            await emulator.wait_for_webhooks()
            assert receiver.statuses == LIFE[:known]
        assert {one["callSid"] for one in receiver.told} == {call_id}
        last = receiver.told[-1]
        assert set(last) == {"callSid", "status", "to", "from", "timestamp", "projectId"}
        assert (last["to"], last["projectId"]) == ("+12025550101", emulator.project_id)
        stamps = [one["timestamp"] for one in receiver.told]
        assert stamps == sorted(stamps)
        assert [one.fate for one in emulator.webhooks] == ["delivered"] * 4


async def test_a_webhook_comes_by_itself_when_real_time_passes(receiver: Receiver) -> None:
    script = Script(queued_for=0.02, ringing_for=0.02, talking_for=0.02, jitter=0)
    async with Emulator(script=script) as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        async with asyncio.timeout(5):
            while receiver.statuses != LIFE:
                await asyncio.sleep(0.005)


async def test_a_jump_of_the_clock_tells_everything_in_order_per_call(
    receiver: Receiver,
) -> None:
    async with running() as emulator:
        await listen(emulator, receiver.url)
        calls = [await make(emulator, f"+120255501{line:02}") for line in range(30)]
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        for call_id in calls:
            told = [one["status"] for one in receiver.told if one["callSid"] == call_id]
            assert told == LIFE


@pytest.mark.parametrize(
    ("line", "life"),
    [
        (80, ["queued", "ringing", "busy"]),
        (83, ["queued", "ringing", "in-progress", "silence"]),
        (84, ["queued", "failed"]),
    ],
)
async def test_a_call_tells_only_what_it_goes_through(
    receiver: Receiver, line: int, life: list[str]
) -> None:
    async with running() as emulator:
        await listen(emulator, receiver.url)
        await make(emulator, f"+120255501{line}")
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == life


async def test_only_calls_of_a_project_with_an_address_are_told(receiver: Receiver) -> None:
    async with running() as emulator:
        await make(emulator)
        await listen(emulator, receiver.url)
        await make(emulator, project="another")
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.told == []
        assert emulator.webhooks == []


async def test_duplicates_come_twice_each(receiver: Receiver) -> None:
    async with running(WebhookScript(duplicates=1)) as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == [status for status in LIFE for _ in range(2)]


async def test_disorder_swaps_neighbours_and_tells_nothing_too_early(
    receiver: Receiver,
) -> None:
    async with running(WebhookScript(disorder=1)) as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == []
        emulator.advance(600)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == ["ringing", "queued"]
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == ["ringing", "queued", "completed", "in-progress"]


async def test_dropped_webhooks_never_come_and_the_seed_decides_which(
    receiver: Receiver,
) -> None:
    async def run(seed: int) -> list[str]:
        receiver.told.clear()
        async with running(WebhookScript(drops=0.5), seed=seed) as emulator:
            await listen(emulator, receiver.url)
            for _ in range(10):
                await make(emulator)
                emulator.advance(6000)
                await emulator.wait_for_webhooks()
            dropped = [one for one in emulator.webhooks if one.fate == "dropped"]
            assert len(dropped) + len(receiver.told) == 40
            return receiver.statuses

    first = await run(1)
    assert 5 < len(first) < 35
    assert await run(1) == first
    assert await run(2) != first


async def test_a_delay_holds_webhooks_back(receiver: Receiver) -> None:
    async with running(WebhookScript(delay=10_000)) as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.told == []
        emulator.advance(10_000)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == LIFE


async def test_a_receiver_that_fails_is_tried_again_and_then_given_up(
    receiver: Receiver,
) -> None:
    receiver.answers = [503] * 100
    async with running(WebhookScript(retries=2, retry_after=1000)) as emulator:
        await listen(emulator, receiver.url)
        await make(emulator, "+12025550184")
        for seconds, tries in ((0, 1), (500, 2), (500, 3), (500, 4), (1500, 5), (20_000, 6)):
            emulator.advance(seconds)
            await emulator.wait_for_webhooks()
            assert len(receiver.told) == tries
        for status in ("queued", "failed"):
            made = [one for one in emulator.webhooks if one.status == status]
            assert [one.attempt for one in made] == [1, 2, 3]
            assert {(one.fate, one.answer) for one in made} == {("failed", 503)}


async def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [302]
    async with running() as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        await emulator.wait_for_webhooks()
        assert [(one.fate, one.answer) for one in emulator.webhooks] == [("failed", 302)]
        assert len(receiver.told) == 1


async def test_a_receiver_that_is_away_or_stalls_has_failed(receiver: Receiver) -> None:
    async with running(WebhookScript(retries=0, timeout=0.05)) as emulator:
        receiver.stalls = True
        await listen(emulator, receiver.url)
        await make(emulator)
        await emulator.wait_for_webhooks()
        await listen(emulator, "http://127.0.0.1:9/nobody")
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert [(one.fate, one.answer) for one in emulator.webhooks] == [("failed", None)] * 4


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://192.0.2.1/", "words"])
async def test_nobody_outside_of_this_machine_is_ever_told(url: str) -> None:
    async with running() as emulator:
        await listen(emulator, url)
        await make(emulator)
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert [(one.fate, one.url) for one in emulator.webhooks] == [("forbidden", url)] * 4


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:80/a?b=c#d", "http://127.0.0.1:80/a?b=c"),
        ("https://localhost", "https://localhost"),
        ("http://[::1]:8080/hook", "http://[::1]:8080/hook"),
        ("http://user:word@127.0.0.1/", "http://127.0.0.1/"),
        ("http://hooks.test/x", "http://hooks.test/x"),
        ("http://127.0.0.1@example.com/", None),
        ("http://127.0.0.1.example.com/", None),
        ("http://localhost.example.com/", None),
        ("ftp://127.0.0.1/", None),
        ("http://127.0.0.1:port/", None),
        ("http://[::1/", None),
        ("http:///hook", None),
        ("", None),
    ],
)
def test_an_address_is_judged_by_its_host(url: str, address: str | None) -> None:
    assert address_to_tell(url, hosts=("hooks.test",)) == address


async def test_a_reset_forgets_what_was_to_be_told(receiver: Receiver) -> None:
    async with running() as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        await emulator.wait_for_webhooks()
        emulator.reset()
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == ["queued"]
        assert emulator.webhooks == []


async def test_a_deleted_project_tells_nothing_more(receiver: Receiver) -> None:
    async with running() as emulator:
        await listen(emulator, receiver.url)
        await make(emulator)
        await emulator.wait_for_webhooks()
        headers = {"x-api-key": emulator.api_key}
        url = f"{emulator.url}/project/{emulator.project_id}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.delete(url, json={"cascade": True}) as reply,
        ):
            assert reply.status == 200
        emulator.advance(6000)
        await emulator.wait_for_webhooks()
        assert receiver.statuses == ["queued"]


async def test_closing_in_the_middle_of_a_delivery_leaves_no_task(receiver: Receiver) -> None:
    receiver.stalls = True
    before = asyncio.all_tasks()
    emulator = running()
    await emulator.start()
    await listen(emulator, receiver.url)
    await make(emulator)
    while not receiver.told:
        await asyncio.sleep(0.001)
    waiting = asyncio.create_task(emulator.wait_for_webhooks())
    await asyncio.sleep(0)
    assert not waiting.done()
    await emulator.aclose()
    await waiting
    receiver.released.set()
    while asyncio.all_tasks() - before:
        await asyncio.sleep(0.001)
    gc.collect()


async def test_the_control_plane_shows_the_deliveries(receiver: Receiver) -> None:
    async with running() as emulator, aiohttp.ClientSession() as session:
        await listen(emulator, receiver.url)
        await make(emulator)
        async with session.post(f"{emulator.url}/_emulator/clock", json={"advance": 6000}):
            await emulator.wait_for_webhooks()
        async with session.get(f"{emulator.url}/_emulator/webhooks") as reply:
            made = (await reply.json())["webhooks"]
        assert [one["status"] for one in made] == LIFE
        assert made[0]["fate"] == "delivered"


@pytest.mark.parametrize(
    "bad",
    [{"duplicates": 2}, {"disorder": -1}, {"drops": 1.1}, {"delay": -1}, {"retries": -1}],
)
def test_an_impossible_webhook_script_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        WebhookScript(**bad)


def test_a_thread_shows_accounts_mails_and_webhooks() -> None:
    with EmulatorThread(webhooks=WebhookScript(delay=1)) as emulator:
        assert emulator.calls_of("login") == 0
        assert emulator.mailbox(emulator.email) == []
        emulator.wait_for_webhooks()
        assert emulator.webhooks == []
        assert emulator.refresh_token != emulator.token
        assert emulator.password
        emulator.forget_user(emulator.email)
