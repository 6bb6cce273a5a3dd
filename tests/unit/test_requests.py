from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import CallRequest, InvalidNumberError, InvalidRequestError, PhoneNumber
from talkstack_async.models.calls import EncodedVariables
from talkstack_async.wire.endpoints import CALLS_MAKE
from talkstack_async.wire.requests import HttpRequest, call_to, make_call_request

NUMBER = "+14155550123"
quick = settings(deadline=None, max_examples=150)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def call(number: Any = NUMBER, **more: Any) -> CallRequest:
    return CallRequest(number, **{"agent_id": "a1", "project_id": "p1", **more})


def body_of(request: HttpRequest) -> Any:
    return json.loads(request.body)


def test_a_call_becomes_the_documented_body() -> None:
    request = make_call_request(call(dynamic_variables={"name": "Ada"}, reference="row 7"))
    assert request.endpoint is CALLS_MAKE
    assert request.target == "/call/makeCall"
    assert request.content_type == "application/json"
    assert body_of(request) == {
        "number": NUMBER,
        "projectId": "p1",
        "agentId": "a1",
        "dynamicVariables": {"name": "Ada"},
    }


def test_the_reference_is_never_sent() -> None:
    assert b"row 7" not in make_call_request(call(reference="row 7")).body


def test_without_variables_the_key_is_left_out() -> None:
    assert "dynamicVariables" not in body_of(make_call_request(call()))
    assert "dynamicVariables" not in body_of(make_call_request(call(dynamic_variables={})))


def test_defaults_fill_in_what_the_call_does_not_name() -> None:
    request = make_call_request(CallRequest(NUMBER), project_id="dp", agent_id="da")
    assert (body_of(request)["projectId"], body_of(request)["agentId"]) == ("dp", "da")


def test_what_the_call_names_wins_over_the_defaults() -> None:
    request = make_call_request(call(), project_id="dp", agent_id="da")
    assert (body_of(request)["projectId"], body_of(request)["agentId"]) == ("p1", "a1")


