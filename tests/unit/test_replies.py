from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import errors
from talkstack_async.errors import TalkstackError, UnexpectedReplyError
from talkstack_async.wire.endpoints import CALLS_GET, CALLS_MAKE, Effect, Endpoint
from talkstack_async.wire.replies import (
    Reply,
    error_of,
    is_refusal,
    read_call_result,
    retry_after_seconds,
)

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
NUMBER = "+14155550123"
quick = settings(deadline=None, max_examples=200)
WRITE = Endpoint(name="agents.create", verb="POST", path="/a", effect=Effect.WRITE)


def reply(status: int = 200, body: Any = b"", retry_after: str | None = None) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply(status=status, headers=headers, body=data)


def error(status: int, endpoint: Endpoint = CALLS_MAKE, **more: Any) -> errors.StatusError:
    return error_of(endpoint, reply(status, **more), now=NOW)


# --- The table of DESIGN.md, section 3: status, class, uncertain for a dial.
STATUSES: list[tuple[int, str | None, type[TalkstackError], bool]] = [
    (0, None, errors.StatusError, True),
    (100, None, errors.StatusError, True),
    (102, None, errors.StatusError, True),
    (199, None, errors.StatusError, True),
    (300, None, errors.RedirectError, False),
    (301, None, errors.RedirectError, False),
    (302, None, errors.RedirectError, False),
    (304, None, errors.RedirectError, False),
    (307, None, errors.RedirectError, False),
    (399, None, errors.RedirectError, False),
    (400, None, errors.BadRequestError, False),
    (401, None, errors.AuthenticationError, False),
    (402, None, errors.StatusError, False),
    (403, None, errors.PermissionDeniedError, False),
    (404, None, errors.NotFoundError, False),
    (405, None, errors.StatusError, False),
    (409, None, errors.ConflictError, False),
    (413, None, errors.StatusError, False),
    (422, None, errors.UnprocessableError, False),
    (429, None, errors.ThrottledError, False),
    (429, "7", errors.ThrottledError, False),
    (499, None, errors.StatusError, False),
    (500, None, errors.ServerError, True),
    (500, "7", errors.ServerError, True),
    (502, None, errors.ServerError, True),
    (502, "7", errors.ServerError, True),
    (503, None, errors.ServerError, True),
    (503, "7", errors.ThrottledError, False),
    (504, None, errors.ServerError, True),
    (504, "7", errors.ServerError, True),
    (529, None, errors.ServerError, True),
    (599, None, errors.ServerError, True),
    (600, None, errors.ServerError, True),
    (699, "7", errors.ServerError, True),
    (999, None, errors.ServerError, True),
]


@pytest.mark.parametrize(("status", "retry_after", "kind", "uncertain"), STATUSES)
def test_each_status_is_told_as_the_design_says(
    status: int, retry_after: str | None, kind: type[TalkstackError], uncertain: bool
) -> None:
    dial = error(status, retry_after=retry_after)
    assert type(dial) is kind
    assert dial.uncertain is uncertain
    assert dial.status == status
    read = error(status, CALLS_GET, retry_after=retry_after)
    assert type(read) is kind
    assert read.uncertain is False


@pytest.mark.parametrize("status", range(100, 200))
def test_an_interim_answer_proves_nothing_about_a_dial(status: int) -> None:
    assert error(status).uncertain


@pytest.mark.parametrize("status", range(500, 600))
def test_a_failing_service_may_have_dialled(status: int) -> None:
    assert error(status).uncertain
    assert "may have rung" in str(error(status))


@pytest.mark.parametrize("status", range(400, 500))
def test_a_refusing_service_did_not_dial(status: int) -> None:
    assert not error(status).uncertain
    assert "may have rung" not in str(error(status))


def test_a_failed_write_may_have_happened_too() -> None:
    assert error(500, WRITE).uncertain
    assert "rung" not in str(error(500, WRITE))
    assert not error(400, WRITE).uncertain


def test_the_operation_and_the_status_are_named() -> None:
    assert str(error(404)).startswith("calls.make: the service answered 404")
    assert "check the API key" in str(error(401))
    assert "never followed" in str(error(302))


# --- Successes that are none.


def read_error(body: Any, endpoint: Endpoint = CALLS_MAKE, **more: Any) -> UnexpectedReplyError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(UnexpectedReplyError) as refusal:
        read_call_result(endpoint, Reply(status=200, headers={}, body=data, **more))
    return refusal.value


