"""The webhook address, over aiohttp's sockets and as an ASGI app, and what it wakes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web

from talkstack_async import Client, ClientConfig
from talkstack_async.config import FollowSettings
from talkstack_async.emulator import Emulator, Script, WebhookScript
from talkstack_async.errors import ConfigurationError
from talkstack_async.models import Call, Disposition
from talkstack_async.webhooks import CallEvent, MaskedAccessLogger, application, asgi_app, notify
from talkstack_async.webhooks.app import serve

TOKEN = "abcdefghijklmnopqrstuvwxyz012345"
PATH = f"/talkstack/{TOKEN}"
EVENT = b'{"callSid": "CA1", "status": "completed", "to": "+12025550101"}'


class Desk:
    """A handler that notes what it is handed, and does as it is told."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.errors: list[Exception] = []
        self.entered = asyncio.Event()
        self.released = asyncio.Event()
        self.released.set()

    async def __call__(self, event: CallEvent) -> None:
        self.entered.set()
        await self.released.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.events.append(event)

    @property
    def ids(self) -> list[str]:
        return [event.call_id for event in self.events]


Headers: TypeAlias = dict[str, str]
Ask: TypeAlias = Callable[..., Awaitable[tuple[int, str, Headers]]]


# --- The same answers from both.


async def over_asgi(
    app: Any, messages: Sequence[dict[str, Any]], **scope: Any
) -> tuple[list[dict[str, Any]], int]:
    """Speak ASGI with an app; return what it sent, and how many messages it took."""
    sent: list[dict[str, Any]] = []
    coming = iter(messages)
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        message = next(coming, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: Any) -> None:
        sent.append(dict(message))

    defaults = {"type": "http", "method": "POST", "path": PATH, "headers": []}
    await app(defaults | scope, receive, send)
    return sent, taken


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def status_of(sent: list[dict[str, Any]]) -> int:
    return int(sent[0]["status"])


def asking_asgi(app: Any) -> Ask:
    async def ask(
        method: str = "POST", path: str = PATH, *, body: bytes = b"", **headers: str
    ) -> tuple[int, str, Headers]:
        named = {"content-length": str(len(body)), **dashed(headers)}
        raw = [(name.encode(), value.encode()) for name, value in named.items()]
        start, end = (await over_asgi(app, [piece(body)], method=method, path=path, headers=raw))[
            0
        ]
        shown = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], end["body"].decode(), shown

    return ask


def asking_aiohttp(url: str, session: aiohttp.ClientSession) -> Ask:
    async def ask(
        method: str = "POST", path: str = PATH, *, body: bytes = b"", **headers: str
    ) -> tuple[int, str, Headers]:
        async with session.request(method, url + path, data=body, headers=dashed(headers)) as got:
            shown = {name.lower(): value for name, value in got.headers.items()}
            return got.status, await got.text(), shown

    return ask


def dashed(headers: Headers) -> Headers:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture(params=["aiohttp", "asgi"])
async def ask(request: pytest.FixtureRequest, desk: Desk) -> AsyncIterator[Ask]:
    if request.param == "asgi":
        yield asking_asgi(asgi_app(desk, token=TOKEN, limit=1000))
        return
    app = application(desk, token=TOKEN, limit=1000)
    async with serve(app, host="127.0.0.1", port=0) as url, aiohttp.ClientSession() as session:
        yield asking_aiohttp(url, session)


async def test_an_event_is_handled_and_then_acknowledged(ask: Ask, desk: Desk) -> None:
    assert (await ask(body=EVENT))[:2] == (200, "")
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert (await ask(body=b"CallSid=CA2&CallStatus=busy", **form))[0] == 200
    assert (await ask(body=b'[{"sid": "CA3"}, {"sid": "CA4"}]'))[0] == 200
    assert desk.ids == ["CA1", "CA2", "CA3", "CA4"]


