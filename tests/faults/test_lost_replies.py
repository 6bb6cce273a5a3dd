"""Every fault, at every moment, on fresh and on reused connections.

The law, as a property: at most one ring per number, and what rang is never called not placed.
The truth is the server's own count of rings.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import talkstack_async.transport.transport as sending
from talkstack_async import CallRequest, Client, NotPlaced, Outcome, Placed, Uncertain
from talkstack_async.dispatch.outcomes import failed
from talkstack_async.errors import DeadlineError, ReplyLostError, TalkstackError
from talkstack_async.transport import fast_lane, lane
from talkstack_async.transport.outgoing import SentMark
from tests.support.clients import client_for, number
from tests.support.raw_server import Plan, RawServer, http, id_for, ok

pytestmark = pytest.mark.usefixtures("lane")

FIRST, SECOND = number(1), number(2)
# A stall lasts this long. Nothing here depends on it being enough: a call that misses it under
# load is uncertain, which is true.
SHORT = 0.08

requests_cut = st.builds(
    Plan,
    request_bytes=st.floats(0.001, 0.999),
    then=st.sampled_from(["close", "reset", "stall"]),
)
replies_cut = st.builds(
    Plan,
    reply=st.sampled_from([None, b"garbage\r\n\r\n", http(500), http(200, b"{}"), http(204)]),
    reply_bytes=st.floats(0, 1),
    then=st.sampled_from(["close", "reset", "stall"]),
)
replies_odd = st.builds(
    Plan,
    reply=st.sampled_from(
        [
            http(500, b"oops"),
            http(503),
            http(502, b"<html>", "Content-Type: text/html"),
            http(200, b"not json"),
            http(200, b'{"call": {}}'),
            http(200, b'{"call": {"call_id": ""}}'),
            http(200, b"[" * 100_000),
            http(200, b"\x1f\x8b garbage", "Content-Encoding: gzip"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" + ok(FIRST),
            b"\x00" * 70_000,
            b"HTTP/1.1 200 OK\r\n" + b"X-Long: y\r\n" * 20_000,
            http(999),
        ]
    ),
    then=st.sampled_from(["keep", "close", "reset", "stall"]),
)
refusals = st.builds(
    Plan,
    reply=st.sampled_from(
        [http(400), http(404), http(302, b"", "Location: http://localhost:1/"), http(429)]
    ),
    refuses=st.just(True),
)
plans = st.one_of(requests_cut, replies_cut, replies_odd, refusals, st.just(Plan()))


async def outcome_of(client: Client, whom: str, *, seconds: float | None = None) -> Outcome:
    request = CallRequest(whom)
    try:
        result = await client.calls.make(request, total_seconds=seconds)
        return Placed(request=request, result=result)
    except TalkstackError as error:
        return failed(request, error)


async def play(plan: Plan, *, reused: bool, pause: int = 0) -> tuple[Outcome, RawServer]:
    """Let one call meet the plan, on a fresh connection or on one that served a call before."""
    warm = 1 if reused else 0

    def planner(connection: int, request: int) -> Plan:
        is_first_line = connection == 1
        return Plan() if is_first_line and request < warm else plan

    async with RawServer(planner) as server, client_for(server.url) as client:
        if reused:
            assert isinstance(await outcome_of(client, SECOND), Placed)
            for _ in range(pause):
                await asyncio.sleep(0)
        return await outcome_of(client, FIRST, seconds=SHORT), server


def check_the_law(outcome: Outcome, server: RawServer) -> None:
    rings = server.rings[FIRST]
    assert rings <= 1, f"rang {rings} times"
    if rings:
        assert not isinstance(outcome, NotPlaced), f"it rang, and we say {outcome}"
    if isinstance(outcome, Placed):
        assert rings == 1
        assert outcome.result.to in (FIRST, None)


@settings(max_examples=120, deadline=None)
@given(plan=plans, reused=st.booleans())
def test_whatever_happens_to_a_call_it_rings_at_most_once_and_is_reported_truthfully(
    plan: Plan, reused: bool
) -> None:
    check_the_law(*asyncio.run(play(plan, reused=reused)))


@pytest.mark.deep
@settings(max_examples=20_000, deadline=None)
@given(plan=plans, reused=st.booleans(), pause=st.integers(0, 4))
def test_a_long_search_finds_no_second_ring(plan: Plan, reused: bool, pause: int) -> None:
    check_the_law(*asyncio.run(play(plan, reused=reused, pause=pause)))


ENDINGS = ["close", "reset", "stall"]


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("then", ENDINGS)
async def test_a_lost_reply_is_uncertain_and_is_not_repeated(then: Any, reused: bool) -> None:
    outcome, server = await play(Plan(reply=b"", then=then), reused=reused)
    assert isinstance(outcome, Uncertain)
    assert isinstance(outcome.error, ReplyLostError | DeadlineError)
    assert server.rings[FIRST] == 1


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_connection_closed_while_it_was_idle_costs_nobody_a_call(then: Any) -> None:
    """The everyday case: the service closes a pooled connection before we use it again."""
    async with RawServer() as server, client_for(server.url) as client:
        await outcome_of(client, SECOND)
        for line in tuple(server.lines):
            line.then(then)
        await asyncio.sleep(0)  # the closing leaves now; our side has not looked yet
        outcome = await outcome_of(client, FIRST)
        assert isinstance(outcome, Placed)
        assert server.rings == {FIRST: 1, SECOND: 1}
        assert server.connections == 2


async def test_all_pooled_connections_closed_at_once_cost_nobody_a_call() -> None:
    async with RawServer() as server, client_for(server.url) as client:
        await asyncio.gather(*(outcome_of(client, number(10 + i)) for i in range(50)))
        for line in tuple(server.lines):
            line.then("close")
        await asyncio.sleep(0)
        outcomes = await asyncio.gather(*(outcome_of(client, number(100 + i)) for i in range(50)))
        assert all(isinstance(outcome, Placed) for outcome in outcomes)
        assert set(server.rings.values()) == {1}


async def test_a_reply_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    stray = ok("+19995550100", "CA-STRAY")

    def planner(connection: int, request: int) -> Plan:
        return Plan(extra=stray) if connection == 1 else Plan()

    async with RawServer(planner) as server, client_for(server.url) as client:
        await client.calls.make(SECOND)
        result = await client.calls.make(FIRST)
        assert result.call_id != "CA-STRAY"
        assert result.to == FIRST


async def test_a_stray_reply_that_comes_while_the_connection_idles_is_not_taken_either() -> None:
    stray = ok("+19995550100", "CA-STRAY")
    async with RawServer() as server, client_for(server.url) as client:
        await client.calls.make(SECOND)
        for line in tuple(server.lines):
            line.transport.write(stray)
        result = await client.calls.make(FIRST)  # the stray is still in the socket
        assert (result.call_id, result.to) == (id_for(FIRST), FIRST)


async def test_nothing_rings_if_the_connection_is_closed_before_the_request_was_read() -> None:
    outcome, server = await play(Plan(request_bytes=0.5, then="reset"), reused=True)
    assert isinstance(outcome, Uncertain)  # the truth is not knowable from here
    assert server.rings[FIRST] == 0


async def test_a_refused_connection_is_repeated_and_certainly_did_not_ring() -> None:
    async with RawServer() as server:
        url = server.url
    async with client_for(url) as client:
        outcome = await outcome_of(client, FIRST)
    assert isinstance(outcome, NotPlaced)
    assert not outcome.error.uncertain


async def test_a_server_that_accepts_and_closes_is_never_a_second_ring() -> None:
    async with RawServer(on_connect="close") as server, client_for(server.url) as client:
        outcome = await outcome_of(client, FIRST)
        assert not isinstance(outcome, Placed)
        assert server.rings[FIRST] == 0


async def test_a_64_mb_reply_is_uncertain_and_not_read_to_its_end() -> None:
    body = b"x" * (64 << 20)
    plan = Plan(reply=http(200, body))
    async with RawServer(lambda *_: plan) as server, client_for(server.url) as client:
        outcome = await outcome_of(client, FIRST)
        assert isinstance(outcome, Uncertain)
        assert "larger than" in outcome.error.message
        assert server.rings[FIRST] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 410, 418, 422, 451])
async def test_a_4xx_is_a_refusal_and_is_not_repeated(status: int) -> None:
    outcome, server = await play(Plan(reply=http(status), refuses=True), reused=False)
    assert isinstance(outcome, NotPlaced)
    assert server.requests == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    async with RawServer() as trap:
        location = f"Location: {trap.url}/call/makeCall"
        plan = Plan(reply=http(status, b"", location), refuses=True)
        outcome, _ = await play(plan, reused=False)
        assert isinstance(outcome, NotPlaced)
        assert trap.connections == 0


class TestNegativeControls:
    """The same checks fail once the product is broken on purpose: they can fail."""

    def test_repeating_after_a_lost_reply_rings_twice(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "may_repeat", lambda effect, failure: True)
        with pytest.raises(AssertionError, match="rang"):
            check_the_law(*asyncio.run(play(Plan(reply=b"", then="close"), reused=True)))

    async def test_without_a_look_at_the_connection_idle_closings_cost_calls(
        self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> None:
        is_uvloop = not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop)
        if is_uvloop and request.getfixturevalue("lane") == "public":
            pytest.skip("uvloop tells aiohttp of the closing before the next request begins")
        monkeypatch.setattr(lane.Line, "has_news", lambda line: False)
        monkeypatch.setattr(fast_lane.Line, "is_quiet", lambda line: True)
        async with RawServer() as server, client_for(server.url) as client:
            await outcome_of(client, SECOND)
            for line in tuple(server.lines):
                line.then("close")
            await asyncio.sleep(0)
            assert isinstance(await outcome_of(client, FIRST), Uncertain)

    def test_a_mark_that_is_never_set_calls_a_ring_not_placed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SentMark, "leave", lambda mark: None)
        monkeypatch.setattr(sending, "may_repeat", lambda effect, failure: False)
        with pytest.raises(AssertionError, match="it rang, and we say"):
            check_the_law(*asyncio.run(play(Plan(reply=b"", then="close"), reused=False)))
