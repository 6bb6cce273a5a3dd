"""Rules of regions: the shipped file, holidays, and files that cannot be understood."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign.regions import Holiday, RegionRules
from talkstack_async.errors import ConfigurationError

SHIPPED = RegionRules.shipped()
HOURS = timedelta(hours=1)


def test_every_shipped_rule_has_a_source_and_a_date() -> None:
    rules = [rule for found in SHIPPED.regions.values() for rule in found]
    assert len(rules) > 15
    for rule in rules:
        assert rule.source
        assert date(2026, 1, 1) <= rule.as_of <= SHIPPED.as_of
    assert {rule.region for rule in rules if rule.verified} == {"US-FL"}


SHIPPED_HOURS = {
    "Florida": ("US-FL", "2026-07-01", (8, 20)),
    "Connecticut": ("US-CT", "2026-07-01", (9, 20)),
    "Kentucky": ("US-KY", "2026-07-01", (10, 21)),
    "Maryland": ("US-MD", "2026-07-01", (8, 20)),
    "Oklahoma": ("US-OK", "2026-07-01", (8, 20)),
    "Washington": ("US-WA", "2026-07-01", (8, 20)),
    "Texas on a Wednesday": ("US-TX", "2026-07-01", (9, 21)),
    "Texas on a Sunday": ("US-TX", "2026-07-05", (12, 21)),
    "Rhode Island on a Saturday": ("US-RI", "2026-07-11", (10, 17)),
    "Alabama on a Sunday": ("US-AL", "2026-07-05", (0, 0)),
    "Louisiana on a Sunday": ("US-LA", "2026-07-05", (0, 0)),
    "Mississippi on a Sunday": ("US-MS", "2026-07-05", (0, 0)),
    "Pennsylvania on a Sunday since October 2026": ("US-PA", "2026-10-18", (0, 0)),
    "Pennsylvania at Thanksgiving": ("US-PA", "2026-11-26", (0, 0)),
    "Utah at Christmas": ("US-UT", "2026-12-25", (0, 0)),
}


@pytest.mark.parametrize(
    ("region", "day", "hours"), SHIPPED_HOURS.values(), ids=SHIPPED_HOURS.keys()
)
def test_the_shipped_rules_say_what_their_sources_say(
    region: str, day: str, hours: tuple[int, int]
) -> None:
    [found] = SHIPPED.on(date.fromisoformat(day), [region])
    assert (found.start / HOURS, found.end / HOURS) == hours


def test_where_nothing_is_stricter_nothing_restricts() -> None:
    assert SHIPPED.on(date(2026, 7, 5), ["US-CA", "US-NY"]) == []
    assert SHIPPED.on(date(2026, 10, 11), ["US-PA"]) == []


def test_the_strictest_cap_counts_and_only_once_it_is_in_force() -> None:
    assert SHIPPED.per_day(datetime(2026, 7, 1, tzinfo=UTC), ["US-FL", "US-GA"]) == 3
    assert SHIPPED.per_day(datetime(2026, 7, 1, tzinfo=UTC), ["US-GA"]) is None
    # On 30 June 2021, 10:00 UTC, the first of July began in Kiritimati.
    assert SHIPPED.per_day(datetime(2021, 6, 30, 9, 59, tzinfo=UTC), ["US-FL"]) is None
    assert SHIPPED.per_day(datetime(2021, 6, 30, 10, tzinfo=UTC), ["US-FL"]) == 3


HOLIDAYS = {
    "a date": (Holiday(name="x", month=12, day=25), "2026-12-25", True),
    "the day after": (Holiday(name="x", month=12, day=25), "2026-12-26", False),
    "another month": (Holiday(name="x", month=12, day=25), "2026-11-25", False),
    "the fourth Thursday": (Holiday(name="x", month=11, weekday=3, nth=4), "2026-11-26", True),
    "the third Thursday": (Holiday(name="x", month=11, weekday=3, nth=4), "2026-11-19", False),
    "a Friday": (Holiday(name="x", month=11, weekday=3, nth=4), "2026-11-27", False),
    "the last Monday": (Holiday(name="x", month=5, weekday=0, nth=-1), "2026-05-25", True),
    "the last but one": (Holiday(name="x", month=5, weekday=0, nth=-1), "2026-05-18", False),
    "observed on Friday": (Holiday(name="x", month=7, day=4, observed=True), "2026-07-03", True),
    "not observed": (Holiday(name="x", month=7, day=4), "2026-07-03", False),
    "observed on Monday": (Holiday(name="x", month=7, day=4, observed=True), "2027-07-05", True),
    "itself on a Sunday": (Holiday(name="x", month=7, day=4, observed=True), "2027-07-04", True),
    "a Thursday before": (Holiday(name="x", month=7, day=4, observed=True), "2026-07-02", False),
    "observed in the year before": (
        Holiday(name="x", month=1, day=1, observed=True), "2027-12-31", True,
    ),
    "only in its year": (Holiday(name="x", month=2, day=17, year=2026), "2026-02-17", True),
    "not in another": (Holiday(name="x", month=2, day=17, year=2026), "2027-02-17", False),
}  # fmt: skip


@pytest.mark.parametrize(("holiday", "day", "falls"), HOLIDAYS.values(), ids=HOLIDAYS.keys())
def test_a_holiday_falls_on_its_day(holiday: Holiday, day: str, falls: bool) -> None:
    assert holiday.falls_on(date.fromisoformat(day)) is falls


def rule(**changes: Any) -> dict[str, Any]:
    usual = {
        "region": "DE-BY", "source": "a law", "as_of": "2026-01-01", "verified": True,
        "hours": "09:00-18:00",
    }  # fmt: skip
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def written(path: Path, *rules: Any, **document: Any) -> Path:
    file = path / "rules.json"
    file.write_text(json.dumps({"as_of": "2026-02-02", "rules": rules, **document}))
    return file


def test_a_file_of_ones_own_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        rule(
            closed_weekdays=["sunday"], hours={"default": "09:00-18:00", "saturday": "10:00-24:00"}
        ),
        rule(hours=None, closed_dates=["feasts", {"name": "A strike", "date": "2026-03-03"}]),
        rule(region="DE-BE", per_day=2, hours=None),
        holidays={"feasts": [{"name": "Epiphany", "month": 1, "day": 6}]},
    )
    rules = RegionRules.load(file)
    assert rules.as_of == date(2026, 2, 2)
    assert set(rules.regions) == {"DE-BY", "DE-BE"}
    weekdays, holidays = rules.regions["DE-BY"]
    assert weekdays.hours[0] == (time(9), time(18))
    assert weekdays.hours[5] == (time(10), time(0))
    saturday = weekdays.on(date(2026, 7, 4))
    assert saturday is not None
    assert saturday.end == timedelta(days=1)
    assert holidays.on(date(2026, 7, 4)) is None
    for day, name in ((date(2027, 1, 6), "Epiphany"), (date(2026, 3, 3), "A strike")):
        closed = holidays.on(day)
        assert closed is not None
        assert closed.why == f"DE-BY allows no calls on {name}"


MALFORMED = {
    "a misspelt field": (rule(per_dya=3), "rule 1 (DE-BY): 'per_dya' is no field"),
    "no region": (rule(region=None), "rule 1: region must be text"),
    "no source": (rule(source=None), "rule 1 (DE-BY): source must be text"),
    "no date": (rule(as_of=None), "(DE-BY): as_of must be text"),
    "a date that is none": (rule(since="soon"), "(DE-BY): since must be a date like 2026-11-22"),
    "a date of null": ({**rule(), "since": None}, "(DE-BY): since must be text"),
    "hours that are none": (rule(hours="9 to 5"), "(DE-BY): hours must be like 08:00-20:00"),
    "hours over midnight": (rule(hours="22:00-06:00"), "(DE-BY): hours must begin before they"),
    "hours of a number": (rule(hours=9), "(DE-BY): hours must be text like 08:00-20:00, or an"),
    "a weekday that is none": (
        rule(hours={"caturday": "08:00-20:00"}), "(DE-BY): hours knows monday, tuesday",
    ),
    "a closed weekday that is none": (
        rule(closed_weekdays=["Sunday"]), "(DE-BY): closed_weekdays knows monday",
    ),
    "holidays nobody listed": (
        rule(closed_dates=["feasts"]), "(DE-BY): closed_dates names 'feasts'",
    ),
    "a holiday without a name": (
        rule(closed_dates=[{"month": 1, "day": 6}]), "(DE-BY): closed_dates: name must be text",
    ),
    "a thirteenth month": (
        rule(closed_dates=[{"name": "X", "month": 13, "day": 6}]),
        "(DE-BY): closed_dates (X): month must be between 1 and 12",
    ),
    "a holiday of two kinds": (
        rule(closed_dates=[{"name": "X", "month": 1, "day": 6, "nth": 1}]),
        "(DE-BY): closed_dates (X): 'nth' is no field",
    ),
    "the zeroth Monday": (
        rule(closed_dates=[{"name": "X", "month": 1, "weekday": "monday", "nth": 0}]),
        "(DE-BY): closed_dates (X): nth must be 1 to 5",
    ),
    "a cap of nothing": (rule(per_day=0), "(DE-BY): per_day must be between 1 and"),
    "a cap that is a truth": (rule(per_day=True), "(DE-BY): per_day must be a whole number"),
    "verified by hearsay": (rule(verified="yes"), "(DE-BY): verified must be true or false"),
    "a rule that restricts nothing": (rule(hours=None), "(DE-BY): restricts nothing"),
    "no rule": ("DE-BY", "rule 1: must be a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_named_and_never_skipped(
    tmp_path: Path, bad: Any, message: str
) -> None:
    file = written(tmp_path, bad)
    with pytest.raises(ConfigurationError) as caught:
        RegionRules.load(file)
    assert caught.value.message.startswith(f"{file}: ")
    assert message in caught.value.message


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"as_of": "2026-01-01"}', "[" * 100_000])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"rules\.json: "):
        RegionRules.load(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        RegionRules.load(tmp_path / "rules.json")
