"""The client and its session manager over real sockets: opening, pools, timeouts, closing."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import pickle
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from talkstack_async import (
    CallRequest,
    Client,
    ClientConfig,
    PoolSettings,
    RetrySettings,
    SessionManager,
    Timeouts,
)
from talkstack_async.emulator import Emulator, Fault, Script
from talkstack_async.errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    ConnectError,
    ConnectTimeoutError,
    DeadlineError,
    InvalidNumberError,
    InvalidRequestError,
    PoolTimeoutError,
    ReplyLostError,
    ReplyTimeoutError,
    TalkstackError,
    ThrottledError,
    TlsError,
    WriteTimeoutError,
    WrongEventLoopError,
)
from talkstack_async.telemetry import Event, PoolWaited, RequestFinished, RequestRepeated
from talkstack_async.transport.outgoing import Outgoing
from talkstack_async.wire.endpoints import Host
from tests.support.clients import KEY, client_for, config_for, number
from tests.support.raw_server import Plan, RawServer, http

pytestmark = pytest.mark.usefixtures("lane")

NO_RETRY = RetrySettings(max_retries=0)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as running:
        yield running


async def test_a_call_is_placed_with_key_ids_and_variables() -> None:
    async with Emulator() as emulator:
        config = ClientConfig(calls_url=emulator.calls_url, api_url=emulator.api_url)
        async with Client(emulator.api_key, config=config) as client:
            result = await client.calls.make(
                "+1 (415) 555-0123",
                agent_id="a1",
                project_id="p1",
                dynamic_variables={"name": "Ada", "visits": 3},
            )
        (ring,) = emulator.rings
        assert (ring.number, ring.agent_id, ring.project_id) == ("+14155550123", "a1", "p1")
        assert dict(ring.variables) == {"name": "Ada", "visits": 3}
        assert result.call_id == ring.call_id
        assert result.raw["call_id"] == ring.call_id


async def test_a_token_is_sent_as_bearer() -> None:
    async with Emulator() as emulator:
        config = config_for(emulator.url)
        async with Client(token=emulator.token, config=config) as client:
            await client.calls.make(number(1))
        assert len(emulator.rings) == 1


async def test_a_wrong_key_is_an_authentication_error_and_certainly_did_not_ring() -> None:
    async with Emulator() as emulator, client_for(emulator.url) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.calls.make(number(1))
        assert not caught.value.uncertain
        assert not emulator.rings


async def test_the_request_is_one_plain_http_message(server: RawServer) -> None:
    async with client_for(server.url + "/gateway") as client:
        await client.calls.make(number(1))
    (head,) = server.heads
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert first == "POST /gateway/call/makeCall HTTP/1.1"
    assert headers["Host"] == server.url.removeprefix("http://")
    assert headers["x-api-key"] == KEY
    assert headers["Content-Type"] == "application/json"
    assert len(headers) == len(lines) == 7
    assert "talkstack-async/" in headers["User-Agent"]


class TestOpening:
    def test_a_client_may_be_built_without_a_loop_and_used_later(self) -> None:
        async def use(client: Client) -> None:
            async with RawServer() as server:
                del server
            with pytest.raises(ConnectError):
                await client.calls.make(number(1))
            await client.aclose()

        asyncio.run(use(client_for("http://127.0.0.1:9", retry=NO_RETRY)))

    def test_another_event_loop_is_refused_with_advice(self) -> None:
        client = client_for("http://127.0.0.1:9", retry=NO_RETRY)

        async def use() -> None:
            await client.calls.make(number(1))

        with asyncio.Runner() as first:
            with pytest.raises(ConnectError):
                first.run(use())
            with pytest.raises(WrongEventLoopError, match="one client per loop"):
                asyncio.run(use())
            with pytest.raises(WrongEventLoopError):
                asyncio.run(client.aclose())
            first.run(client.aclose())

    async def test_after_closing_it_says_so(self, server: RawServer) -> None:
        client = client_for(server.url)
        await client.calls.make(number(1))
        await client.aclose()
        await client.aclose()
        with pytest.raises(ClosedError, match="was closed"):
            await client.calls.make(number(2))

    def test_no_credential_and_two_credentials_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="no credential"):
            Client()
        with pytest.raises(ConfigurationError, match="both"):
            Client("k", token="t")

    def test_plain_http_to_another_machine_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="unencrypted"):
            Client("k", config=ClientConfig(calls_url="http://example.com"))

    def test_from_env_reads_the_environment(self) -> None:
        client = Client.from_env(
            {"TALKSTACK_API_KEY": "k", "TALKSTACK_PROJECT_ID": "p", "TALKSTACK_AGENT_ID": "a"}
        )
        assert (client.config.project_id, client.config.agent_id) == ("p", "a")

    async def test_the_session_manager_can_be_used_alone(self, server: RawServer) -> None:
        async with SessionManager(config_for(server.url)) as sessions:
            assert await sessions.warm_up(3) == 3
        with pytest.raises(ClosedError):
            await sessions.warm_up(1)


class TestPool:
    async def test_connections_are_reused(self, server: RawServer, lane: str) -> None:
        async with client_for(server.url) as client:
            for i in range(20):
                await client.calls.make(number(i))
            (pool,) = client.pool_statistics()
        assert server.connections == 1
        assert (pool.opened, pool.reused, pool.lane) == (
            1,
            19,
            "public" if lane == "public" else "fast",
        )

    async def test_warm_up_opens_connections_that_the_first_calls_use(
        self, server: RawServer
    ) -> None:
        async with client_for(server.url) as client:
            assert await client.warm_up(8) == 8
            assert server.bytes_seen == 0
            await asyncio.gather(*(client.calls.make(number(i)) for i in range(8)))
            assert server.connections == 8

    async def test_warm_up_says_if_there_is_nobody(self, server: RawServer) -> None:
        async with client_for("http://127.0.0.1:9") as client:
            with pytest.raises(ConnectError):
                await client.warm_up(2)

    async def test_a_warm_up_that_is_cancelled_leaks_nothing(self, server: RawServer) -> None:
        async with client_for(server.url) as client:
            task = asyncio.create_task(client.warm_up(50))
            for _ in range(6):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert await client.warm_up(5) == 5

    async def test_idle_connections_are_retired_early(self) -> None:
        async with (
            RawServer() as server,
            client_for(server.url, pool=PoolSettings(idle_seconds=0.02)) as client,
        ):
            await client.calls.make(number(1))
            await asyncio.sleep(0.06)
            await client.calls.make(number(2))
            assert server.connections == 2

    async def test_the_two_hosts_have_pools_of_their_own(self, server: RawServer) -> None:
        async with RawServer() as other:
            config = config_for(server.url, api_url=other.url)
            async with Client(KEY, config=config) as client:
                await client.sessions.warm_up(1)
                await client.sessions.warm_up(2, host=Host.API)
                assert [pool.host for pool in client.pool_statistics()] == [
                    server.url,
                    other.url,
                ]

    async def test_a_full_pool_is_waited_for_and_then_given_up(self) -> None:
        events: list[Event] = []
        settings = {
            "pool": PoolSettings(max_connections=1, close_grace_seconds=0),
            "timeouts": Timeouts(pool=0.05, total=10),
            "retry": NO_RETRY,
        }

        def planner(connection: int, request: int) -> Plan:
            return Plan(delay=0.01) if request == 0 else Plan(then="stall", reply=b"")

        async with RawServer(planner) as server:
            client = Client(KEY, config=config_for(server.url, **settings), observer=events.append)
            async with client:
                await client.calls.make(number(1))
                stalled = asyncio.create_task(client.calls.make(number(2)))
                await asyncio.sleep(0.01)
                with pytest.raises(PoolTimeoutError, match="max_connections") as caught:
                    await client.calls.make(number(3))
                assert not caught.value.uncertain
                assert server.rings == {number(1): 1, number(2): 1}
            with pytest.raises(ReplyLostError):
                await stalled

    async def test_a_wait_for_the_pool_is_reported(self) -> None:
        events: list[Event] = []
        async with RawServer(lambda *_: Plan(delay=0.01)) as server:
            client = Client(
                KEY,
                config=config_for(server.url, pool=PoolSettings(max_connections=1)),
                observer=events.append,
            )
            async with client:
                await asyncio.gather(client.calls.make(number(1)), client.calls.make(number(2)))
        assert [event for event in events if isinstance(event, PoolWaited)]
        assert len([event for event in events if isinstance(event, RequestFinished)]) == 2

    async def test_a_hard_cap_below_the_concurrency_is_refused_at_once(self) -> None:
        config = config_for("http://127.0.0.1:9", pool=PoolSettings(max_connections=5))
        with pytest.raises(ConfigurationError, match="max_connections"):
            Client(KEY, config=config).dispatcher(max_concurrency=6)


class TestBorrowedSession:
    async def test_it_lends_its_connections_but_not_its_headers_and_stays_open(
        self, server: RawServer
    ) -> None:
        headers = {"Authorization": "Bearer of-another-service", "X-Private": "1"}
        cookies = {"session": "private"}
        async with aiohttp.ClientSession(headers=headers, cookies=cookies) as session:
            config = config_for(server.url)
            async with Client(KEY, config=config, session=session) as client:
                await client.calls.make(number(1))
            assert not session.closed
            async with session.get(server.url) as response:
                await response.read()
            assert server.connections == 1  # the same pool
        assert b"private" not in server.heads[0]
        assert b"another-service" not in server.heads[0]

    async def test_its_connection_limit_bounds_the_dispatcher(self, server: RawServer) -> None:
        connector = aiohttp.TCPConnector(limit=4)
        async with aiohttp.ClientSession(connector=connector) as session:
            client = Client(KEY, config=config_for(server.url), session=session)
            async with client:
                with pytest.raises(ConfigurationError, match="borrowed"):
                    client.dispatcher(max_concurrency=5)
                async with client.dispatcher(max_concurrency=4) as dispatcher:
                    await dispatcher.dial_all([CallRequest(number(i)) for i in range(20)])
        assert server.connections <= 4

    async def test_a_closed_one_is_refused(self, server: RawServer) -> None:
        session = aiohttp.ClientSession()
        client = Client(KEY, config=config_for(server.url), session=session)
        await session.close()
        with pytest.raises(ClosedError, match="borrowed"):
            await client.calls.make(number(1))

    async def test_its_traces_see_the_request_but_never_the_key(self, server: RawServer) -> None:
        seen: list[Any] = []

        async def note(*args: Any) -> None:
            seen.append([repr(arg) + repr(getattr(arg, "__dict__", "")) for arg in args])

        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(note)
        trace.on_request_end.append(note)
        trace.on_request_headers_sent.append(note)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            async with Client(KEY, config=config_for(server.url), session=session) as client:
                await client.calls.make(number(1))
        assert seen
        assert KEY not in repr(seen)


class TestTimeouts:
    async def test_connecting_takes_no_longer_than_allowed_and_was_not_sent(self) -> None:
        with full_backlog() as url:
            timeouts = Timeouts(connect=0.05, total=10)
            async with client_for(url, timeouts=timeouts, retry=NO_RETRY) as client:
                with pytest.raises(ConnectTimeoutError) as caught:
                    await client.calls.make(number(1))
                assert not caught.value.uncertain

    async def test_a_handshake_that_stalls_was_not_sent(self) -> None:
        async with RawServer(on_connect="stall") as server:
            url = server.url.replace("http:", "https:")
            timeouts = Timeouts(connect=30, tls=0.05, total=30)
            async with client_for(url, timeouts=timeouts, retry=NO_RETRY) as client:
                with pytest.raises(ConnectError) as caught:
                    await client.calls.make(number(1))
                assert not caught.value.uncertain

    async def test_silence_after_sending_is_uncertain(self) -> None:
        async with RawServer(lambda *_: Plan(reply=b"", then="stall")) as server:
            timeouts = Timeouts(read=0.05, total=10)
            async with client_for(server.url, timeouts=timeouts) as client:
                with pytest.raises(ReplyTimeoutError) as caught:
                    await client.calls.make(number(1))
                assert caught.value.uncertain
                assert server.rings[number(1)] == 1

    async def test_a_request_that_is_not_taken_whole_is_uncertain(self) -> None:
        async with RawServer() as server:
            timeouts = Timeouts(write=0.05, total=20)
            async with client_for(server.url, timeouts=timeouts) as client:
                await client.warm_up(1)
                await asyncio.sleep(0)
                for line in tuple(server.lines):
                    line.transport.pause_reading()
                with pytest.raises(WriteTimeoutError) as caught:
                    await client.calls.make(
                        number(1), dynamic_variables={"novel": "x" * (32 << 20)}
                    )
                assert caught.value.uncertain

    async def test_the_deadline_covers_everything(self) -> None:
        async with RawServer(lambda *_: Plan(reply=b"", then="stall")) as server:
            async with client_for(server.url) as client:
                with pytest.raises(DeadlineError, match="after the request had left") as caught:
                    await client.calls.make(number(1), total_seconds=0.05)
                assert caught.value.uncertain

    async def test_a_deadline_before_anything_was_sent_is_not_uncertain(self) -> None:
        with full_backlog() as url:
            async with client_for(url, retry=NO_RETRY) as client:
                with pytest.raises(DeadlineError, match="before anything was sent") as caught:
                    await client.calls.make(number(1), total_seconds=0.05)
                assert not caught.value.uncertain

    async def test_a_wait_longer_than_the_deadline_is_not_begun(self) -> None:
        plan = Plan(reply=http(429, b"", "Retry-After: 3600"), refuses=True)
        async with RawServer(lambda *_: plan) as server, client_for(server.url) as client:
            with pytest.raises(ThrottledError) as caught:
                await client.calls.make(number(1))
            assert caught.value.retry_after == 3600
            assert server.requests == 1


class TestRepeating:
    async def test_a_429_is_waited_out_for_as_long_as_asked(self) -> None:
        events: list[Event] = []

        def planner(connection: int, request: int) -> Plan:
            refusal = Plan(reply=http(429, b"", "Retry-After: 0.2"), refuses=True)
            return refusal if request == 0 else Plan()

        async with RawServer(planner) as server:
            config = config_for(server.url)
            async with Client(KEY, config=config, observer=events.append) as client:
                await client.calls.make(number(1))
        (repeated,) = [event for event in events if isinstance(event, RequestRepeated)]
        assert repeated.wait_seconds >= 0.2
        assert server.rings[number(1)] == 1

    async def test_a_503_counts_as_a_refusal_only_with_retry_after(self) -> None:
        plans = [Plan(reply=http(503, b"", "Retry-After: 0"), refuses=True), Plan()]
        async with (
            RawServer(lambda connection, request: plans[request]) as server,
            client_for(server.url) as client,
        ):
            await client.calls.make(number(1))
            assert server.requests == 2

    async def test_a_host_that_comes_up_late_is_reached_by_repeating(self) -> None:
        with socket.socket() as placeholder:
            placeholder.bind(("127.0.0.1", 0))
            port = placeholder.getsockname()[1]
        retry = RetrySettings(max_retries=50, first_wait_seconds=0.01, max_wait_seconds=0.02)
        async with client_for(f"http://127.0.0.1:{port}", retry=retry) as client:
            task = asyncio.create_task(client.calls.make(number(1)))
            await asyncio.sleep(0.03)
            async with Emulator(port=port) as emulator:
                with pytest.raises(AuthenticationError):
                    await task  # it was reached: the key is not the emulator's
                assert not emulator.rings

    async def test_what_is_said_of_the_last_try_is_not_coloured_by_the_one_before(self) -> None:
        """A read lost its reply; the next try found nobody: that one was not sent."""

        def planner(connection: int, request: int) -> Plan:
            assert server._server is not None
            server._server.close()  # nobody is reached any more
            return Plan(reply=b"", then="close")

        retry = RetrySettings(max_retries=1, first_wait_seconds=0.001)
        async with RawServer(planner) as server, client_for(server.url, retry=retry) as client:
            with pytest.raises(ConnectError):
                await client.calls.get("CA1")


class TestClosing:
    async def test_calls_in_flight_finish_within_the_grace_period(self) -> None:
        async with Emulator(script=Script(latency=0.05)) as emulator:
            client = Client(emulator.api_key, config=config_for(emulator.url))
            calls = [asyncio.create_task(client.calls.make(number(i))) for i in range(5)]
            await emulator.wait_for_rings(5)
            await client.aclose(grace_seconds=30)
            results = await asyncio.gather(*calls)
            assert {r.call_id for r in results} == {ring.call_id for ring in emulator.rings}

    async def test_what_is_in_flight_after_the_grace_period_is_uncertain(self) -> None:
        async with Emulator(faults=[Fault("stall", rings=True)]) as emulator:
            client = Client(emulator.api_key, config=config_for(emulator.url))
            call = asyncio.create_task(client.calls.make(number(1)))
            await emulator.wait_for_rings(1)
            await client.aclose(grace_seconds=0.01)
            with pytest.raises(TalkstackError) as caught:
                await call
            assert caught.value.uncertain


class TestTls:
    @pytest.fixture(scope="class")
    @staticmethod
    def authority() -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    @staticmethod
    def context(authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        return context

    async def test_a_ca_file_is_trusted(
        self, authority: trustme.CA, context: ssl.SSLContext, tmp_path: Path
    ) -> None:
        ca_file = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        async with (
            RawServer(tls=context) as server,
            client_for(server.url, ca_file=ca_file) as client,
        ):
            assert await client.warm_up(2) == 2
            for i in range(6):
                await client.calls.make(number(i))
            assert len(server.rings) == 6
            assert server.connections == 2

    async def test_an_unknown_authority_is_refused_once_and_nothing_is_sent(
        self, context: ssl.SSLContext
    ) -> None:
        async with RawServer(tls=context) as server, client_for(server.url) as client:
            with pytest.raises(TlsError) as caught:
                await client.calls.make(number(1))
            assert not caught.value.uncertain
            assert server.bytes_seen == 0

    @pytest.mark.parametrize("then", ["close", "reset"])
    async def test_a_lost_reply_over_tls_is_uncertain(
        self, authority: trustme.CA, context: ssl.SSLContext, then: Any
    ) -> None:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        plan = Plan(reply=b"", then=then)
        async with (
            RawServer(lambda *_: plan, tls=context) as server,
            client_for(server.url, ssl_context=trusting) as client,
        ):
            with pytest.raises(ReplyLostError) as caught:
                await client.calls.make(number(1))
            assert caught.value.uncertain
            assert server.rings[number(1)] == 1

    async def test_an_idle_tls_connection_closed_by_the_service_costs_nobody_a_call(
        self, authority: trustme.CA, context: ssl.SSLContext
    ) -> None:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        async with (
            RawServer(tls=context) as server,
            client_for(server.url, ssl_context=trusting) as client,
        ):
            await client.calls.make(number(1))
            for line in tuple(server.lines):
                line.transport.close()
            for _ in range(3):
                await asyncio.sleep(0)
            await client.calls.make(number(2))
            assert server.rings == {number(1): 1, number(2): 1}


class TestProxy:
    async def test_https_goes_through_a_tunnel_and_the_password_to_the_proxy_only(self) -> None:
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        async with RawServer(tls=context) as server, Tunnel() as tunnel:
            proxy = f"http://user:pass@127.0.0.1:{tunnel.port}"
            async with client_for(server.url, proxy=proxy, ssl_context=trusting) as client:
                await client.calls.make(number(1))
                assert "pass" not in repr(client.config)
        assert server.rings[number(1)] == 1
        expected = base64.b64encode(b"user:pass")
        assert expected in tunnel.heads[0]
        assert KEY.encode() not in tunnel.heads[0]
        assert expected not in server.heads[0]

    async def test_plain_http_to_this_machine_goes_through_with_the_whole_address(self) -> None:
        async with RawServer() as proxy:
            address = proxy.url.replace("http://", "http://user:pass@")
            async with client_for("http://localhost:9", proxy=address) as client:
                await client.calls.make(number(1))
            assert proxy.heads[0].startswith(b"POST http://localhost:9/call/makeCall HTTP/1.1")
            assert base64.b64encode(b"user:pass") in proxy.heads[0]

    async def test_a_proxy_that_is_not_there_was_not_sent(self) -> None:
        async with client_for(
            "http://localhost:9", proxy="http://u:pw@127.0.0.1:9", retry=NO_RETRY
        ) as client:
            with pytest.raises(ConnectError) as caught:
                await client.calls.make(number(1))
            assert not caught.value.uncertain
            assert "pw" not in str(caught.value) + repr(caught.value.__cause__)


class TestSecrets:
    async def test_neither_key_nor_number_is_in_logs_errors_reprs_or_pickles(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        body = json.dumps({"message": f"key {KEY} and {number(1)} are bad"}).encode()
        replies = [http(400, body), http(500, body), http(200, body), b"garbage", b""]
        seen = ""
        for reply in replies:
            plan = Plan(reply=reply, then="close")
            async with RawServer(lambda *_, plan=plan: plan) as server:  # type: ignore[misc]
                async with client_for(server.url) as client:
                    with pytest.raises(TalkstackError) as caught:
                        await client.calls.make(number(1))
                    error = caught.value
                    seen += f"{error} {error!r} {client!r} {vars(client)} {error.__cause__!r}"
                    seen += f"{error.__cause__.__dict__ if error.__cause__ else ''}"
                    assert KEY.encode() not in pickle.dumps(error)
        seen += caplog.text + repr([record.__dict__ for record in caplog.records])
        assert KEY not in seen
        assert number(1) not in seen

    async def test_a_bad_number_is_masked_in_its_own_error(self, server: RawServer) -> None:
        async with client_for(server.url) as client:
            with pytest.raises(InvalidNumberError) as caught:
                await client.calls.make("14155550987")
            assert "5550987" not in str(caught.value)
            assert server.connections == 0

    async def test_a_call_request_and_loose_parts_together_are_refused(
        self, server: RawServer
    ) -> None:
        async with client_for(server.url) as client:
            with pytest.raises(InvalidRequestError, match="not both"):
                await client.calls.make(CallRequest(number(1)), agent_id="other")

    async def test_cancelling_after_the_request_left_leaves_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Emulator(faults=[Fault("stall", rings=True)]) as emulator:
            client = Client(emulator.api_key, config=config_for(emulator.url))
            async with client:
                call = asyncio.create_task(client.calls.make(number(1)))
                await emulator.wait_for_rings(1)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
        assert "may ring all the same" in caplog.text


class full_backlog:  # noqa: N801 # reads as a function
    """A port whose queue is full: connecting neither succeeds nor fails."""

    def __enter__(self) -> str:
        self.sockets = [socket.socket()]
        self.sockets[0].bind(("127.0.0.1", 0))
        self.sockets[0].listen(0)
        address = self.sockets[0].getsockname()
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self.sockets.append(filler)
        return f"http://127.0.0.1:{address[1]}"

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()


class Tunnel:
    """An HTTP proxy that knows CONNECT."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def __aenter__(self) -> Tunnel:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        there, onward = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, onward), pump(there, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
    finally:
        writer.close()


async def test_a_finished_call_leaves_nothing_to_the_garbage_collector(
    server: RawServer, lane: str
) -> None:
    # A request holds a number and the credential: it is to be gone when its call is.
    if lane == "public":
        pytest.skip("aiohttp's own requests and answers refer to each other, and to ours")
    async with client_for(server.url) as client:
        await client.calls.make(number(0))
        gc.collect()
        gc.disable()
        try:
            for each in range(1, 20):
                await client.calls.make(number(each))
            left = [each for each in gc.get_objects() if isinstance(each, Outgoing)]
        finally:
            gc.enable()
    assert left == []
