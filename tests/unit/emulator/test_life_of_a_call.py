from __future__ import annotations

import pytest

from talkstack_async.emulator.calls import CallState, Course, plan_course, state_at
from talkstack_async.emulator.scripts import DISPOSITIONS, Disposition, Script

COURSE = Course(disposition="completed", queued_for=1.0, ringing_for=4.0, talking_for=20.0)
STEADY = Script(jitter=0.0)


def middling(_purpose: str) -> float:
    return 0.5


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (0.0, "queued"),
        (0.99, "queued"),
        (1.0, "ringing"),
        (4.99, "ringing"),
        (5.0, "in-progress"),
        (24.99, "in-progress"),
        (25.0, "completed"),
        (1e9, "completed"),
    ],
)
def test_a_call_passes_through_its_states_in_order(age: float, status: str) -> None:
    assert state_at(COURSE, age=age).status == status


def test_seconds_and_cost_are_known_only_when_the_call_has_ended() -> None:
    assert state_at(COURSE, age=10) == CallState(status="in-progress")
    assert state_at(COURSE, age=25) == CallState(
        status="completed", is_final=True, seconds=20, cost=0.066
    )


@pytest.mark.parametrize("chosen", DISPOSITIONS)
def test_every_call_ends_the_way_its_number_dictates(chosen: Disposition) -> None:
    course = plan_course(Script(), chosen=chosen, draw=middling)
    assert state_at(course, age=1000).status == chosen


@pytest.mark.parametrize("chosen", ["failed", "canceled"])
def test_a_call_that_fails_never_rings(chosen: Disposition) -> None:
    course = plan_course(STEADY, chosen=chosen, draw=middling)
    assert state_at(course, age=0.5).status == "queued"
    assert state_at(course, age=1.0).status == chosen


@pytest.mark.parametrize("chosen", ["busy", "no-answer"])
def test_a_call_that_nobody_takes_is_never_in_progress(chosen: Disposition) -> None:
    course = plan_course(STEADY, chosen=chosen, draw=middling)
    assert state_at(course, age=4.9).status == "ringing"
    assert state_at(course, age=5.0) == CallState(
        status=chosen, is_final=True, seconds=0, cost=0.0
    )


def test_silence_is_hung_up_on_after_six_seconds() -> None:
    course = plan_course(STEADY, chosen="silence", draw=middling)
    assert state_at(course, age=10.9).status == "in-progress"
    assert state_at(course, age=11.0).status == "silence"


def test_jitter_varies_a_span_by_at_most_its_fraction() -> None:
    script = Script(talking_for=100, jitter=0.25)
    shortest = plan_course(script, chosen=None, draw=lambda _: 0.0)
    longest = plan_course(script, chosen=None, draw=lambda _: 1.0)
    assert (shortest.talking_for, longest.talking_for) == (75.0, 125.0)


@pytest.mark.parametrize(("chance", "expected"), [(0.0, "busy"), (0.24, "busy"), (0.26, "failed")])
def test_outcomes_are_drawn_by_weight(chance: float, expected: str) -> None:
    script = Script(outcomes={"busy": 1, "completed": 0, "failed": 3})
    assert plan_course(script, chosen=None, draw=lambda _: chance).disposition == expected


def test_a_number_that_dictates_its_ending_beats_the_outcomes() -> None:
    script = Script(outcomes={"busy": 1})
    assert plan_course(script, chosen="voicemail", draw=middling).disposition == "voicemail"


def test_an_outcome_without_weight_is_never_drawn_even_at_the_edge() -> None:
    script = Script(outcomes={"busy": 1, "completed": 0})
    assert plan_course(script, chosen=None, draw=lambda _: 1.0).disposition == "busy"


@pytest.mark.parametrize(
    "bad",
    [
        {"queued_for": -1},
        {"latency": float("nan")},
        {"talking_for": float("inf")},
        {"jitter": 1.5},
        {"disposition": "happy"},
        {"outcomes": {"happy": 1}},
        {"outcomes": {"busy": -1}},
        {"outcomes": {"busy": 0}},
        {"outcomes": {}},
    ],
)
def test_an_impossible_script_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|weight"):
        Script(**bad)  # type: ignore[arg-type]


def test_a_script_keeps_the_weights_it_was_made_with() -> None:
    weights: dict[Disposition, float] = {"busy": 1}
    script = Script(outcomes=weights)
    weights["busy"] = 0
    assert script.outcomes == {"busy": 1}
