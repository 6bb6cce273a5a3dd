from __future__ import annotations

import logging

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import (
    CallRequest,
    CallResult,
    Ended,
    NotPlaced,
    Outcome,
    Placed,
    Progress,
    TalkstackError,
    Uncertain,
)
from talkstack_async.dispatch.progress import Tally
from talkstack_async.models import Call, CallStatus

REQUEST = CallRequest("+14155550123")
RESULT = CallResult(call_id="CA1")
ERROR = TalkstackError("m")
OUTCOMES: list[Outcome] = [
    Placed(request=REQUEST, result=RESULT),
    Ended(request=REQUEST, result=RESULT, call=Call(call_id="CA1", status=CallStatus.BUSY)),
    NotPlaced(request=REQUEST, error=ERROR),
    Uncertain(request=REQUEST, error=ERROR),
]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(OUTCOMES), max_size=30), st.integers(0, 10))
def test_whatever_is_taken_is_finished_or_in_flight(outcomes: list[Outcome], more: int) -> None:
    tally = Tally(None)
    for _ in range(len(outcomes) + more):
        tally.take()
    for outcome in outcomes:
        tally.record(outcome)
    progress = tally.snapshot()
    assert progress.taken == len(outcomes) + more
    assert progress.finished == len(outcomes)
    assert progress.in_flight == more
    assert progress == Progress(
        taken=len(outcomes) + more,
        placed=sum(isinstance(o, Placed) for o in outcomes),
        ended=sum(isinstance(o, Ended) for o in outcomes),
        not_placed=sum(isinstance(o, NotPlaced) for o in outcomes),
        uncertain=sum(isinstance(o, Uncertain) for o in outcomes),
    )


def test_each_count_adds_to_the_sum() -> None:
    names = [field.name for field in attrs.fields(Progress) if field.name != "taken"]
    assert [Progress(**{name: 3}).finished for name in names] == [3] * len(names)
    assert Progress().finished == Progress().in_flight == 0


def test_a_snapshot_does_not_move() -> None:
    tally = Tally(None)
    before = tally.snapshot()
    tally.take()
    assert before == Progress()
    assert tally.snapshot() == Progress(taken=1)


def test_the_watcher_sees_each_outcome_after_it_was_counted() -> None:
    seen: list[tuple[Outcome, int]] = []
    tally = Tally(lambda outcome: seen.append((outcome, tally.snapshot().finished)))
    for outcome in OUTCOMES:
        tally.record(outcome)
    assert seen == list(zip(OUTCOMES, [1, 2, 3, 4], strict=True))


def test_a_watcher_that_fails_is_logged_and_loses_no_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(outcome: Outcome) -> None:
        raise RuntimeError("disk full")

    tally = Tally(broken)
    with caplog.at_level(logging.ERROR, "talkstack_async"):
        tally.record(OUTCOMES[3])
    assert tally.snapshot().uncertain == 1
    assert "on_outcome failed on a Uncertain" in caplog.text
    assert "disk full" in caplog.text


def test_what_is_no_outcome_is_not_counted_silently() -> None:
    with pytest.raises(AssertionError):
        Tally(None).record("placed")  # type: ignore[arg-type]
