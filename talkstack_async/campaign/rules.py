"""Whether a contact may be called now: every check before a phone may ring, in one place.

A ledger hands in the facts and does what it is told; what a rule says stands here and, for
regions, in the data file. Each refusal carries its reason, which is stored and shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, TypeAlias

import attrs

from .decisions import CallNow, Candidate, Decision, Reason, Stop, Wait
from .records import CampaignRecord
from .regions import RegionRules
from .settings import Budget, CampaignSettings
from .states import CampaignState
from .windows import Open, Opening, Openings, zone_named

__all__ = ["Rulebook", "admit", "budget_left", "micros", "missing"]

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
# How soon to look again at somebody who is being called by another campaign.
_OPEN_ELSEWHERE = timedelta(minutes=1)
# So many local times fit into a line of the audit; of more, the extremes are what matters.
_MOST_LOCAL_TIMES = 4
_MOST_REMEMBERED = 20_000

_DUST = Decimal("0.001")
_MOST_MONEY = 1e12

_MINUTE = timedelta(minutes=1)

_Because: TypeAlias = "Mapping[str, Any]"
_Place: TypeAlias = "tuple[Sequence[str], Sequence[str]]"


@attrs.frozen
class _Answer:
    """That everybody at a place may be called, as long as nothing of it changes."""

    since: datetime
    until: datetime
    decision: CallNow


@attrs.frozen(kw_only=True)
class Rulebook:
    """All rules of a campaign. Make one per run, or after the settings changed.

    Remembers when which zones are open, so deciding on a contact takes microseconds.

    Attributes:
        placeholders: Names the agent's instruction asks for; each needs a value.
    """

    settings: CampaignSettings
    regions: RegionRules
    placeholders: tuple[str, ...] = ()
    _openings: Openings = attrs.field(
        init=False,
        repr=False,
        eq=False,
        default=attrs.Factory(
            lambda self: Openings(self.settings.window, self.regions), takes_self=True
        ),
    )
    _answers: dict[_Place, _Answer] = attrs.field(init=False, repr=False, eq=False, factory=dict)

    def decide(self, candidate: Candidate, now: datetime) -> Decision:
        """Say what to do with a contact at a given moment.

        What rules it out for good comes first, then what passes by itself. A `Wait` names the
        moment its own reason ends; others may hold then, and are found when it is over.
        """
        return (
            self._ruled_out(candidate)
            or self._too_soon(candidate, now)
            or self._by_the_clock(candidate, now)
        )

    def opening(self, candidate: Candidate, at: datetime) -> Opening:
        """Say when a contact may be called by the clock alone."""
        return self._openings.at(at, candidate.zones, candidate.regions)

    def _ruled_out(self, candidate: Candidate) -> Stop | None:
        if candidate.suppressed is not None:
            return Stop(reason=Reason.SUPPRESSED, detail=candidate.suppressed)
        unfilled = self.placeholders and missing(candidate.variables, self.placeholders)
        if unfilled:
            return Stop(reason=Reason.PLACEHOLDER, detail=f"no value for {', '.join(unfilled)}")
        most = self.settings.redial.max_attempts
        if candidate.attempts >= most:
            return Stop(reason=Reason.ATTEMPTS_USED, detail=f"{candidate.attempts} of {most}")
        return None

    def _too_soon(self, candidate: Candidate, now: datetime) -> Wait | None:
        if candidate.has_open:
            return Wait(
                until=now + _OPEN_ELSEWHERE,
                reason=Reason.OPEN_ELSEWHERE,
                detail="a call to this number is under way",
            )
        if not candidate.earlier:
            return None
        waits = [wait for wait in self._bounds(candidate, now) if wait.until > now]
        return max(waits, key=lambda wait: wait.until, default=None)

    def _bounds(self, candidate: Candidate, now: datetime) -> list[Wait]:
        """List what earlier attempts forbid, and when each stops to, even if that is past."""
        caps = self.settings.caps
        moments = sorted(earlier.at for earlier in candidate.earlier)
        bounds = [
            Wait(
                until=moments[-1] + timedelta(seconds=caps.gap_seconds),
                reason=Reason.GAP,
                detail=f"{caps.gap_seconds:g} s between attempts",
            )
        ]
        per_day = self._per_day(candidate, now)
        for cap, span, words in ((per_day, _DAY, "24 hours"), (caps.per_week, _WEEK, "7 days")):
            # As soon as the cap-th last attempt is a whole span old, there is room for one.
            if len(moments) >= cap:
                bounds.append(
                    Wait(
                        until=moments[-cap] + span,
                        reason=Reason.CAP,
                        detail=f"{cap} attempts within {words}",
                    )
                )
        return bounds

    def _per_day(self, candidate: Candidate, now: datetime) -> int:
        own = self.settings.caps.per_day
        if self.settings.window.is_whole_day:
            return own
        there = self.regions.per_day(now, candidate.regions)
        return own if there is None else min(own, there)

    def _by_the_clock(self, candidate: Candidate, now: datetime) -> Decision:
        place = (candidate.zones, candidate.regions)
        known = self._answers.get(place)
        if known is not None and known.since <= now < known.until:
            return known.decision
        found = self.opening(candidate, now)
        if isinstance(found, Open):
            return self._remembered(place, found, now)
        if found.until is None:
            return Stop(reason=Reason.UNKNOWN_ZONE, detail=found.why)
        return Wait(until=found.until, reason=Reason.OUTSIDE_WINDOW, detail=found.why)

    def _remembered(self, place: _Place, found: Open, now: datetime) -> CallNow:
        """Answer for all of a place: the audit's words are the same within a minute."""
        until = now.replace(second=0, microsecond=0) + _MINUTE
        if found.until is not None:
            until = min(until, found.until)
        decision = CallNow(because=self._why_now(place, now))
        if len(self._answers) >= _MOST_REMEMBERED:
            self._answers.clear()
        self._answers[place] = _Answer(now, until, decision)
        return decision

    def _why_now(self, place: _Place, now: datetime) -> _Because:
        if self.settings.window.is_whole_day:
            return {"window": "00:00-24:00"}
        zones, regions = place
        local = _local_times(zones, now)
        because: dict[str, Any] = {"window": str(self.settings.window)}
        if len(local) > _MOST_LOCAL_TIMES:
            because["zones"] = len(local)
            local = dict([min(local.items(), key=_time), max(local.items(), key=_time)])
        because["local"] = local
        ruled = [rule.region for rule in self.regions.of(regions)]
        if ruled:
            because["regions"] = sorted(set(ruled))
            because["rules"] = self.regions.as_of.isoformat()
        return because


