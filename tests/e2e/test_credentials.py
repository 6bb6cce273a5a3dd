"""Clients that log in and renew their token, over real sockets against the emulator."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from talkstack_async import CallRequest, Client, Placed, Tokens
from talkstack_async.clock import ManualClock
from talkstack_async.emulator import Emulator, Fault, Quirks
from talkstack_async.errors import (
    AuthenticationError,
    BadRequestError,
    ClosedError,
    ConfigurationError,
    NotSentError,
    RedirectError,
    TalkstackError,
    ThrottledError,
)
from talkstack_async.secret import Secret
from talkstack_async.telemetry import Event, RequestRepeated
from talkstack_async.wire.endpoints import (
    AUTH_CHANGE_PASSWORD,
    AUTH_LOGIN,
    USER_GENERATE_API_KEY,
    Endpoint,
)
from talkstack_async.wire.replies import Reply
from talkstack_async.wire.requests import build
from tests.support.clients import config_for, number, numbered
from tests.support.raw_server import Plan, RawServer, http

pytestmark = pytest.mark.usefixtures("lane")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


def by_refresh(emulator: Emulator, **more: Any) -> Client:
    return Client(
        token=emulator.token,
        refresh_token=emulator.refresh_token,
        config=config_for(emulator.url),
        **more,
    )


def by_login(emulator: Emulator, **more: Any) -> Client:
    return Client(
        email=emulator.email,
        password=emulator.password,
        config=config_for(emulator.url),
        **more,
    )


def renewals(emulator: Emulator) -> tuple[int, int]:
    return emulator.calls_of("login"), emulator.calls_of("refreshToken")


def read_json(endpoint: Endpoint, reply: Reply) -> Any:
    return json.loads(reply.body)


def always(reply: bytes) -> RawServer:
    return RawServer(lambda connection, request: Plan(reply=reply))


class TestLoggingIn:
    async def test_the_first_call_logs_in_and_the_second_does_not(
        self, emulator: Emulator
    ) -> None:
        async with by_login(emulator) as client:
            await client.calls.make(number(1))
            await client.calls.make(number(2))
        assert renewals(emulator) == (1, 0)
        assert len(emulator.rings) == 2

    async def test_two_hundred_tasks_log_in_once(self, emulator: Emulator) -> None:
        async with by_login(emulator) as client:
            await asyncio.gather(*(client.calls.make(number(i)) for i in range(200)))
        assert renewals(emulator) == (1, 0)
        assert len({ring.number for ring in emulator.rings}) == len(emulator.rings) == 200

    async def test_a_wrong_password_rings_nobody_and_is_tried_once(
        self, emulator: Emulator
    ) -> None:
        config = config_for(emulator.url)
        async with Client(email=emulator.email, password="wr0ng-pass", config=config) as client:
            results = await asyncio.gather(
                *(client.calls.make(number(i)) for i in range(50)), return_exceptions=True
            )
            with pytest.raises(AuthenticationError):
                await client.calls.make(number(99))
        assert all(isinstance(r, AuthenticationError) and not r.uncertain for r in results)
        assert renewals(emulator) == (1, 0)
        assert emulator.calls_of("makeCall") == len(emulator.rings) == 0

    async def test_every_error_has_the_id_of_its_own_request(self, emulator: Emulator) -> None:
        config = config_for(emulator.url)
        async with Client(email=emulator.email, password="wr0ng-pass", config=config) as client:
            results = await asyncio.gather(
                *(client.calls.make(number(i)) for i in range(20)), return_exceptions=True
            )
        ids = {r.request_id for r in results if isinstance(r, TalkstackError)}
        assert len(ids) == 20
        assert None not in ids

    async def test_a_dead_refresh_token_is_replaced_by_logging_in_again(
        self, emulator: Emulator
    ) -> None:
        async with by_login(emulator) as client:
            await client.calls.make(number(1))
            emulator.expire_token()
            emulator.add_fault(Fault("status", operation="refreshToken", status=401, times=1))
            await client.calls.make(number(2))
        assert renewals(emulator) == (2, 1)
        assert len(emulator.rings) == 2


class TestRefreshing:
    async def test_two_hundred_tasks_with_an_expired_token_refresh_once_and_all_are_placed(
        self, emulator: Emulator
    ) -> None:
        async with by_refresh(emulator) as client:
            await client.calls.make(number(999))
            emulator.expire_token()
            results = await asyncio.gather(*(client.calls.make(number(i)) for i in range(200)))
        assert renewals(emulator) == (0, 1)
        assert len({result.call_id for result in results}) == 200
        for i in range(200):
            assert len(emulator.rings_to(number(i))) == 1

    async def test_a_dispatcher_goes_on_over_the_end_of_a_token(self, emulator: Emulator) -> None:
        placed = 0
        async with by_refresh(emulator) as client:
            async with client.dispatcher(max_concurrency=20) as dispatcher:
                async for outcome in dispatcher.dial(numbered(300)):
                    assert isinstance(outcome, Placed)
                    placed += 1
                    if placed in (100, 200):
                        emulator.expire_token()
        assert placed == len(emulator.rings) == 300
        assert renewals(emulator) == (0, 2)

    async def test_a_rotated_refresh_token_is_kept_and_handed_over(
        self, emulator: Emulator
    ) -> None:
        handed: list[Tokens] = []
        async with by_refresh(emulator, on_tokens=handed.append) as client:
            for i in range(3):
                emulator.expire_token()
                await client.calls.make(number(i))
        assert renewals(emulator) == (0, 3)
        assert len({tokens.refresh_token for tokens in handed}) == 3
        assert all(
            tokens.expires_at and tokens.expires_at > datetime.now(UTC) for tokens in handed
        )
        last = handed[-1]
        config = config_for(emulator.url)
        async with Client(
            token=last.token, refresh_token=last.refresh_token, config=config
        ) as later:
            emulator.expire_token()
            await later.calls.make(number(9))
        assert len(emulator.rings) == 4

    @pytest.mark.parametrize("key", ["refreshToken", "resfreshToken", None])
    async def test_the_refresh_token_may_be_spelt_in_two_ways_or_stay_the_same(
        self, key: str | None
    ) -> None:
        quirks = Quirks(refresh_token_key=key, old_refresh_token_dies=key is not None)
        async with Emulator(quirks=quirks) as emulator, by_refresh(emulator) as client:
            for i in range(3):
                emulator.expire_token()
                await client.calls.make(number(i))
            assert len(emulator.rings) == 3

    async def test_a_service_that_does_not_rotate_may_answer_with_the_same_refresh_token(
        self,
    ) -> None:
        handed: list[Tokens] = []
        async with Emulator(quirks=Quirks(refresh_token_rotates=False)) as emulator:
            async with by_refresh(emulator, on_tokens=handed.append) as client:
                for i in range(2):
                    emulator.expire_token()
                    await client.calls.make(number(i))
            assert {tokens.refresh_token for tokens in handed} == {Secret(emulator.refresh_token)}

    async def test_a_token_is_renewed_ahead_of_its_end_and_no_call_is_refused(
        self, emulator: Emulator
    ) -> None:
        clock = ManualClock(start=datetime.now(UTC))
        events: list[Event] = []
        async with by_login(emulator, clock=clock, observer=events.append) as client:
            await client.calls.make(number(1))
            for seconds in (7_150, 40):
                emulator.advance(seconds)
                await clock.advance(seconds)
                await client.calls.make(number(seconds))
                async with asyncio.timeout(5):
                    while emulator.calls_of("refreshToken") < 1:
                        await asyncio.sleep(0.001)
            emulator.advance(60)
            await clock.advance(60)
            await client.calls.make(number(3))
        assert renewals(emulator) == (1, 1)
        assert not [event for event in events if isinstance(event, RequestRepeated)]
        assert len(emulator.rings) == 4

    async def test_a_refused_refresh_is_told_to_everybody_and_not_asked_again(
        self, emulator: Emulator
    ) -> None:
        async with by_refresh(emulator) as client:
            emulator.expire_token()
            emulator.forget_user(emulator.email)
            results = await asyncio.gather(
                *(client.calls.make(number(i)) for i in range(50)), return_exceptions=True
            )
            with pytest.raises(AuthenticationError, match="log in again"):
                await client.calls.make(number(99))
        assert all(isinstance(r, AuthenticationError) and not r.uncertain for r in results)
        assert renewals(emulator) == (0, 1)
        assert not emulator.rings

    async def test_a_lost_reply_to_a_refresh_that_did_not_rotate_costs_nothing(self) -> None:
        async with Emulator(quirks=Quirks(old_refresh_token_dies=False)) as emulator:
            emulator.add_fault(Fault("drop", operation="refreshToken", moment="on_reply", times=1))
            async with by_refresh(emulator) as client:
                emulator.expire_token()
                await asyncio.gather(*(client.calls.make(number(i)) for i in range(20)))
            assert renewals(emulator) == (0, 2)
            assert len(emulator.rings) == 20

    async def test_a_lost_reply_to_a_refresh_that_rotated_is_told_as_a_login_that_is_needed(
        self, emulator: Emulator
    ) -> None:
        emulator.add_fault(Fault("drop", operation="refreshToken", moment="on_reply", times=1))
        async with by_refresh(emulator) as client:
            emulator.expire_token()
            with pytest.raises(AuthenticationError, match="log in again") as caught:
                await client.calls.make(number(1))
        assert not caught.value.uncertain
        assert renewals(emulator) == (0, 2)
        assert not emulator.rings

    async def test_with_a_password_a_lost_reply_to_a_refresh_costs_nothing(
        self, emulator: Emulator
    ) -> None:
        async with by_login(emulator) as client:
            await client.calls.make(number(1))
            emulator.add_fault(Fault("drop", operation="refreshToken", moment="on_reply", times=1))
            emulator.expire_token()
            await client.calls.make(number(2))
        assert renewals(emulator) == (2, 2)
        assert len(emulator.rings) == 2

    async def test_a_refresh_that_fails_for_now_means_that_nothing_was_sent(
        self, emulator: Emulator
    ) -> None:
        emulator.add_fault(Fault("status", operation="refreshToken", status=500))
        async with by_refresh(emulator) as client:
            emulator.expire_token()
            for i in range(20):
                with pytest.raises(NotSentError) as caught:
                    await client.calls.make(number(i))
                assert not caught.value.uncertain
        assert renewals(emulator) == (0, 2)
        assert not emulator.rings

    async def test_a_refresh_that_fails_once_on_the_way_costs_nothing(
        self, emulator: Emulator
    ) -> None:
        emulator.add_fault(Fault("html", operation="refreshToken", status=502, times=1))
        async with by_refresh(emulator) as client:
            emulator.expire_token()
            await asyncio.gather(*(client.calls.make(number(i)) for i in range(20)))
        assert renewals(emulator) == (0, 2)
        assert len(emulator.rings) == 20


class TestRepeatingAfterA401:
    async def test_a_second_401_is_raised(self, emulator: Emulator) -> None:
        emulator.add_fault(Fault("status", status=401))
        async with by_refresh(emulator) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.calls.make(number(1))
        assert not caught.value.uncertain
        assert emulator.calls_of("makeCall") == 2
        assert renewals(emulator) == (0, 1)

    async def test_a_service_that_refuses_every_token_is_not_asked_for_ever_newer_ones(
        self, emulator: Emulator
    ) -> None:
        emulator.add_fault(Fault("status", status=401))
        async with by_refresh(emulator) as client:
            for i in range(30):
                with pytest.raises(AuthenticationError):
                    await client.calls.make(number(i))
        assert renewals(emulator) == (0, 1)

    async def test_a_401_is_repeated_once_also_if_others_find_each_new_token_good(
        self, emulator: Emulator
    ) -> None:
        async def prove(tokens: Tokens) -> None:
            await client.calls.make(number(2))

        emulator.add_fault(Fault("status", status=401, number=number(1)))
        client = by_refresh(emulator, on_tokens=prove)
        async with client:
            with pytest.raises(AuthenticationError):
                await client.calls.make(number(1))
        assert renewals(emulator) == (0, 1)
        assert not emulator.rings_to(number(1))

    async def test_a_key_is_refused_once_and_for_good(self, emulator: Emulator) -> None:
        async with Client("k" * 64, config=config_for(emulator.url)) as client:
            with pytest.raises(AuthenticationError):
                await client.calls.make(number(1))
        assert emulator.calls_of("makeCall") == 1

    async def test_a_token_that_cannot_be_renewed_is_refused_once(
        self, emulator: Emulator
    ) -> None:
        async with Client(token=emulator.token, config=config_for(emulator.url)) as client:
            emulator.expire_token()
            with pytest.raises(AuthenticationError):
                await client.calls.make(number(1))
        assert emulator.calls_of("makeCall") == 1

    async def test_a_wrong_old_password_is_not_taken_for_an_expired_token(
        self, emulator: Emulator
    ) -> None:
        wrong = {"oldPassword": Secret("wr0ng-pass"), "newPassword": Secret("new-passw0rd")}
        async with by_refresh(emulator) as client:
            with pytest.raises(AuthenticationError):
                await client._transport.send(build(AUTH_CHANGE_PASSWORD, wrong), read_json)
        assert emulator.calls_of("changePassword") == 1
        assert renewals(emulator) == (0, 0)

    async def test_operations_on_accounts_are_not_repeated_and_carry_no_credential(self) -> None:
        async with always(http(401, b"{}")) as server:
            config = config_for(server.url)
            async with Client(token="t-0123", refresh_token="r-0123", config=config) as client:
                body = {"email": "ada@example.com", "password": Secret("p")}
                with pytest.raises(AuthenticationError):
                    await client._transport.send(build(AUTH_LOGIN, body), read_json)
            (head,) = server.heads
        assert b"authorization" not in head.lower()
        assert b"t-0123" not in head

    async def test_a_refusal_for_now_between_two_tries_does_not_buy_a_third_token(
        self, emulator: Emulator
    ) -> None:
        emulator.add_fault(Fault("status", status=401, times=1))
        emulator.add_fault(Fault("throttle", times=1, retry_after="0"))
        emulator.add_fault(Fault("status", status=401, times=1))
        async with by_refresh(emulator) as client:
            with pytest.raises(AuthenticationError):
                await client.calls.make(number(1))
        assert renewals(emulator) == (0, 1)
        assert emulator.calls_of("makeCall") == 3
        assert not emulator.rings


class TestCancelling:
    @pytest.mark.parametrize("seed", range(8))
    async def test_a_storm_of_cancellations_never_hangs_and_never_refreshes_twice_at_once(
        self, emulator: Emulator, seed: int
    ) -> None:
        dice = random.Random(seed)
        in_flight = most = 0
        async with by_login(emulator) as client:
            send = client._transport.send

            async def counted(*given: Any) -> Any:
                nonlocal in_flight, most
                in_flight += 1
                most = max(most, in_flight)
                try:
                    return await send(*given)
                finally:
                    in_flight -= 1

            keeper: Any = client._credential
            keeper.attach(counted)
            async with asyncio.timeout(30):
                for wave in range(6):
                    calls = [
                        asyncio.create_task(client.calls.make(number(wave * 1000 + i)))
                        for i in range(30)
                    ]
                    for task in dice.sample(calls, 20):
                        await asyncio.sleep(dice.choice([0, 0, 0.0005]))
                        task.cancel()
                        if dice.random() < 0.2:
                            emulator.expire_token()
                    results = await asyncio.gather(*calls, return_exceptions=True)
                    for result in results:
                        # An expiry may strike a brand-new token; then a 401 is the truth.
                        if isinstance(result, Exception):
                            assert isinstance(result, AuthenticationError)
                    emulator.expire_token()
                keeper._not_before = float("-inf")
                await client.calls.make(number(9_999))
        assert most == 1
        assert len({ring.number for ring in emulator.rings}) == len(emulator.rings)

    async def test_closing_while_calls_wait_for_a_token_is_told_truthfully(
        self, emulator: Emulator
    ) -> None:
        emulator.add_fault(Fault("stall", operation="refreshToken"))
        client = by_refresh(emulator)
        emulator.expire_token()
        calls = [asyncio.create_task(client.calls.make(number(i))) for i in range(10)]
        async with asyncio.timeout(5):
            while not emulator.calls_of("refreshToken"):
                await asyncio.sleep(0.001)
            await client.aclose(grace_seconds=0.05)
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(r, ClosedError | NotSentError) for r in results), results
        assert not any(r.uncertain for r in results if isinstance(r, TalkstackError))
        assert not emulator.rings


class TestAnonymous:
    async def test_it_may_log_in_but_not_call(self, emulator: Emulator) -> None:
        async with Client.anonymous(config=config_for(emulator.url)) as client:
            body = {"email": emulator.email, "password": Secret(emulator.password)}
            answer = await client._transport.send(build(AUTH_LOGIN, body), read_json)
            assert answer["token"]
            with pytest.raises(ConfigurationError, match="anonymous"):
                await client.calls.make(number(1))
        assert emulator.statistics.requests == 1

    async def test_a_credential_of_the_configuration_is_not_used(self) -> None:
        async with always(http(200, b"{}")) as server:
            config = config_for(server.url, api_key="k" * 64)
            async with Client.anonymous(config=config) as client:
                await client._transport.send(build(AUTH_LOGIN, {"email": "a"}), read_json)
            (head,) = server.heads
        assert b"kkkk" not in head

    async def test_a_key_cannot_replace_itself(self, emulator: Emulator) -> None:
        config = config_for(emulator.url)
        async with Client(emulator.api_key, config=config) as client:
            with pytest.raises(ConfigurationError, match="takes a token"):
                await client._transport.send(build(USER_GENERATE_API_KEY), read_json)
        assert emulator.statistics.requests == 0


class TestSecrecy:
    async def test_nothing_secret_stands_in_errors_and_logs(
        self, emulator: Emulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(tokens: Tokens) -> None:
            handed.append(tokens)
            raise RuntimeError(f"no space left for {tokens!r} {tokens.token.reveal()}")

        handed: list[Tokens] = []
        caplog.set_level(logging.DEBUG, "talkstack_async")
        emulator.add_fault(Fault("status", status=500, times=1))
        told: list[str] = []
        async with by_login(emulator, on_tokens=broken) as client:
            for i in range(2):
                try:
                    await client.calls.make(number(i))
                except TalkstackError as error:
                    told.append(f"{error} {error!r} {vars(error)}")
            told.append(f"{client!r} {vars(client)}")
        shown = caplog.text + "".join(told)
        assert "on_tokens failed" in shown
        (tokens,) = handed
        assert tokens.refresh_token is not None
        for word in (emulator.password, tokens.token.reveal(), tokens.refresh_token.reveal()):
            assert word not in shown

    async def test_tokens_never_go_to_where_a_redirect_points(self) -> None:
        async with RawServer() as third:
            away = b"HTTP/1.1 307 T\r\nLocation: " + third.url.encode() + b"/x\r\n"
            away += b"Content-Length: 0\r\n\r\n"
            async with always(away) as server:
                config = config_for(server.url)
                async with Client(refresh_token="r-0123456", config=config) as client:
                    with pytest.raises(NotSentError):
                        await client.calls.make(number(1))
                async with Client(token="t-0123456", config=config) as client:
                    with pytest.raises(RedirectError):
                        await client.calls.make(number(1))
                assert len(server.heads) == 2
            assert not third.heads

    @pytest.mark.parametrize(
        "password", ["sesame-0pen", "open, sesame!", 's"e\\same', "s\u00e9same \U0001f600"]
    )
    @pytest.mark.parametrize("ascii_only", [True, False])
    async def test_a_password_that_is_echoed_is_not_quoted(
        self, password: str, ascii_only: bool
    ) -> None:
        message = {"message": f"bad password {password}"}
        echo = http(400, json.dumps(message, ensure_ascii=ascii_only).encode())
        async with always(echo) as server:
            async with Client.anonymous(config=config_for(server.url)) as client:
                body = {"email": "a@example.com", "password": Secret(password)}
                with pytest.raises(BadRequestError) as caught:
                    await client._transport.send(build(AUTH_LOGIN, body), read_json)
        shown = f"{caught.value} {caught.value.body}"
        assert "bad password ***" in shown
        assert password not in shown
        assert "same" not in shown


async def test_a_refused_call_is_not_waited_out_twice_for_a_dispatcher(
    emulator: Emulator,
) -> None:
    emulator.add_fault(Fault("throttle", retry_after="0"))
    async with by_refresh(emulator) as client:
        with pytest.raises(ThrottledError):
            await client.calls.place(CallRequest(number(1)), wait_out_refusals=False)
    assert emulator.calls_of("makeCall") == 1