@pytest.mark.parametrize("missing", ["agent_id", "project_id"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_id_is_named_with_the_ways_to_give_it(missing: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"no {missing}") as refusal:
        make_call_request(call(**{missing: value}))
    assert f"TALKSTACK_{missing.upper()}" in str(refusal.value)
    assert refusal.value.uncertain is False


@pytest.mark.parametrize("odd", ["agent_id", "project_id"])
@pytest.mark.parametrize("value", [5, b"p1", ["p1"], True])
def test_an_id_that_is_not_text_is_refused(odd: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"{odd} must be text"):
        make_call_request(call(**{odd: value}))


@pytest.mark.parametrize("number", [None, 14155550123, b"+14155550123", [NUMBER], 1.5])
@pytest.mark.parametrize("check", [True, False])
def test_a_number_that_is_not_text_is_refused(number: Any, check: bool) -> None:
    with pytest.raises(InvalidRequestError, match="the number must be text"):
        make_call_request(call(number), check_number=check)


@pytest.mark.parametrize("number", ["", "4155550123", "+1", "ring ring"])
def test_a_malformed_number_is_refused_before_anything_is_sent(number: str) -> None:
    with pytest.raises(InvalidNumberError):
        make_call_request(call(number))


@pytest.mark.parametrize("number", ["4155550123", "911", "sip:ada@h.test", " +1 415 "])
def test_unchecked_numbers_go_out_as_they_are(number: str) -> None:
    assert body_of(make_call_request(call(number), check_number=False))["number"] == number


@pytest.mark.parametrize("number", ["", " ", "\n"])
def test_even_unchecked_an_empty_number_is_refused(number: str) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        make_call_request(call(number), check_number=False)


@pytest.mark.parametrize("number", ["+1 (415) 555-0123", PhoneNumber(NUMBER)])
def test_a_number_is_sent_in_e164_form(number: str) -> None:
    assert b'"number":"+14155550123"' in make_call_request(call(number)).body


def _recursive() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    return loop


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


@pytest.fixture
def deep() -> Iterator[list[Any]]:
    value = _deep()
    yield value
    while value:  # undone by hand: freeing it in one go may need a deep stack
        value = value.pop()


UNFIT: dict[str, Any] = {
    "nan": math.nan,
    "inf": math.inf,
    "nested_nan": {"a": [1, {"b": math.nan}]},
    "bytes": b"Ada",
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "date": date(2026, 1, 1),
    "decimal": Decimal("1.50"),
    "set": {1},
    "object": object(),
    "recursive": _recursive(),
    "bytes_key": {b"k": 1},
    "tuple_key": {(1, 2): 3},
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_variable_that_is_no_json_is_refused_by_its_name(name: str) -> None:
    variables = {"fine": "Ada", name: UNFIT[name], "also_fine": 3}
    with pytest.raises(InvalidRequestError, match=f"variable '{name}' cannot be sent") as refusal:
        make_call_request(call(dynamic_variables=variables))
    assert type(UNFIT[name]).__name__ in str(refusal.value)
    assert "Ada" not in str(refusal.value)


def test_a_variable_that_is_too_deep_is_refused_by_its_name(deep: list[Any]) -> None:
    with pytest.raises(InvalidRequestError, match="variable 'deep' cannot be sent"):
        make_call_request(call(dynamic_variables={"deep": deep}))


@pytest.mark.parametrize("name", [1, 1.5, None, True, b"name", (1, 2), math.nan])
def test_the_name_of_a_variable_must_be_text(name: Any) -> None:
    # The encoder would turn 1 into "1" and None into "null", and fill no placeholder.
    with pytest.raises(
        InvalidRequestError, match=rf"names must be text, not {type(name).__name__}"
    ):
        make_call_request(call(dynamic_variables={"fine": 1, name: "Ada"}))


@pytest.mark.parametrize("variables", [None, 5, "name=Ada", ["name"]])
def test_variables_that_are_no_mapping_are_refused_when_the_call_is_made(variables: Any) -> None:
    try:
        request = CallRequest(NUMBER, dynamic_variables=variables)
    except TypeError:
        pytest.fail("building a request must check nothing")
    if variables is None:  # as good as none
        assert "dynamicVariables" not in body_of(make_call_request(request, **IDS))
        return
    with pytest.raises(InvalidRequestError, match="dynamic"):
        make_call_request(request, **IDS)


IDS: dict[str, Any] = {"project_id": "p", "agent_id": "a"}


@pytest.mark.parametrize("request_", [None, NUMBER, {"number": NUMBER}, 5])
def test_anything_but_a_call_request_is_refused(request_: Any) -> None:
    with pytest.raises(InvalidRequestError, match="a CallRequest was expected"):
        make_call_request(request_)


@quick
@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4))
def test_any_json_arrives_as_it_was(variables: dict[str, Any]) -> None:
    request = make_call_request(call(dynamic_variables=variables))
    assert body_of(request)["dynamicVariables"] == variables


@quick
@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_a_body_is_ascii_and_holds_no_line_break(number: str, agent: str, project: str) -> None:
    # Odd letters of a row must not end a header early or depend on a charset.
    try:
        request = make_call_request(
            call(number, agent_id=agent, project_id=project), check_number=False
        )
    except InvalidRequestError:
        return
    assert request.body.isascii()
    assert b"\n" not in request.body
    assert b"\r" not in request.body
    assert body_of(request) == {"number": number, "projectId": project, "agentId": agent}


def test_a_request_does_not_show_its_body() -> None:
    assert NUMBER not in repr(make_call_request(call()))


# --- Variables that are JSON text already.


@quick
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_encoded_variables_are_sent_like_the_ones_they_were_made_of(
    values: dict[str, Any],
) -> None:
    encoded = EncodedVariables(json.dumps(values, separators=(",", ":")))
    plain = body_of(make_call_request(call(dynamic_variables=values)))
    # Twice: the first time there is no frame for them.
    for _ in range(2):
        assert body_of(make_call_request(call(dynamic_variables=encoded))) == plain
        assert body_of(call_to(NUMBER, encoded, "p1", "a1", True)) == plain


def test_encoded_variables_cannot_break_out_of_their_place() -> None:
    name = '%s %(a)s","number":"+15550000000'
    encoded = EncodedVariables(json.dumps({name: name}))
    for _ in range(2):
        body = body_of(call_to(NUMBER, encoded, "p1%s", "a1", True))
        assert body == {
            "number": NUMBER,
            "projectId": "p1%s",
            "agentId": "a1",
            "dynamicVariables": {name: name},
        }


def test_encoded_variables_read_like_any_mapping_and_print_only_names() -> None:
    encoded = EncodedVariables('{"name":"Ada","day":1}')
    assert encoded == {"name": "Ada", "day": 1}
    assert (encoded["day"], encoded.get("city"), len(encoded)) == (1, None, 2)
    assert repr(encoded) == "<name, day>"
    assert call(dynamic_variables=encoded).dynamic_variables is encoded
