from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from typing import Any

import pytest

from talkstack_async import errors
from talkstack_async.errors import StatusError, TalkstackError, UnexpectedReplyError

KINDS: list[type[TalkstackError]] = [getattr(errors, name) for name in errors.__all__]

# Who should act is read off the class, so a class that moves in the tree breaks somebody.
PARENTS = {
    "ConfigurationError": "TalkstackError",
    "ClientStateError": "TalkstackError",
    "NotStartedError": "ClientStateError",
    "ClosedError": "ClientStateError",
    "WrongEventLoopError": "ClientStateError",
    "InvalidRequestError": "TalkstackError",
    "InvalidNumberError": "InvalidRequestError",
    "ContactListError": "TalkstackError",
    "NotSentError": "TalkstackError",
    "PoolTimeoutError": "NotSentError",
    "ConnectError": "NotSentError",
    "ConnectTimeoutError": "ConnectError",
    "TlsError": "ConnectError",
    "StaleConnectionError": "NotSentError",
    "ReplyLostError": "TalkstackError",
    "ReplyTimeoutError": "ReplyLostError",
    "WriteTimeoutError": "ReplyLostError",
    "DeadlineError": "TalkstackError",
    "StoppedError": "TalkstackError",
    "UnexpectedReplyError": "TalkstackError",
    "StatusError": "TalkstackError",
    "RedirectError": "StatusError",
    "BadRequestError": "StatusError",
    "AuthenticationError": "StatusError",
    "PermissionDeniedError": "StatusError",
    "NotFoundError": "StatusError",
    "ConflictError": "StatusError",
    "UnprocessableError": "StatusError",
    "ThrottledError": "StatusError",
    "ServerError": "StatusError",
    "StaleClaimError": "NotSentError",
    "CampaignError": "TalkstackError",
    "ClockJumpError": "CampaignError",
    "LedgerError": "TalkstackError",
    "LedgerInUseError": "LedgerError",
    "LedgerBusyError": "LedgerError",
    "LedgerFullError": "LedgerError",
    "LedgerCorruptError": "LedgerError",
    "LedgerVersionError": "LedgerError",
    "MissingExtraError": "TalkstackError",
    "WebhookError": "TalkstackError",
}


def full(kind: type[TalkstackError]) -> TalkstackError:
    """Make an error with every attribute away from its default."""
    more: dict[str, Any] = {"uncertain": True, "request_id": "f00-7"}
    if issubclass(kind, StatusError | UnexpectedReplyError):
        more |= {"status": 418, "body": '{"message":"teapot"}'}
    if issubclass(kind, StatusError):
        more["retry_after"] = 12.5
    return kind("what was attempted", **more)


def plain(kind: type[TalkstackError]) -> TalkstackError:
    more = {"status": 418} if issubclass(kind, StatusError | UnexpectedReplyError) else {}
    return kind("what was attempted", **more)


def test_every_exception_of_the_file_is_promised() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, BaseException)
    }
    assert found == set(errors.__all__)


def test_the_tree_is_the_one_that_is_documented() -> None:
    parents = {
        kind.__name__: next(base.__name__ for base in kind.__bases__ if base in KINDS)
        for kind in KINDS
        if kind is not TalkstackError
    }
    assert parents == PARENTS


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_ends_in_error_and_says_what_it_is_for(kind: type[TalkstackError]) -> None:
    assert kind.__name__.endswith("Error")
    assert "__doc__" in vars(kind)
    assert len((kind.__doc__ or "").strip()) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_generic_retry_decorator_does_not_catch_it(kind: type[TalkstackError]) -> None:
    assert issubclass(kind, TalkstackError)
    assert not issubclass(kind, OSError | TimeoutError | EOFError | asyncio.CancelledError)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_survives_pickling_with_all_its_attributes(
    kind: type[TalkstackError], protocol: int
) -> None:
    error = full(kind)
    error.add_note("a note")
    restored = pickle.loads(pickle.dumps(error, protocol))
    assert type(restored) is kind
    assert vars(restored) == vars(error)
    assert restored.args == error.args
    assert str(restored) == str(error) == "what was attempted"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_is_as_uncertain_as_the_original(
    kind: type[TalkstackError], duplicate: Any
) -> None:
    restored = duplicate(full(kind))
    assert type(restored) is kind
    assert vars(restored) == vars(full(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_uncertain_unless_it_is_said(kind: type[TalkstackError]) -> None:
    error = plain(kind)
    assert error.uncertain is False
    assert error.request_id is None
    assert error.message == "what was attempted"


@pytest.mark.parametrize("kind", KINDS)
def test_certainty_cannot_be_mistaken_for_a_positional_argument(
    kind: type[TalkstackError],
) -> None:
    parameters = list(inspect.signature(kind).parameters.values())
    assert [parameter.name for parameter in parameters if parameter.kind != 3] == ["message"]


@pytest.mark.parametrize("kind", [k for k in KINDS if issubclass(k, StatusError)])
def test_a_status_error_holds_status_body_and_the_wait_asked_for(kind: type[StatusError]) -> None:
    error = kind("m", status=503, body="x", retry_after=0.0)
    assert (error.status, error.body, error.retry_after) == (503, "x", 0.0)
    assert kind("m", status=503).retry_after is None


def test_mistakes_of_the_caller_are_value_errors_as_python_people_expect() -> None:
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.InvalidRequestError, ValueError)
    assert issubclass(errors.ClientStateError, RuntimeError)


def test_what_was_sent_is_never_a_kind_of_not_sent() -> None:
    not_sent = {kind for kind in KINDS if issubclass(kind, errors.NotSentError)}
    sent = {kind for kind in KINDS if issubclass(kind, errors.ReplyLostError | StatusError)}
    assert not not_sent & sent
    assert errors.DeadlineError not in not_sent | sent
    assert errors.StoppedError not in not_sent | sent
