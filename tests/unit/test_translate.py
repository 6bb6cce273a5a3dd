from __future__ import annotations

import asyncio
import errno
import inspect
import socket
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import client_exceptions

from talkstack_async import errors
from talkstack_async.errors import (
    ConnectError,
    ConnectTimeoutError,
    NotSentError,
    ReplyLostError,
    ReplyTimeoutError,
    TalkstackError,
    TlsError,
    WriteTimeoutError,
)
from talkstack_async.transport.outgoing import Outgoing, SentMark
from talkstack_async.transport.translate import translate
from talkstack_async.wire.endpoints import CALLS_GET, CALLS_MAKE, Effect, Endpoint
from talkstack_async.wire.requests import HttpRequest

KEY: Any = SimpleNamespace(host="calls.test", port=443, ssl=True, is_ssl=True)
WRITE = Endpoint(name="agents.create", verb="POST", path="/a", effect=Effect.WRITE)


def refused() -> OSError:
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


# exception, its translation before the first byte, its translation after it
CASES: list[tuple[Exception, type[TalkstackError], type[TalkstackError]]] = [
    (aiohttp.ClientConnectorError(KEY, refused()), ConnectError, ReplyLostError),
    (
        aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name not known")),
        ConnectError,
        ReplyLostError,
    ),
    (aiohttp.ClientProxyConnectionError(KEY, refused()), ConnectError, ReplyLostError),
    (
        aiohttp.ClientHttpProxyError(KEY, (), status=407, message="no"),
        ConnectError,
        ReplyLostError,
    ),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "bad")), TlsError, ReplyLostError),
    (
        aiohttp.ClientConnectorCertificateError(
            KEY, ssl.SSLCertVerificationError(1, "self-signed")
        ),
        TlsError,
        ReplyLostError,
    ),
    (aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 443), TlsError, ReplyLostError),
    (ssl.SSLCertVerificationError(1, "self-signed"), TlsError, ReplyLostError),
    (aiohttp.ConnectionTimeoutError("slow"), ConnectTimeoutError, ReplyTimeoutError),
    (aiohttp.SocketTimeoutError("slow"), ConnectTimeoutError, ReplyTimeoutError),
    (aiohttp.ServerTimeoutError("slow"), ConnectTimeoutError, ReplyTimeoutError),
    (TimeoutError(), ConnectTimeoutError, ReplyTimeoutError),
    (aiohttp.ServerDisconnectedError(), ConnectError, ReplyLostError),
    (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), ConnectError, ReplyLostError),
    (aiohttp.ClientConnectionResetError("closing"), ConnectError, ReplyLostError),
    (aiohttp.ClientPayloadError("cut"), ConnectError, ReplyLostError),
    (
        aiohttp.ClientResponseError(KEY, (), status=400, message="bad"),
        ConnectError,
        ReplyLostError,
    ),
    (aiohttp.InvalidURL("x"), ConnectError, ReplyLostError),
    (aiohttp.ClientError("any"), ConnectError, ReplyLostError),
    (ConnectionResetError(errno.ECONNRESET, "reset"), ConnectError, ReplyLostError),
    (BrokenPipeError(errno.EPIPE, "pipe"), ConnectError, ReplyLostError),
    (OSError(errno.EMFILE, "too many open files"), ConnectError, ReplyLostError),
    (asyncio.IncompleteReadError(b"", 5), NotSentError, ReplyLostError),
    (RuntimeError("Session is closed"), NotSentError, ReplyLostError),
    (ValueError("odd"), NotSentError, ReplyLostError),
    (AssertionError(), NotSentError, ReplyLostError),
]
NAMES = [f"{type(failure).__name__}" for failure, _, _ in CASES]


def outgoing(*, sent: bool, endpoint: Endpoint = CALLS_MAKE) -> Outgoing:
    mark = SentMark()
    mark.sent = sent
    request = HttpRequest(endpoint, endpoint.path, b'{"number":"+14155550123"}')
    return Outgoing(
        request, credential=b"x-api-key: s3cret\r\n", prefix="f00", serial=1, mark=mark
    )


