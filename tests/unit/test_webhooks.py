"""Reading events nobody documented, and opening an address nobody can guess."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async import webhooks
from talkstack_async.errors import ConfigurationError, WebhookError
from talkstack_async.models import CallStatus
from talkstack_async.webhooks import CallEvent, new_token, notify, receive, receive_all
from talkstack_async.webhooks.gate import Answer, Asked, Gate, check_token

FORM = "application/x-www-form-urlencoded"
TOKEN = "abcdefghijklmnopqrstuvwxyz012345"


def body(content: Any) -> bytes:
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "content",
    [
        {"callSid": "CA1", "status": "completed"},
        {"CallSid": "CA1", "CallStatus": "completed"},
        {"sid": " CA1 ", "status": "Completed"},
        {"call_id": "CA1", "call_status": "completed"},
        {"callId": "CA1", "callStatus": "completed"},
        {"call": {"callSid": "CA1", "status": "completed"}},
        {"event": "call.completed", "data": {"sid": "CA1", "status": "completed"}},
        {"status": "success", "data": {"call": {"sid": "CA1", "status": "completed"}}},
        {"callSid": "CA1", "data": {"status": "completed"}},
        {"callSid": None, "sid": "CA1", "status": "completed"},
        {"payload": {"event": {"call": {"call_id": "CA1", "status": "completed"}}}},
        [{"callSid": "CA1", "status": "completed"}],
        {"events": [{"callSid": "CA1", "status": "completed"}]},
        {"data": {"calls": [{"call": {"callSid": "CA1", "status": "completed"}}]}},
    ],
)
def test_an_event_is_found_whatever_it_is_wrapped_in(content: Any) -> None:
    event = receive(body(content))
    assert (event.call_id, event.status) == ("CA1", CallStatus.COMPLETED)


@pytest.mark.parametrize("content_type", [None, FORM, f"{FORM}; charset=UTF-8", "text/plain"])
def test_a_form_as_twilio_sends_it_is_read(content_type: str | None) -> None:
    fields = {"CallSid": "CA1", "CallStatus": "no-answer", "To": "+12025550101", "Empty": ""}
    event = receive(urlencode(fields).encode(), content_type=content_type)
    assert (event.call_id, event.status) == ("CA1", CallStatus.NO_ANSWER)
    assert event.raw == fields


def test_the_body_decides_and_not_what_the_header_says() -> None:
    assert receive(b'\xef\xbb\xbf {"sid": "CA1"}\n', content_type=FORM).call_id == "CA1"
    assert receive(b"sid=CA1", content_type="application/json").call_id == "CA1"


def test_a_list_holds_events_in_their_order_and_what_names_no_call_is_left_out() -> None:
    events = [{"sid": "CA1"}, {"other": 1}, 7, {"sid": "CA2", "status": "busy"}, None]
    found = receive_all(body({"account": "x", "events": events}))
    assert [event.call_id for event in found] == ["CA1", "CA2"]
    assert [event.status for event in found] == [None, CallStatus.BUSY]
    with pytest.raises(WebhookError, match="receive_all"):
        receive(body(events))


def test_an_unknown_status_is_unknown_and_a_missing_one_is_none() -> None:
    new = receive(body({"sid": "CA1", "status": "transferred"}))
    assert (new.status, new.status_text) == (CallStatus.UNKNOWN, "transferred")
    none = receive(body({"sid": "CA1", "status": 7}))
    assert (none.status, none.status_text) == (None, None)


@pytest.mark.parametrize("word", ["x" * 65, "bu\x1b[31msy", "\ud800", "a\nb"])
def test_a_status_that_is_no_word_is_not_passed_on(word: str) -> None:
    event = receive(body({"sid": "CA1", "status": word}))
    assert (event.status, event.status_text) == (CallStatus.UNKNOWN, None)


def test_the_same_event_has_the_same_digest_whatever_the_order_of_its_keys() -> None:
    one = receive(b'{"sid": "CA1", "data": {"a": 1, "b": "\\u00e9"}}')
    same = receive('{ "data":{"b":"é","a":1},"sid":"CA1"}'.encode())
    other = receive(b'{"sid": "CA1", "data": {"a": 2, "b": "\\u00e9"}}')
    assert one.digest == same.digest != other.digest
    assert len(bytes.fromhex(one.digest)) == hashlib.sha256().digest_size


def test_an_event_does_not_print_what_it_holds() -> None:
    event = receive(body({"sid": "CA1", "to": "+12025550101", "status": "busy"}))
    assert "2025550101" not in repr(event)
    assert "CA1" in repr(event)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"hello", "neither"),
        (b"<call>CA1</call>", "neither"),
        (b"null", "neither"),
        (b'"CA1"', "neither"),
        (b"{", "not valid JSON"),
        (b'{"sid": NaN}', "not valid JSON"),
        (b'{"sid": "CA1"} {"sid": "CA2"}', "not valid JSON"),
        (b"{}", "names no call"),
        (b"[]", "names no call"),
        (b"[[[]]]", "names no call"),
        (b'{"sid": ""}', "names no call"),
        (b'{"sid": 12}', "names no call"),
        (b'{"sid": ["CA1"]}', "names no call"),
        (b"a=b", "names no call"),
        (b"sid=%ff", "not a valid form"),
        (b"&".join([b"a=b"] * 2000), "not a valid form"),
        (b'{"sid": "CA\x00"}', "NUL"),
        (b'{"sid": "CA\\u00001"}', "printable"),
        (b'{"sid": "CA 1"}', "printable"),
        (b'{"sid": "CA\\n1"}', "printable"),
        ('{"sid": "CÄ1"}'.encode(), "printable"),
        (b"sid=CA%001", "printable"),
        (b'{"sid": "\xff"}', "UTF-8"),
        ('{"sid": "CA1"}'.encode("utf-16"), "UTF-8"),
        (body({"sid": "C" * 257}), "256"),
        (b'{"sid": "CA1", "n": ' + b"9" * 60_000 + b"}", "not valid JSON"),
        (b'{"sid": "CA1", "n": 0.' + b"9" * 60_000 + b"}", "not valid JSON"),
        (b"[" * 60_000, "deep"),
        # From 3.13 on Python reads this far, and finds that it breaks off.
        (b'{"data":' * 8_000, "deep|not valid JSON"),
        (b"[" * 30_000 + b"]" * 30_000, "deep"),
        (b'{"sid": "CA1", "x": ' + b"[" * 33 + b"]" * 33 + b"}", "deep"),
        (body([{"sid": "CA1"}] * 1001), "more than 1000"),
        (body({"sid": "CA1", "x": "x" * 65_536}), "at most 65536"),
    ],
    ids=range(35),
)
def test_what_cannot_be_an_event_is_refused_without_quoting_it(bad: bytes, said: str) -> None:
    for content_type in (None, "application/json"):
        with pytest.raises(WebhookError, match=said) as caught:
            receive_all(bad, content_type=content_type)
        assert len(str(caught.value)) < 150
        assert caught.value.__cause__ is None


def test_the_longest_that_is_allowed_is_read() -> None:
    assert receive(body({"sid": "C" * 256})).call_id == "C" * 256
    deep = b'{"sid": "CA1", "x": ' + b"[" * 31 + b"]" * 31 + b"}"
    assert receive(deep).call_id == "CA1"
    assert receive(b'{"sid": "CA1", "n": ' + b"9" * 100 + b"}").raw["n"] == 10**100 - 1
    with pytest.raises(WebhookError, match="not valid JSON"):
        receive(b'{"sid": "CA1", "n": ' + b"9" * 101 + b"}")
    assert receive(b"sid=CA1", limit=7).call_id == "CA1"
    with pytest.raises(WebhookError, match="at most 6"):
        receive(b"sid=CA1", limit=6)


def only_events_or_webhook_error(data: bytes, content_type: str | None) -> None:
    try:
        events = receive_all(data, content_type=content_type)
    except WebhookError:
        return
    assert events
    for event in events:
        assert 0 < len(event.call_id) <= 256
        assert event.call_id.isascii()
        assert event.call_id.isprintable()
        assert event.status_text is None or len(event.status_text) <= 64


TYPES = st.sampled_from([None, FORM, "application/json", "text/xml; \xff", ";;;"])
NAMES = st.sampled_from(
    ["callSid", "sid", "CallSid", "status", "data", "call", "event", "events", "\ud800"]
)
CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=30,
)


@given(data=st.binary(max_size=300), content_type=TYPES)
def test_no_bytes_at_all_raise_anything_else(data: bytes, content_type: str | None) -> None:
    only_events_or_webhook_error(data, content_type)


@given(content=CONTENT, content_type=TYPES, cut=st.integers(0, 400))
def test_no_json_whole_or_cut_raises_anything_else(
    content: Any, content_type: str | None, cut: int
) -> None:
    only_events_or_webhook_error(body(content), content_type)
    only_events_or_webhook_error(body(content)[:cut], content_type)


@given(content=st.dictionaries(NAMES, CONTENT), seed=st.integers())
def test_the_order_of_keys_never_matters(content: dict[str, Any], seed: int) -> None:
    content["sid"] = "CA1"
    content.pop("CallSid", None), content.pop("callSid", None)
    keys = list(content)
    random.Random(seed).shuffle(keys)
    data = body(content)
    if b"NaN" not in data and b"Infinity" not in data:
        shuffled = body({key: content[key] for key in keys})
        assert receive_all(data)[0] == receive_all(shuffled)[0]


# --- The address.


def asked(path: str, method: str = "POST", **more: str | None) -> Asked:
    return Asked(method=method, path=path, **more)


def status(answer: Answer | None) -> int | None:
    return None if answer is None else answer.status


def test_only_the_whole_address_is_let_in() -> None:
    gate = Gate.of(TOKEN)
    assert gate.refusal(asked(f"/talkstack/{TOKEN}")) is None
    wrong = [
        "", "/", "/talkstack", "/talkstack/", f"/{TOKEN}", f"/talkstack/{TOKEN}/",
        f"/talkstack/{TOKEN[:-1]}", f"/talkstack/{TOKEN}a", f"/talkstack/{TOKEN.upper()}",
        f"/other/{TOKEN}", "/talkstack/\ud800", "/talkstack/" + "é" * 32,
    ]  # fmt: skip
    answers = {gate.refusal(asked(path, method)) for path in wrong for method in ("POST", "GET")}
    assert [status(answer) for answer in answers] == [404]


def test_the_head_tells_what_is_wrong_only_to_who_knows_the_address() -> None:
    gate = Gate.of(TOKEN, prefix="a/b", limit=100)
    known, unknown = f"/a/b/{TOKEN}", f"/a/b/{TOKEN[::-1]}"
    heads: list[tuple[dict[str, Any], int | None]] = [
        ({"method": "GET"}, 405),
        ({"method": "DELETE"}, 405),
        ({"encoding": "gzip"}, 415),
        ({"encoding": "Identity"}, None),
        ({"length": "101"}, 413),
        ({"length": "9" * 10_000}, 413),
        ({"length": "0100"}, None),
        ({"length": "words"}, None),
    ]
    for head, expected in heads:
        assert status(gate.refusal(asked(known, **head))) == expected
        assert status(gate.refusal(asked(unknown, **head))) == 404


def test_neither_the_gate_nor_a_request_prints_the_token() -> None:
    gate = Gate.of(TOKEN)
    assert TOKEN not in repr(gate) + repr(asked(f"/talkstack/{TOKEN}"))
    assert hashlib.sha256(TOKEN.encode()).hexdigest() not in repr(gate)
    assert repr(hashlib.sha256(f"talkstack/{TOKEN}".encode()).digest()) not in repr(gate)


@pytest.mark.parametrize(
    "weak",
    ["", "short", TOKEN[:-1], "a" * 64, "abababab" * 8, f"{TOKEN}/", f"{TOKEN}é", "x " * 32],
)
def test_a_token_that_can_be_guessed_is_refused_without_being_shown(weak: str) -> None:
    with pytest.raises(ConfigurationError, match="new_token") as caught:
        Gate.of(weak)
    assert not weak or weak not in str(caught.value)


def test_a_new_token_is_always_good_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(200)}
    assert len(tokens) == 200
    for token in tokens:
        check_token(token)


@pytest.mark.parametrize("bad", [{"prefix": ""}, {"prefix": "/a"}, {"prefix": "ä"}, {"limit": 0}])
def test_settings_that_cannot_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Gate.of(TOKEN, **bad)


# --- The rest.


async def test_a_noticed_event_hands_on_the_call_and_nothing_else() -> None:
    class Calls:
        def __init__(self) -> None:
            self.noticed: list[str] = []

        def notice(self, call_id: str) -> None:
            self.noticed.append(call_id)

    calls = Calls()
    await notify(calls)(CallEvent(call_id="CA1", status=CallStatus.COMPLETED, digest="d"))
    assert calls.noticed == ["CA1"]


def test_reading_events_takes_no_web_server() -> None:
    program = (
        "import sys, talkstack_async.webhooks as w; w.receive(b'sid=CA1');"
        "assert 'aiohttp.web' not in sys.modules; w.application;"
        "assert 'aiohttp.web' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with pytest.raises(AttributeError):
        _ = webhooks.nothing
