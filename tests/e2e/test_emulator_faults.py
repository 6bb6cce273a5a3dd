"""What magic numbers and faults put on the wire, and what they write in the ledger."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import pytest

from talkstack_async.emulator import Emulator, Fault
from talkstack_async.emulator.clock import pause

ORDINARY = "+12025550100"
MIB = 1024 * 1024


@attrs.frozen
class Seen:
    """What a client saw of one request: bytes, and how they ended."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    ended: str  # "whole", "closed" (FIN) or "reset" (RST)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault is no bug of the emulator: nothing may be logged about it."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def request_to(emulator: Emulator, number: str) -> bytes:
    body = json.dumps({"number": number, "projectId": "p1", "agentId": "a1"}).encode()
    head = (
        "POST /call/makeCall HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"x-api-key: {emulator.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def connect(emulator: Emulator) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = emulator.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port), limit=MIB)


async def make(emulator: Emulator, number: str = ORDINARY) -> Seen:
    """Send one makeCall on a connection of its own and say what came back."""
    reader, writer = await connect(emulator)
    try:
        writer.write(request_to(emulator, number))
        return await asyncio.wait_for(see(reader), 10)
    finally:
        writer.close()


async def see(reader: asyncio.StreamReader) -> Seen:
    status, headers, body = None, {}, bytearray()
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(head[0].split()[1])
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        size = int(headers.get("content-length", 1 << 40))
        while len(body) < size and not body.endswith(b"0\r\n\r\n"):
            chunk = await reader.read(min(MIB, size - len(body)))
            if not chunk:
                return Seen(status, headers, bytes(body), "closed")
            body += chunk
    except asyncio.IncompleteReadError:
        return Seen(status, headers, bytes(body), "closed")
    except ConnectionResetError:
        return Seen(status, headers, bytes(body), "reset")
    return Seen(status, headers, bytes(body), "whole")


def magic(line: int) -> str:
    return f"+120255501{line}"


async def test_a_refused_number_does_not_ring(emulator: Emulator) -> None:
    assert (await make(emulator, magic(86))).status == 400
    assert emulator.rings == []


async def test_a_reply_lost_number_rings_once_and_never_answers(emulator: Emulator) -> None:
    seen = await make(emulator, magic(87))
    assert (seen.status, seen.ended) == (None, "closed")
    assert len(emulator.rings_to(magic(87))) == 1


async def test_a_stalled_number_rings_once_and_waits_for_the_client_to_leave(
    emulator: Emulator,
) -> None:
    reader, writer = await connect(emulator)
    writer.write(request_to(emulator, magic(88)))
    await emulator.wait_for_rings(1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.02)
    writer.close()
    while emulator.statistics.open_connections:
        await pause(0.001)
    assert len(emulator.rings) == 1


async def test_a_throttled_number_refuses_two_tries_and_then_rings(emulator: Emulator) -> None:
    seen = [await make(emulator, magic(89)) for _ in range(4)]
    assert [one.status for one in seen] == [429, 429, 200, 200]
    assert [one.headers.get("retry-after") for one in seen] == ["1", "1", None, None]
    assert len(emulator.rings) == 2
    assert (await make(emulator, "+14155550189")).status == 429, "tries count per number"


async def test_an_unavailable_number_refuses_one_try_and_then_rings(emulator: Emulator) -> None:
    seen = [await make(emulator, magic(90)) for _ in range(2)]
    assert [one.status for one in seen] == [503, 200]
    assert seen[0].headers["retry-after"] == "1"
    assert len(emulator.rings) == 1


@pytest.mark.parametrize(("line", "rings"), [(91, 1), (92, 0)])
async def test_an_internal_error_comes_with_or_without_a_ring(
    emulator: Emulator, line: int, rings: int
) -> None:
    seen = await make(emulator, magic(line))
    assert (seen.status, seen.ended) == (500, "whole")
    assert json.loads(seen.body) == {"message": "internal error", "status": "error"}
    assert len(emulator.rings) == rings


async def test_half_a_reply_rings_and_closes_in_the_middle(emulator: Emulator) -> None:
    seen = await make(emulator, magic(93))
    assert (seen.status, seen.ended) == (200, "closed")
    assert 0 < len(seen.body) < int(seen.headers["content-length"])
    assert len(emulator.rings) == 1


