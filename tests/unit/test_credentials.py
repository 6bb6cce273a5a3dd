from __future__ import annotations

import asyncio
import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import CallRequest, ClientConfig, TalkstackError
from talkstack_async.clock import ManualClock
from talkstack_async.errors import ConfigurationError
from talkstack_async.secret import Secret
from talkstack_async.transport.choosing import choose_credential
from talkstack_async.transport.credentials import Credentials, NoCredentials
from talkstack_async.transport.outgoing import Outgoing
from talkstack_async.transport.transport import Transport
from talkstack_async.wire.endpoints import (
    AUTH_LOGIN,
    CALLS_MAKE,
    USER_GENERATE_API_KEY,
    Host,
)
from talkstack_async.wire.replies import Reply, read_call_result
from talkstack_async.wire.requests import make_call_request

KEY = "9f86d081884c7d659a2feaa0c55ad015"
TOKEN = "eyJhbGciOi.eyJzdWIi-_.c2lnbmF0dXJl"
keys = st.text(string.ascii_letters + string.digits + "-_./+=", min_size=8, max_size=60)
quick = settings(deadline=None, max_examples=150)


def with_key(text: str) -> Credentials:
    return Credentials(api_key=Secret(text), token=None)


def test_a_key_travels_as_x_api_key() -> None:
    assert with_key(KEY).header_line(CALLS_MAKE) == f"x-api-key: {KEY}\r\n".encode()


def test_a_token_travels_as_bearer() -> None:
    line = Credentials(api_key=None, token=Secret(TOKEN)).header_line(CALLS_MAKE)
    assert line == f"Authorization: Bearer {TOKEN}\r\n".encode()


@pytest.mark.parametrize("secret", ["api_key", "token"])
@pytest.mark.parametrize(
    "text",
    [
        KEY + "\r\nX-Injected: yes",
        KEY + "\n",
        KEY + "\r",
        "\r\n" + KEY,
        KEY + " ",
        " " + KEY,
        KEY + " " + KEY,
        KEY + "\t",
        KEY + "\x00",
        KEY + "\x0b",
        KEY + "\x7f",
        KEY + "\x85",
        KEY + "\u00a0",
        KEY + "\u2028",
        KEY + "\u010a",  # its low byte is a line feed
        "schl\u00fcssel",
        "\u202e" + KEY,
        "\udcff",
        "Bearer " + KEY,
    ],
)
def test_a_credential_cannot_write_headers_of_its_own(secret: str, text: str) -> None:
    arguments: dict[str, Any] = {"api_key": None, "token": None, secret: Secret(text)}
    with pytest.raises(ConfigurationError, match="the credential holds") as refusal:
        Credentials(**arguments)
    assert KEY not in str(refusal.value)
    assert text not in str(refusal.value)


@quick
@given(st.text(min_size=1, max_size=40))
def test_any_text_is_refused_or_makes_exactly_one_line(text: str) -> None:
    try:
        line = with_key(text).header_line(CALLS_MAKE)
    except ConfigurationError:
        return
    assert line.startswith(b"x-api-key: ")
    assert line.endswith(b"\r\n")
    assert len(line.splitlines()) == 1
    assert len(line.split()) == 2
    assert line.isascii()


@pytest.mark.parametrize(
    ("api_key", "token"),
    [(None, None), (Secret(""), None), (None, Secret("")), (Secret(""), Secret(""))],
)
def test_no_credential_is_refused_with_the_ways_to_give_one(
    api_key: Secret | None, token: Secret | None
) -> None:
    with pytest.raises(ConfigurationError, match="TALKSTACK_API_KEY"):
        Credentials(api_key=api_key, token=token)


def test_two_credentials_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="exactly one"):
        Credentials(api_key=Secret(KEY), token=Secret(TOKEN))


def line_of(config: ClientConfig | None = None, **given: Any) -> bytes:
    chosen = choose_credential(config or ClientConfig(), clock=ManualClock(), **given)
    return chosen.header_line(CALLS_MAKE)


def test_what_is_passed_wins_over_the_configuration() -> None:
    config = ClientConfig(api_key="from-the-config")
    assert KEY.encode() in line_of(config, api_key=KEY)
    assert line_of(config, token=TOKEN).startswith(b"Authorization: Bearer eyJ")
    assert b"from-the-config" in line_of(config)


def test_a_secret_may_be_passed_as_it_is() -> None:
    assert KEY.encode() in line_of(api_key=Secret(KEY))


@pytest.mark.parametrize("value", [b"key", 5, [KEY]])
@pytest.mark.parametrize("name", ["api_key", "token", "refresh_token"])
def test_a_credential_that_is_not_text_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be text"):
        line_of(**{name: value})


def test_an_empty_key_does_not_fall_back_to_the_configuration() -> None:
    # Somebody passed a variable that is unexpectedly empty; another account must not answer.
    for name in ("api_key", "token", "refresh_token", "email", "password"):
        with pytest.raises(ConfigurationError, match="no credential"):
            line_of(ClientConfig(api_key=KEY), **{name: ""})


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": KEY, "token": TOKEN},
        {"api_key": KEY, "refresh_token": "r"},
        {"api_key": KEY, "email": "a@example.com", "password": "p"},
        {"token": TOKEN, "email": "a@example.com", "password": "p"},
        {"refresh_token": "r", "password": "p"},
    ],
)
def test_two_families_of_credentials_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="exactly one") as refusal:
        line_of(**given)
    assert not [
        value for value in given.values() if len(value) > 1 and value in str(refusal.value)
    ]