async def test_it_is_not_acknowledged_before_it_was_handled(ask: Ask, desk: Desk) -> None:
    desk.released.clear()
    asking = asyncio.ensure_future(ask(body=EVENT))
    await desk.entered.wait()
    assert not asking.done()
    assert desk.events == []
    desk.released.set()
    assert (await asking)[0] == 200
    assert desk.ids == ["CA1"]


async def test_an_event_that_was_not_kept_is_the_senders_to_repeat(
    ask: Ask, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.errors = [RuntimeError("no room for +12025550101"), TimeoutError()]
    answers = [(await ask(body=EVENT))[0] for _ in range(3)]
    assert answers == [500, 500, 200]
    assert desk.ids == ["CA1"]
    assert "was not kept" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "+12025550101" not in caplog.text
    assert TOKEN not in caplog.text


async def test_who_does_not_know_the_address_learns_nothing(ask: Ask, desk: Desk) -> None:
    paths = ["/", "/anything", "/talkstack", f"/talkstack/{TOKEN[::-1]}", f"{PATH}/", f"/x{PATH}"]
    seen = set()
    for path in paths:
        for method in ("POST", "GET", "PUT", "OPTIONS"):
            status, text, headers = await ask(method, path, body=EVENT)
            seen.add((status, text, *(headers[name] for name in ("content-type",))))
            assert "allow" not in headers
        large = await ask(path=path, body=b"x" * 5000, content_encoding="br")
        seen.add((large[0], large[1], large[2]["content-type"]))
    assert seen == {(404, "404: Not Found", "text/plain; charset=utf-8")}
    assert desk.events == []


async def test_who_knows_it_is_told_what_is_wrong(
    ask: Ask, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    status, _, headers = await ask("GET")
    assert (status, headers["allow"]) == (405, "POST")
    assert (await ask("DELETE"))[0] == 405
    assert (await ask(body=b"x" * 1001))[0] == 413
    assert (await ask(body=EVENT, content_encoding="gzip"))[0] == 415
    assert (await ask(body=b"nonsense +12025550101"))[0] == 400
    assert "names no call" in (await ask(body=b"{}"))[1]
    assert desk.events == []
    assert "refused" in caplog.text
    assert "2025550101" not in caplog.text
    assert TOKEN not in caplog.text


# --- What only sockets show.

CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"


async def test_a_body_that_never_ends_is_not_read_on(desk: Desk) -> None:
    app = application(desk, token=TOKEN, limit=1000)
    async with serve(app, host="127.0.0.1", port=0) as url:
        reader, writer = await connected(url)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode())
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        writer.write(b"100\r\n" + b"x" * 256 + b"\r\n")
        await writer.drain()
        for _ in range(4):
            writer.write(b"100\r\n" + b"x" * 256 + b"\r\n")
        assert (await reader.readline()).split()[1] == b"413"
        await closed(writer)
    assert desk.events == []


async def test_a_body_that_comes_too_slowly_is_given_up(desk: Desk) -> None:
    app = application(desk, token=TOKEN, timeout_seconds=0.05)
    async with serve(app, host="127.0.0.1", port=0) as url:
        reader, writer = await connected(url)
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(EVENT)}\r\n\r\n"
        writer.write(head.encode() + EVENT[:-1])
        assert (await reader.readline()).split()[1] == b"408"
        await closed(writer)
    assert desk.events == []


async def test_a_handler_that_hangs_is_given_up(desk: Desk) -> None:
    desk.released.clear()
    app = asgi_app(desk, token=TOKEN, timeout_seconds=0.05)
    sent, _ = await over_asgi(app, [piece(EVENT)])
    assert status_of(sent) == 500
    assert desk.events == []


@asynccontextmanager
async def usual(app: web.Application, **options: Any) -> AsyncIterator[str]:
    """Serve an application as somebody does who knows nothing of webhooks."""
    runner = web.AppRunner(app, **options)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("is_cancelling", [False, True])