async def test_a_garbage_number_rings_and_answers_what_is_no_json(emulator: Emulator) -> None:
    seen = await make(emulator, magic(94))
    assert (seen.status, seen.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match=r"codec|JSON|decode|Expecting"):
        json.loads(seen.body)
    assert len(emulator.rings) == 1


async def test_a_gateway_page_is_html_and_rings_nobody(emulator: Emulator) -> None:
    seen = await make(emulator, magic(95))
    assert seen.status == 502
    assert seen.headers["content-type"].startswith("text/html")
    assert seen.body.startswith(b"<html>")
    assert emulator.rings == []


async def test_a_redirect_rings_nobody_and_notices_who_follows(emulator: Emulator) -> None:
    seen = await make(emulator, magic(96))
    assert seen.status == 302
    assert emulator.rings == []
    assert emulator.followed_redirects == []
    reader, writer = await connect(emulator)
    path = seen.headers["location"].replace("makecall", "makeCall")
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nx-api-key: k\r\n\r\n".encode())
    assert (await see(reader)).status == 200
    writer.close()
    (followed,) = emulator.followed_redirects
    assert (followed.method, followed.path, followed.had_credential) == ("GET", path, True)


async def test_a_number_can_ring_without_telling_its_call_id(emulator: Emulator) -> None:
    seen = await make(emulator, magic(97))
    assert seen.status == 200
    assert json.loads(seen.body)["call"] == {}
    assert len(emulator.rings) == 1


async def test_a_reset_number_sends_rst_and_rings_nobody(emulator: Emulator) -> None:
    seen = await make(emulator, magic(98))
    assert (seen.status, seen.ended) == (None, "reset")
    assert len(emulator.arrivals) == 1
    assert emulator.rings == []


async def test_an_oversize_number_rings_and_pours_out_64_mib(emulator: Emulator) -> None:
    seen = await make(emulator, magic(99))
    assert (seen.status, seen.headers["transfer-encoding"]) == (200, "chunked")
    assert len(seen.body) > 64 * MIB
    assert len(emulator.rings) == 1


async def test_a_client_may_leave_while_an_oversize_reply_is_pouring(emulator: Emulator) -> None:
    reader, writer = await connect(emulator)
    writer.write(request_to(emulator, magic(99)))
    await reader.readexactly(1000)
    writer.transport.abort()
    while emulator.statistics.open_connections:
        await pause(0.001)
    assert len(emulator.rings) == 1


ENDINGS: dict[str, tuple[int | None, str]] = {
    "drop": (None, "closed"),
    "reset": (None, "reset"),
    "status": (500, "whole"),
    "half_reply": (200, "closed"),
    "garbage": (200, "whole"),
    "html": (502, "whole"),
    "oversize": (200, "whole"),
    "redirect": (302, "whole"),
    "no_call_id": (200, "whole"),
    "throttle": (429, "whole"),
}


@pytest.mark.parametrize("kind", ENDINGS)
@pytest.mark.parametrize("moment", ["on_head", "on_body"])
async def test_a_fault_that_does_not_ring_leaves_the_ledger_empty(
    emulator: Emulator, kind: Any, moment: Any
) -> None:
    emulator.add_fault(Fault(kind, moment=moment))
    seen = await make(emulator)
    assert (seen.status, seen.ended) == ENDINGS[kind]
    assert emulator.rings == []
    assert len(emulator.arrivals) == 1


@pytest.mark.parametrize("kind", sorted(set(ENDINGS) - {"throttle"}))
async def test_a_fault_that_rings_rings_exactly_once(emulator: Emulator, kind: Any) -> None:
    emulator.add_fault(Fault(kind, rings=True, times=1))
    seen = await make(emulator)
    assert (seen.status, seen.ended) == ENDINGS[kind]
    assert len(emulator.rings) == 1
    assert (await make(emulator)).status == 200, "the fault was for one request"
    assert len(emulator.rings) == 2


