from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import RetrySettings, errors
from talkstack_async.errors import (
    ConnectError,
    StaleConnectionError,
    StatusError,
    TalkstackError,
    ThrottledError,
    UnexpectedReplyError,
)
from talkstack_async.transport.retry import Patience, may_repeat
from talkstack_async.wire.endpoints import Effect

KINDS: list[type[TalkstackError]] = [getattr(errors, name) for name in errors.__all__]
quick = settings(deadline=None, max_examples=100)

# Every class is in exactly one of these; a new one fails a test until somebody has decided.
ALWAYS = {  # nothing left, or plainly refused
    "NotSentError",
    "PoolTimeoutError",
    "ConnectError",
    "ConnectTimeoutError",
    "StaleConnectionError",
    "ThrottledError",
}
READS_ONLY = {"ReplyLostError", "ReplyTimeoutError", "WriteTimeoutError", "ServerError"}
NEVER = {
    "TalkstackError",
    "ConfigurationError",
    "ClientStateError",
    "NotStartedError",
    "ClosedError",
    "WrongEventLoopError",
    "InvalidRequestError",
    "InvalidNumberError",
    "ContactListError",
    "TlsError",
    "DeadlineError",
    "StoppedError",
    "UnexpectedReplyError",
    "StatusError",
    "RedirectError",
    "BadRequestError",
    "AuthenticationError",
    "PermissionDeniedError",
    "NotFoundError",
    "ConflictError",
    "UnprocessableError",
    "StaleClaimError",
    "CampaignError",
    "ClockJumpError",
    "LedgerError",
    "LedgerInUseError",
    "LedgerBusyError",
    "LedgerFullError",
    "LedgerCorruptError",
    "LedgerVersionError",
    "MissingExtraError",
    "WebhookError",
}


def make(kind: type[TalkstackError], **more: Any) -> TalkstackError:
    if issubclass(kind, StatusError | UnexpectedReplyError):
        more.setdefault("status", 418)
    return kind("m", **more)


def throttled(seconds: float | None) -> ThrottledError:
    return ThrottledError("m", status=429, retry_after=seconds)


def test_somebody_decided_about_every_error() -> None:
    assert sorted([*ALWAYS, *READS_ONLY, *NEVER]) == sorted(errors.__all__)


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_repeated(kind: type[TalkstackError], effect: Effect) -> None:
    expected = kind.__name__ in ALWAYS or (kind.__name__ in READS_ONLY and effect is Effect.READ)
    assert may_repeat(effect, make(kind)) is expected


@pytest.mark.parametrize("effect", [effect for effect in Effect if effect is not Effect.READ])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.__name__ not in ALWAYS])
def test_what_may_have_happened_is_not_repeated(
    kind: type[TalkstackError], effect: Effect
) -> None:
    assert may_repeat(effect, make(kind, uncertain=True)) is False


def test_a_new_error_is_not_repeated_until_somebody_says_so() -> None:
    class NewError(TalkstackError):
        """Somebody's next idea."""

    assert not any(may_repeat(effect, NewError("m")) for effect in Effect)


# --- How long to wait.


@pytest.fixture
def no_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jitter always draw the longest wait."""
    monkeypatch.setattr("random.uniform", lambda low, high: high)


@pytest.fixture
def luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jitter always draw the shortest wait."""
    monkeypatch.setattr("random.uniform", lambda low, high: low)


def waits(settings_: RetrySettings, failure: TalkstackError, limit: int = 50) -> list[float]:
    patience, found = Patience(settings_), list[float]()
    while len(found) < limit and (wait := patience.next_wait(failure)) is not None:
        found.append(wait)
    return found


@pytest.mark.usefixtures("no_luck")
def test_waits_double_up_to_the_longest_one() -> None:
    settings_ = RetrySettings(max_retries=6, first_wait_seconds=0.5, max_wait_seconds=5)
    assert waits(settings_, ConnectError("m")) == [0.5, 1, 2, 4, 5, 5]