@pytest.mark.parametrize(("failure", "before", "_"), CASES, ids=NAMES)
@pytest.mark.parametrize("endpoint", [CALLS_MAKE, CALLS_GET, WRITE], ids=lambda e: e.name)
def test_before_the_first_byte_nothing_is_uncertain(
    failure: Exception, before: type[TalkstackError], _: object, endpoint: Endpoint
) -> None:
    error = translate(failure, outgoing(sent=False, endpoint=endpoint))
    assert type(error) is before
    assert isinstance(error, NotSentError)
    assert error.uncertain is False
    assert error.request_id == "f00-1"
    assert str(error).startswith(f"{endpoint.name}: ")
    assert "rung" not in str(error)


@pytest.mark.parametrize(("failure", "_", "after"), CASES, ids=NAMES)
@pytest.mark.parametrize(
    ("endpoint", "uncertain"),
    [(CALLS_MAKE, True), (WRITE, True), (CALLS_GET, False)],
    ids=["dial", "write", "read"],
)
def test_after_the_first_byte_a_lost_reply_is_uncertain(
    failure: Exception,
    _: object,
    after: type[TalkstackError],
    endpoint: Endpoint,
    uncertain: bool,
) -> None:
    error = translate(failure, outgoing(sent=True, endpoint=endpoint))
    assert type(error) is after
    assert isinstance(error, ReplyLostError)
    assert error.uncertain is uncertain
    assert error.request_id == "f00-1"
    assert ("may have rung" in str(error)) is (endpoint is CALLS_MAKE)


AIOHTTP = [
    kind
    for _, kind in inspect.getmembers(client_exceptions, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__.startswith("aiohttp")
]


@pytest.mark.parametrize("kind", AIOHTTP)
def test_no_exception_of_aiohttp_makes_a_lost_dial_certain(kind: type[Exception]) -> None:
    failure = kind.__new__(kind)  # half-built is the worst that can come
    error = translate(failure, outgoing(sent=True))
    assert isinstance(error, ReplyLostError)
    assert error.uncertain
    assert isinstance(translate(failure, outgoing(sent=False)), NotSentError)


@pytest.mark.parametrize("name", errors.__all__)
def test_no_error_of_ours_makes_a_lost_dial_certain(name: str) -> None:
    kind = getattr(errors, name)
    more = {"status": 400} if "status" in inspect.signature(kind).parameters else {}
    error = translate(kind("inner", **more), outgoing(sent=True))
    assert isinstance(error, ReplyLostError)
    assert error.uncertain


def test_a_write_that_stalled_is_told_from_a_reply_that_did() -> None:
    error = translate(WriteTimeoutError("inner"), outgoing(sent=True))
    assert type(error) is WriteTimeoutError
    assert "did not take" in str(error)


@pytest.mark.parametrize("name", ["PoolTimeoutError", "StaleConnectionError", "ClosedError"])
def test_an_error_of_ours_before_the_first_byte_stays_what_it_is(name: str) -> None:
    failure = getattr(errors, name)("inner")
    assert translate(failure, outgoing(sent=False)) is failure


@pytest.mark.parametrize("sent", [True, False])
def test_texts_that_may_quote_the_wire_are_not_passed_on(sent: bool) -> None:
    quoting = "x-api-key: s3cret +14155550123"
    for failure in (
        aiohttp.ClientPayloadError(quoting),
        aiohttp.ClientResponseError(KEY, (), status=400, message=quoting),
        aiohttp.ServerDisconnectedError(quoting),
        aiohttp.ClientConnectionResetError(quoting),
        aiohttp.InvalidURL(quoting),
        ValueError(quoting),
        OSError(quoting),
    ):
        text = str(translate(failure, outgoing(sent=sent)))
        assert "s3cret" not in text
        assert "14155550123" not in text


def test_the_reason_and_the_number_of_the_system_are_told() -> None:
    error = translate(aiohttp.ClientConnectorError(KEY, refused()), outgoing(sent=False))
    assert "Connection refused" in str(error)
    assert str(errno.ECONNREFUSED) in str(error)