@pytest.mark.parametrize("rings", [True, False])
async def test_a_slow_request_is_dialled_before_or_after_the_wait(
    emulator: Emulator, rings: bool
) -> None:
    emulator.add_fault(Fault("slow", seconds=0.1, rings=rings))
    seen = await make(emulator)
    (ring,) = emulator.rings
    waited = ring.at - emulator.arrivals[0]
    assert seen.status == 200
    assert json.loads(seen.body)["call"]["call_id"] == ring.call_id
    assert (waited < 0.1) is rings


async def test_a_slow_request_rings_although_its_client_has_left(emulator: Emulator) -> None:
    emulator.add_fault(Fault("slow", seconds=0.02))
    _, writer = await connect(emulator)
    writer.write(request_to(emulator, ORDINARY))
    while not emulator.arrivals:
        await pause(0.001)
    writer.close()
    await asyncio.wait_for(emulator.wait_for_rings(1), 5)
    assert len(emulator.rings) == 1


async def test_a_slow_head_is_an_ordinary_request_afterwards(emulator: Emulator) -> None:
    emulator.add_fault(Fault("slow", seconds=0.005, moment="on_head"))
    assert (await make(emulator)).status == 200
    assert len(emulator.rings) == 1


async def test_a_fault_goes_before_the_magic_of_a_number(emulator: Emulator) -> None:
    emulator.add_fault(Fault("status", status=503, number=magic(89), times=1))
    statuses = [(await make(emulator, magic(89))).status for _ in range(4)]
    assert statuses == [503, 429, 429, 200]


async def test_a_fault_on_the_body_passes_over_requests_that_are_refused_anyway(
    emulator: Emulator,
) -> None:
    emulator.add_fault(Fault("drop", rings=True, times=1))
    assert (await make(emulator, "")).status == 400
    assert emulator.rings == []
    assert (await make(emulator)).ended == "closed"
    assert len(emulator.rings) == 1


@pytest.mark.parametrize("moment", ["on_head", "on_body"])
async def test_reading_a_call_can_fail_too(emulator: Emulator, moment: Any) -> None:
    emulator.add_fault(Fault("slow", seconds=0.001, operation="getCall", times=1))
    emulator.add_fault(Fault("status", status=503, operation="getCall", moment=moment, times=2))
    statuses = []
    for _ in range(4):
        reader, writer = await connect(emulator)
        wanted = request_to(emulator, ORDINARY).replace(b"/call/makeCall", b"/call")
        writer.write(wanted)
        statuses.append((await see(reader)).status)
        writer.close()
    assert sorted(statuses, key=str) == [400, 400, 503, 503]
    assert emulator.arrivals == []


async def test_a_fault_for_an_unknown_operation_is_refused(emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="no operation is called 'makeCalls'"):
        emulator.add_fault(Fault("drop", operation="makeCalls"))
    with pytest.raises(ValueError, match="no operation is called"):
        Emulator(faults=[Fault("drop", operation="makeCalls")])


async def test_clearing_and_resetting_faults() -> None:
    async with Emulator(faults=[Fault("status", times=1)]) as emulator:
        assert [(await make(emulator)).status for _ in range(2)] == [500, 200]
        emulator.reset()
        assert (await make(emulator)).status == 500, "the first faults are back"
        emulator.reset()
        emulator.clear_faults()
        assert (await make(emulator)).status == 200


async def test_under_a_storm_of_faults_the_ledger_stays_exact() -> None:
    faults = [
        Fault("throttle", rate=0.2),
        Fault("drop", rate=0.2, rings=True),
        Fault("reset", rate=0.2, moment="on_head"),
        Fault("status", rate=0.2),
    ]
    async with Emulator(seed=11, faults=faults) as emulator:
        numbers = [f"+1202555{n:04}" for n in range(2000, 2200)]
        seen = dict(
            zip(numbers, await asyncio.gather(*map(make, [emulator] * 200, numbers)), strict=True)
        )
        rung = {number: len(emulator.rings_to(number)) for number in numbers}
    expected = {200: 1, 429: 0, 500: 0}
    for number, one in seen.items():
        wanted = expected[one.status] if one.status else int(one.ended == "closed")
        assert rung[number] == wanted
    assert {one.status for one in seen.values()} == {200, 429, 500, None}
    assert sum(rung.values()) == len(emulator.rings)
