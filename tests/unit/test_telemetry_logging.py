"""Our log: silent unless asked, on our own logger only, and without anybody's secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import Client
from talkstack_async.errors import ConfigurationError
from talkstack_async.telemetry import configure_from_env, logger, redacted

HEX_KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl-_x9"
OPAQUE = "emulator-0123456789abcdef0123456789abcdef"
PASSWORD = "correct-horse"
NUMBER = "+14155550123"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    level, handlers = logger.level, list(logger.handlers)
    root = logging.getLogger()
    root_before = (root.level, list(root.handlers))
    yield
    assert (root.level, list(root.handlers)) == root_before
    logger.setLevel(level)
    logger.handlers[:] = handlers


class Printed:
    """What went to standard error."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capture.readouterr().err
        return self._text


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return Printed(capsys)


LINES = [
    f"x-api-key: {HEX_KEY}",
    f"headers {{'x-api-key': '{HEX_KEY}'}}",
    f"Authorization: Bearer {JWT}",
    f"authorization: bearer {OPAQUE}",
    f"{{'Authorization': 'Bearer {JWT}'}}",
    f"the token {JWT} was refused",
    f"the token {OPAQUE} was refused",
    f"the key {HEX_KEY} was refused",
    f"{{'Authorization': b'Bearer {JWT}'}}",
    f'{{"email": "ada@example.com", "password": "{PASSWORD}"}}',
    f'{{"oldPassword":"{PASSWORD}","newPassword":"{PASSWORD}"}}',
    f"Login(email='a@example.com', password='{PASSWORD}')",
    f"password={PASSWORD}&x=1",
    f"TALKSTACK_PASSWORD={PASSWORD}",
    f'{{"refreshToken": "{PASSWORD}"}}',
    f'{{"resfreshToken": "{PASSWORD}"}}',
    f"refresh_token={PASSWORD}",
    f"token={PASSWORD}",
    f"api_key='{PASSWORD}'",
    f"Set-Cookie: {PASSWORD}; Path=/",
    f"proxy http://user:{PASSWORD}@proxy.example:3128",
    f"dialling {NUMBER}",
    "dialling +1 (415) 555-0123",
    "dialling 0014155550123",
]


@pytest.mark.parametrize("line", LINES)
def test_a_secret_in_a_line_is_taken_out(line: str) -> None:
    shown = redacted(line)
    for secret in (HEX_KEY, JWT, OPAQUE, PASSWORD, "4155550123", "555-0123"):
        assert secret not in shown
    for piece in (HEX_KEY[:12], JWT[:12], JWT.split(".")[1], OPAQUE[9:]):
        assert piece not in shown


@pytest.mark.parametrize(
    "line",
    [
        "request bcdfgh-17 is repeated in 0.512 s: calls.make: the service answered 503",
        "request bcdfgh-12345678 failed",
        "call CA0123456789abcdef0123456789abcdef rings",
        "the deadline of 60 s passed before anything was sent",
        "http://127.0.0.1:8080/call/makeCall",
        "calls.make: no connection (ClientConnectorError, errno 111); nothing was sent",
        "the token could not be renewed: auth.refresh: the service answered 500",
        "",
    ],
)
def test_what_one_looks_for_in_a_log_stays(line: str) -> None:
    assert redacted(line) == line


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=200))
def test_any_text_can_be_logged_and_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once or "***" in once


def test_a_log_full_of_secrets_shows_none_in_messages_arguments_and_exceptions(
    printed: Printed,
) -> None:
    configure_from_env({"TALKSTACK_LOG": "debug"})
    logger.debug("sent with %s", f"x-api-key: {HEX_KEY}")
    logger.info("Bearer %s, to %s", JWT, NUMBER)
    logger.warning("%(password)s", {"password": f"password={PASSWORD}"})
    try:
        raise ValueError(f"INSERT failed: token='{JWT}' number='{NUMBER}' password='{PASSWORD}'")
    except ValueError:
        logger.exception("could not store %s", OPAQUE)
    shown = printed.getvalue()
    assert shown.count("\n") >= 5
    assert "ValueError: INSERT failed" in shown
    for secret in (HEX_KEY, JWT, OPAQUE, PASSWORD, NUMBER):
        assert secret not in shown


def test_handlers_of_others_get_the_redacted_line_too(caplog: pytest.LogCaptureFixture) -> None:
    logger.warning("Bearer %s", JWT)
    (record,) = caplog.records
    assert JWT not in f"{caplog.text} {vars(record)}"


@pytest.mark.parametrize(
    ("level", "expected"), [("debug", 3), ("INFO", 2), (" warning ", 1), ("", 0)]
)
def test_the_level_comes_from_the_environment(level: str, expected: int, printed: Printed) -> None:
    configure_from_env({"TALKSTACK_LOG": level})
    logger.debug("one")
    logger.info("two")
    logger.warning("three")
    assert printed.getvalue().count("\n") == expected


def test_configuring_twice_does_not_write_twice(printed: Printed) -> None:
    configure_from_env({"TALKSTACK_LOG": "debug"})
    configure_from_env({"TALKSTACK_LOG": "warning"})
    logger.warning("once")
    logger.info("never")
    assert printed.getvalue().count("once") == 1
    assert "never" not in printed.getvalue()


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="TALKSTACK_LOG"):
        configure_from_env({"TALKSTACK_LOG": "loud"})


def test_a_client_from_the_environment_turns_the_log_on(printed: Printed) -> None:
    Client.from_env({"TALKSTACK_API_KEY": "k", "TALKSTACK_LOG": "info"})
    logger.info("heard")
    assert "heard" in printed.getvalue()


def test_a_client_made_by_hand_leaves_the_log_alone(
    printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKSTACK_LOG", "debug")
    Client("k")
    logger.info("unheard")
    assert not printed.getvalue()
