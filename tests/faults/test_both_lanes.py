"""Both lanes make the same of everything a service may send, and leave no connection in doubt."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import attrs
import pytest

from talkstack_async import CallRequest, CallResult, Client, Placed, PoolSettings, Timeouts
from talkstack_async.errors import ReplyLostError, StaleClaimError, TalkstackError
from talkstack_async.transport.outgoing import SentMark
from tests.support.clients import client_for, lane_is, number
from tests.support.raw_server import RawServer, http, id_for
from tests.support.scripted_server import Script, ScriptedServer

CALL = b'{"call": {"call_id": "CA1", "to": "+14150000001", "from": "+12025550100"}}'
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(CALL)


def chunked(body: bytes, *headers: bytes, trailer: bytes = b"") -> bytes:
    head = OK + b"Transfer-Encoding: chunked\r\n" + b"".join(headers) + b"\r\n"
    return head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailer)


def sized(body: bytes, *headers: bytes) -> bytes:
    return OK + b"".join(headers) + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


WELL: dict[str, bytes] = {
    "plain": OK + LENGTH + b"\r\n" + CALL,
    "created": b"HTTP/1.1 201 Created\r\n" + LENGTH + b"\r\n" + CALL,
    "names in any case": OK + b"cOnTeNt-LeNgTh:%d\r\n\r\n" % len(CALL) + CALL,
    "letters beyond ASCII": OK + b"X-Name: Zo\xc3\xab \xff\r\n" + LENGTH + b"\r\n" + CALL,
    "keep-alive": OK + b"Connection: Keep-Alive\r\n" + LENGTH + b"\r\n" + CALL,
    "no reason": b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\n" + CALL,
    "chunked": chunked(CALL),
    "chunked with a trailer": chunked(CALL, trailer=b"X-Sum: 1\r\n"),
    "gzip": sized(gzip.compress(CALL), b"Content-Encoding: gzip\r\n"),
    "gzip in chunks": chunked(gzip.compress(CALL), b"Content-Encoding: gzip\r\n"),
    "deflate": sized(zlib.compress(CALL), b"Content-Encoding: deflate\r\n"),
    "unknown encoding": sized(CALL, b"Content-Encoding: identity\r\n"),
    "continue first": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\n" + CALL,
    "hints first": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 2
    + OK
    + LENGTH
    + b"\r\n"
    + CALL,
    "close": OK + b"Connection: close\r\n" + LENGTH + b"\r\n" + CALL,
    "close among others": OK + b"Connection: x, CLOSE\r\n" + LENGTH + b"\r\n" + CALL,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\n" + CALL,
    "HTTP/1.0 kept": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + LENGTH + b"\r\n" + CALL,
    "upgrade offered": OK + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + LENGTH + b"\r\n" + CALL,
    "many headers": OK + b"X: y\r\n" * 60 + LENGTH + b"\r\n" + CALL,
    "a long header": OK + b"X: " + b"y" * 8000 + b"\r\n" + LENGTH + b"\r\n" + CALL,
}
BADLY: dict[str, bytes] = {  # or differently from one version of aiohttp to the next
    "blanks around the length": OK + b"Content-Length: \t %d \t\r\n\r\n" % len(CALL) + CALL,
    "same length twice": OK + LENGTH * 2 + b"\r\n" + CALL,
    "other length twice": OK + LENGTH + b"Content-Length: 5\r\n\r\n" + CALL,
    "length and chunks": OK + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CALL,
    "length below zero": OK + b"Content-Length: -5\r\n\r\n" + CALL,
    "length with a plus": OK + b"Content-Length: +%d\r\n\r\n" % len(CALL) + CALL,
    "length in words": OK + b"Content-Length: many\r\n\r\n" + CALL,
    "length too short": OK + b"Content-Length: 20\r\n\r\n" + CALL,
    "blank in a name": OK + b"X Y: z\r\n" + LENGTH + b"\r\n" + CALL,
    "blank before the colon": OK + b"Content-Length : %d\r\n\r\n" % len(CALL) + CALL,
    "a line without a colon": OK + b"what\r\n" + LENGTH + b"\r\n" + CALL,
    "NUL in a value": OK + b"X: \x00\r\n" + LENGTH + b"\r\n" + CALL,
    "CR in a value": OK + b"X: a\rb\r\n" + LENGTH + b"\r\n" + CALL,
    "folded": OK + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + CALL,
    "LF only": (OK + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + CALL,
    "line breaks first": b"\r\n\r\n" + OK + LENGTH + b"\r\n" + CALL,
    "reason missing": b"HTTP/1.1 200\r\n" + LENGTH + b"\r\n" + CALL,
    "status glued": b"HTTP/1.1 200OK\r\n" + LENGTH + b"\r\n" + CALL,
    "status of four": b"HTTP/1.1 2000 OK\r\n" + LENGTH + b"\r\n" + CALL,
    "HTTP/2": b"HTTP/2 200 OK\r\n" + LENGTH + b"\r\n" + CALL,
    "small letters": b"http/1.1 200 OK\r\n" + LENGTH + b"\r\n" + CALL,
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "reset content": b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "empty": sized(b""),
    "too large": sized(b"x" * 5000),
    "too large in chunks": chunked(b"x" * 5000),
    "a bomb": sized(gzip.compress(b"x" * 500_000), b"Content-Encoding: gzip\r\n"),
    "broken gzip": sized(b"\x1f\x8b garbage", b"Content-Encoding: gzip\r\n"),
    "broken chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "garbage": b"garbage\r\n\r\n",
    "zeros": b"\x00" * 100,
    "an answer and another": WELL["plain"] * 2,
    "an answer and garbage": WELL["plain"] + b"garbage",
    "an answer and a line break": WELL["plain"] + b"\r\n",
    "bad request": http(400, b"no"),
    "throttled": http(429, b"", "Retry-After: 0"),
    "broken": http(500, b"oops"),
}


@attrs.frozen
class Seen:
    """What one lane made of a reply, and whether the connection was used again."""

    kind: str
    is_uncertain: bool
    status: int | None
    detail: Any
    was_reused: bool


async def see(
    lane: str, reply: bytes, *, then_close: bool = False, before: bytes | None = None
) -> Seen:
    with lane_is(lane):
        async with ScriptedServer() as server:
            changes: dict[str, Any] = {"max_reply_bytes": 4000}
            async with client_for(server.url, **changes) as client:
                if before is not None:
                    server.script = Script(reply=before)
                    await client.calls.make(number(3))
                server.script = Script(reply=reply, then_close=then_close)
                kind, error, detail = "Placed", None, None
                try:
                    result = await client.calls.place(
                        CallRequest(number(1)), wait_out_refusals=False, total_seconds=1.0
                    )
                    detail = (result.call_id, result.to, result.from_, dict(result.raw))
                except TalkstackError as failure:
                    kind, error = type(failure).__name__, failure
                    if not isinstance(failure, ReplyLostError):  # it names aiohttp's exception
                        detail = (failure.message, getattr(failure, "body", None))
                server.script = Script()
                await client.calls.make(number(2))
                (pool,) = client.pool_statistics()
                assert pool.lane == ("public" if lane == "public" else "fast")
    return Seen(
        kind,
        error is not None and error.uncertain,
        getattr(error, "status", None),
        detail,
        server.connections == 1,
    )


@pytest.mark.parametrize("name", [*WELL, *BADLY])
@pytest.mark.parametrize("then_close", [False, True], ids=["kept", "closed"])
async def test_both_lanes_make_the_same_of_a_reply(name: str, then_close: bool) -> None:
    reply = {**WELL, **BADLY}[name]
    public = await see("public", reply, then_close=then_close)
    fast = await see("auto", reply, then_close=then_close)
    if "too large" in name or name == "a bomb":
        # aiohttp goes on with a connection if all that was too much was in already. We do not.
        assert not fast.was_reused
        public = attrs.evolve(public, was_reused=False)
    assert fast == public
    if name in WELL:
        assert fast.kind == "Placed"


@pytest.mark.parametrize("name", [*WELL, *BADLY])
async def test_a_reply_after_a_plain_one_is_read_as_closely(name: str) -> None:
    # Some begin as the one before, to the byte, and are odd behind that.
    reply, before = {**WELL, **BADLY}[name], WELL["plain"]
    public = await see("public", reply, before=before)
    fast = await see("auto", reply, before=before)
    assert fast.kind == public.kind
    assert (fast.detail, fast.is_uncertain) == (public.detail, public.is_uncertain)
    assert fast.was_reused <= public.was_reused


async def test_a_reply_without_a_length_ends_with_the_connection() -> None:
    reply = OK + b"\r\n" + CALL
    public = await see("public", reply, then_close=True)
    fast = await see("auto", reply, then_close=True)
    assert fast == public
    assert fast.kind == "Placed"


over_both_lanes = pytest.mark.usefixtures("lane")


@over_both_lanes
@pytest.mark.parametrize("style", ["plain", "chunked", "hinted"])
async def test_a_reply_cut_at_any_byte_is_the_same_reply(style: str) -> None:
    async with ScriptedServer() as server, client_for(server.url) as client:
        await client.calls.make(number(0))
        length = 300
        for cut in range(1, length):
            server.script = Script(style=style, cuts=[cut])
            result = await client.calls.make(number(cut))
            assert (result.call_id, result.to) == (id_for(number(cut)), number(cut))
        server.script = Script(style=style, cuts=range(1, length, 7))
        assert (await client.calls.make(number(7))).to == number(7)
        assert server.connections == 1


@over_both_lanes
async def test_an_early_answer_to_a_request_that_is_read_to_its_end_is_an_answer() -> None:
    refusal = http(413, b"too large")
    async with ScriptedServer(Script(reply=refusal, after=1000)) as server:
        async with client_for(server.url) as client:
            with pytest.raises(TalkstackError) as caught:
                await client.calls.make(number(1), dynamic_variables={"novel": "x" * (32 << 20)})
            assert getattr(caught.value, "status", None) == 413
            assert not caught.value.uncertain


@over_both_lanes
async def test_an_early_answer_to_a_request_that_is_never_taken_is_uncertain() -> None:
    script = Script(reply=http(413, b"too large"), after=1000, reads_on=False)
    async with ScriptedServer(script) as server:
        timeouts = Timeouts(write=0.1, total=20)
        async with client_for(server.url, timeouts=timeouts) as client:
            with pytest.raises(TalkstackError) as caught:
                await client.calls.make(number(1), dynamic_variables={"novel": "x" * (32 << 20)})
            assert type(caught.value).__name__ == "WriteTimeoutError"
            assert caught.value.uncertain


@over_both_lanes
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
async def test_a_call_cancelled_at_any_moment_says_truthfully_whether_it_left(
    reused: bool,
) -> None:
    for turns in range(14):
        async with RawServer() as server, client_for(server.url) as client:
            if reused:
                await client.calls.make(number(0))
            mark = SentMark()
            call = asyncio.ensure_future(
                client.calls.place(CallRequest(number(1)), wait_out_refusals=False, mark=mark)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            (outcome,) = await asyncio.gather(call, return_exceptions=True)
            for i in range(2, 5):  # and nobody gets its answer
                assert (await client.calls.make(number(i))).call_id == id_for(number(i))
            if not mark.sent:
                assert server.rings[number(1)] == 0
            if not isinstance(outcome, asyncio.CancelledError):
                assert mark.sent
                assert server.rings[number(1)] == 1


class RefusingMark(SentMark):
    """Says at the last moment that the call must not leave."""

    __slots__ = ()

    def leave(self) -> None:
        raise StaleClaimError("too old")


@over_both_lanes
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
async def test_a_mark_that_refuses_stops_its_own_call_and_no_other(reused: bool) -> None:
    marks = [RefusingMark() if i % 3 == 1 else SentMark() for i in range(9)]
    async with RawServer() as server, client_for(server.url) as client:
        if reused:
            await asyncio.gather(*(client.calls.make(number(100 + i)) for i in range(9)))
        calls = (
            client.calls.place(CallRequest(number(i)), wait_out_refusals=False, mark=mark)
            for i, mark in enumerate(marks)
        )
        results = await asyncio.gather(*calls, return_exceptions=True)
        for i, (mark, result) in enumerate(zip(marks, results, strict=True)):
            if isinstance(mark, RefusingMark):
                assert isinstance(result, StaleClaimError)
                assert not result.uncertain
                assert server.rings[number(i)] == 0
            else:
                assert isinstance(result, CallResult)
                assert result.call_id == id_for(number(i))
                assert server.rings[number(i)] == 1
        again = await asyncio.gather(*(client.calls.make(number(i)) for i in range(20, 29)))
        assert [result.call_id for result in again] == [id_for(number(i)) for i in range(20, 29)]


async def test_a_call_its_mark_stopped_costs_the_fast_lane_no_connection() -> None:
    async with RawServer() as server, client_for(server.url) as client:
        await client.calls.make(number(0))
        for i in range(1, 5):
            with pytest.raises(StaleClaimError):
                await client.calls.place(
                    CallRequest(number(i)), wait_out_refusals=False, mark=RefusingMark()
                )
            await client.calls.make(number(10 + i))
        assert server.connections == 1


async def test_a_call_cancelled_before_it_left_costs_no_connection() -> None:
    async with RawServer() as server, client_for(server.url) as client:
        await client.calls.make(number(0))
        for _ in range(5):
            call = asyncio.ensure_future(client.calls.make(number(1)))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await client.calls.make(number(2))
        assert server.connections == 1
        assert server.rings[number(1)] == 0


@over_both_lanes
async def test_idle_connections_are_closed_without_being_asked_for() -> None:
    async with ScriptedServer() as server:
        async with client_for(server.url, pool=PoolSettings(idle_seconds=0.02)) as client:
            await asyncio.gather(*(client.calls.make(number(i)) for i in range(5)))
            async with asyncio.timeout(60):
                while server.closed < server.connections:
                    await asyncio.sleep(0.005)
            assert isinstance(await outcome(client, 9), Placed)


async def outcome(client: Client, i: int) -> object:
    async with client.dispatcher() as dispatcher:
        return await dispatcher.call(CallRequest(number(i)))