@pytest.mark.parametrize(
    "given", [{"email": "a@example.com"}, {"password": "p"}, {"email": "", "password": "p"}]
)
def test_an_address_without_its_password_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="email and password"):
        line_of(**given)


def test_a_token_with_its_refresh_token_travels_as_bearer() -> None:
    line = line_of(token=TOKEN, refresh_token="r-1")
    assert line == f"Authorization: Bearer {TOKEN}\r\n".encode()


def test_a_refresh_token_of_the_configuration_is_used() -> None:
    config = ClientConfig(token=TOKEN, refresh_token="r-1")
    chosen = choose_credential(config, clock=ManualClock())
    assert type(chosen).__name__ == "TokenKeeper"


def test_a_refreshable_token_that_fits_no_header_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="was more"):
        line_of(token=TOKEN + "\r\n", refresh_token="r-1")


def test_operations_without_a_credential_get_none() -> None:
    assert with_key(KEY).header_line(AUTH_LOGIN) == b""
    assert NoCredentials().header_line(AUTH_LOGIN) == b""


def test_an_operation_for_tokens_only_refuses_a_key_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="takes a token"):
        with_key(KEY).header_line(USER_GENERATE_API_KEY)
    token = Credentials(api_key=None, token=Secret(TOKEN))
    assert token.header_line(USER_GENERATE_API_KEY) == token.header_line(CALLS_MAKE)


def test_without_a_credential_what_needs_one_is_refused() -> None:
    for endpoint in (CALLS_MAKE, USER_GENERATE_API_KEY):
        with pytest.raises(ConfigurationError, match="anonymous"):
            NoCredentials().header_line(endpoint)


@quick
@given(keys, st.text(max_size=30), st.text(max_size=30))
def test_a_credential_that_comes_back_is_taken_out(key: str, before: str, after: str) -> None:
    body = (before + key + after).encode()
    assert with_key(key).occurs_in(body)
    clean = with_key(key).redact(body)
    assert key.encode() not in clean
    assert b"***" in clean


@quick
@given(st.text(max_size=80))
def test_everything_else_comes_back_letter_for_letter(text: str) -> None:
    credentials = with_key("a-key-that-is-not-in-there")
    assert not credentials.occurs_in(text.encode())
    assert credentials.redact(text.encode()) == text.encode()


@pytest.mark.parametrize(
    "junk", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\xf0\x9f", b"\xfe\xff"]
)
def test_bytes_that_are_no_utf8_do_not_hide_a_credential(junk: bytes) -> None:
    body = junk + KEY.encode() + junk
    assert with_key(KEY).redact(body) == junk + b"***" + junk


def test_every_occurrence_is_taken_out() -> None:
    assert with_key(KEY).redact(f"{KEY},{KEY}{KEY}".encode()) == b"***,******"


def test_credentials_do_not_print() -> None:
    credentials = with_key(KEY)
    assert KEY not in f"{credentials} {credentials!r}"
    with pytest.raises(TypeError):
        vars(credentials)


# --- A service that quotes the credential back to us.


class Quoting:
    """Stands in for sessions and pool, and always gives the same reply."""

    def __init__(self, status: int, body: bytes) -> None:
        self._reply = Reply(status=status, headers={}, body=body)
        self.loop = asyncio.get_running_loop()

    def ready_pool(self, host: Host) -> Quoting:
        return self

    async def exchange(self, outgoing: Outgoing) -> Reply:
        outgoing.mark.sent = True
        return self._reply


async def failure_of(key: str, status: int, body: bytes) -> TalkstackError:
    sessions: Any = Quoting(status, body)
    transport = Transport(
        config=ClientConfig(),
        credentials=with_key(key),
        sessions=sessions,
        clock=ManualClock(),
        observer=None,
    )
    with pytest.raises(TalkstackError) as failure:
        request = make_call_request(CallRequest("+14155550123"), project_id="p", agent_id="a")
        await transport.send(request, read_call_result)
    return failure.value


# Half of all hex keys hold seven digits in a row, which look like a phone number.
DIGITS = "c0ffee12345678901234567890deadbeefab0123456789cdef0123456789abcdef"


@pytest.mark.parametrize("key", [KEY, DIGITS])
@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("padding", [0, 150, 180, 1_990, 2_020, 2_040, 8_150])
async def test_no_piece_of_a_credential_that_is_quoted_reaches_the_error(
    key: str, status: int, padding: int
) -> None:
    for body in (
        json.dumps({"message": "x" * padding + key}).encode(),
        b"x" * padding + key.encode(),
    ):
        error = await failure_of(key, status, body)
        shown = f"{error} {error!r} {getattr(error, 'body', '')} {vars(error)}"
        assert not [key[n : n + 6] for n in range(len(key) - 5) if key[n : n + 6] in shown]