UNUSABLE: list[Any] = [
    b"",
    b" ",
    b"OK",
    b"<html>welcome</html>",
    b"{",
    b'{"call":{"call_id":"CA1"}',  # cut
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b'"CA1"',
    b"5",
    {},
    {"call": None},
    {"call": "CA1"},
    {"call": []},
    {"call": {}},
    {"call": {"call_id": None}},
    {"call": {"call_id": ""}},
    {"call": {"call_id": []}},
    {"call": {"call_id": True}},
    {"data": {"call_id": "CA1"}},
    {"status": "success"},
    {"status": "error", "message": "agent is busy"},
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"call":{"call_id":' + b"1" * 5_000 + b"}}",  # longer than int() takes
    b'{"call":{"call_id":NaN}}',
    b'{"call":{"call_id":Infinity}}',
]


@pytest.mark.parametrize("body", UNUSABLE, ids=lambda body: str(body)[:40])
def test_a_success_without_a_call_id_is_uncertain(body: Any) -> None:
    error = read_error(body)
    assert error.uncertain
    assert error.status == 200
    assert "may have been placed" in str(error)
    assert len(error.body) <= 2048


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_every_2xx_is_a_success(status: int) -> None:
    assert reply(status).is_success
    body = {"call": {"call_id": "CA1"}}
    assert read_call_result(CALLS_MAKE, reply(status, body)).call_id == "CA1"


@pytest.mark.parametrize("status", [0, 100, 199, 300, 400, 500, 600])
def test_nothing_else_is_a_success(status: int) -> None:
    assert not reply(status).is_success


def test_a_reply_that_is_too_large_is_uncertain_even_if_its_beginning_reads_well() -> None:
    error = read_error({"call": {"call_id": "CA1"}}, is_whole=False)
    assert error.uncertain
    assert "larger than" in str(error)


def test_an_unusable_answer_to_a_read_is_not_uncertain() -> None:
    assert read_error(b"", CALLS_GET).uncertain is False


@pytest.mark.parametrize("word", ["success", "succcess", "error", "failed", None, 5, {}])
def test_the_word_in_the_envelope_decides_nothing(word: Any) -> None:
    body = {"status": word, "message": "call made", "call": {"call_id": "CA1", "to": NUMBER}}
    result = read_call_result(CALLS_MAKE, reply(200, body))
    assert (result.call_id, result.to) == ("CA1", NUMBER)


def test_a_byte_order_mark_does_no_harm() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"call": {"call_id": "CA1"}}).encode()
    assert read_call_result(CALLS_MAKE, reply(200, body)).call_id == "CA1"


@quick
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_reply_makes_reading_crash(body: bytes) -> None:
    try:
        result = read_call_result(CALLS_MAKE, reply(200, body))
    except UnexpectedReplyError as failure:
        uncertain, call_id = failure.uncertain, ""
    else:
        uncertain, call_id = False, result.call_id
    assert uncertain or call_id


@quick
@given(st.integers(0, 999), st.binary(max_size=80), st.none() | st.text(max_size=30))
def test_no_reply_makes_the_error_crash_or_lie(
    status: int, body: bytes, retry_after: str | None
) -> None:
    failure = error(status, body=body, retry_after=retry_after)
    assert failure.uncertain == (
        (status >= 500 or status < 200) and not is_refusal(reply(status, retry_after=retry_after))
    )
    assert failure.retry_after is None or failure.retry_after >= 0