def _local_times(zones: Sequence[str], now: datetime) -> dict[str, str]:
    return {
        name: f"{now.astimezone(zone):%Y-%m-%d %H:%M}"
        for name in zones
        if (zone := zone_named(name)) is not None
    }


def _time(item: tuple[str, str]) -> str:
    return item[1]


def missing(variables: Mapping[str, Any], placeholders: Sequence[str]) -> tuple[str, ...]:
    """Return the placeholders without a value: not there, null, or blank text."""
    return tuple(name for name in placeholders if _is_blank(variables.get(name)))


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def admit(campaign: CampaignRecord, *, wanted: int) -> int:
    """Say how many calls may be started: all that are wanted, or what the budget leaves.

    None unless the campaign is running.
    """
    if campaign.state is not CampaignState.RUNNING:
        return 0
    left = budget_left(campaign)
    return max(0, wanted if left is None else min(wanted, left))


def budget_left(campaign: CampaignRecord) -> int | None:
    """Return how many calls the budget still covers at worst; None if there is no budget.

    Every attempt whose cost is not known counts as the dearest call there can be.
    """
    budget = campaign.settings.budget
    if budget is None or math.isinf(budget.limit):
        return None
    if math.isinf(budget.worst_call):
        return 0
    left, worst = money_left(campaign, budget)
    return max(0, left // worst)


def money_left(campaign: CampaignRecord, budget: Budget) -> tuple[int, int]:
    """Return what is neither spent nor reserved, and the dearest call, both in micros."""
    worst = max(1, micros(budget.worst_call))
    limit = _in_micros(budget.limit).to_integral_value(rounding=ROUND_FLOOR)
    return int(limit) - campaign.spent_micros - campaign.unpriced * worst, worst


def micros(amount: float) -> int:
    """Return an amount of money in whole millionths; parts of one are rounded up.

    More than a million millions counts as just that, so that every ledger can hold it.
    """
    return int(_in_micros(amount).to_integral_value(rounding=ROUND_CEILING))


def _in_micros(amount: float) -> Decimal:
    # By way of its text, because 0.1 means a tenth and not the double beside it; what lies far
    # beyond a micro is the dust of somebody's sum.
    return (Decimal(str(min(amount, _MOST_MONEY))) * 1_000_000).quantize(_DUST)
