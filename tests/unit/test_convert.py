from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import CallResult
from talkstack_async.models.fields import raw, wire
from talkstack_async.wire.convert import structure

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
quick = settings(deadline=None, max_examples=150)


@attrs.frozen(kw_only=True)
class Sample:
    """Every kind of field that occurs."""

    name: str
    voice_id: str = wire("voice_id", "voiceId", "id", default="none")
    seconds: int | None = wire("seconds", default=None)
    raw: dict[str, Any] = raw()  # noqa: RUF009 # attrs reads it


@pytest.mark.parametrize("key", ["call_id", "sid", "callSid"])
def test_a_call_id_is_read_under_each_of_its_names(key: str) -> None:
    assert structure({key: "CA1"}, CallResult).call_id == "CA1"


def test_the_first_name_wins() -> None:
    body = {"callSid": "third", "sid": "second", "call_id": "first"}
    assert structure(body, CallResult).call_id == "first"
    assert structure({"callSid": "third", "sid": "second"}, CallResult).call_id == "second"


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_first_name_gives_way_to_the_next(empty: Any) -> None:
    assert structure({"call_id": empty, "sid": "CA1"}, CallResult).call_id == "CA1"


@pytest.mark.parametrize("body", [{}, {"call_id": None}, {"call_id": ""}, {"callid": "CA1"}])
def test_what_cannot_be_done_without_must_be_there(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'call_id' is missing"):
        structure(body, CallResult)


@pytest.mark.parametrize("value", [True, False, [], ["CA1"], {}, {"id": "CA1"}])
def test_what_cannot_be_done_without_must_be_text(value: Any) -> None:
    with pytest.raises(ValueError, match="'call_id' is m"):
        structure({"call_id": value}, CallResult)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_does_not_know_is_no_call_id(value: float) -> None:
    with pytest.raises(ValueError, match="'call_id'"):
        structure({"call_id": value}, CallResult)


@pytest.mark.parametrize("body", [None, [], "text", 5, True, [{"call_id": "CA1"}]])
def test_anything_but_an_object_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match="an object was expected"):
        structure(body, CallResult)


def test_a_number_is_read_as_text() -> None:
    result = structure({"call_id": 12345678901234567890, "to": 14155550123}, CallResult)
    assert result.call_id == "12345678901234567890"
    assert result.to == "14155550123"


@pytest.mark.parametrize("value", [None, "", [], {}, True, ["+14155550123"], {"e164": "+1"}])
def test_an_odd_value_in_an_optional_field_is_dropped(value: Any) -> None:
    result = structure({"call_id": "CA1", "to": value, "from": value}, CallResult)
    assert result == CallResult(call_id="CA1")
    assert result.raw["to"] == value


def test_unknown_keys_stay_in_raw() -> None:
    body = {"call_id": "CA1", "queue": 7, "nested": {"a": [None]}, "from": "+12025550100"}
    result = structure(body, CallResult)
    assert result.raw == body
    assert result.raw is not body
    assert result.from_ == "+12025550100"


def test_the_python_name_of_a_field_is_not_a_wire_name() -> None:
    assert structure({"call_id": "CA1", "from_": "+1202"}, CallResult).from_ is None


def test_defaults_stand_for_what_is_missing_null_or_odd() -> None:
    assert structure({"name": "x"}, Sample) == Sample(name="x")
    assert structure({"name": "x", "voice_id": None}, Sample).voice_id == "none"
    assert structure({"name": "x", "seconds": "soon"}, Sample).seconds is None
    assert structure({"name": "x", "seconds": "23", "id": "v"}, Sample) == Sample(
        name="x", seconds=23, voice_id="v"
    )


@quick
@given(st.dictionaries(st.sampled_from(["call_id", "sid", "to", "from", "x"]), json_values))
def test_any_object_is_read_or_refused_but_never_a_crash(body: dict[str, Any]) -> None:
    try:
        result = structure(body, CallResult)
    except ValueError:
        return
    assert isinstance(result.call_id, str)
    assert result.call_id
    assert isinstance(result.to, str | None)
    assert result.raw == body
