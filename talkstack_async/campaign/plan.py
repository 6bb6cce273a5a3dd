"""What would happen if a campaign ran: who is out and why, when it calls, what it may cost.

Contacts are counted by the place they may be in and forgotten, so a plan for a million of them
needs no more memory than one for a thousand.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

import attrs

from .decisions import CallNow, Candidate, Reason, Stop, Wait
from .records import CampaignRecord
from .rules import Rulebook, micros, money_left
from .windows import Closed, Open

__all__ = ["Forecast", "Pace", "PlaceForecast", "Plan", "plan"]

_SHOWN = 30
# Who waits for a gap or a cap is counted by the quarter of an hour in which that ends.
_QUARTER = timedelta(minutes=15)
_AT_MOST = timedelta(days=366)
# Contacts are divided up as if they were a fluid; so much of one is a rounding error.
_NOBODY = 1e-3


@attrs.frozen(kw_only=True)
class Pace:
    """How fast calls are placed.

    Attributes:
        calls_per_second: None for no limit but the one of concurrency.
        seconds_per_call: How long one call takes its slot: a guess, best from earlier calls.
    """

    max_concurrency: int
    seconds_per_call: float
    calls_per_second: float | None = None

    @property
    def rate(self) -> float:
        """Calls started per second, at most."""
        by_slots = self.max_concurrency / self.seconds_per_call
        return min(by_slots, self.calls_per_second or math.inf)


@attrs.frozen(kw_only=True)
class PlaceForecast:
    """Contacts of one set of candidate zones and regions.

    Attributes:
        opens_at: When they may be called, by the clock alone; the moment of the plan if now.
        closes_at: When that ends if it is now, None for never or not now.
    """

    zones: tuple[str, ...]
    regions: tuple[str, ...]
    contacts: int
    opens_at: datetime
    closes_at: datetime | None


@attrs.frozen(kw_only=True)
class Plan:
    """What would happen, one attempt for each contact; redials come on top.

    Attributes:
        at: The moment it is made for.
        contacts: All that were counted, those that are out included.
        out: Who is never called, by reason.
        waiting: Who is called later, by what they wait for first.
        callable_now: Who may be called at once.
        places: The largest groups of contacts that are called, at most thirty.
        further_places: How many groups there are besides.
        further_contacts: How many contacts are in those.
        calls_per_second: The pace that was reckoned with.
        first_at: When the first call would start; None if there is none.
        last_at: When the last one would; None if there is none, or not within a year.
        calling_seconds: How long calls are being started, without the hours in between.
        attempts_at_most: First attempts and every redial the policy allows.
        cost_at_most_micros: What those cost at worst, or what the budget leaves if that is
            less; None without a budget.
    """

    at: datetime
    contacts: int
    out: Mapping[Reason, int]
    waiting: Mapping[Reason, int]
    callable_now: int
    places: tuple[PlaceForecast, ...]
    further_places: int
    further_contacts: int
    calls_per_second: float
    first_at: datetime | None
    last_at: datetime | None
    calling_seconds: float
    attempts_at_most: int
    cost_at_most_micros: int | None

    @property
    def lasts_seconds(self) -> float | None:
        """How long it takes until the last first attempt starts; None if that is not known."""
        return None if self.last_at is None else (self.last_at - self.at).total_seconds()


def plan(
    candidates: Iterable[Candidate],
    rulebook: Rulebook,
    *,
    pace: Pace,
    now: datetime,
    campaign: CampaignRecord | None = None,
) -> Plan:
    """Make a plan for contacts, which are gone through once.

    Args:
        candidates: The contacts.
        rulebook: What decides on them.
        pace: How fast calls are placed.
        now: The moment to plan for.
        campaign: What was spent so far; None before there is a campaign.
    """
    forecast = Forecast(rulebook, pace=pace, now=now, campaign=campaign)
    for candidate in candidates:
        forecast.add(candidate)
    return forecast.result()


_Place: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class Forecast:
    """A plan in the making, for contacts that come one by one."""

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        pace: Pace,
        now: datetime,
        campaign: CampaignRecord | None = None,
    ) -> None:
        self._rulebook = rulebook
        self._pace = pace
        self._now = now
        self._campaign = campaign
        self._out: Counter[Reason] = Counter()
        self._waiting: Counter[Reason] = Counter()
        self._due: Counter[tuple[_Place, datetime]] = Counter()
        self._callable_now = 0
        self._attempts = 0

    def add(self, candidate: Candidate) -> None:
        """Count a contact."""
        decision = self._rulebook.decide(candidate, self._now)
        due = self._now
        match decision:
            case CallNow():
                self._callable_now += 1
            case Wait():
                self._waiting[decision.reason] += 1
                due = self._due_at(decision)
            case Stop():
                self._out[decision.reason] += 1
                return
            case _ as unreachable:
                assert_never(unreachable)
        self._due[(candidate.zones, candidate.regions), due] += 1
        self._attempts += self._tries(candidate)

    def leave_out(self, reason: Reason, count: int = 1) -> None:
        """Count rows nobody can be called from: bad numbers, duplicates."""
        self._out[reason] += count

    def result(self) -> Plan:
        """Return the plan for what was counted so far."""
        contacts = sum(self._due.values())
        places = self._places()
        starts = _Starts(self._rulebook, now=self._now, rate=self._pace.rate)
        first_at, last_at = starts.through(self._due)
        return Plan(
            at=self._now,
            contacts=contacts + self._out.total(),
            out=dict(self._out.most_common()),
            waiting=dict(self._waiting.most_common()),
            callable_now=self._callable_now,
            places=tuple(self._place(place, count) for place, count in places[:_SHOWN]),
            further_places=len(places[_SHOWN:]),
            further_contacts=sum(count for _, count in places[_SHOWN:]),
            calls_per_second=self._pace.rate,
            first_at=first_at,
            last_at=last_at,
            calling_seconds=contacts / self._pace.rate,
            attempts_at_most=self._attempts,
            cost_at_most_micros=self._cost(),
        )

    def _due_at(self, wait: Wait) -> datetime:
        if wait.reason is Reason.OUTSIDE_WINDOW:
            return self._now
        quarters = math.ceil((wait.until - self._now) / _QUARTER)
        return self._now + quarters * _QUARTER

    def _tries(self, candidate: Candidate) -> int:
        settings = self._rulebook.settings
        # Without following nobody learns how a call ended, so there are no redials.
        return settings.redial.max_attempts - candidate.attempts if settings.follow else 1

    def _places(self) -> list[tuple[_Place, int]]:
        counts: Counter[_Place] = Counter()
        for (place, _), count in self._due.items():
            counts[place] += count
        return counts.most_common()

    def _place(self, place: _Place, count: int) -> PlaceForecast:
        zones, regions = place
        opening = self._rulebook.opening(_someone(place), self._now)
        return PlaceForecast(
            zones=zones,
            regions=regions,
            contacts=count,
            opens_at=(opening.until if isinstance(opening, Closed) else None) or self._now,
            closes_at=opening.until if isinstance(opening, Open) else None,
        )

    def _cost(self) -> int | None:
        budget = self._rulebook.settings.budget
        if budget is None or math.isinf(budget.worst_call):
            return None
        at_worst = self._attempts * micros(budget.worst_call)
        if math.isinf(budget.limit):
            return at_worst
        if self._campaign is None:
            return min(at_worst, micros(budget.limit))
        left, _ = money_left(self._campaign, budget)
        return min(at_worst, max(0, left))


class _Starts:
    """Goes through the days and places calls at a pace; who may be called first comes first."""

    def __init__(self, rulebook: Rulebook, *, now: datetime, rate: float) -> None:
        self._rulebook = rulebook
        self._now = now
        self._rate = rate

    def through(
        self, due: Mapping[tuple[_Place, datetime], int]
    ) -> tuple[datetime | None, datetime | None]:
        """Return when the first and the last call start; None if that is never, or in a year."""
        queue = [
            (at, number, place, float(count))
            for number, ((place, at), count) in enumerate(due.items())
        ]
        heapq.heapify(queue)
        moment, first = self._now, None
        while queue:
            at, number, place, left = heapq.heappop(queue)
            moment = max(moment, at)
            if moment - self._now > _AT_MOST:
                return first, None
            opening = self._rulebook.opening(_someone(place), moment)
            if isinstance(opening, Open):
                first = first or moment
                moment, left = self._call(left, moment, opening.until)
            if left > _NOBODY and opening.until is not None:
                heapq.heappush(queue, (opening.until, number, place, left))
        return first, (moment if first is not None else None)

    def _call(
        self, left: float, moment: datetime, until: datetime | None
    ) -> tuple[datetime, float]:
        needed = left / self._rate
        room = math.inf if until is None else (until - moment).total_seconds()
        if needed <= room:
            return moment + timedelta(seconds=needed), 0.0
        return moment + timedelta(seconds=room), left - room * self._rate


def _someone(place: _Place) -> Candidate:
    return Candidate(contact_id=0, number="", zones=place[0], regions=place[1])
