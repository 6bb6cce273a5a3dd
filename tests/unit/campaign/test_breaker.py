"""The circuit breaker, as sequences of results and moments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.campaign.breaker import Breaker
from talkstack_async.campaign.settings import BreakerSettings

SETTINGS = BreakerSettings(
    window=10, least=4, failures=0.5, cooldown_seconds=30, longest_seconds=100
)
NEW = Breaker.new(SETTINGS)


def fed(breaker: Breaker, results: str, at: float = 0.0) -> Breaker:
    for result in results:
        breaker = breaker.after(result == "+", at)
    return breaker


OPENED = fed(NEW, "----", at=100)

SEQUENCES = {
    "nothing seen": ("", False),
    "too few to decide": ("---", False),
    "enough of them": ("----", True),
    "just the share": ("++--", True),
    "less than the share": ("+++--", False),
    "spread out": ("+-+-+-", True),
    "old failures are forgotten": ("+++++--++++++++++", False),
    "old successes too": ("++++++++++-----", True),
}


@pytest.mark.parametrize(("results", "opens"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_it_opens_when_the_share_of_failures_is_reached(results: str, opens: bool) -> None:
    breaker = NEW
    interrupted = False
    for result in results:
        breaker = breaker.after(result == "+", 0.0)
        interrupted = interrupted or breaker.admits(0.0) is not None
    assert interrupted is opens


@pytest.mark.parametrize(("failures", "of", "share"), [(11, 20, 0.55), (7, 10, 0.7), (3, 30, 0.1)])
def test_a_share_is_reached_exactly(failures: int, of: int, share: float) -> None:
    settings = BreakerSettings(window=of, least=of, failures=share)
    almost = fed(Breaker.new(settings), "+" * (of - failures) + "-" * (failures - 1))
    assert almost.admits(0) is None
    assert almost.after(False, 0).admits(0) == 0


def test_a_least_larger_than_the_window_does_not_disarm_it() -> None:
    breaker = Breaker.new(BreakerSettings(window=5, least=50, failures=1.0))
    assert fed(breaker, "-----").admits(0) == 0


def test_open_it_admits_nobody_until_the_pause_is_over_and_then_one() -> None:
    assert OPENED.admits(100) == OPENED.admits(129.9) == 0
    assert OPENED.opens_at(129.9) == 130
    assert OPENED.admits(130) == 1
    assert OPENED.opens_at(130) is None
    assert NEW.opens_at(0) is None


def test_while_one_is_on_trial_no_other_is_admitted() -> None:
    trying = OPENED.tried(130)
    assert trying.admits(130) == trying.admits(159) == 0
    assert trying.opens_at(140) == 160


def test_a_trial_that_is_never_heard_of_is_repeated() -> None:
    assert OPENED.tried(130).admits(160) == 1


def test_one_success_on_trial_closes_it_with_a_clean_slate() -> None:
    closed = OPENED.tried(130).after(True, 131, begun=130)
    assert closed.admits(131) is None
    assert fed(closed, "---", at=132).admits(132) is None
    again = fed(closed, "----", at=132)
    assert again.opens_at(132) == 162


def test_pauses_double_up_to_the_longest_while_trials_fail() -> None:
    breaker, at = OPENED, 130.0
    for pause in (60, 100, 100):
        breaker = breaker.tried(at).after(False, at, begun=at)
        assert breaker.opens_at(at) == at + pause
        at += pause


def test_tried_changes_nothing_unless_it_is_half_open() -> None:
    assert NEW.tried(0) == NEW
    assert OPENED.tried(110) == OPENED


LATE = {
    "a success while open": (OPENED, True, 110.0, None),
    "a failure while open": (OPENED, False, 110.0, None),
    "an old success when half open": (OPENED, True, 140.0, 99.0),
    "an old failure when half open": (OPENED, False, 140.0, 99.0),
    "an old success while one is on trial": (OPENED.tried(130), True, 131.0, 99.0),
    "an old failure while one is on trial": (OPENED.tried(130), False, 131.0, 99.0),
    "an old failure after it closed": (
        OPENED.tried(130).after(True, 131, begun=130), False, 132.0, 99.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("breaker", "ok", "at", "begun"), LATE.values(), ids=LATE.keys())
def test_a_late_result_confuses_nobody(
    breaker: Breaker, ok: bool, at: float, begun: float | None
) -> None:
    assert breaker.after(ok, at, begun=begun) == breaker


STEPS = st.lists(
    st.tuples(st.sampled_from(["ok", "failed", "late", "try"]), st.floats(0, 60)), max_size=200
)


@settings(deadline=None)
@given(steps=STEPS)
def test_it_admits_at_most_one_on_trial_and_sooner_or_later_somebody(
    steps: list[tuple[str, float]],
) -> None:
    breaker, at, last_trial = NEW, 0.0, None
    for step, span in steps:
        at += span
        admitted = breaker.admits(at)
        assert admitted in (None, 0, 1)
        if step == "try" and admitted:
            # Between two trials without a result lies a whole pause.
            assert last_trial is None or at >= last_trial + breaker.pause
            breaker, last_trial = breaker.tried(at), at
            assert breaker.admits(at) == 0
        elif step == "late":
            breaker = breaker.after(False, at, begun=breaker.opened_at - 1)
        elif step in ("ok", "failed"):
            breaker, last_trial = breaker.after(step == "ok", at), None
        opens_at = breaker.opens_at(at)
        if opens_at is not None:
            assert at < opens_at <= at + SETTINGS.longest_seconds
            assert breaker.admits(opens_at) == 1
