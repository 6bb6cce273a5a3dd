from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest

from talkstack_async import CallRequest, CallResult, PhoneNumber

NUMBER = "+14155550123"


@pytest.mark.parametrize("number", ["", "nonsense", None, 14155550123, 1.5, b"+1415", [NUMBER]])
def test_building_a_request_checks_nothing(number: Any) -> None:
    request = CallRequest(number)
    assert request.number == number
    assert repr(request)


@pytest.mark.parametrize("variables", [None, 5, "name=Ada", ["name"], object()])
def test_a_bad_row_of_variables_does_not_break_the_loop_that_builds_it(variables: Any) -> None:
    request = CallRequest(NUMBER, dynamic_variables=variables)
    assert repr(request)


@pytest.mark.parametrize("variables", [{1: 2, "a": 3}, {None: 1}, {(1, 2): 3}])
def test_a_request_with_odd_names_can_be_shown(variables: Any) -> None:
    assert repr(CallRequest(NUMBER, dynamic_variables=variables))


def test_a_request_shows_neither_the_number_nor_what_is_said_about_the_person() -> None:
    shown = repr(CallRequest(NUMBER, dynamic_variables={"name": "Ada", "debt": 250}))
    assert NUMBER not in shown
    assert "Ada" not in shown
    assert "250" not in shown
    assert "name" in shown


def test_the_number_of_a_request_is_hidden_whatever_its_type() -> None:
    assert "14155550123" not in repr(CallRequest(14155550123))  # type: ignore[arg-type]


def test_a_dict_may_be_used_again_for_the_next_row() -> None:
    row = {"name": "Ada"}
    first = CallRequest(NUMBER, dynamic_variables=row)
    row["name"] = "Grace"
    assert first.dynamic_variables == {"name": "Ada"}


def test_requests_do_not_share_their_variables() -> None:
    assert CallRequest(NUMBER).dynamic_variables is not CallRequest(NUMBER).dynamic_variables


def test_only_the_number_may_be_positional() -> None:
    with pytest.raises(TypeError):
        CallRequest(NUMBER, "agent")  # type: ignore[misc]


def test_a_request_is_a_value() -> None:
    one = CallRequest(NUMBER, agent_id="a", dynamic_variables={"n": [1]}, reference={"row": 7})
    other = CallRequest(NUMBER, agent_id="a", dynamic_variables={"n": [1]}, reference={"row": 7})
    assert one == other
    assert hash(one) == hash(other)
    assert one != attrs.evolve(one, reference={"row": 8})
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.number = "+1"  # type: ignore[misc]


def test_a_request_keeps_the_type_of_its_number() -> None:
    assert type(CallRequest(PhoneNumber(NUMBER)).number) is PhoneNumber


def test_a_result_hides_both_numbers_but_names_the_call() -> None:
    result = CallResult(call_id="CA1", to=NUMBER, from_="+12025550100", raw={"to": NUMBER})
    assert "CA1" in repr(result)
    assert NUMBER not in repr(result)
    assert "+12025550100" not in repr(result)


def test_results_are_equal_whatever_else_the_service_said() -> None:
    assert CallResult(call_id="CA1", raw={"x": 1}) == CallResult(call_id="CA1")
    assert CallResult(call_id="CA1") != CallResult(call_id="CA2")
    assert pickle.loads(pickle.dumps(CallResult(call_id="CA1", to=NUMBER))).to == NUMBER


def test_a_result_needs_an_id_and_nothing_else() -> None:
    with pytest.raises(TypeError):
        CallResult()  # type: ignore[call-arg]
    assert CallResult(call_id="CA1").to is None
    assert CallResult(call_id="CA1").from_ is None
