"""Tokens that are renewed: when, by whom, and what those who wait are told."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from talkstack_async import Tokens
from talkstack_async.clock import ManualClock
from talkstack_async.errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    ConnectError,
    NotFoundError,
    NotSentError,
    ReplyLostError,
    ServerError,
    TalkstackError,
    UnexpectedReplyError,
    WrongEventLoopError,
)
from talkstack_async.secret import Secret
from talkstack_async.transport import keeper as keeping
from talkstack_async.transport.keeper import TokenKeeper
from talkstack_async.transport.outgoing import Outgoing
from talkstack_async.transport.tokens import Login, read_tokens
from talkstack_async.wire.endpoints import AUTH_LOGIN, AUTH_REFRESH, CALLS_MAKE
from talkstack_async.wire.replies import Reply
from talkstack_async.wire.requests import build

TWO_HOURS = 7200.0


def outgoing(number: int = 1) -> Outgoing:
    request = build(CALLS_MAKE, {"number": "+14155550123"})
    return Outgoing(request, credential=b"", prefix="bcdfgh", serial=number)


def line(text: str) -> bytes:
    return f"Authorization: Bearer {text}\r\n".encode()


class Service:
    """Stands in for a transport: hands out `token-1`, `token-2`, ... and fails on request."""

    def __init__(self, clock: ManualClock, *, life: float | None = TWO_HOURS) -> None:
        self.clock = clock
        self.life = life
        self.asked: list[str] = []
        self.shown: list[dict[str, str]] = []
        self.failures: list[TalkstackError | Exception | None] = []
        self.rotates = True
        self.at_once = 0
        self.most_at_once = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, request: Any, read: Callable[..., Tokens], /) -> Tokens:
        self.asked.append(request.endpoint.name)
        self.shown.append(json.loads(request.body))
        number = len(self.asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_once -= 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        ends = None if self.life is None else self.clock.now() + timedelta(seconds=self.life)
        return Tokens(
            token=Secret(f"token-{number}"),
            refresh_token=Secret(f"refresh-{number}") if self.rotates else None,
            expires_at=ends,
        )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def service(clock: ManualClock) -> Service:
    return Service(clock)


@pytest.fixture
def handed() -> list[Tokens]:
    return []


def keeper_of(service: Service, handed: list[Tokens] | None = None, **more: Any) -> TokenKeeper:
    if not more:
        more = {"tokens": Tokens(token=Secret("token-0"), refresh_token=Secret("refresh-0"))}
    listen = None if handed is None else handed.append
    keeper = TokenKeeper(**{"on_tokens": listen, "clock": service.clock, **more})
    keeper.attach(service)
    return keeper


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


LOGIN = Login(email="ada@example.com", password=Secret("correct horse"))


class TestWhen:
    async def test_a_token_of_unknown_life_is_used_until_it_is_refused(
        self, service: Service, clock: ManualClock
    ) -> None:
        keeper = keeper_of(service)
        await clock.advance(10 * TWO_HOURS)
        assert keeper.ready_line() == line("token-0")
        assert keeper.reject(line("token-0"))
        assert keeper.ready_line() == b""
        assert await keeper.fresh_line(outgoing()) == line("token-1")
        assert service.asked == ["auth.refresh"]

    async def test_without_a_token_the_first_need_logs_in(self, service: Service) -> None:
        keeper = keeper_of(service, login=LOGIN)
        assert keeper.ready_line() == b""
        assert await keeper.fresh_line(outgoing()) == line("token-1")
        assert service.asked == ["auth.login"]
        assert service.shown == [{"email": "ada@example.com", "password": "correct horse"}]

    async def test_a_refresh_token_alone_is_enough(self, service: Service) -> None:
        keeper = keeper_of(service, refresh_token=Secret("refresh-0"))
        assert await keeper.fresh_line(outgoing()) == line("token-1")
        assert service.shown == [{"refreshToken": "refresh-0"}]

    async def test_a_token_near_its_end_is_renewed_while_calls_go_on_with_it(
        self, service: Service, clock: ManualClock
    ) -> None:
        keeper = keeper_of(service, login=LOGIN)
        await keeper.fresh_line(outgoing())
        await clock.advance(TWO_HOURS - 61)
        assert keeper.ready_line() == line("token-1")
        await settled()
        assert len(service.asked) == 1
        await clock.advance(2)
        assert keeper.ready_line() == line("token-1")
        await settled()
        assert service.asked == ["auth.login", "auth.refresh"]
        assert keeper.ready_line() == line("token-2")

    async def test_the_margin_is_a_tenth_of_a_short_life(
        self, service: Service, clock: ManualClock
    ) -> None:
        service.life = 100.0
        keeper = keeper_of(service, login=LOGIN)
        await keeper.fresh_line(outgoing())
        await clock.advance(89)
        keeper.ready_line()
        await settled()
        assert len(service.asked) == 1
        await clock.advance(2)
        keeper.ready_line()
        await settled()
        assert len(service.asked) == 2

    async def test_a_renewal_ahead_of_time_that_fails_disturbs_nobody_and_is_not_hammered(
        self, service: Service, clock: ManualClock
    ) -> None:
        keeper = keeper_of(service, login=LOGIN)
        await keeper.fresh_line(outgoing())
        keeper.accept(line("token-1"))
        await clock.advance(TWO_HOURS - 50)
        service.failures = [ServerError("500", status=500)] * 100
        for _ in range(40):
            assert keeper.ready_line() == line("token-1")
            await clock.advance(1)
        assert 4 <= len(service.asked) - 1 <= 12  # each time once more

    async def test_a_clock_that_is_wrong_does_not_renew_at_every_call(
        self, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.life = -3600.0
        keeper = keeper_of(service, login=LOGIN)
        for _ in range(5):
            assert await keeper.fresh_line(outgoing()) == line("token-1")
        assert len(service.asked) == 1
        assert "by our clock" in caplog.text


class TestOneForAll:
    async def test_all_who_wait_share_one_renewal(self, service: Service) -> None:
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        lines = await asyncio.gather(*(keeper.fresh_line(outgoing(i)) for i in range(200)))
        assert set(lines) == {line("token-1")}
        assert len(service.asked) == 1

    async def test_a_late_refusal_of_the_old_token_renews_nothing(self, service: Service) -> None:
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        await keeper.fresh_line(outgoing())
        assert keeper.reject(line("token-0"))
        assert keeper.ready_line() == line("token-1")
        assert len(service.asked) == 1

    async def test_a_caller_that_is_cancelled_takes_nothing_along(self, service: Service) -> None:
        service.gate = asyncio.Event()
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        first = asyncio.create_task(keeper.fresh_line(outgoing(1)))
        second = asyncio.create_task(keeper.fresh_line(outgoing(2)))
        await settled()
        first.cancel()
        await settled()
        assert first.cancelled()
        service.gate.set()
        assert await second == line("token-1")
        assert len(service.asked) == 1

    async def test_if_all_callers_are_cancelled_the_tokens_are_kept_all_the_same(
        self, service: Service, handed: list[Tokens]
    ) -> None:
        service.gate = asyncio.Event()
        keeper = keeper_of(service, handed, refresh_token=Secret("refresh-0"))
        caller = asyncio.create_task(keeper.fresh_line(outgoing()))
        await settled()
        caller.cancel()
        service.gate.set()
        await settled()
        assert keeper.ready_line() == line("token-1")
        assert [tokens.token.reveal() for tokens in handed] == ["token-1"]

    async def test_if_the_renewal_itself_is_cancelled_another_takes_over(
        self, service: Service
    ) -> None:
        service.gate = asyncio.Event()
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        before = asyncio.all_tasks()
        waiting = [asyncio.create_task(keeper.fresh_line(outgoing(i))) for i in range(5)]
        await settled()
        (renewal,) = asyncio.all_tasks() - before - set(waiting)
        renewal.cancel()
        await settled()
        service.gate.set()
        assert set(await asyncio.gather(*waiting)) == {line("token-2")}
        assert service.most_at_once == 1

    @pytest.mark.parametrize("seed", range(25))
    async def test_a_storm_of_cancellations_neither_hangs_nor_renews_twice_at_once(
        self, seed: int, clock: ManualClock
    ) -> None:
        dice = random.Random(seed)
        service = Service(clock)
        keeper = keeper_of(service)
        ours = asyncio.current_task()

        async def caller(number: int) -> bytes:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            got = keeper.ready_line() or await keeper.fresh_line(outgoing(number))
            if dice.random() < 0.2:
                keeper.reject(got)
            elif dice.random() < 0.5:
                keeper.accept(got)
            return await keeper.fresh_line(outgoing(number))

        async with asyncio.timeout(20):
            callers = [asyncio.create_task(caller(i)) for i in range(60)]
            struck: set[asyncio.Task[Any]] = set()
            keeper.reject(line("token-0"))
            for _ in range(40):
                if dice.random() < 0.2:
                    service.failures.append(ConnectError("no connection"))
                # Anybody may be struck, the renewal too.
                everybody = sorted(asyncio.all_tasks() - {ours}, key=lambda task: task.get_name())
                if everybody:
                    victim = dice.choice(everybody)
                    victim.cancel()
                    struck.add(victim)
                await asyncio.sleep(0)
                if dice.random() < 0.1:
                    await clock.advance(30)
            results = await asyncio.gather(*callers, return_exceptions=True)
            service.failures.clear()
            await clock.advance(61)
            assert await keeper.fresh_line(outgoing())
        assert service.most_at_once <= 1
        assert {task for task in callers if task.cancelled()} <= struck
        unexpected = [r for r in results if isinstance(r, Exception)]
        assert all(isinstance(r, NotSentError) and not r.uncertain for r in unexpected)
        await keeper.aclose()


class TestFailure:
    @pytest.mark.parametrize("refusal", [AuthenticationError, NotFoundError])
    async def test_a_refused_refresh_is_told_to_all_and_never_asked_again(
        self, service: Service, clock: ManualClock, refusal: type[Any]
    ) -> None:
        service.failures = [refusal("invalid", status=401, body="x", request_id="bcdfgh-9")] * 9
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        results = await asyncio.gather(
            *(keeper.fresh_line(outgoing(i)) for i in range(20)), return_exceptions=True
        )
        await clock.advance(1e6)
        with pytest.raises(AuthenticationError, match="log in again") as last:
            await keeper.fresh_line(outgoing(99))
        assert last.value.request_id == "bcdfgh-99"
        assert all(isinstance(r, AuthenticationError) and not r.uncertain for r in results)
        assert len({id(r) for r in results}) == 20
        assert {r.request_id for r in results if isinstance(r, TalkstackError)} == {
            f"bcdfgh-{i}" for i in range(20)
        }
        assert "bcdfgh-9:" in str(results[0])
        assert len(service.asked) == 1

    async def test_with_a_password_a_refused_refresh_logs_in_once(self, service: Service) -> None:
        keeper = keeper_of(
            service, login=LOGIN, tokens=Tokens(token=Secret("t"), refresh_token=Secret("r"))
        )
        keeper.reject(line("t"))
        service.failures = [AuthenticationError("expired", status=401)]
        assert await keeper.fresh_line(outgoing()) == line("token-2")
        assert service.asked == ["auth.refresh", "auth.login"]

    async def test_a_wrong_password_is_not_tried_again(
        self, service: Service, clock: ManualClock
    ) -> None:
        service.failures = [AuthenticationError("invalid password", status=401)] * 9
        keeper = keeper_of(service, login=LOGIN)
        for number in range(5):
            with pytest.raises(AuthenticationError, match="invalid password"):
                await keeper.fresh_line(outgoing(number))
            await clock.advance(1000)
        assert service.asked == ["auth.login"]

    async def test_a_service_that_cannot_be_reached_is_asked_again_after_a_growing_pause(
        self, service: Service, clock: ManualClock
    ) -> None:
        service.failures = [ConnectError("no connection")] * 1000
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        for _ in range(300):
            with pytest.raises(NotSentError) as caught:
                await keeper.fresh_line(outgoing())
            assert not caught.value.uncertain
            await clock.advance(1)
        assert 6 <= len(service.asked) <= 11
        service.failures.clear()
        await clock.advance(60)
        assert await keeper.fresh_line(outgoing())

    async def test_a_lost_reply_is_asked_for_once_more(self, service: Service) -> None:
        service.failures = [ReplyLostError("lost", uncertain=True)]
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        assert await keeper.fresh_line(outgoing()) == line("token-2")
        assert service.shown == [{"refreshToken": "refresh-0"}] * 2

    async def test_a_reply_lost_twice_means_that_nothing_was_sent(self, service: Service) -> None:
        service.failures = [ReplyLostError("lost", uncertain=True)] * 2
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        with pytest.raises(NotSentError) as caught:
            await keeper.fresh_line(outgoing())
        assert not caught.value.uncertain
        assert len(service.asked) == 2

    async def test_a_brand_new_token_that_is_refused_is_not_replaced_at_once(
        self, service: Service, clock: ManualClock
    ) -> None:
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        await keeper.fresh_line(outgoing())
        assert not keeper.reject(line("token-1"))
        await clock.advance(2)
        assert keeper.reject(line("token-1"))
        await keeper.fresh_line(outgoing())
        keeper.accept(line("token-2"))
        assert keeper.reject(line("token-2"))

    async def test_a_bug_is_told_and_does_not_hang(
        self, service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.failures = [ZeroDivisionError("ours")]
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        with pytest.raises(NotSentError, match="ZeroDivisionError"):
            await keeper.fresh_line(outgoing())
        assert "renewing the token broke" in caplog.text

    async def test_a_token_that_fits_no_header_is_not_used(self, clock: ManualClock) -> None:
        async def evil(request: Any, read: Any, /) -> Tokens:
            return Tokens(token=Secret("t\r\nX-Injected: yes"))

        keeper = TokenKeeper(login=LOGIN, on_tokens=None, clock=clock)
        keeper.attach(evil)
        with pytest.raises(NotSentError, match="fits into no header"):
            await keeper.fresh_line(outgoing())

    async def test_misuse_of_the_client_is_told_as_it_is(self, service: Service) -> None:
        service.failures = [WrongEventLoopError("another loop")]
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        with pytest.raises(WrongEventLoopError):
            await keeper.fresh_line(outgoing())
        assert await keeper.fresh_line(outgoing()) == line("token-2")


class TestHandingOver:
    async def test_rotated_tokens_are_kept_and_handed_over(
        self, service: Service, handed: list[Tokens]
    ) -> None:
        keeper = keeper_of(service, handed, refresh_token=Secret("refresh-0"))
        await keeper.fresh_line(outgoing())
        keeper.accept(line("token-1"))
        keeper.reject(line("token-1"))
        await keeper.fresh_line(outgoing())
        assert [shown["refreshToken"] for shown in service.shown] == ["refresh-0", "refresh-1"]
        assert handed[-1].token == Secret("token-2")
        assert handed[-1].refresh_token == Secret("refresh-2")
        assert handed[-1].expires_at is not None

    async def test_a_refresh_token_that_was_not_replaced_is_handed_over_again(
        self, service: Service, handed: list[Tokens]
    ) -> None:
        service.rotates = False
        keeper = keeper_of(service, handed, refresh_token=Secret("refresh-0"))
        await keeper.fresh_line(outgoing())
        assert handed[0].refresh_token == Secret("refresh-0")

    async def test_a_callback_may_be_async_and_is_done_before_the_token_is_used(
        self, service: Service, clock: ManualClock
    ) -> None:
        stored: list[Tokens] = []

        async def store(tokens: Tokens) -> None:
            await asyncio.sleep(0)
            stored.append(tokens)

        keeper = TokenKeeper(login=LOGIN, on_tokens=store, clock=clock)
        keeper.attach(service)
        await keeper.fresh_line(outgoing())
        assert len(stored) == 1

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_the_callback_raises_is_logged_and_breaks_nothing(
        self,
        service: Service,
        clock: ManualClock,
        caplog: pytest.LogCaptureFixture,
        is_async: bool,
    ) -> None:
        def broken(tokens: Tokens) -> None:
            raise RuntimeError(f"disk full, {tokens}")

        async def broken_later(tokens: Tokens) -> None:
            broken(tokens)

        keeper = TokenKeeper(
            login=LOGIN, on_tokens=broken_later if is_async else broken, clock=clock
        )
        keeper.attach(service)
        assert await keeper.fresh_line(outgoing()) == line("token-1")
        assert "on_tokens failed" in caplog.text
        assert "disk full" in caplog.text
        assert "token-1" not in caplog.text

    async def test_a_callback_that_hangs_is_given_up(
        self, service: Service, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeping, "HAND_OVER_SECONDS", 0.01)

        async def hang(tokens: Tokens) -> None:
            await asyncio.Event().wait()

        keeper = TokenKeeper(login=LOGIN, on_tokens=hang, clock=clock)
        keeper.attach(service)
        assert await keeper.fresh_line(outgoing()) == line("token-1")

    async def test_a_callback_may_use_the_client(
        self, service: Service, clock: ManualClock
    ) -> None:
        used: list[bytes] = []

        async def call_home(tokens: Tokens) -> None:
            used.append(await keeper.fresh_line(outgoing(7)))

        keeper = TokenKeeper(login=LOGIN, on_tokens=call_home, clock=clock)
        keeper.attach(service)
        await keeper.fresh_line(outgoing())
        assert used == [line("token-1")]


class TestClosing:
    async def test_closing_gives_up_a_renewal_and_says_so_to_those_who_wait(
        self, service: Service
    ) -> None:
        service.gate = asyncio.Event()
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        waiting = asyncio.create_task(keeper.fresh_line(outgoing()))
        await settled()
        await keeper.aclose()
        with pytest.raises(ClosedError):
            await waiting
        with pytest.raises(ClosedError):
            await keeper.fresh_line(outgoing())

    async def test_tokens_that_are_here_are_handed_over_before_it_is_closed(
        self, service: Service, clock: ManualClock
    ) -> None:
        stored: list[Tokens] = []
        started = asyncio.Event()

        async def store(tokens: Tokens) -> None:
            started.set()
            await asyncio.sleep(0.01)
            stored.append(tokens)

        keeper = TokenKeeper(login=LOGIN, on_tokens=store, clock=clock)
        keeper.attach(service)
        waiting = asyncio.create_task(keeper.fresh_line(outgoing()))
        await started.wait()
        await keeper.aclose()
        assert len(stored) == 1
        assert await waiting == line("token-1")

    async def test_closing_when_nothing_happens_is_fine(self, service: Service) -> None:
        keeper = keeper_of(service)
        await keeper.aclose()
        await keeper.aclose()


class TestSecrecy:
    async def test_tokens_neither_print_nor_travel_in_a_pickle(self) -> None:
        tokens = Tokens(token=Secret("token-1"), refresh_token=Secret("refresh-1"))
        assert "-1" not in f"{tokens} {tokens!r} {LOGIN!r}"
        with pytest.raises(TypeError):
            pickle.dumps(tokens)

    async def test_a_keeper_does_not_print(self, service: Service) -> None:
        assert "token-0" not in repr(keeper_of(service))

    async def test_present_and_former_tokens_are_taken_out_of_what_is_quoted(
        self, service: Service
    ) -> None:
        keeper = keeper_of(service)
        keeper.reject(line("token-0"))
        await keeper.fresh_line(outgoing())
        for word in (b"token-0", b"refresh-0", b"token-1", b"refresh-1"):
            assert keeper.occurs_in(b"you sent " + word)
            assert keeper.redact(b"you sent " + word) == b"you sent ***"
        assert not keeper.occurs_in(b"you sent nothing")

    async def test_operations_without_a_credential_get_none(self, service: Service) -> None:
        assert keeper_of(service).header_line(AUTH_REFRESH) == b""
        assert keeper_of(service).header_line(CALLS_MAKE) == line("token-0")

    async def test_a_bad_token_is_refused_where_it_is_passed(self, service: Service) -> None:
        with pytest.raises(ConfigurationError, match="was more") as refusal:
            keeper_of(service, tokens=Tokens(token=Secret("token 0")))
        assert "token 0" not in str(refusal.value)


def reply_of(body: bytes, *, is_whole: bool = True) -> Reply:
    return Reply(status=200, headers={}, body=body, is_whole=is_whole)


@pytest.mark.parametrize("key", ["refreshToken", "resfreshToken"])
@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2025-03-10T05:20:39.831Z", datetime(2025, 3, 10, 5, 20, 39, 831000, UTC)),
        ("2025-03-10T07:20:39+02:00", datetime(2025, 3, 10, 5, 20, 39, tzinfo=UTC)),
        ("2025-03-10T05:20:39", datetime(2025, 3, 10, 5, 20, 39, tzinfo=UTC)),
        ("soon", None),
        (7200, None),
        (None, None),
    ],
)
def test_tokens_are_read_however_they_are_spelt(
    key: str, moment: object, expected: datetime | None
) -> None:
    body = {"token": "t", key: "r", "expirationTime": moment, "status": "succcess"}
    tokens = read_tokens(AUTH_REFRESH, reply_of(json.dumps(body).encode()))
    assert tokens == Tokens(token=Secret("t"), refresh_token=Secret("r"), expires_at=expected)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'"eyJ"', b'{"token": 5}', b'{"token": ""}', b"\xff", b"[" * 100_000],
)
def test_an_answer_without_a_token_is_unexpected_and_quotes_nothing(body: bytes) -> None:
    with pytest.raises(UnexpectedReplyError, match="without a token") as caught:
        read_tokens(AUTH_LOGIN, reply_of(body))
    assert caught.value.body == ""


def test_half_an_answer_is_no_token() -> None:
    with pytest.raises(UnexpectedReplyError):
        read_tokens(AUTH_LOGIN, reply_of(b'{"token": "t"}', is_whole=False))
