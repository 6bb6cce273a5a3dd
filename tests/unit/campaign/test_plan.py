"""The forecast of a campaign: counts, places, moments, money; and memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from talkstack_async.campaign.decisions import Candidate, Earlier, Reason
from talkstack_async.campaign.plan import Forecast, Pace, Plan, plan
from talkstack_async.campaign.records import CampaignRecord
from talkstack_async.campaign.regions import RegionRules
from talkstack_async.campaign.rules import Rulebook, micros
from talkstack_async.campaign.settings import Budget, CallingWindow, CampaignSettings
from talkstack_async.campaign.states import CampaignState

NONE = RegionRules(as_of=date(2026, 1, 1))
NOW = datetime(2026, 7, 1, 16, tzinfo=UTC)  # noon in New York
NEW_YORK, TOKYO, BERLIN = ("America/New_York",), ("Asia/Tokyo",), ("Europe/Berlin",)
SLOW = Pace(max_concurrency=10, seconds_per_call=30, calls_per_second=1)
WHOLE = CallingWindow.parse("00:00-24:00")


def people(count: int, **facts: Any) -> Iterator[Candidate]:
    for number in range(count):
        yield Candidate(contact_id=number, number="+12025550123", **facts)


def book(placeholders: tuple[str, ...] = (), **changes: Any) -> Rulebook:
    settings = CampaignSettings(project_id="p", agent_id="a", **changes)
    return Rulebook(settings=settings, regions=NONE, placeholders=placeholders)


def planned(*groups: Iterator[Candidate], pace: Pace = SLOW, **changes: Any) -> Plan:
    everybody = (candidate for group in groups for candidate in group)
    return plan(everybody, book(**changes), pace=pace, now=NOW)


def test_the_pace_is_bound_by_the_rate_and_by_the_slots() -> None:
    assert SLOW.rate == pytest.approx(1 / 3)
    assert Pace(max_concurrency=100, seconds_per_call=30, calls_per_second=1).rate == 1
    assert Pace(max_concurrency=100, seconds_per_call=20).rate == 5


def test_nobody_makes_an_empty_plan() -> None:
    nothing = planned(iter(()))
    assert nothing.contacts == nothing.callable_now == nothing.attempts_at_most == 0
    assert (nothing.first_at, nothing.last_at, nothing.lasts_seconds) == (None, None, None)
    assert nothing.places == ()


def test_who_is_out_is_counted_by_reason() -> None:
    found = planned(
        people(3, zones=NEW_YORK, variables_json='{"name": "Ada"}'),
        people(2, zones=NEW_YORK),
        people(4, zones=(), variables_json='{"name": "Ada"}'),
        people(1, zones=NEW_YORK, suppressed="asked us to"),
        placeholders=("name",),
    )
    assert found.contacts == 10
    assert found.out == {Reason.UNKNOWN_ZONE: 4, Reason.PLACEHOLDER: 2, Reason.SUPPRESSED: 1}
    assert found.callable_now == 3


def test_rows_that_make_no_contact_are_counted_too() -> None:
    forecast = Forecast(book(), pace=SLOW, now=NOW)
    forecast.leave_out(Reason.DUPLICATE)
    forecast.leave_out(Reason.INVALID_NUMBER, 2)
    assert forecast.result().contacts == 3
    assert forecast.result().out == {Reason.INVALID_NUMBER: 2, Reason.DUPLICATE: 1}


def test_each_place_says_when_it_opens() -> None:
    found = planned(people(5, zones=NEW_YORK), people(7, zones=TOKYO))
    assert found.waiting == {Reason.OUTSIDE_WINDOW: 7}
    tokyo, new_york = found.places
    assert (tokyo.zones, tokyo.contacts, tokyo.closes_at) == (TOKYO, 7, None)
    assert tokyo.opens_at == datetime(2026, 7, 1, 23, tzinfo=UTC)
    assert (new_york.contacts, new_york.opens_at) == (5, NOW)
    assert new_york.closes_at == datetime(2026, 7, 2, 0, 59, tzinfo=UTC)


def test_only_the_largest_places_are_listed_and_the_others_counted() -> None:
    zones = [f"Etc/GMT{hours:+}" for hours in range(-12, 13) if hours]
    groups = [people(number + 1, zones=(zone,)) for number, zone in enumerate(zones)]
    both = [people(1, zones=(zone, "UTC")) for zone in zones[4:20]]
    found = planned(*groups, *both)
    assert len(found.places) == 30
    assert found.places[0].contacts == len(zones)
    assert found.further_places == len(zones) + len(both) - 30
    counted = sum(place.contacts for place in found.places) + found.further_contacts
    assert counted + sum(found.out.values()) == found.contacts


def test_calling_that_fits_into_the_window_ends_in_it() -> None:
    found = planned(people(3600, zones=NEW_YORK))
    assert found.first_at == NOW
    assert found.calling_seconds == pytest.approx(3 * 3600)
    assert found.last_at == NOW + timedelta(hours=3)
    assert found.lasts_seconds == pytest.approx(3 * 3600)


def test_calling_that_does_not_goes_on_in_the_next_one() -> None:
    # 8 h 59 min of today are left, then 12 h 59 min from 08:00 on.
    found = planned(people(1200 * 10, zones=NEW_YORK))
    assert found.first_at == NOW
    assert found.last_at == datetime(2026, 7, 2, 12, tzinfo=UTC) + timedelta(minutes=61)


def test_while_one_place_sleeps_another_is_called() -> None:
    # Six hours of each: New York now, Tokyo from 23:00 UTC to 11:59.
    found = planned(people(7200, zones=TOKYO), people(7200, zones=NEW_YORK))
    assert found.last_at == datetime(2026, 7, 2, 5, tzinfo=UTC)


def test_places_that_are_open_together_share_the_pace() -> None:
    found = planned(people(1200, zones=NEW_YORK), people(1200, zones=("America/Chicago",)))
    assert found.last_at == NOW + timedelta(hours=2)


def test_if_nobody_can_be_called_yet_it_begins_when_the_first_can() -> None:
    found = planned(people(10, zones=TOKYO), people(10, zones=("Asia/Kolkata",)))
    assert found.callable_now == 0
    assert found.first_at == datetime(2026, 7, 1, 23, tzinfo=UTC)
    assert found.last_at is not None
    assert found.last_at >= datetime(2026, 7, 2, 2, 30, tzinfo=UTC)


def test_who_waits_for_a_gap_is_called_after_it() -> None:
    earlier = (Earlier(at=NOW - timedelta(hours=1), campaign_id=1),) * 3
    found = planned(people(30, zones=(), earlier=earlier), window=WHOLE)
    assert found.waiting == {Reason.CAP: 30}
    assert found.first_at == NOW + timedelta(hours=23)


def test_waits_are_rounded_up_to_a_quarter_of_an_hour() -> None:
    earlier = (Earlier(at=NOW - timedelta(minutes=59, seconds=59), campaign_id=1),) * 3
    found = planned(people(30, zones=(), earlier=earlier), window=WHOLE)
    assert found.first_at == NOW + timedelta(hours=23, minutes=15)


def test_what_takes_longer_than_a_year_has_no_end() -> None:
    crawl = Pace(max_concurrency=1, seconds_per_call=36_000)
    found = planned(people(2000, zones=NEW_YORK), pace=crawl)
    assert found.first_at == NOW
    assert found.last_at is None
    assert found.lasts_seconds is None


def test_redials_count_as_attempts_and_those_that_were_made_do_not() -> None:
    groups = people(5, zones=NEW_YORK), people(2, zones=TOKYO, attempts=2)
    assert planned(*groups).attempts_at_most == 5 * 3 + 2 * 1


def test_without_following_there_are_no_redials() -> None:
    assert planned(people(5, zones=NEW_YORK), follow=False).attempts_at_most == 5


COSTS = {
    "no budget": (None, None),
    "less than the budget": (Budget(limit=100, worst_call=0.1), micros(1.5)),
    "more than the budget": (Budget(limit=1, worst_call=0.1), micros(1)),
    "no limit": (Budget(limit=float("inf"), worst_call=0.1), micros(1.5)),
    "a call that may cost anything": (Budget(limit=1, worst_call=float("inf")), None),
}


@pytest.mark.parametrize(("budget", "cost"), COSTS.values(), ids=COSTS.keys())
def test_it_says_what_the_calls_cost_at_most(budget: Budget | None, cost: int | None) -> None:
    assert planned(people(5, zones=NEW_YORK), budget=budget).cost_at_most_micros == cost


def test_what_was_spent_is_taken_off_the_budget() -> None:
    rules = book(budget=Budget(limit=1, worst_call=0.1))
    campaign = CampaignRecord(
        campaign_id=1,
        name="c",
        state=CampaignState.RUNNING,
        settings=rules.settings,
        created_at=NOW,
        spent_micros=micros(0.4),
        unpriced=2,
    )
    found = plan(people(5, zones=NEW_YORK), rules, pace=SLOW, now=NOW, campaign=campaign)
    assert found.cost_at_most_micros == micros(0.4)


def test_memory_does_not_grow_with_the_list() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        earlier = (Earlier(at=NOW, campaign_id=1),)
        planned(people(count, zones=NEW_YORK), people(count, zones=TOKYO, earlier=earlier))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # Threads that other tests left behind are traced, too, so it has three tries.
    assert any(peak(5_000) < peak(500) * 1.5 + 50_000 for _ in range(3))
