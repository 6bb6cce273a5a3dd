"""Deciding whether a contact may be called, and how many the budget covers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.campaign.decisions import (
    CallNow,
    Candidate,
    Decision,
    Earlier,
    Reason,
    Stop,
    Wait,
)
from talkstack_async.campaign.records import CampaignRecord
from talkstack_async.campaign.regions import RegionRules
from talkstack_async.campaign.rules import Rulebook, admit, budget_left, micros, missing
from talkstack_async.campaign.settings import (
    Budget,
    CallingWindow,
    CampaignSettings,
    Caps,
    RedialPolicy,
)
from talkstack_async.campaign.states import CampaignState

SHIPPED = RegionRules.shipped()
NONE = RegionRules(as_of=date(2026, 1, 1))
NOW = datetime(2026, 7, 1, 16, tzinfo=UTC)  # noon in New York, a Wednesday
NIGHT = datetime(2026, 7, 1, 6, tzinfo=UTC)
NUMBER = "+12025550123"


def settings_of(**changes: Any) -> CampaignSettings:
    return CampaignSettings(project_id="p", agent_id="a", **changes)


def someone(**changes: Any) -> Candidate:
    usual = {"contact_id": 1, "number": NUMBER, "zones": ("America/New_York",)}
    return Candidate(**{**usual, **changes})


def called(*ago: timedelta) -> tuple[Earlier, ...]:
    return tuple(Earlier(at=NOW - span, campaign_id=7) for span in sorted(ago, reverse=True))


def decide(
    candidate: Candidate,
    now: datetime = NOW,
    *,
    regions: RegionRules = SHIPPED,
    placeholders: tuple[str, ...] = (),
    **changes: Any,
) -> Decision:
    book = Rulebook(settings=settings_of(**changes), regions=regions, placeholders=placeholders)
    return book.decide(candidate, now)


def test_somebody_with_nothing_against_it_is_called() -> None:
    decision = decide(someone())
    assert isinstance(decision, CallNow)
    assert decision.because == {
        "window": "08:00-21:00",
        "local": {"America/New_York": "2026-07-01 12:00"},
    }


def test_the_audit_names_the_rules_of_regions_and_their_version() -> None:
    decision = decide(someone(regions=("US-FL", "US-CA")))
    assert isinstance(decision, CallNow)
    assert decision.because["regions"] == ["US-FL"]
    assert decision.because["rules"] == SHIPPED.as_of.isoformat()


def test_of_many_zones_the_audit_names_the_extremes() -> None:
    zones = ("Europe/London", "Europe/Berlin", "Europe/Athens", "Europe/Lisbon", "Asia/Dubai")
    decision = decide(someone(zones=zones))
    assert isinstance(decision, CallNow)
    assert decision.because["zones"] == 5
    assert decision.because["local"] == {
        "Europe/London": "2026-07-01 17:00", "Asia/Dubai": "2026-07-01 20:00"
    }  # fmt: skip
    assert len(json.dumps(decision.because)) < 200


def test_the_audit_is_right_in_the_next_minute_too() -> None:
    book = Rulebook(settings=settings_of(), regions=NONE)
    told = [book.decide(someone(), NOW + timedelta(seconds=span)) for span in (0, 59, 60)]
    times = [told_.because["local"]["America/New_York"][-5:] for told_ in told]  # type: ignore[union-attr]
    assert times == ["12:00", "12:00", "12:01"]


STOPS = {
    "suppressed": (
        someone(suppressed="asked us to"), Stop(reason=Reason.SUPPRESSED, detail="asked us to")
    ),
    "suppressed without words": (
        someone(suppressed=""), Stop(reason=Reason.SUPPRESSED)
    ),
    "no value": (
        someone(variables_json='{"name": "Ada", "day": " "}'),
        Stop(reason=Reason.PLACEHOLDER, detail="no value for day, city"),
    ),
    "attempts used": (
        someone(variables_json='{"name": "A", "day": 1, "city": "B"}', attempts=3),
        Stop(reason=Reason.ATTEMPTS_USED, detail="3 of 3"),
    ),
    "no zone": (
        someone(variables_json='{"name": "A", "day": 1, "city": "B"}', zones=()),
        Stop(reason=Reason.UNKNOWN_ZONE, detail="its time zone is not known"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("candidate", "stop"), STOPS.values(), ids=STOPS.keys())
def test_who_is_out_for_good_is_told_why(candidate: Candidate, stop: Stop) -> None:
    placeholders = ("name", "day", "city") if candidate.suppressed is None else ()
    assert decide(candidate, placeholders=placeholders) == stop


def test_what_is_for_good_comes_before_what_passes() -> None:
    hopeless = someone(
        suppressed="x", attempts=9, has_open=True, earlier=called(timedelta(0)), zones=()
    )
    steps = [
        ({}, Reason.SUPPRESSED),
        ({"suppressed": None}, Reason.PLACEHOLDER),
        ({"variables_json": '{"name": "Ada"}'}, Reason.ATTEMPTS_USED),
        ({"attempts": 0}, Reason.OPEN_ELSEWHERE),
        ({"has_open": False}, Reason.GAP),
        ({"earlier": ()}, Reason.UNKNOWN_ZONE),
        ({"zones": ("Asia/Tokyo",)}, Reason.OUTSIDE_WINDOW),
    ]
    for change, reason in steps:
        hopeless = hopeless._replace(**change)  # type: ignore[arg-type]
        decision = decide(hopeless, placeholders=("name",))
        assert not isinstance(decision, CallNow)
        assert decision.reason is reason


def test_who_is_being_called_elsewhere_waits_a_minute() -> None:
    decision = decide(someone(has_open=True))
    assert isinstance(decision, Wait)
    assert decision.until == NOW + timedelta(minutes=1)


MINUTES, HOURS, DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EPSILON = timedelta(microseconds=1)
SPACED = Caps(per_day=2, per_week=4, gap_seconds=600)
WAITS = {
    "within the gap": (called(10 * MINUTES - EPSILON), Reason.GAP, NOW + EPSILON),
    "the gap is over": (called(10 * MINUTES), None, None),
    "under the cap of a day": (called(5 * HOURS), None, None),
    "at the cap of a day": (called(5 * HOURS, 9 * HOURS), Reason.CAP, NOW + 15 * HOURS),
    "the oldest is a day old": (called(5 * HOURS, DAYS), None, None),
    "the oldest is almost a day old": (
        called(5 * HOURS, DAYS - EPSILON), Reason.CAP, NOW + EPSILON,
    ),
    "over the cap of a day": (
        called(5 * HOURS, 6 * HOURS, 9 * HOURS), Reason.CAP, NOW + 18 * HOURS,
    ),
    "at the cap of a week": (
        called(2 * DAYS, 3 * DAYS, 4 * DAYS, 5 * DAYS), Reason.CAP, NOW + 2 * DAYS,
    ),
    "under the cap of a week": (called(2 * DAYS, 3 * DAYS, 4 * DAYS, 7 * DAYS), None, None),
    "the longest wait wins": (
        called(1 * MINUTES, 5 * HOURS, 3 * DAYS, 4 * DAYS), Reason.CAP, NOW + 3 * DAYS,
    ),
    "an attempt in the future, after a clock was set back": (
        called(-5 * MINUTES), Reason.GAP, NOW + 15 * MINUTES,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("earlier", "reason", "until"), WAITS.values(), ids=WAITS.keys())
def test_gaps_and_caps_are_kept_to_the_moment(
    earlier: tuple[Earlier, ...], reason: Reason | None, until: datetime | None
) -> None:
    for order in (earlier, tuple(reversed(earlier))):
        decision = decide(someone(earlier=order), caps=SPACED)
        if reason is None:
            assert isinstance(decision, CallNow)
        else:
            assert isinstance(decision, Wait)
            assert (decision.reason, decision.until) == (reason, until)


def test_the_cap_of_a_region_counts_if_it_is_stricter() -> None:
    caps = Caps(per_day=5, per_week=9, gap_seconds=0)
    three = called(1 * HOURS, 2 * HOURS, 3 * HOURS)
    assert isinstance(decide(someone(earlier=three), caps=caps), CallNow)
    florida = decide(someone(earlier=three, regions=("US-FL",)), caps=caps)
    assert florida == Wait(
        until=NOW + 21 * HOURS, reason=Reason.CAP, detail="3 attempts within 24 hours"
    )
    caps = attrs.evolve(caps, per_day=2)
    stricter = decide(someone(earlier=three, regions=("US-FL",)), caps=caps)
    assert isinstance(stricter, Wait)
    assert stricter.until == NOW + 22 * HOURS


def test_in_a_window_of_the_whole_day_only_the_campaigns_own_caps_count() -> None:
    three = called(1 * HOURS, 2 * HOURS, 3 * HOURS)
    whole = CallingWindow.parse("00:00-24:00")
    anyone = someone(earlier=three, regions=("US-FL",), zones=())
    assert isinstance(decide(anyone, window=whole, caps=Caps(per_day=4)), CallNow)
    assert isinstance(decide(anyone, window=whole, caps=Caps(per_day=3)), Wait)


def test_outside_the_window_it_waits_until_that_opens() -> None:
    decision = decide(someone(), NIGHT)
    assert decision == Wait(
        until=datetime(2026, 7, 1, 12, tzinfo=UTC),
        reason=Reason.OUTSIDE_WINDOW,
        detail="the calling window is 08:00-21:00 (America/New_York)",
    )


def test_no_reason_holds_the_number() -> None:
    waits = (someone(has_open=True), someone(earlier=called(timedelta(0))))
    stops = (someone(zones=()), someone(attempts=3))
    for candidate in (*waits, *stops):
        assert NUMBER not in repr(decide(candidate))


def test_money_is_exact_to_the_micro_and_rounds_up() -> None:
    assert micros(0.1) + micros(0.2) == micros(0.3) == micros(0.1 + 0.2) == 300_000
    assert micros(0.0000011) == 2
    assert micros(0) == 0
    assert micros(123_456_789.000001) == 123_456_789_000_001


def test_a_senseless_amount_breaks_nothing() -> None:
    assert micros(1e30) == micros(float("inf")) == 10**18 < 2**63
    assert budget_left(campaign(Budget(limit=1e30, worst_call=1))) == 10**12


MOMENTS = st.integers(0, 2 * 366 * 1440).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
ZONES = st.lists(
    st.sampled_from(
        ["America/New_York", "America/Boise", "America/Los_Angeles", "Pacific/Honolulu",
         "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana"]
    ), max_size=3, unique=True,
).map(tuple)  # fmt: skip
REGIONS = st.lists(st.sampled_from(sorted(SHIPPED.regions)), max_size=2, unique=True).map(tuple)
BOOK = Rulebook(settings=settings_of(), regions=SHIPPED)


@settings(deadline=None)
@given(now=MOMENTS, zones=ZONES, regions=REGIONS)
def test_whoever_is_called_is_called_inside_every_window(
    now: datetime, zones: tuple[str, ...], regions: tuple[str, ...]
) -> None:
    decision = BOOK.decide(someone(zones=zones, regions=regions), now)
    if not zones:
        assert isinstance(decision, Stop)
    if not isinstance(decision, CallNow):
        return
    for zone in zones:
        local = now.astimezone(ZoneInfo(zone))
        assert time(8) <= local.time() < time(20, 59)
        assert decision.because["local"][zone] == f"{local:%Y-%m-%d %H:%M}"
        if {"US-FL", "US-MD", "US-WA", "US-OK", "US-MA"} & set(regions):
            assert local.time() < time(19, 59)
        if {"US-AL", "US-LA", "US-MS", "US-RI"} & set(regions):
            assert local.weekday() != 6
            assert (local.month, local.day) not in {(1, 1), (7, 4), (12, 25)}
        if "US-PA" in regions and local.date() >= date(2026, 10, 18):
            assert local.weekday() != 6


@settings(deadline=None)
@given(
    minutes=st.lists(st.integers(0, 9 * 1440), max_size=9),
    per_day=st.integers(1, 4),
    per_week=st.integers(1, 8),
    gap=st.integers(0, 7200),
)
def test_when_a_wait_for_gaps_and_caps_is_over_all_of_them_are_kept(
    minutes: list[int], per_day: int, per_week: int, gap: int
) -> None:
    caps = Caps(per_day=per_day, per_week=per_week, gap_seconds=gap)
    earlier = called(*(minute * MINUTES for minute in minutes if minute < 7 * 1440))
    whole = CallingWindow.parse("00:00-24:00")
    decision = decide(someone(earlier=earlier), caps=caps, window=whole)
    then = decision.until if isinstance(decision, Wait) else NOW
    assert then >= NOW
    moments = [entry.at for entry in earlier]
    assert sum(then - moment < DAYS for moment in moments) < per_day
    assert sum(then - moment < 7 * DAYS for moment in moments) < per_week
    assert all(then - moment >= timedelta(seconds=gap) for moment in moments)
    if isinstance(decision, Wait):
        before = then - EPSILON
        assert (
            sum(before - moment < DAYS for moment in moments) >= per_day
            or sum(before - moment < 7 * DAYS for moment in moments) >= per_week
            or any(before - moment < timedelta(seconds=gap) for moment in moments)
        )


def test_blank_is_as_good_as_missing_and_nothing_else_is() -> None:
    values = {"a": None, "b": "", "c": " \t", "d": 0, "e": False, "f": "x", "g": []}
    assert missing(values, ("a", "b", "c", "d", "e", "f", "g", "h")) == ("a", "b", "c", "h")


def campaign(
    budget: Budget | None = None, state: CampaignState = CampaignState.RUNNING, **changes: Any
) -> CampaignRecord:
    return CampaignRecord(
        campaign_id=1,
        name="c",
        state=state,
        settings=settings_of(budget=budget, redial=RedialPolicy()),
        created_at=NOW,
        **changes,
    )


BUDGETS = {
    "nothing spent": (Budget(limit=1, worst_call=0.1), 0, 0, 10),
    "a tenth and two tenths are three tenths": (Budget(limit=0.3, worst_call=0.1), 0, 0, 3),
    "after them nothing is left": (
        Budget(limit=0.3, worst_call=0.1), micros(0.1) + micros(0.2), 0, 0,
    ),
    "and no float is in the way": (Budget(limit=0.3, worst_call=0.1), micros(0.3 - 0.1), 0, 1),
    "one micro short": (Budget(limit=0.3, worst_call=0.1), 1, 0, 2),
    "reserved for calls in flight": (Budget(limit=1, worst_call=0.1), 0, 4, 6),
    "spent and reserved": (Budget(limit=1, worst_call=0.1), micros(0.35), 4, 2),
    "overspent": (Budget(limit=1, worst_call=0.1), micros(1.5), 4, 0),
    "a call that costs less than a micro": (Budget(limit=0.000002, worst_call=1e-9), 0, 0, 2),
    "a part of a micro is not there to be spent": (Budget(limit=2.9e-6, worst_call=3e-6), 0, 0, 0),
    "a call that costs more than the budget": (Budget(limit=1, worst_call=1.01), 0, 0, 0),
    "a call that may cost anything": (Budget(limit=1, worst_call=float("inf")), 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "spent", "unpriced", "left"), BUDGETS.values(), ids=BUDGETS.keys()
)
def test_no_call_is_started_unless_its_worst_case_fits(
    budget: Budget, spent: int, unpriced: int, left: int
) -> None:
    known = campaign(budget, spent_micros=spent, unpriced=unpriced)
    assert budget_left(known) == left
    assert admit(known, wanted=100) == left
    assert admit(known, wanted=1) == min(1, left)


def test_without_a_budget_all_that_are_wanted_are_admitted() -> None:
    assert budget_left(campaign()) is None
    assert admit(campaign(), wanted=100) == 100
    assert admit(campaign(), wanted=-3) == 0
    assert budget_left(campaign(Budget(limit=float("inf"), worst_call=1))) is None


@pytest.mark.parametrize("state", sorted(set(CampaignState) - {CampaignState.RUNNING}))
def test_only_a_running_campaign_calls(state: CampaignState) -> None:
    assert admit(campaign(state=state), wanted=100) == 0


@settings(deadline=None)
@given(
    limit=st.integers(1, 10**9), worst=st.integers(1, 10**7), spent=st.integers(0, 10**9),
    unpriced=st.integers(0, 1000),
)  # fmt: skip
def test_what_is_admitted_never_breaks_the_budget(
    limit: int, worst: int, spent: int, unpriced: int
) -> None:
    budget = Budget(limit=limit / 10**6, worst_call=worst / 10**6)
    left = budget_left(campaign(budget, spent_micros=spent, unpriced=unpriced))
    assert left is not None
    assert left == 0 or spent + (unpriced + left) * worst <= limit
    assert spent + (unpriced + left + 1) * worst > limit
