"""Calling rules of regions that are stricter than the campaign's own window, as dated data.

What is shipped lies in `data/region_rules.json`; a campaign may name a file of its own
instead. Each rule says where it comes from, when that was looked up, and whether the source
was the law itself. None of it is legal advice.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from pathlib import Path

import attrs

__all__ = ["WEEKDAYS", "Holiday", "Hours", "RegionRule", "RegionRules"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ONE_DAY = timedelta(days=1)
# A date begins first where the clocks are furthest ahead of UTC.
_FURTHEST_AHEAD = timedelta(hours=14)


@attrs.frozen
class Hours:
    """The part of a local day in which calls are allowed, and the rule that says so.

    Both ends count from midnight by the clock on the wall, so they know no change of the
    clocks. Nothing is allowed if they are equal.
    """

    start: timedelta
    end: timedelta
    why: str

    def allow(self, since_midnight: timedelta) -> bool:
        """Say whether a time of day lies within; the end does not."""
        return self.start <= since_midnight < self.end


def _closed(why: str) -> Hours:
    return Hours(timedelta(0), timedelta(0), why)


@attrs.frozen(kw_only=True)
class Holiday:
    """A day of each year, or of one, by its date or as the nth weekday of its month.

    Attributes:
        weekday: 0 for Monday.
        nth: 1 for the first such weekday of the month, -1 for the last.
        year: The only year it is kept in; None for every year.
        observed: Keep the Friday too if it falls on a Saturday, the Monday if on a Sunday.
    """

    name: str
    month: int
    day: int | None = None
    weekday: int | None = None
    nth: int | None = None
    year: int | None = None
    observed: bool = False

    def falls_on(self, day: date) -> bool:
        """Say whether a day is this holiday, or the one on which it is observed."""
        if self._is(day):
            return True
        if not self.observed:
            return False
        return (day.weekday() == 4 and self._is(day + _ONE_DAY)) or (
            day.weekday() == 0 and self._is(day - _ONE_DAY)
        )

    def _is(self, day: date) -> bool:
        if day.month != self.month or self.year not in (None, day.year):
            return False
        if self.nth is None:
            return day.day == self.day
        if day.weekday() != self.weekday:
            return False
        if self.nth > 0:
            return (day.day - 1) // 7 + 1 == self.nth
        days = calendar.monthrange(day.year, day.month)[1]
        return (days - day.day) // 7 + 1 == -self.nth


@attrs.frozen(kw_only=True)
class RegionRule:
    """One restriction in one region. Several may hold there at once: all of them are kept.

    Attributes:
        region: Like `US-FL`.
        source: Where it is written.
        as_of: When that was looked up.
        verified: Whether the law itself was read, and not only what somebody says of it.
        hours: Allowed hours by weekday, 0 for Monday; a weekday that is missing is open.
        closed_weekdays: Weekdays without calls.
        closed_dates: Holidays without calls.
        per_day: Attempts within any 24 hours.
        since: The first local date on which it is in force; None for always.
    """

    region: str
    source: str
    as_of: date
    verified: bool
    hours: Mapping[int, tuple[time, time]] = attrs.field(factory=dict, hash=False)
    closed_weekdays: frozenset[int] = frozenset()
    closed_dates: tuple[Holiday, ...] = ()
    per_day: int | None = None
    since: date | None = None
    note: str = ""

    def on(self, day: date) -> Hours | None:
        """Return what it allows on a local date; None if it restricts nothing on that day."""
        if self.since is not None and day < self.since:
            return None
        weekday = day.weekday()
        if weekday in self.closed_weekdays:
            return _closed(f"{self.region} allows no calls on a {WEEKDAYS[weekday].title()}")
        for holiday in self.closed_dates:
            if holiday.falls_on(day):
                return _closed(f"{self.region} allows no calls on {holiday.name}")
        if weekday not in self.hours:
            return None
        start, end = self.hours[weekday]
        return Hours(
            since_midnight(start),
            since_midnight(end) or _ONE_DAY,
            f"{self.region} allows {start:%H:%M}-{_end(end)}",
        )

    def caps_at(self, moment: datetime) -> int | None:
        """Return its cap per day if that is in force at a moment, anywhere on earth."""
        if self.since is not None:
            begins = datetime.combine(self.since, time(), tzinfo=UTC) - _FURTHEST_AHEAD
            if moment < begins:
                return None
        return self.per_day


@attrs.frozen(kw_only=True)
class RegionRules:
    """The rules of all regions, and the date the whole was last gone over.

    Attributes:
        regions: By region; several rules of one region come from several sources or dates.
    """

    as_of: date
    regions: Mapping[str, tuple[RegionRule, ...]] = attrs.field(factory=dict, hash=False)

    @classmethod
    def shipped(cls) -> RegionRules:
        """Return the rules that come with this package."""
        from .region_files import parse_rules

        file = resources.files("talkstack_async.campaign").joinpath("data", "region_rules.json")
        return parse_rules(file.read_bytes(), name="the shipped region_rules.json")

    @classmethod
    def named_by(cls, file: str | None) -> RegionRules:
        """Return the rules of a file, or those that are shipped if none is named.

        Raises:
            ConfigurationError: The file cannot be used.
        """
        return cls.shipped() if file is None else cls.load(Path(file))

    @classmethod
    def load(cls, path: Path) -> RegionRules:
        """Read a file of rules that takes the place of the shipped ones.

        Raises:
            ConfigurationError: It cannot be read, or something in it is malformed or not
                known; the message names file, rule, region and field. A rule that cannot be
                understood is never skipped.
        """
        from .region_files import read_rules

        return read_rules(path)

    def of(self, regions: Sequence[str]) -> list[RegionRule]:
        """Return every rule of these regions."""
        return [rule for region in regions for rule in self.regions.get(region, ())]

    def on(self, day: date, regions: Sequence[str]) -> list[Hours]:
        """Return what restricts calling in these regions on a local date."""
        found = (rule.on(day) for rule in self.of(regions))
        return [hours for hours in found if hours is not None]

    def per_day(self, moment: datetime, regions: Sequence[str]) -> int | None:
        """Return the strictest cap on attempts within 24 hours; None if there is none."""
        caps = (rule.caps_at(moment) for rule in self.of(regions))
        return min((cap for cap in caps if cap is not None), default=None)


def since_midnight(clock: time) -> timedelta:
    """Return how far the hands of the clock are past midnight."""
    return timedelta(
        hours=clock.hour,
        minutes=clock.minute,
        seconds=clock.second,
        microseconds=clock.microsecond,
    )


def _end(clock: time) -> str:
    return "24:00" if clock == time() else f"{clock:%H:%M}"
