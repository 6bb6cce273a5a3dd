# ruff: noqa: RUF009 # `wire` and `raw` declare attrs fields
from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import Call, Project, TextQuestion, UnexpectedReplyError
from talkstack_async.errors import NotFoundError, TalkstackError
from talkstack_async.models import Agent, Number, Session, Signup, User, Voice
from talkstack_async.models.fields import raw, wire
from talkstack_async.secret import Secret
from talkstack_async.wire.analyses import analysis_reader
from talkstack_async.wire.batches import read_batch_result
from talkstack_async.wire.convert import structure
from talkstack_async.wire.dates import parse_moment
from talkstack_async.wire.endpoints import CALLS_ANALYZE, ENDPOINTS, PROJECTS_GET
from talkstack_async.wire.readers import (
    acknowledged,
    is_nothing_there,
    list_in,
    list_reader,
    object_in,
    reader,
    text_reader,
)
from talkstack_async.wire.replies import Reply

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "status", "message", "id", "call", "answer", "question", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
quick = settings(deadline=None, max_examples=150)


def reply(body: Any, **more: Any) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status=200, headers={}, body=content, **more)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"id": "p"}, {"id": "p"}),
        ({"message": "m", "data": {"id": "p"}}, {"id": "p"}),
        ({"status": "succcess", "data": {"id": "p"}}, {"id": "p"}),
        ({"data": {"id": "p"}}, {"id": "p"}),
        ({"project": {"id": "p"}, "data": {}}, {"id": "p"}),
        ({"id": "p", "data": {"id": "q"}}, {"id": "p", "data": {"id": "q"}}),
        ({"status": "completed", "data": {"a": 1}}, {"status": "completed", "data": {"a": 1}}),
        ([1], [1]),
        (None, None),
    ],
)
def test_only_what_looks_like_an_envelope_is_opened(body: Any, found: Any) -> None:
    assert object_in(body, "project") == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ([1], [1]),
        ({"data": [1]}, [1]),
        ({"voices": [1], "data": [2]}, [1]),
        ({"data": {"voices": [1]}}, [1]),
        ({"data": {"id": "one"}}, [{"id": "one"}]),
        ({"data": None}, []),
        ({"whatever": [1], "message": "m"}, [1]),
        ({"one": [1], "two": [2]}, None),
        ({"message": "m"}, None),
        ({"data": "text"}, None),
        ("text", None),
    ],
)
def test_a_list_is_found_where_it_can_only_be_meant(body: Any, found: Any) -> None:
    assert list_in(body, "voices") == found


@quick
@given(json_values)
def test_whatever_json_comes_is_read_or_is_one_kind_of_error(body: Any) -> None:
    readers: list[Any] = [reader(kind) for kind in (Call, Project, Agent, Session, Signup, User)]
    readers += [list_reader(kind) for kind in (Call, Number, Voice)]
    readers += [acknowledged, text_reader("x"), read_batch_result]
    readers += [analysis_reader([TextQuestion("x"), TextQuestion("y")])]
    for read in readers:
        try:
            read(PROJECTS_GET, reply(body))
        except UnexpectedReplyError:
            continue


@pytest.mark.parametrize("body", [b"", b"x", b"\xff", b"[" * 100_000, b"<html>"])
def test_what_is_no_json_is_unexpected_and_quoted(body: bytes) -> None:
    with pytest.raises(UnexpectedReplyError) as caught:
        reader(Project)(PROJECTS_GET, reply(body))
    assert caught.value.body == body[:2048].decode("utf-8", "replace")


def test_a_reply_that_is_too_large_is_unexpected() -> None:
    with pytest.raises(UnexpectedReplyError, match="larger than"):
        reader(Project)(PROJECTS_GET, reply({"id": "p"}, is_whole=False))


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_a_useless_answer_is_uncertain_unless_it_was_a_read(row: Any) -> None:
    with pytest.raises(TalkstackError) as caught:
        reader(Project)(row, reply(b"x"))
    assert caught.value.uncertain is (row.effect != "read")


def test_an_acknowledgement_may_say_anything() -> None:
    for body in (b"", b"x", b"<html>", b"[]"):
        acknowledged(PROJECTS_GET, reply(body, is_whole=False))


