"""When a number may be called: calling window, time zones and the rules of regions together.

Clocks that change make some local times happen twice and others not at all. Of two readings
of such a time the one that calls less is taken: the later to begin, the earlier to end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

import attrs

from .regions import Hours, RegionRules, since_midnight
from .settings import CallingWindow

__all__ = ["Closed", "Open", "Opening", "Openings", "opening", "zone_named"]

_ONE_DAY = timedelta(days=1)
# Zones whose windows do not meet in summer may meet in winter; a year shows all there is.
_DAYS_AHEAD = 367
_MOST_PLACES = 20_000


@attrs.frozen
class Open:
    """Calling is allowed before `until`; None for always."""

    until: datetime | None


@attrs.frozen
class Closed:
    """Calling is not allowed before `until`; None for never."""

    until: datetime | None
    why: str


Opening: TypeAlias = Open | Closed


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name; None if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def opening(
    at: datetime,
    *,
    zones: Sequence[str],
    regions: Sequence[str],
    window: CallingWindow,
    rules: RegionRules,
) -> Opening:
    """Say whether a number may be called, and until when that holds.

    It may be if the window is open in every zone the number may be in, and every rule of every
    region it may be in is kept there too. Without a zone, or with one that nobody knows, it may
    not, unless the window is the whole day: then nothing is asked.
    """
    if window.is_whole_day:
        return Open(until=None)
    if not zones:
        return Closed(until=None, why="its time zone is not known")
    hours = _LocalHours(window=window, rules=rules, regions=tuple(regions))
    places: list[ZoneInfo] = []
    for name in zones:
        zone = zone_named(name)
        if zone is None:
            return Closed(until=None, why=f"there is no time zone {name!r}")
        places.append(zone)
    return _opening(at.astimezone(UTC), places, hours)


def _opening(at: datetime, zones: Sequence[ZoneInfo], hours: _LocalHours) -> Opening:
    span = _common(at, zones, hours)
    if span is None:
        several = len(zones) > 1 and all(_common(at, [zone], hours) for zone in zones)
        never = "the windows of its zones never overlap" if several else "its window never opens"
        return Closed(until=None, why=never)
    if span.start <= at:
        return Open(until=span.end)
    return Closed(until=span.start, why=_what_closes(at, zones, hours))


class Openings:
    """What `opening` says, remembered for each set of zones and regions until it changes."""

    def __init__(self, window: CallingWindow, rules: RegionRules) -> None:
        self._window = window
        self._rules = rules
        self._known: dict[tuple[Sequence[str], Sequence[str]], tuple[datetime, Opening]] = {}

    def at(self, now: datetime, zones: tuple[str, ...], regions: tuple[str, ...]) -> Opening:
        """Return `opening(now, ...)`, from memory if that is still true."""
        key = (zones, regions)
        known = self._known.get(key)
        if known is not None:
            since, found = known
            if since <= now and (found.until is None or now < found.until):
                return found
        if len(self._known) >= _MOST_PLACES:
            self._known.clear()
        found = opening(now, zones=zones, regions=regions, window=self._window, rules=self._rules)
        self._known[key] = (now, found)
        return found


@attrs.frozen
class _Span:
    """From `start` on, and before `end`."""

    start: datetime
    end: datetime


@attrs.frozen(kw_only=True)
class _LocalHours:
    """What is allowed at one place: the window, as the rules of regions narrow it."""

    window: CallingWindow
    rules: RegionRules
    regions: tuple[str, ...]

    def next_span(self, zone: ZoneInfo, at: datetime) -> _Span | None:
        """Return the span that holds a moment, or else the next one after it."""
        margin = timedelta(seconds=self.window.margin_seconds)
        for span in self._spans(zone, at.astimezone(zone).date()):
            end = span.end - margin
            if end > at and end > span.start:
                return _Span(span.start, end)
        return None

    def _spans(self, zone: ZoneInfo, first: date) -> Iterator[_Span]:
        # What goes on over midnight is one span, so that the margin lies at its real end.
        held: _Span | None = None
        for number in range(_DAYS_AHEAD):
            day = first + number * _ONE_DAY
            for piece in self.pieces(day):
                span = _in_utc(day, piece, zone)
                if held is not None and held.end == span.start:
                    span = _Span(held.start, span.end)
                elif held is not None:
                    yield held
                held = span if span.start < span.end else None
                if held is not None and piece.end < _ONE_DAY:
                    yield held
                    held = None
        if held is not None:
            yield held

    def pieces(self, day: date) -> Iterator[Hours]:
        """Return the parts of a local date in which calls are allowed."""
        limits = self.rules.on(day, self.regions)
        for piece in self.window_pieces():
            start = max([piece.start, *(limit.start for limit in limits)])
            end = min([piece.end, *(limit.end for limit in limits)])
            if start < end:
                yield Hours(start, end, piece.why)

    def window_pieces(self) -> list[Hours]:
        """Return the window's parts in any local date: two if it goes over midnight."""
        start, end = since_midnight(self.window.start), since_midnight(self.window.end)
        why = f"the calling window is {self.window}"
        if self.window.end == time():
            return [Hours(start, _ONE_DAY, why)]
        if start <= end:
            return [Hours(start, end, why)]
        return [Hours(timedelta(0), end, why), Hours(start, _ONE_DAY, why)]


def _in_utc(day: date, piece: Hours, zone: ZoneInfo) -> _Span:
    return _Span(
        max(_readings(day, piece.start, zone)),
        min(_readings(day, piece.end, zone)),
    )


def _readings(day: date, past_midnight: timedelta, zone: ZoneInfo) -> tuple[datetime, datetime]:
    wall = datetime.combine(day, time(), tzinfo=zone) + past_midnight
    return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def _common(at: datetime, zones: Sequence[ZoneInfo], hours: _LocalHours) -> _Span | None:
    """Return the first span at or after a moment in which all zones are open together.

    Goes round the zones, jumping to where the next one opens, until all of them agree.
    """
    start, end, agreed = at, None, 0
    last = at + _DAYS_AHEAD * _ONE_DAY
    for zone in itertools.cycle(zones):
        span = hours.next_span(zone, start)
        if span is None or span.start > last:
            return None
        if span.start > start or end is None:
            start, end, agreed = max(start, span.start), span.end, 1
        else:
            end, agreed = min(end, span.end), agreed + 1
        if agreed == len(zones):
            return _Span(start, end)
    return None


def _what_closes(at: datetime, zones: Sequence[ZoneInfo], hours: _LocalHours) -> str:
    for zone in zones:
        local = at.astimezone(zone)
        past_midnight = since_midnight(local.time())
        for limit in hours.rules.on(local.date(), hours.regions):
            if not limit.allow(past_midnight):
                return f"{limit.why} ({zone.key})"
        pieces = hours.window_pieces()
        if not any(piece.allow(past_midnight) for piece in pieces):
            return f"{pieces[0].why} ({zone.key})"
    return "its calling window is about to close"
