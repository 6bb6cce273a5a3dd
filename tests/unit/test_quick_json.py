"""The quick ways with JSON end like those of the standard library, with and without orjson."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async import CallRequest
from talkstack_async.errors import InvalidRequestError
from talkstack_async.wire import quick_json
from talkstack_async.wire.quick_json import decode, decode_member, encode_object
from talkstack_async.wire.requests import make_call_request

has_orjson = pytest.param(
    True, marks=pytest.mark.skipif(find_spec("orjson") is None, reason="the extra `fast`")
)


@pytest.fixture(scope="module", params=[False, has_orjson], ids=["json", "orjson"], autouse=True)
def library(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if not request.param:
            patch.setattr(quick_json, "_orjson", lambda: None)
        yield


strictly = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
texts = st.text(st.characters(), max_size=10)  # surrogates, too
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
objects = st.dictionaries(texts, st.one_of(texts, trees), max_size=4)


def ending(work: Any, *args: Any) -> Any:
    """Return what comes out, or the kind of error; the text of what JSON has no words for."""
    try:
        found = work(*args)
    except (ValueError, RecursionError, TypeError) as error:
        return "error", isinstance(error, ValueError)
    return repr(found)


@given(objects)
def test_an_object_is_written_so_that_it_reads_back_the_same(value: dict[str, Any]) -> None:
    expected, found = ending(strictly, value), ending(encode_object, value)
    assert (expected[0] == "error") == (found[0] == "error")
    if expected[0] != "error":
        assert repr(json.loads(encode_object(value))) == repr(json.loads(strictly(value)))


def member(body: bytes) -> Any:
    found = json.loads(body.decode("utf-8-sig" if body[:3] == b"\xef\xbb\xbf" else "utf-8"))
    return found.get("call") if isinstance(found, dict) else None


def mangled(value: Any, cut: int, junk: bytes) -> bytes:
    body = json.dumps({"call": value, "other": 1}, ensure_ascii=False).encode("utf-8", "replace")
    return body[:cut] + junk + body[cut:]


@given(
    trees, st.integers(0, 30), st.sampled_from([b"", b"", b"\xff", b"\x00", b"}", b" ", b"1e999"])
)
def test_a_member_is_read_like_json_reads_it(value: Any, cut: int, junk: bytes) -> None:
    body = mangled(value, cut, junk)
    assert ending(decode_member, body, "call") == ending(member, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"call": {"a": 1, "a": 2}}',
        b'{"call": 1, "call": {"a": 2}}',
        b'{"call": {"a": NaN}}',
        b'{"call": {"a": Infinity, "b": -Infinity}}',
        b'{"x": NaN, "call": {"a": "b"}}',
        b'{"call": {"a": 123456789012345678901234567890}}',
        b'{"call": {"a": 18446744073709551616, "b": 18446744073709551615}}',
        b'{"call": {"a": -9223372036854775809}}',
        b'{"call": {"a": 1.0, "b": 1e400, "c": -0, "d": -0.0, "e": 0.1}}',
        b'{"call": {"a": [12345678901234567890123]}}',
        b'{"call": {"a": "\\ud800"}}',
        b'{"call": {"a": "\\ud83d\\ude00", "\\u0000": "\\u0000"}}',
        b'{"call": {"a": "\x01"}}',
        b'{"call": {"a": "\x7f"}}',
        b'{"call": {"a": "\xed\xa0\x80"}}',
        b'{"call": {"a": "\xff"}}',
        b'\xef\xbb\xbf{"call": {"a": "b"}}',
        b' \r\n\t{"call": {"a": "b"}} \n',
        b'{"call": {"a": "b"}} x',
        b'{"call": {"a": "b"},}',
        b"{'call': {}}",
        b'{"call": {"a": 01}}',
        b'["call"]',
        b"null",
        b"",
        b" ",
        b"{",
        b"[" * 100_000,
        b'{"call": ' * 100_000,
        b'{"call": {}, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_odd_documents_end_alike(body: bytes) -> None:
    assert ending(decode_member, body, "call") == ending(member, body)
    assert ending(decode, body) == ending(
        lambda: json.loads(body.decode("utf-8-sig" if body[:3] == b"\xef\xbb\xbf" else "utf-8"))
    )


def test_a_circle_cannot_be_sent() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    with pytest.raises(InvalidRequestError, match="self"):
        make_call_request(
            CallRequest("+14155550123", dynamic_variables=circle), agent_id="a", project_id="p"
        )


@pytest.mark.parametrize("value", [float("nan"), object(), b"x", {1, 2}, {"x": float("inf")}])
def test_what_is_no_json_is_refused_by_name(value: object) -> None:
    call = CallRequest("+14155550123", dynamic_variables={"good": "x", "bad": value})
    with pytest.raises(InvalidRequestError, match="'bad'"):
        make_call_request(call, agent_id="a", project_id="p")


@given(texts, texts, st.dictionaries(texts, st.one_of(texts, leaves), max_size=3))
def test_a_body_put_together_is_the_body_json_would_make(
    project: str, agent: str, variables: dict[str, Any]
) -> None:
    call = CallRequest("+1 415 555 0123", dynamic_variables=variables)
    whole = {"number": "+14155550123", "projectId": project, "agentId": agent}
    if variables:
        whole["dynamicVariables"] = variables  # type: ignore[assignment]
    try:
        expected = repr(json.loads(strictly(whole)))
        assert project
        assert agent
    except (ValueError, AssertionError):
        with pytest.raises(InvalidRequestError):
            make_call_request(call, project_id=project, agent_id=agent)
    else:
        request = make_call_request(call, project_id=project, agent_id=agent)
        assert repr(json.loads(request.body)) == expected


names = st.text(st.characters() | st.sampled_from('%s"\\{}'), min_size=1, max_size=6)


@given(names, names, st.lists(names, unique=True, max_size=3), st.data())
def test_bodies_that_share_a_frame_differ_in_nothing_but_what_was_given(
    project: str, agent: str, variables: list[str], data: st.DataObject
) -> None:
    rows = st.fixed_dictionaries(dict.fromkeys(variables, texts))
    for values in (data.draw(rows), data.draw(rows), dict.fromkeys(variables, 7)):
        call = CallRequest("+14155550123", dynamic_variables=values)
        request = make_call_request(call, project_id=project, agent_id=agent)
        whole: dict[str, Any] = {"number": "+14155550123", "projectId": project, "agentId": agent}
        if values:
            whole["dynamicVariables"] = values
        assert request.body == strictly(whole).encode()


def test_a_name_that_is_no_text_finds_no_frame() -> None:
    for variables in ({"1": "x"}, {"True": "x"}):
        make_call_request(
            CallRequest("+14155550123", dynamic_variables=variables), agent_id="a", project_id="p"
        )
    for odd in ({1: "x"}, {True: "x"}, "1", ["1"], 1):
        with pytest.raises(InvalidRequestError):
            make_call_request(
                CallRequest("+14155550123", dynamic_variables=odd),  # type: ignore[arg-type]
                agent_id="a",
                project_id="p",
            )
    with pytest.raises(InvalidRequestError, match="agent_id"):
        make_call_request(
            CallRequest("+14155550123", dynamic_variables={"1": "x"}), project_id="p"
        )