async def test_a_sender_that_leaves_halfway_leaves_no_event_and_no_trouble(
    desk: Desk, caplog: pytest.LogCaptureFixture, is_cancelling: bool
) -> None:
    caplog.set_level(logging.INFO)
    app = application(desk, token=TOKEN)
    async with usual(app, handler_cancellation=is_cancelling) as url:
        for body in (f"Content-Length: {len(EVENT)}\r\n\r\n{{", CHUNKED + "1\r\n{\r\n"):
            reader, writer = await connected(url)
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            writer.write((head + body).encode())
            # It comes when the request is being handled.
            assert b"100" in await reader.readline()
            writer.transport.abort()
            await closed(writer)
        async with aiohttp.ClientSession() as session, session.post(url + PATH, data=EVENT) as ok:
            assert ok.status == 200
    assert desk.ids == ["CA1"]
    assert "Traceback" not in caplog.text


async def test_a_server_that_closes_lets_a_handler_finish(desk: Desk) -> None:
    desk.released.clear()
    app = application(desk, token=TOKEN)
    async with aiohttp.ClientSession() as session:
        async with serve(app, host="127.0.0.1", port=0) as url:
            posting = asyncio.ensure_future(session.post(url + PATH, data=EVENT))
            await desk.entered.wait()
            asyncio.get_running_loop().call_soon(desk.released.set)
        async with await posting as reply:
            assert reply.status == 200
    assert desk.ids == ["CA1"]


BROKEN = [
    f"POST {PATH} HTTP/9.9.9\r\n\r\n",
    f"POST {PATH} \x01\r\n\r\n",
    f"P\x00ST {PATH} HTTP/1.1\r\n\r\n",
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nBad header {TOKEN}\r\n\r\n",
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    f"POST {PATH}?{'x' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n",
]


async def test_served_requests_even_broken_ones_leave_no_token_in_any_log(
    desk: Desk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp.access", "aiohttp.server", "aiohttp.web", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    app = application(desk, token=TOKEN)
    async with serve(app, host="127.0.0.1", port=0) as url, aiohttp.ClientSession() as session:
        for text in BROKEN:
            reader, writer = await connected(url)
            writer.write(text.encode())
            answer = await reader.readline()
            assert answer.split()[1].startswith(b"4"), text[:20]
            await closed(writer)
        async with session.post(url + PATH, data=b"nonsense") as reply:
            assert reply.status == 400
    out, err = capfd.readouterr()
    assert TOKEN not in caplog.text + out + err + repr(app)
    assert "webhook was refused" in caplog.text


async def test_the_masked_access_log_hides_what_the_usual_one_shows(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="aiohttp.access")
    outer = web.Application()
    outer.add_subapp("/hooks", application(desk, token=TOKEN))
    for logger_class, shows in ((MaskedAccessLogger, False), (web.AccessLogger, True)):
        caplog.clear()
        async with (
            usual(outer, access_log_class=logger_class) as url,
            aiohttp.ClientSession() as session,
            session.post(f"{url}/hooks{PATH}?to=%2B12025550101", data=EVENT) as reply,
        ):
            assert reply.status == 200
        assert "/hooks/talkstack/" in caplog.text
        assert (TOKEN in caplog.text, "2025550101" in caplog.text) == (shows, shows)
    assert desk.ids == ["CA1", "CA1"]


async def test_a_port_that_is_taken_is_an_os_error_and_leaves_nothing_running(desk: Desk) -> None:
    app = application(desk, token=TOKEN)
    async with serve(app, host="127.0.0.1", port=0) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="address"):
            async with serve(application(desk, token=TOKEN), host="127.0.0.1", port=port):
                pass


