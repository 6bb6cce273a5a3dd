from __future__ import annotations

from typing import Any

import pytest

from talkstack_async.emulator import Fault
from talkstack_async.emulator.faults import FAULT_KINDS, FaultKind, FaultPlan

NUMBER = "+12025550100"


def strikes(plan: FaultPlan, count: int = 1, **request: Any) -> list[bool]:
    request = {"moment": "on_body", "operation": "makeCall", "number": NUMBER, **request}
    return [plan.strike(**request) is not None for _ in range(count)]


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_can_be_made_with_little_ado(kind: FaultKind) -> None:
    fault = Fault(kind, seconds=0.1) if kind == "slow" else Fault(kind)
    assert not fault.rings


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "explode"}, "kind must be one of"),
        ({"kind": []}, "kind must be text"),
        ({"kind": "drop", "moment": "later"}, "on_head, on_body or on_reply"),
        ({"kind": "drop", "moment": "on_head", "rings": True}, "on_head cannot ring"),
        ({"kind": "drop", "moment": "on_head", "number": NUMBER}, "on_head cannot depend"),
        ({"kind": "drop", "operation": "getCall", "rings": True}, "only makeCall rings"),
        ({"kind": "drop", "operation": None, "rings": True}, "only makeCall rings"),
        ({"kind": "drop", "operation": "getCall", "number": NUMBER}, "only makeCall has"),
        ({"kind": "throttle", "rings": True}, "never rings"),
        ({"kind": "drop", "times": 0}, "at least 1"),
        ({"kind": "drop", "times": True}, "whole number"),
        ({"kind": "drop", "times": "3"}, "whole number"),
        ({"kind": "drop", "rings": 1}, "true or false"),
        ({"kind": "drop", "rate": 0}, "rate must be above 0"),
        ({"kind": "drop", "rate": 1.1}, "rate must be above 0"),
        ({"kind": "drop", "rate": float("nan")}, "rate must be above 0"),
        ({"kind": "drop", "status": 500}, "status of drop is always"),
        ({"kind": "throttle", "status": 503}, "always 429"),
        ({"kind": "status", "status": 100}, "between 200 and 599"),
        ({"kind": "redirect", "status": 200}, "between 300 and 399"),
        ({"kind": "drop", "retry_after": "1"}, "no Retry-After"),
        ({"kind": "status", "retry_after": "1\r\nX: y"}, "printable"),
        ({"kind": "slow"}, "needs seconds"),
        ({"kind": "slow", "seconds": float("inf")}, "needs seconds"),
        ({"kind": "drop", "seconds": 1}, "only slow"),
    ],
)
def test_a_contradictory_fault_is_refused_with_its_reason(
    fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Fault(**fields)


def test_a_fault_hits_every_request_unless_told_otherwise() -> None:
    assert strikes(FaultPlan([Fault("drop")], seed=0), 5) == [True] * 5


def test_a_fault_with_times_hits_so_many_and_no_more() -> None:
    assert strikes(FaultPlan([Fault("drop", times=2)], seed=0), 4) == [True, True, False, False]


def test_requests_that_were_passed_by_do_not_count() -> None:
    plan = FaultPlan([Fault("drop", times=1, number=NUMBER)], seed=0)
    assert strikes(plan, 3, number="+12025550101") == [False] * 3
    assert strikes(plan) == [True]
    assert plan.armed()[0].hits == 1


def test_a_fault_strikes_only_at_its_moment_and_operation() -> None:
    plan = FaultPlan([Fault("drop", moment="on_head")], seed=0)
    assert strikes(plan) == [False]
    assert strikes(plan, moment="on_head", operation="getCall", number=None) == [False]
    assert strikes(plan, moment="on_head", number=None) == [True]


def test_a_fault_without_operation_strikes_all_of_them() -> None:
    plan = FaultPlan([Fault("drop", operation=None)], seed=0)
    assert strikes(plan, operation="getCall", number=None) == [True]


def test_the_first_fault_to_strike_wins_and_the_next_waits_its_turn() -> None:
    plan = FaultPlan([Fault("drop", times=1), Fault("reset")], seed=0)
    struck = [plan.strike(moment="on_body", operation="makeCall", number=NUMBER) for _ in range(2)]
    assert [fault.kind for fault in struck if fault] == ["drop", "reset"]


def test_a_rate_is_kept_and_repeated_by_seed() -> None:
    def hits(seed: int) -> list[bool]:
        return strikes(FaultPlan([Fault("drop", rate=0.3)], seed=seed), 2000)

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 500 < sum(hits(1)) < 700


def test_clearing_takes_every_fault_away() -> None:
    plan = FaultPlan([Fault("drop")], seed=0)
    plan.clear()
    assert strikes(plan) == [False]
