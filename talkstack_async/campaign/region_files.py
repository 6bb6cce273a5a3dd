"""Reading a file of region rules, strictly: a misspelt field would be a rule nobody keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..errors import ConfigurationError
from .regions import WEEKDAYS, Holiday, RegionRule, RegionRules
from .settings import CallingWindow

__all__ = ["parse_rules", "read_rules"]

_T = TypeVar("_T")


def read_rules(path: Path) -> RegionRules:
    """Read a file of rules.

    Raises:
        ConfigurationError: It cannot be read, or something in it is malformed or not known.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    return parse_rules(content, name=str(path))


def parse_rules(content: bytes, *, name: str) -> RegionRules:
    """Read the content of such a file; `name` is what messages call it.

    Raises:
        ConfigurationError: Something in it is malformed or not known.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name}: is not JSON ({error})") from error
    fields = _Fields(document, name)
    as_of = fields.day("as_of")
    fields.take("note", str, default="")
    sets = _holiday_sets(fields)
    regions: dict[str, tuple[RegionRule, ...]] = {}
    for number, value in enumerate(fields.take("rules", list), start=1):
        rule = _rule(value, f"{name}: rule {number}", sets)
        regions[rule.region] = (*regions.get(rule.region, ()), rule)
    fields.finish()
    return RegionRules(as_of=as_of, regions=regions)


class _Fields:
    """The fields of a JSON object, taken one by one; none may be left over."""

    def __init__(self, value: Any, where: str) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise ConfigurationError(f"{where}: must be a JSON object")
        self._left = dict(value)

    def take(self, name: str, kind: type[_T], *, default: _T | None = None) -> _T:
        """Return a field's value, or the default if there is one and the field is missing."""
        if name not in self._left and default is not None:
            return default
        value = self._left.pop(name, None)
        # In Python a truth is a number; in these files it is a mistake.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.refuse(name, f"must be {_KINDS[kind]}")
        return value

    def has(self, name: str) -> bool:
        """Say whether a field is there and was not taken yet."""
        return name in self._left

    def day(self, name: str) -> date:
        """Return a field that is a date like 2026-11-22."""
        text = self.take(name, str)
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.refuse(name, f"must be a date like 2026-11-22, not {text!r}")

    def number(self, name: str, low: int, high: int) -> int:
        """Return a field that is a whole number between two others."""
        value = self.take(name, int)
        if not low <= value <= high:
            self.refuse(name, f"must be between {low} and {high}, not {value}")
        return value

    def refuse(self, name: str, why: str) -> NoReturn:
        """Say that a field cannot be understood."""
        raise ConfigurationError(f"{self.where}: {name} {why}")

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for name in self._left:
            self.refuse(repr(name), "is no field this version knows")


_KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _holiday_sets(fields: _Fields) -> dict[str, tuple[Holiday, ...]]:
    sets = {}
    for name, values in fields.take("holidays", dict, default={}).items():
        if not isinstance(values, list):
            fields.refuse(f"holidays {name!r}", "must be a list")
        where = f"{fields.where}: holidays {name!r}"
        sets[name] = tuple(_holiday(value, where) for value in values)
    return sets


def _rule(value: Any, where: str, sets: Mapping[str, tuple[Holiday, ...]]) -> RegionRule:
    fields = _Fields(value, where)
    region = fields.take("region", str)
    fields.where = f"{where} ({region})"
    rule = RegionRule(
        region=region,
        source=fields.take("source", str),
        as_of=fields.day("as_of"),
        verified=fields.take("verified", bool),
        note=fields.take("note", str, default=""),
        since=fields.day("since") if fields.has("since") else None,
        hours=_hours(fields),
        closed_weekdays=_weekdays(fields),
        closed_dates=_closed_dates(fields, sets),
        per_day=fields.number("per_day", 1, 1000) if fields.has("per_day") else None,
    )
    fields.finish()
    if not (rule.hours or rule.closed_weekdays or rule.closed_dates or rule.per_day):
        raise ConfigurationError(f"{fields.where}: restricts nothing")
    return rule


def _hours(fields: _Fields) -> dict[int, tuple[time, time]]:
    if not fields.has("hours"):
        return {}
    value = fields.take("hours", object)
    if isinstance(value, str):
        return dict.fromkeys(range(7), _span(fields, "hours", value))
    if not isinstance(value, dict):
        fields.refuse("hours", "must be text like 08:00-20:00, or an object by weekday")
    given = dict(value)
    usual = given.pop("default", None)
    hours = {} if usual is None else dict.fromkeys(range(7), _span(fields, "hours", usual))
    for name, text in given.items():
        hours[_weekday(fields, "hours", name)] = _span(fields, f"hours of {name}", text)
    return hours


def _span(fields: _Fields, name: str, text: Any) -> tuple[time, time]:
    if not isinstance(text, str):
        fields.refuse(name, "must be text like 08:00-20:00")
    try:
        window = CallingWindow.parse(text)
    except ConfigurationError:
        fields.refuse(name, f"must be like 08:00-20:00, not {text!r}")
    if window.start >= window.end != time():
        fields.refuse(name, f"must begin before they end, not {text!r}")
    return window.start, window.end


def _weekdays(fields: _Fields) -> frozenset[int]:
    names = fields.take("closed_weekdays", list, default=[])
    return frozenset(_weekday(fields, "closed_weekdays", name) for name in names)


def _weekday(fields: _Fields, name: str, value: Any) -> int:
    if value not in WEEKDAYS:
        fields.refuse(name, f"knows {', '.join(WEEKDAYS)}, not {value!r}")
    return WEEKDAYS.index(value)


def _closed_dates(fields: _Fields, sets: Mapping[str, tuple[Holiday, ...]]) -> tuple[Holiday, ...]:
    found: list[Holiday] = []
    for value in fields.take("closed_dates", list, default=[]):
        if not isinstance(value, str):
            found.append(_holiday(value, f"{fields.where}: closed_dates"))
        elif value in sets:
            found.extend(sets[value])
        else:
            fields.refuse("closed_dates", f"names {value!r}, which `holidays` does not hold")
    return tuple(found)


def _holiday(value: Any, where: str) -> Holiday:
    fields = _Fields(value, where)
    name = fields.take("name", str)
    fields.where = f"{where} ({name})"
    observed = fields.take("observed", bool, default=False)
    if fields.has("date"):
        day = fields.day("date")
        fields.finish()
        return Holiday(name=name, month=day.month, day=day.day, year=day.year, observed=observed)
    month = fields.number("month", 1, 12)
    if fields.has("day"):
        holiday = Holiday(
            name=name, month=month, day=fields.number("day", 1, 31), observed=observed
        )
    else:
        weekday = _weekday(fields, "weekday", fields.take("weekday", str))
        nth = fields.number("nth", -5, 5)
        if nth == 0:
            fields.refuse("nth", "must be 1 to 5, or -1 to -5 from the end of the month")
        holiday = Holiday(name=name, month=month, weekday=weekday, nth=nth, observed=observed)
    fields.finish()
    return holiday