@pytest.mark.usefixtures("luck")
def test_jitter_may_shorten_a_wait_that_nobody_asked_for() -> None:
    assert waits(RetrySettings(max_retries=3), ConnectError("m")) == [0, 0, 0]


def test_not_all_come_back_at_once() -> None:
    drawn = {Patience(RetrySettings()).next_wait(ConnectError("m")) for _ in range(20)}
    assert len(drawn) > 10


@quick
@given(st.floats(0, 10), st.floats(0, 100), st.integers(0, 12))
def test_growth_is_bounded(first: float, longest: float, retries: int) -> None:
    settings_ = RetrySettings(
        max_retries=retries, first_wait_seconds=first, max_wait_seconds=longest
    )
    found = waits(settings_, ConnectError("m"))
    assert len(found) == retries
    assert all(0 <= wait <= min(longest, first * 2**n) for n, wait in enumerate(found))


@pytest.mark.parametrize(
    "extreme",
    [{"first_wait_seconds": 0.0}, {"max_wait_seconds": sys.float_info.max}],
    ids=["no first wait", "no longest wait"],
)
def test_very_many_retries_do_not_overflow(extreme: dict[str, Any]) -> None:
    found = waits(RetrySettings(max_retries=1_100, **extreme), ConnectError("m"), limit=2_000)
    assert len(found) == 1_100


@quick
@given(st.floats(0, 1e9), st.floats(0, 60))
def test_the_wait_asked_for_is_never_shortened(asked: float, first: float) -> None:
    patience = Patience(RetrySettings(first_wait_seconds=first, max_wait_seconds=1))
    wait = patience.next_wait(throttled(asked))
    assert wait is not None
    assert asked <= wait <= asked + first


@pytest.mark.usefixtures("luck")
def test_without_luck_in_jitter_the_wait_is_exactly_the_one_asked_for() -> None:
    assert waits(RetrySettings(max_retries=2, max_wait_seconds=1), throttled(120)) == [120, 120]


@pytest.mark.usefixtures("no_luck")
def test_a_refusal_that_names_no_wait_backs_off() -> None:
    assert waits(RetrySettings(max_retries=3), throttled(None)) == [0.5, 1, 2]


@pytest.mark.usefixtures("no_luck")
def test_a_wait_of_zero_seconds_is_a_wait_that_was_asked_for() -> None:
    assert waits(RetrySettings(max_retries=3), throttled(0.0)) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("failure", [ConnectError("m"), throttled(None), throttled(1)])
def test_without_retries_patience_ends_at_once(failure: TalkstackError) -> None:
    assert Patience(RetrySettings(max_retries=0)).next_wait(failure) is None


@pytest.mark.parametrize("retries", [1, 4, 9])
def test_patience_ends_after_as_many_retries_as_are_allowed(retries: int) -> None:
    settings_ = RetrySettings(max_retries=retries)
    assert len(waits(settings_, ConnectError("m"))) == retries
    assert len(waits(settings_, throttled(0.1))) == retries


@pytest.mark.usefixtures("no_luck")
@pytest.mark.parametrize("retries", [0, 2])
def test_stale_connections_are_replaced_at_once_but_not_for_ever(retries: int) -> None:
    found = waits(RetrySettings(max_retries=retries), StaleConnectionError("m"))
    assert found[:3] == [0, 0, 0]
    assert len(found) == 3 + retries
    assert all(wait > 0 for wait in found[3:])


def test_a_stale_connection_uses_up_no_retry() -> None:
    patience = Patience(RetrySettings(max_retries=1))
    assert patience.next_wait(StaleConnectionError("m")) == 0
    assert patience.next_wait(ConnectError("m")) is not None
    assert patience.next_wait(ConnectError("m")) is None


def test_requests_do_not_share_their_patience() -> None:
    settings_ = RetrySettings(max_retries=1)
    assert Patience(settings_).next_wait(ConnectError("m")) is not None
    assert Patience(settings_).next_wait(ConnectError("m")) is not None