@pytest.mark.parametrize("make", [application, asgi_app])
@pytest.mark.parametrize("bad", [{"token": "short"}, {"timeout_seconds": 0.0}, {"prefix": "/"}])
def test_what_cannot_work_is_refused_at_once(make: Any, bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make(Desk(), **{"token": TOKEN} | bad)


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return


# --- What only ASGI has.


async def test_an_asgi_body_in_pieces_is_put_together_and_read_no_further_than_allowed(
    desk: Desk,
) -> None:
    app = asgi_app(desk, token=TOKEN, limit=len(EVENT))
    pieces = [piece(EVENT[:9], more=True), piece(b"", more=True), piece(EVENT[9:])]
    sent, _ = await over_asgi(app, pieces)
    assert status_of(sent) == 200
    sent, taken = await over_asgi(app, [piece(b"x" * len(EVENT), more=True)] * 50)
    assert (status_of(sent), taken) == (413, 2)
    sent, taken = await over_asgi(app, [piece(EVENT)], path="/talkstack/wrong")
    assert (status_of(sent), taken) == (404, 0)
    assert desk.ids == ["CA1"]


async def test_an_asgi_sender_that_leaves_halfway_is_not_answered(desk: Desk) -> None:
    app = asgi_app(desk, token=TOKEN)
    messages = [piece(EVENT, more=True), {"type": "http.disconnect"}]
    sent, _ = await over_asgi(app, messages)
    assert (sent, desk.events) == ([], [])


async def test_an_asgi_sender_that_leaves_before_the_answer_leaves_its_event(desk: Desk) -> None:
    async def receive() -> dict[str, Any]:
        return piece(EVENT)

    async def send(message: Any) -> None:
        raise OSError("gone")

    scope = {"type": "http", "method": "POST", "path": PATH, "headers": []}
    await asgi_app(desk, token=TOKEN)(scope, receive, send)
    assert desk.ids == ["CA1"]


@pytest.mark.parametrize(
    ("root_path", "path", "expected"),
    [
        ("/hooks", f"/hooks{PATH}", 200),
        ("/hooks/", f"/hooks{PATH}", 200),
        ("/hooks", PATH, 200),
        ("", PATH, 200),
        ("/talk", PATH, 200),
        ("", f"/hooks{PATH}", 404),
        ("/hook", f"/hooks{PATH}", 404),
    ],
)
async def test_an_asgi_app_may_be_mounted_anywhere(
    desk: Desk, root_path: str, path: str, expected: int
) -> None:
    app = asgi_app(desk, token=TOKEN)
    sent, _ = await over_asgi(app, [piece(EVENT)], path=path, root_path=root_path)
    assert status_of(sent) == expected


async def test_the_life_of_a_server_is_lived_along(desk: Desk) -> None:
    app = asgi_app(desk, token=TOKEN)
    life = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent, _ = await over_asgi(app, life, type="lifespan")
    assert [one["type"] for one in sent] == [
        "lifespan.startup.complete", "lifespan.shutdown.complete",
    ]  # fmt: skip
    sent, _ = await over_asgi(app, [{"type": "websocket.connect"}], type="websocket")
    assert [one["type"] for one in sent] == ["websocket.close"]
    with pytest.raises(NotImplementedError, match="carrier-pigeon"):
        await over_asgi(app, [], type="carrier-pigeon")
    assert TOKEN not in repr(app)


# --- What an event wakes.

NEVER = 10_000.0  # seconds of real time: only an event makes anybody look
ENDINGS = {
    "+14155550101": Disposition.ANSWERED,
    "+14155550180": Disposition.BUSY,
    "+14155550181": Disposition.NO_ANSWER,
    "+14155550182": Disposition.VOICEMAIL,
    "+14155550184": Disposition.FAILED,
    "+14155550185": Disposition.CANCELED,
}


def client_of(emulator: Emulator) -> Client:
    follow = FollowSettings(
        first_gap_seconds=NEVER, longest_gap_seconds=NEVER, deadline_seconds=10 * NEVER
    )
    config = ClientConfig(
        calls_url=emulator.calls_url,
        api_url=emulator.api_url,
        project_id=emulator.project_id,
        agent_id=emulator.agent_id,
        follow=follow,
    )
    return Client(emulator.api_key, config=config)


async def test_late_doubled_and_disordered_events_end_every_followed_call_well() -> None:
    events: list[CallEvent] = []
    script = Script(queued_for=100, ringing_for=400, talking_for=2000, jitter=0)
    shaken = WebhookScript(duplicates=0.5, disorder=0.5)
    async with (
        Emulator(script=script, webhooks=shaken, seed=5) as emulator,
        client_of(emulator) as client,
    ):
        wake = notify(client.calls)

        async def handle(event: CallEvent) -> None:
            events.append(event)
            await wake(event)

        async with serve(application(handle, token=TOKEN), host="127.0.0.1", port=0) as url:
            await client.projects.set_webhook(url + PATH)
            ids = {whom: (await client.calls.make(whom)).call_id for whom in ENDINGS}
            following = {
                whom: asyncio.create_task(client.calls.wait_until_final(call_id))
                for whom, call_id in ids.items()
            }
            while emulator.calls_of("getCall") < len(ids):
                await asyncio.sleep(0)
            for _ in range(10):
                emulator.advance(400)
                await emulator.wait_for_webhooks()
            ended: dict[str, Call] = {whom: await task for whom, task in following.items()}
            looks = emulator.calls_of("getCall")
        delivered = emulator.webhooks

    assert {whom: call.disposition for whom, call in ended.items()} == ENDINGS
    assert {one.fate for one in delivered} == {"delivered"}
    assert len(events) == len(delivered) > len({event.digest for event in events})
    assert looks <= len(ENDINGS) + len(events)
    told = [event.status_text for event in events if event.call_id == ids["+14155550101"]]
    assert set(told) == {"queued", "ringing", "in-progress", "completed"}


async def test_without_events_nobody_looks() -> None:
    async with Emulator() as emulator, client_of(emulator) as client:
        result = await client.calls.make("+14155550101")
        following = asyncio.create_task(client.calls.wait_until_final(result.call_id))
        while not emulator.calls_of("getCall"):
            await asyncio.sleep(0)
        emulator.advance(10_000)
        await client.calls.get(result.call_id)
        assert not following.done()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert emulator.calls_of("getCall") == 2


async def test_an_event_that_lies_ends_nothing() -> None:
    async with Emulator() as emulator, client_of(emulator) as client:
        result = await client.calls.make("+14155550101")
        following = asyncio.create_task(client.calls.wait_until_final(result.call_id))
        while not emulator.calls_of("getCall"):
            await asyncio.sleep(0)
        lie = json.dumps({"callSid": result.call_id, "status": "completed"}).encode()
        ask = asking_asgi(asgi_app(notify(client.calls), token=TOKEN))
        looks = 1
        while looks < 4:
            assert (await ask(body=lie))[0] == 200
            looks += 1
            while emulator.calls_of("getCall") < looks:
                await asyncio.sleep(0)
        assert not following.done()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


# --- The examples.


def load(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_example_for_asgi_prints_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", TOKEN)
    sent, _ = await over_asgi(load("webhooks_asgi").app, [piece(EVENT)])
    assert (status_of(sent), capsys.readouterr().out) == (200, "CA1 completed\n")


async def test_the_example_for_aiohttp_awaits_a_call_with_the_help_of_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Emulator() as emulator:
        monkeypatch.setenv("HOOK_TOKEN", TOKEN)
        for name in ("api_key", "calls_url", "api_url", "project_id", "agent_id"):
            monkeypatch.setenv(f"TALKSTACK_{name.upper()}", getattr(emulator, name))
        app = load("webhooks_aiohttp").make_app()
        async with (
            serve(app, host="127.0.0.1", port=0) as url,
            aiohttp.ClientSession() as session,
            client_of(emulator) as client,
        ):
            await client.projects.set_webhook(f"{url}/hooks{PATH}")
            body = {"number": "+14155550180"}
            posting = asyncio.ensure_future(session.post(f"{url}/calls", json=body))
            while not emulator.calls_of("getCall"):
                await asyncio.sleep(0)
            emulator.advance(10_000)
            async with await posting as reply:
                assert (await reply.json())["disposition"] == "busy"
            await emulator.wait_for_webhooks()
        assert {one.fate for one in emulator.webhooks} == {"delivered"}