@pytest.mark.parametrize(
    ("body", "is_empty"), [("", True), ("none", True), ('{"m": 1}', True), (" <html>", False)]
)
def test_a_404_means_empty_unless_it_is_a_page(body: str, is_empty: bool) -> None:
    assert is_nothing_there(NotFoundError("m", status=404, body=body)) is is_empty


@attrs.frozen(kw_only=True)
class Kinds:
    """The kinds of fields the models have."""

    number: float | None = wire("number", default=None)
    truth: bool | None = wire("truth", default=None)
    texts: tuple[str, ...] = wire("texts", default=())
    facts: Mapping[str, Any] = wire("facts", factory=dict)
    secret: Secret | None = wire("secret", "sceret", default=None)
    moment: datetime | None = wire("moment", default=None)
    inner: User | None = wire("inner", default=None)
    raw: Mapping[str, Any] = raw()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("number", 5, 5.0),
        ("number", "5.5", 5.5),
        ("number", "five", None),
        ("number", True, None),
        ("number", "inf", None),
        ("number", 10**400, None),
        ("truth", True, True),
        ("truth", "false", False),
        ("truth", 1, None),
        ("texts", ["a", 5, "b"], ("a", "b")),
        ("texts", "abc", ()),
        ("facts", {"a": [1]}, {"a": [1]}),
        ("facts", [1], {}),
        ("moment", "2024-01-30T00:00:00Z", datetime(2024, 1, 30, tzinfo=UTC)),
        ("moment", "0001-01-01T00:00:00+14:00", None),
        ("moment", 5, None),
        ("inner", {"id": "u"}, User(id="u")),
        ("inner", "u", None),
    ],
)
def test_an_odd_value_takes_the_default(name: str, value: Any, found: Any) -> None:
    got = getattr(structure({name: value}, Kinds), name)
    assert got == found
    assert type(got) is type(found)


@pytest.mark.parametrize("key", ["secret", "sceret"])
def test_a_secret_is_kept_out_of_the_raw_object(key: str) -> None:
    kinds = structure({key: "hush", "other": 1}, Kinds)
    assert kinds.secret == Secret("hush")
    assert kinds.raw == {"other": 1}
    assert "hush" not in repr(kinds)


@pytest.mark.parametrize("text", ["", "yesterday", "2024", "99:99", "Tue, 99 Jan 2024 1:1:1 GMT"])
def test_what_is_no_moment_is_a_value_error(text: str) -> None:
    if text == "2024":
        return  # whatever Python makes of it
    with pytest.raises(ValueError, match=r".*"):
        parse_moment(text)


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"question": "b", "answer": "2"}, {"question": "a", "answer": "1"}]},
        [{"answer": "1"}, {"answer": "2"}],
        ["1", "2"],
        {"message": "m", "data": {"a": "1", "b": "2"}},
        {"answers": [{"question": "a", "value": "1"}, {"question": "b", "value": "2"}]},
        {"data": {"answers": [{"answer": "1"}, {"answer": "2"}], "sentiment": "good"}},
    ],
)
def test_answers_are_found_by_question_by_place_or_by_key(body: Any) -> None:
    read = analysis_reader([TextQuestion("a"), TextQuestion("b")])
    analysis = read(CALLS_ANALYZE, reply(body))
    assert [answer.value for answer in analysis.answers] == ["1", "2"]
    assert analysis["b"] == "2"
    assert analysis.raw == body


def test_what_the_prose_promises_of_an_analysis_is_read() -> None:
    body = {
        "message": "m",
        "status": "success",
        "data": {"sentiment": "good", "status": "done", "summary": "s", "custom_data": {"a": 1}},
    }
    analysis = analysis_reader([TextQuestion("a")])(CALLS_ANALYZE, reply(body))
    assert (analysis.sentiment, analysis.status, analysis.summary) == ("good", "done", "s")
    assert analysis.custom == {"a": 1}
    assert analysis.is_available


@pytest.mark.parametrize("body", [{"message": "not yet", "status": "success", "data": []}, [], {}])
def test_an_empty_analysis_is_not_available(body: Any) -> None:
    analysis = analysis_reader([TextQuestion("a")])(CALLS_ANALYZE, reply(body))
    assert not analysis.is_available
