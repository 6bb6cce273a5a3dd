"""The emulated operations on calls, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from talkstack_async.emulator import Emulator, Script
from talkstack_async.emulator.clock import pause

ORDINARY = "+12025550100"
WANTED = {"number": ORDINARY, "projectId": "p1", "agentId": "a1"}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def post(
    session: aiohttp.ClientSession, emulator: Emulator, path: str, **options: Any
) -> tuple[int, Any]:
    options.setdefault("headers", {"x-api-key": emulator.api_key})
    async with session.post(emulator.url + path, **options) as reply:
        return reply.status, await reply.json()


async def make(session: aiohttp.ClientSession, emulator: Emulator, number: str = ORDINARY) -> str:
    status, body = await post(
        session, emulator, "/call/makeCall", json={**WANTED, "number": number}
    )
    assert status == 200
    return str(body["call"]["call_id"])


async def read(session: aiohttp.ClientSession, emulator: Emulator, call_id: str) -> Any:
    status, body = await post(session, emulator, "/call", json={"sid": call_id, "projectId": "p1"})
    assert status == 200
    return body


async def test_an_ordinary_number_rings_once_and_is_answered(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    status, body = await post(
        session,
        emulator,
        "/call/makeCall",
        json={**WANTED, "dynamicVariables": {"name": "Ada", "when": None}},
    )
    (ring,) = emulator.rings
    assert status == 200
    assert body["message"] == "call made"
    assert body["status"] == "success"
    assert body["call"]["call_id"] == ring.call_id
    assert body["call"]["to"] == ring.number == ORDINARY
    assert re.fullmatch(r"\+1\d{3}55501[0-7]\d", body["call"]["from"])
    assert re.fullmatch(r"CA[0-9a-f]{32}", ring.call_id)
    assert (ring.project_id, ring.agent_id, ring.connection) == ("p1", "a1", 1)
    assert dict(ring.variables) == {"name": "Ada", "when": None}
    assert emulator.rings_to(ORDINARY) == [ring]
    assert emulator.arrivals[0] <= ring.at


@pytest.mark.parametrize(
    "content",
    [
        {**WANTED, "number": ""},
        {**WANTED, "projectId": None},
        {"number": ORDINARY, "projectId": "p1"},
        {**WANTED, "number": 12025550100},
        {},
    ],
)
async def test_a_missing_field_is_refused_in_the_documented_words(
    emulator: Emulator, session: aiohttp.ClientSession, content: dict[str, Any]
) -> None:
    status, body = await post(session, emulator, "/call/makeCall", json=content)
    assert status == 400
    assert body == {"message": "projectId, agentId and number are required", "status": "error"}
    assert emulator.rings == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_refused(
    emulator: Emulator, session: aiohttp.ClientSession, body: bytes
) -> None:
    headers = {"x-api-key": emulator.api_key, "Content-Type": "application/json"}
    status, _ = await post(session, emulator, "/call/makeCall", data=body, headers=headers)
    assert status == 400
    assert emulator.rings == []


async def test_another_content_type_or_odd_variables_are_refused(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    status, _ = await post(session, emulator, "/call/makeCall", data=WANTED)
    assert status == 400
    odd = {**WANTED, "dynamicVariables": ["Ada"]}
    status, body = await post(session, emulator, "/call/makeCall", json=odd)
    assert (status, body["message"]) == (400, "dynamicVariables must be an object")
    assert emulator.rings == []


async def test_only_exactly_one_good_credential_is_accepted(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    key, bearer = emulator.api_key, f"Bearer {emulator.token}"
    answers = [
        (await post(session, emulator, "/call/makeCall", json=WANTED, headers=headers))[0]
        for headers in (
            {"x-api-key": key},
            {"Authorization": bearer},
            {},
            {"x-api-key": "wrong"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": emulator.token},
            {"x-api-key": key, "Authorization": bearer},
        )
    ]
    assert answers == [200, 200, 401, 401, 401, 401, 401]
    assert len(emulator.rings) == 2
    emulator.expire_token()
    status, body = await post(
        session, emulator, "/call", json={}, headers={"Authorization": bearer}
    )
    assert (status, body) == (401, {"message": "unauthorized", "status": "error"})


async def test_other_paths_and_verbs_are_not_found(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    assert (await post(session, emulator, "/call/other"))[0] == 404
    async with session.get(emulator.url + "/call/makeCall") as reply:
        assert reply.status == 404
    assert emulator.arrivals == []


async def test_a_call_lives_by_the_virtual_clock(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    call_id = await make(session, emulator)
    seen = []
    for seconds in (0, 2.5, 4, 60):
        emulator.advance(seconds)
        seen.append(await read(session, emulator, call_id))
    assert [call["status"] for call in seen] == ["queued", "ringing", "in-progress", "completed"]
    queued, *_, ended = seen
    assert (queued["seconds"], queued["cost"], queued["date"]) == (None, None, None)
    assert (queued["data"], queued["recordingUrls"]) == (None, [])
    assert 15 <= ended["seconds"] <= 25
    assert ended["cost"] > 0
    assert ended["callSid"] == call_id
    assert ended["to"] == ended["phoneNumber"] == ORDINARY
    assert ended["data"]["interested"] in ("true", "false")
    assert ".invalid/" in ended["recordingUrls"][0]
    assert parsedate_to_datetime(ended["date"]).utcoffset() is not None


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (79, "completed"),
        (80, "busy"),
        (81, "no-answer"),
        (82, "voicemail"),
        (83, "silence"),
        (84, "failed"),
        (85, "canceled"),
    ],
)
async def test_a_magic_number_chooses_how_its_call_ends(
    emulator: Emulator, session: aiohttp.ClientSession, line: int, status: str
) -> None:
    call_id = await make(session, emulator, f"+141555501{line}")
    emulator.advance(60)
    assert (await read(session, emulator, call_id))["status"] == status


async def test_an_unknown_call_and_a_foreign_project_are_not_found(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    call_id = await make(session, emulator)
    for content in (
        {"sid": "CA" + "0" * 32, "projectId": "p1"},
        {"sid": call_id, "projectId": "p2"},
    ):
        status, body = await post(session, emulator, "/call", json=content)
        assert (status, body["message"]) == (404, "call not found")
    status, _ = await post(session, emulator, "/call", data={"sid": call_id})
    assert status == 400
    status, body = await post(session, emulator, "/call", json={"projectId": "p1"})
    assert (status, body["message"]) == (400, "callSid is required")


async def test_a_call_can_stay_invisible_for_a_while(session: aiohttp.ClientSession) -> None:
    async with Emulator(script=Script(visible_after=5)) as emulator:
        call_id = await make(session, emulator)
        content = {"sid": call_id, "projectId": "p1"}
        assert (await post(session, emulator, "/call", json=content))[0] == 404
        emulator.advance(5)
        assert (await post(session, emulator, "/call", json=content))[0] == 200


async def test_the_same_seed_and_order_give_the_same_calls(
    session: aiohttp.ClientSession,
) -> None:
    async def run(seed: int) -> list[Any]:
        script = Script(outcomes={"completed": 1, "busy": 1, "voicemail": 1})
        async with Emulator(seed=seed, script=script) as emulator:
            ids = [await make(session, emulator, f"+12025550{n:03}") for n in range(20)]
            emulator.advance(100)
            calls = [await read(session, emulator, call_id) for call_id in ids]
            return [{**call, "date": None} for call in calls]

    assert await run(3) == await run(3)
    assert await run(3) != await run(4)


async def test_strict_ids_refuse_strangers(session: aiohttp.ClientSession) -> None:
    async with Emulator(strict_ids=True) as emulator:
        known = {"projectId": emulator.project_id, "agentId": emulator.agent_id}
        answers = []
        for ids in (known, {**known, "projectId": "p1"}, {**known, "agentId": "a1"}):
            content = {"number": ORDINARY, **ids}
            answers.append((await post(session, emulator, "/call/makeCall", json=content))[0])
        assert answers == [200, 400, 400]
        assert len(emulator.rings) == 1


async def test_latency_delays_the_answer_and_not_the_ring(
    session: aiohttp.ClientSession,
) -> None:
    async with Emulator(script=Script(latency=30)) as emulator:
        answer = asyncio.create_task(make(session, emulator))
        await emulator.wait_for_rings(1)
        assert not answer.done()
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
        assert len(emulator.rings) == 1


async def test_a_client_that_leaves_before_its_body_is_complete_rings_nobody(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = emulator.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /call/makeCall HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"x-api-key: " + emulator.api_key.encode() + b"\r\nContent-Length: 500\r\n\r\n{"
    )
    while not emulator.arrivals:
        await pause(0.001)
    writer.close()
    await writer.wait_closed()
    while emulator.statistics.open_connections:
        await pause(0.001)
    assert len(emulator.arrivals) == 1
    assert emulator.rings == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_body_that_cannot_be_read_rings_nobody(emulator: Emulator) -> None:
    host, port = emulator.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /call/makeCall HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"x-api-key: " + emulator.api_key.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\n{\r\n"
    )
    while not emulator.arrivals:
        await pause(0.001)
    writer.write(b"this is no chunk\r\n")
    writer.close()
    while emulator.statistics.open_connections:
        await pause(0.001)
    assert emulator.rings == []


async def test_a_client_that_asks_first_is_told_to_continue(
    emulator: Emulator, session: aiohttp.ClientSession
) -> None:
    status, _ = await post(session, emulator, "/call/makeCall", json=WANTED, expect100=True)
    assert status == 200
    assert len(emulator.rings) == 1