# --- Retry-After (RFC 9110, 10.2.3).


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("2.5", 2.5),
        ("86400", 86_400.0),
        (http_date(NOW + timedelta(seconds=90)), 90.0),
        (http_date(NOW), 0.0),
        (http_date(NOW - timedelta(days=1)), 0.0),
        (http_date(NOW - timedelta(days=9_999)), 0.0),
        ("Mon, 05 Jan 2026 13:00:30 +0100", 30.0),
        ("Mon, 05 Jan 2026 07:00:30 -0500", 30.0),
        ("Monday, 05-Jan-26 12:00:30 GMT", 30.0),  # obsolete, still to be read
        ("", None),
        ("-5", None),
        ("+5", None),
        ("soon", None),
        ("5 seconds", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        (".", None),
        ("1.2.3", None),
        ("\u0663", None),
        ("\u00b2", None),
        ("Mon, 05 Jan 2026 12:00:30", None),  # no zone: nobody knows when that is
        ("Mon, 05 Jan 2026 12:00:30 -0000", None),  # says itself that it is not known
        ("Mon, 99 Jan 2026 12:00:30 GMT", None),
        ("Mon, 05 Jan 20260 12:00:30 GMT", None),
        ("Mon, 05 Jan 2026 12:00:99999999999999999999 GMT", None),
        ("Mon, 05 Jan 2026 12:00:30 +99999999999999999999", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_was_asked_for_is_read(
    text: str, seconds: float | None, status: int
) -> None:
    assert retry_after_seconds(reply(status, retry_after=text), now=NOW) == seconds
    assert error(status, retry_after=text).retry_after == seconds


@pytest.mark.parametrize("text", ["999999999999", "9" * 400, "0" * 300 + "9"])
def test_a_wait_that_is_out_of_this_world_is_not_taken_for_no_wait_at_all(text: str) -> None:
    # Read as "none asked", we would be back in half a second.
    seconds = retry_after_seconds(reply(429, retry_after=text), now=NOW)
    assert seconds is not None
    assert seconds >= 9


def test_without_the_header_no_wait_is_asked_for() -> None:
    assert retry_after_seconds(reply(429), now=NOW) is None


@quick
@given(st.text(max_size=40) | st.from_regex(r"\w{3}, \d{2} Jan \d{4} \d\d:\d\d:\d+ [-+]?\d*"))
def test_no_header_makes_reading_the_wait_crash(text: str) -> None:
    seconds = retry_after_seconds(reply(429, retry_after=text), now=NOW)
    assert seconds is None or seconds >= 0


# --- What the service said, cleaned.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Bad Gateway",
        b"<html>",
        b"[]",
        b"5",
        b"null",
        b"\xff\xfe",
        b"[" * 50_000,
        {"message": 5},
        {"message": None},
        {"message": {"text": "no"}},
        {"error": "no message here"},
    ],
    ids=lambda body: str(body)[:20],
)
def test_a_body_without_a_message_is_fine_and_kept(body: Any) -> None:
    failure = error(400, body=body)
    assert str(failure) == "calls.make: the service answered 400"
    expected = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert failure.body == expected[:2048].decode("utf-8", "replace")


def test_what_the_service_said_is_passed_on() -> None:
    assert "(agent not found)" in str(error(400, body={"message": "agent not found"}))


def test_control_characters_do_not_reach_the_terminal() -> None:
    message = "bad\r\nX-Log: forged\x1b[2Jgone\x00\u202eright to left\u2028line\x85next"
    text = str(error(400, body={"message": message}))
    assert text.isprintable()
    assert "bad" in text


@pytest.mark.parametrize(
    "number", [NUMBER, "+1 (415) 555-0123", "4155550123", "+1\u00a0415\u00a0555\u00a00123"]
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_number_that_the_service_quotes_is_masked(number: str, status: int) -> None:
    text = str(error(status, body={"message": f"cannot call {number} now"}))
    assert number not in text
    assert "0123" not in text
    assert "cannot call" in text


def test_a_long_message_is_cut() -> None:
    assert len(str(error(400, body={"message": "x" * 1_500}))) < 300


@quick
@given(st.text(max_size=300))
def test_any_message_becomes_one_printable_line(message: str) -> None:
    assert str(error(400, body={"message": message})).isprintable()


def test_a_body_is_cut_and_read_whatever_its_bytes() -> None:
    assert error(500, body=b"\xff" * 5_000).body == "\ufffd" * 2048


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        (429, None, True),
        (429, "soon", True),
        (503, "1", True),
        (503, None, False),
        (500, "1", False),
        (502, "1", False),
        (400, "1", False),
        (301, "1", False),
    ],
)
def test_a_plain_refusal_is_429_or_503_with_a_wait(
    status: int, retry_after: str | None, expected: bool
) -> None:
    assert is_refusal(reply(status, retry_after=retry_after)) is expected


def test_a_reply_shows_neither_headers_nor_body() -> None:
    shown = repr(Reply(status=200, headers={"Set-Cookie": "s3cret"}, body=NUMBER.encode()))
    assert "s3cret" not in shown
    assert NUMBER not in shown
