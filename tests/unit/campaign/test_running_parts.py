"""How many to claim, how old a claim is, and which call belongs to an attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async.campaign.evidence import call_of
from talkstack_async.campaign.feeding import Load, rate_after, room_for_claims
from talkstack_async.campaign.fence import FencedFlight, Stamp
from talkstack_async.campaign.records import Claim, OpenAttempt
from talkstack_async.campaign.settings import (
    BreakerSettings,
    Budget,
    CallingWindow,
    CampaignSettings,
    Caps,
    EvidenceSettings,
    RedialPolicy,
)
from talkstack_async.campaign.states import AttemptState, may_follow
from talkstack_async.clock import ManualClock
from talkstack_async.errors import ConfigurationError, StaleClaimError
from talkstack_async.models.calls import Call
from talkstack_async.models.statuses import Disposition

SENT_AT = datetime(2026, 11, 22, 15, tzinfo=UTC)
MANY = 10**6
CLAIM = Claim(
    attempt_id=1,
    contact_id=1,
    campaign_id=1,
    phone="+12025550101",
    variables_json="{}",
    attempts=1,
    worker="w",
    claimed_at=SENT_AT,
)


# --- Feeding.


def load(**changes: int | None) -> Load:
    idle: dict[str, int | None] = {
        "slots": 100, "busy": 0, "queued": 0, "unsent": 0, "turns": MANY, "soon": 0
    }  # fmt: skip
    return Load(**{**idle, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "room"),
    [
        (load(), 100),
        (load(busy=100), 0),
        (load(busy=100, soon=20), 20),
        (load(busy=100, soon=20, queued=20), 0),
        (load(turns=5), 5),
        (load(turns=0), 0),
        (load(turns=5, unsent=5), 0),
        (load(breaker=1), 1),
        (load(breaker=0), 0),
        (load(busy=97), 0),  # not worth a commit; more come together in a moment
        (load(slots=1), 1),
        (load(slots=10_000), 500),
    ],
)
def test_as_many_are_claimed_as_can_leave_right_away(given: Load, room: int):
    assert room_for_claims(given) == room


@given(
    st.builds(
        Load,
        slots=st.integers(1, 5000),
        busy=st.integers(0, 5000),
        queued=st.integers(0, 500),
        unsent=st.integers(0, 1000),
        turns=st.integers(0, 10_000),
        soon=st.integers(0, 500),
        breaker=st.none() | st.integers(0, 3),
    )
)
def test_no_more_are_claimed_than_slots_pace_and_breaker_allow(given: Load):
    room = room_for_claims(given)
    assert room >= 0
    if room:
        assert room <= given.slots + given.soon - given.busy - given.queued
        assert room <= given.turns - given.unsent
        assert given.breaker is None or room <= given.breaker


@given(st.integers(1, 2000), st.integers(1, 1000))
def test_whoever_is_idle_and_may_call_claims_something(slots: int, turns: int):
    assert room_for_claims(load(slots=slots, turns=turns)) > 0


def test_a_handful_of_calls_that_end_together_is_no_high_rate():
    assert rate_after(0.0, jobs=4, seconds=0.005) == pytest.approx(20.0)
    assert rate_after(100.0, jobs=0, seconds=1.0) == 50.0
    assert rate_after(100.0, jobs=0, seconds=0.0) == 100.0


def test_a_rate_is_known_after_half_a_second():
    rate = 0.0
    for _ in range(100):
        rate = rate_after(rate, jobs=2, seconds=0.005)
    assert rate == pytest.approx(400, rel=0.1)


def test_where_many_calls_end_a_moment_tells_the_rate():
    rate = 0.0
    for _ in range(10):
        rate = rate_after(rate, jobs=50, seconds=0.005)
    assert rate == pytest.approx(10_000, rel=0.1)


# --- The fence.


class SleepingClock(ManualClock):
    """Monotonic time stands still while the machine sleeps; the other clocks go on."""

    slept = 0.0
    corrected = timedelta(0)

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.slept) + self.corrected

    def since_boot(self) -> float:
        return super().since_boot() + self.slept


def test_a_claim_within_the_fence_leaves_and_is_marked_as_sent():
    clock = SleepingClock()
    stamp = Stamp.of(clock)
    flight = FencedFlight(CLAIM, stamp, stamp.later(2.0), clock)
    flight.leave()
    assert flight.sent


@pytest.mark.parametrize(
    ("slept", "corrected"), [(2.1, 0.0), (0.0, 2.1), (5.0, -5.0)], ids=["sleep", "set", "both"]
)
def test_the_older_of_both_ages_counts(slept: float, corrected: float):
    clock = SleepingClock()
    stamp = Stamp.of(clock)
    flight = FencedFlight(CLAIM, stamp, stamp.later(2.0), clock)
    clock.slept, clock.corrected = slept, timedelta(seconds=corrected)
    with pytest.raises(StaleClaimError):
        flight.leave()
    assert not flight.sent


def test_drift_is_what_the_wall_clock_ran_ahead():
    clock = SleepingClock()
    stamp = Stamp.of(clock)
    clock.slept = 100.0
    assert stamp.drift(clock) == pytest.approx(0.0)
    clock.corrected = timedelta(hours=-1)
    assert stamp.drift(clock) == pytest.approx(-3600.0)


# --- Evidence.


def attempt() -> OpenAttempt:
    return OpenAttempt(
        attempt_id=1,
        contact_id=1,
        campaign_id=1,
        phone="+12025550101",
        state=AttemptState.UNKNOWN,
        worker="w",
        sent_at=SENT_AT,
        attempts=1,
    )


def call(call_id: str, seconds: float | None) -> Call:
    began = None if seconds is None else SENT_AT + timedelta(seconds=seconds)
    return Call(call_id=call_id, started_at=began)


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([], None),
        ([call("a", 1)], "a"),
        ([call("a", -3600)], None),
        ([call("a", -3)], "a"),  # whole seconds, and clocks that differ
        ([call("b", 30), call("a", 1)], "a"),
        ([call("a", None)], "a"),
        ([call("", 1)], None),
        ([call("taken", 1)], None),
        ([call("taken", 1), call("b", 5)], "b"),
    ],
)
def test_the_first_call_since_the_attempt_that_nobody_else_has_is_its_own(
    calls: list[Call], found: str | None
):
    own = call_of(attempt(), calls, taken={"taken"})
    assert (None if own is None else own.call_id) == found


# --- States and settings.


def test_nothing_follows_an_end_and_nobody_goes_back_to_dispatching():
    for ended in (AttemptState.FINAL, AttemptState.REJECTED, AttemptState.RELEASED):
        assert not any(may_follow(ended, after) for after in AttemptState)
    assert not any(may_follow(before, AttemptState.DISPATCHING) for before in AttemptState)
    assert not may_follow(AttemptState.UNKNOWN, AttemptState.RELEASED)


def test_settings_survive_the_ledger():
    settings = CampaignSettings(
        project_id="p",
        agent_id="a",
        window=CallingWindow.parse("09:30-20:00"),
        redial=RedialPolicy(max_attempts=2, gaps={Disposition.BUSY: 60.0}),
        budget=Budget(limit=10.5, worst_call=0.1),
        evidence=EvidenceSettings(fence_seconds=1),
        calls_per_second=2.5,
    )
    assert CampaignSettings.from_json(settings.to_json()) == settings


def test_a_setting_of_a_later_version_is_left_out_and_a_damaged_one_is_refused():
    text = CampaignSettings(project_id="p", agent_id="a").to_json()
    assert CampaignSettings.from_json('{"mood": "good", ' + text[1:]) == CampaignSettings(
        project_id="p", agent_id="a"
    )
    with pytest.raises(ConfigurationError, match="stored settings"):
        CampaignSettings.from_json('{"project_id": "p"}')


@pytest.mark.parametrize("text", ["8-21", "08:00", "25:00-26:00", "08:00-08:00", "", "a-b"])
def test_a_window_that_is_none_is_refused_with_an_example(text: str):
    with pytest.raises(ConfigurationError, match="08:00-21:00"):
        CallingWindow.parse(text)


@pytest.mark.parametrize("text", ["08:00-21:00", "00:00-24:00", "22:00-06:00", "18:00-24:00"])
def test_a_window_is_shown_as_it_was_written(text: str):
    assert str(CallingWindow.parse(text)) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Caps(per_day=0),
        lambda: Caps(gap_seconds=-1),
        lambda: Budget(limit=0, worst_call=1),
        lambda: BreakerSettings(failures=0),
        lambda: RedialPolicy(max_attempts=True),
        lambda: EvidenceSettings(fence_seconds=0),
        lambda: CampaignSettings(project_id="p", agent_id="a", max_concurrency=0),
        lambda: CampaignSettings(project_id="p", agent_id="a", calls_per_second=0),
    ],
)
def test_settings_that_cannot_work_are_refused(make: object):
    with pytest.raises(ConfigurationError):
        make()  # type: ignore[operator]
