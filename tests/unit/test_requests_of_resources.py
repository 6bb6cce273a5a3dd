from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import CallRequest, InvalidRequestError
from talkstack_async.models import UNSET
from talkstack_async.secret import Secret
from talkstack_async.wire.batches import batch_of_file, batch_of_rows, batch_request
from talkstack_async.wire.endpoints import (
    AGENTS_UPDATE,
    AUTH_LOGIN,
    CALLS_HISTORY,
    PROJECTS_GET,
    VOICES_LIST,
)
from talkstack_async.wire.requests import build, needed, secret

quick = settings(deadline=None, max_examples=150)


@pytest.mark.parametrize(
    ("project_id", "target"),
    [
        ("p1", "/project/p1"),
        ("a b", "/project/a%20b"),
        ("?x#y", "/project/%3Fx%23y"),
        ("100%", "/project/100%25"),
        ("ümlaut", "/project/%C3%BCmlaut"),
        ("a..b", "/project/a..b"),
        ("{project_id}", "/project/%7Bproject_id%7D"),
    ],
)
def test_an_id_stays_in_its_place(project_id: str, target: str) -> None:
    assert build(PROJECTS_GET, path={"project_id": project_id}).target == target


@pytest.mark.parametrize(
    "project_id",
    ["", " ", ".", "..", "a/b", "../x", "a\\b", "a\r\nHost: x", "\x00", None, 5, b"p", "\ud800"],
)
def test_an_id_that_would_lead_elsewhere_is_refused(project_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match="project_id"):
        build(PROJECTS_GET, path={"project_id": project_id})


@quick
@given(st.text())
def test_no_id_leaves_its_segment(text: str) -> None:
    try:
        target = build(PROJECTS_GET, path={"project_id": text}).target
    except InvalidRequestError:
        return
    assert target.isascii()
    assert target.startswith("/project/")
    assert not set(target.removeprefix("/project/")) & set("/?#\\ \r\n")
    assert target.removeprefix("/project/").strip(".")


def test_a_query_is_encoded_and_what_is_none_left_out() -> None:
    query = {"to": "+1 2&3=4", "from": None, "status": "", "x": "ä"}
    target = build(CALLS_HISTORY, {}, query=query).target
    assert target == "/call/get-call-history?to=%2B1%202%263%3D4&x=%C3%A4"


def test_without_a_body_nothing_is_sent() -> None:
    assert build(VOICES_LIST).body == b""
    assert build(CALLS_HISTORY, {}).body == b"{}"


def test_unset_is_left_out_and_none_is_null() -> None:
    request = build(AGENTS_UPDATE, {"name": UNSET, "voice_id": None, "x": ""})
    assert json.loads(request.body) == {"voice_id": None, "x": ""}


def test_a_secret_is_sent_remembered_and_not_shown() -> None:
    request = build(AUTH_LOGIN, {"email": "e", "password": Secret("hush")})
    assert json.loads(request.body) == {"email": "e", "password": "hush"}
    assert request.secrets == (Secret("hush"),)
    assert "hush" not in repr(request)


@pytest.mark.parametrize("value", [None, 5, b"x", "", Secret("")])
def test_what_is_no_secret_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="the name"):
        secret("the name", value)


@pytest.mark.parametrize("value", [None, 5, "", "  "])
def test_what_is_needed_must_be_there(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="the name"):
        needed("the name", value)


ROWS = [CallRequest("+14155550123", dynamic_variables={"a": "b"})]


def rows_file(rows: Any = ROWS) -> Any:
    return batch_of_rows(rows, project_id="p", agent_id="a", check_numbers=True)


def test_the_same_batch_has_the_same_bytes() -> None:
    one = batch_request(rows_file(), project_id="p", agent_id="a")
    other = batch_request(rows_file(), project_id="p", agent_id="a")
    assert one == other
    assert one.target == "/call/batch-call"


def test_a_boundary_never_occurs_in_what_it_bounds() -> None:
    file = rows_file()
    first = batch_request(file, project_id="p", agent_id="a")
    boundary = first.content_type.partition("boundary=")[2]
    again = batch_request(file, project_id="p", agent_id=boundary)
    assert boundary not in again.content_type


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (None, "calls.csv"),
        ("list.csv", "list.csv"),
        ('a"b\r\nX: y.csv', "abXy.csv"),
        ("../../etc/passwd", "passwd.csv"),
        ("C:\\dir\\list.txt", "list.csv"),
        ("größe.csv", "gre.csv"),
        ("....csv", "calls.csv"),
        ("x" * 300, "x" * 64 + ".csv"),
    ],
)
def test_the_name_of_a_file_cannot_end_its_header(name: str | None, sent: str) -> None:
    file = batch_of_file(b"number\n+14155550123\n", name=name, check_numbers=True)
    assert file.name == sent


@quick
@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=3))
def test_variables_survive_the_file(variables: dict[str, str]) -> None:
    file = rows_file([CallRequest("+14155550123", dynamic_variables=variables)])
    again = batch_of_file(file.content, name=None, check_numbers=True)
    assert again.content == file.content
    assert (file.rows, again.rows) == (1, 1)


def test_columns_that_are_not_ours_stay() -> None:
    content = b"name,number\nAda,+1 415 555 0123\nBob\n"
    with pytest.raises(InvalidRequestError, match="row 3: the number is empty"):
        batch_of_file(content, name=None, check_numbers=True)
    file = batch_of_file(content[:-4], name=None, check_numbers=True)
    assert file.content == b"name,number\r\nAda,+14155550123\r\n"
