"""When a number may be called: clocks that change, several zones, midnight and margins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.campaign.regions import RegionRule, RegionRules
from talkstack_async.campaign.settings import CallingWindow
from talkstack_async.campaign.windows import Closed, Open, Opening, Openings, opening

NO_RULES = RegionRules(as_of=date(2026, 1, 1))
DAY = CallingWindow()
NEW_YORK, BERLIN, BOISE = "America/New_York", "Europe/Berlin", "America/Boise"
LOS_ANGELES, KIRITIMATI, PAGO_PAGO = (
    "America/Los_Angeles",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(
    moment: str | datetime,
    *zones: str,
    window: CallingWindow = DAY,
    regions: Sequence[str] = (),
    rules: RegionRules = NO_RULES,
) -> Opening:
    moment = utc(moment) if isinstance(moment, str) else moment
    return opening(moment, zones=zones, regions=regions, window=window, rules=rules)


def window(text: str, margin: float = 60) -> CallingWindow:
    parsed = CallingWindow.parse(text)
    return CallingWindow(start=parsed.start, end=parsed.end, margin_seconds=margin)


def ruled(**restriction: object) -> RegionRules:
    rule = RegionRule(
        region="US-XX",
        source="test",
        as_of=date(2026, 1, 1),
        verified=False,
        **restriction,  # type: ignore[arg-type]
    )
    return RegionRules(as_of=date(2026, 1, 1), regions={"US-XX": (rule,)})


# Moment in UTC, zone, and when it opens or closes next, in UTC.
OPENS = {
    "New York, the evening before spring forward": (
        "2026-03-07T23:00", NEW_YORK, "2026-03-08T01:59",
    ),
    "New York, the night of spring forward": ("2026-03-08T02:00", NEW_YORK, "2026-03-08T12:00"),
    "New York, the day before it": ("2026-03-07T02:00", NEW_YORK, "2026-03-07T13:00"),
    "New York, the night of fall back": ("2026-11-01T03:00", NEW_YORK, "2026-11-01T13:00"),
    "New York, the day before that": ("2026-10-31T03:00", NEW_YORK, "2026-10-31T12:00"),
    "New York, the evening after fall back": ("2026-11-01T22:00", NEW_YORK, "2026-11-02T01:59"),
    "Berlin, the night of spring forward": ("2026-03-28T23:00", BERLIN, "2026-03-29T06:00"),
    "Berlin, the day before it": ("2026-03-27T23:00", BERLIN, "2026-03-28T07:00"),
    "Berlin, the night of fall back": ("2026-10-24T23:00", BERLIN, "2026-10-25T07:00"),
    "Berlin, the day after fall back": ("2026-10-25T12:00", BERLIN, "2026-10-25T19:59"),
    "half an hour off the others": ("2026-05-01T00:00", "Asia/Kolkata", "2026-05-01T02:30"),
    "a clock that changes by half an hour": (
        "2026-04-04T12:00", "Australia/Lord_Howe", "2026-04-04T21:30",
    ),
    "first on earth": ("2026-05-01T10:00", KIRITIMATI, "2026-05-01T18:00"),
    "last on earth": ("2026-05-01T10:00", PAGO_PAGO, "2026-05-01T19:00"),
}  # fmt: skip


@pytest.mark.parametrize(("now", "zone", "then"), OPENS.values(), ids=OPENS.keys())
def test_a_window_follows_the_clock_on_the_wall(now: str, zone: str, then: str) -> None:
    assert at(now, zone).until == utc(then)


BOUNDARIES = {
    "a moment before it opens": ("2026-07-01T05:59:59.999", False),
    "when it opens": ("2026-07-01T06:00", True),
    "before the margin": ("2026-07-01T18:58:59.999", True),
    "when the margin begins": ("2026-07-01T18:59", False),
    "when it closes": ("2026-07-01T19:00", False),
}


@pytest.mark.parametrize(("now", "allowed"), BOUNDARIES.values(), ids=BOUNDARIES.keys())
def test_a_boundary_is_exact(now: str, allowed: bool) -> None:
    assert isinstance(at(now, BERLIN), Open) is allowed


def test_without_a_margin_calls_start_until_the_very_end() -> None:
    assert isinstance(at("2026-07-01T18:59:59.999", BERLIN, window=window("08:00-21:00", 0)), Open)


def test_a_number_is_called_only_while_all_its_zones_are_open() -> None:
    zones = (BOISE, LOS_ANGELES)
    # 08:00 in Los Angeles is 09:00 in Boise; 21:00 in Boise is 20:00 in Los Angeles.
    assert at("2026-07-01T14:30", *zones) == Closed(
        utc("2026-07-01T15:00"), "the calling window is 08:00-21:00 (America/Los_Angeles)"
    )
    assert at("2026-07-01T15:00", *zones) == Open(utc("2026-07-02T02:59"))
    assert at("2026-07-02T03:00", *zones).until == utc("2026-07-02T15:00")


def test_zones_on_both_sides_of_the_date_line_share_an_hour_less() -> None:
    # 08:00-21:00 in Kiritimati is 07:00-20:00 in Pago Pago, of the day before.
    assert at("2026-05-01T18:30", KIRITIMATI, PAGO_PAGO).until == utc("2026-05-01T19:00")
    assert at("2026-05-01T19:00", KIRITIMATI, PAGO_PAGO) == Open(utc("2026-05-02T06:59"))


def test_zones_that_overlap_only_in_one_season_are_waited_for() -> None:
    hours = window("09:00-10:00")
    # London and Lagos agree while London is on summer time.
    found = at("2026-11-10T12:00", "Europe/London", "Africa/Lagos", window=hours)
    assert isinstance(found, Closed)
    assert found.until == utc("2027-03-28T08:00")


def test_zones_whose_windows_never_overlap_are_never_called() -> None:
    found = at("2026-11-10T12:00", NEW_YORK, LOS_ANGELES, window=window("08:00-10:00"))
    assert found == Closed(None, "the windows of its zones never overlap")


def test_a_toll_free_number_waits_for_the_hours_all_of_north_america_shares() -> None:
    phonenumbers = pytest.importorskip("phonenumbers")
    from phonenumbers import timezone

    zones = timezone.time_zones_for_number(phonenumbers.parse("+18005550123"))
    assert len(zones) > 20
    found = at("2026-07-01T12:00", *zones)
    assert isinstance(found, Closed)
    assert found.until is not None
    assert isinstance(at(found.until, *zones), Open)
    for zone in zones:
        assert time(8) <= found.until.astimezone(ZoneInfo(zone)).time() < time(20, 59)


UNKNOWN = {
    "no zone": ((), "its time zone is not known"),
    "no such zone": (("Europe/Atlantis",), "there is no time zone 'Europe/Atlantis'"),
    "a folder of zones": (("America",), "there is no time zone 'America'"),
    "a path": (("../../etc/passwd",), "there is no time zone '../../etc/passwd'"),
    "empty": (("",), "there is no time zone ''"),
    "one of two": ((BERLIN, "Nowhere"), "there is no time zone 'Nowhere'"),
}


@pytest.mark.parametrize(("zones", "why"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_zone_fails_closed(zones: tuple[str, ...], why: str) -> None:
    assert at("2026-07-01T12:00", *zones) == Closed(None, why)


def test_a_window_of_the_whole_day_asks_for_nothing() -> None:
    whole = window("00:00-24:00")
    rules = ruled(closed_weekdays=frozenset(range(7)))
    assert at("2026-07-01T03:00", window=whole) == Open(None)
    assert at("2026-07-01T03:00", "Nowhere", window=whole, regions=["US-XX"], rules=rules) == Open(
        None
    )


def test_a_window_shorter_than_its_margin_never_opens() -> None:
    found = at("2026-07-01T12:00", BERLIN, window=window("08:00-08:01"))
    assert found == Closed(None, "its window never opens")


def test_a_window_over_midnight_goes_on_over_it() -> None:
    night = window("22:00-02:00")
    assert at("2026-07-01T19:59", BERLIN, window=night).until == utc("2026-07-01T20:00")
    # Also within the margin of midnight, which is not the end.
    for now in ("2026-07-01T20:00", "2026-07-01T21:59:30", "2026-07-01T22:00", "2026-07-01T23:58"):
        assert at(now, BERLIN, window=night) == Open(utc("2026-07-01T23:59"))
    assert at("2026-07-01T23:59", BERLIN, window=night).until == utc("2026-07-02T20:00")


def test_a_window_that_ends_at_midnight_has_its_margin_before_it() -> None:
    evening = window("18:00-24:00")
    assert at("2026-07-01T17:00", BERLIN, window=evening) == Open(utc("2026-07-01T21:59"))
    assert isinstance(at("2026-07-01T21:59:30", BERLIN, window=evening), Closed)


def test_of_an_hour_that_comes_twice_only_what_is_surely_inside_is_used() -> None:
    # 02:00-03:00 comes twice in Berlin on 2026-10-25: 00:00 and 01:00 UTC.
    early = window("02:30-05:00", 0)
    assert at("2026-10-25T00:45", BERLIN, window=early).until == utc("2026-10-25T01:30")
    late = window("00:30-02:30", 0)
    assert at("2026-10-24T23:00", BERLIN, window=late) == Open(utc("2026-10-25T00:30"))
    assert isinstance(at("2026-10-25T01:15", BERLIN, window=late), Closed)


def test_of_an_hour_that_is_left_out_nothing_is_used() -> None:
    # 02:00-03:00 does not exist in New York on 2026-03-08.
    found = at("2026-03-08T06:00", NEW_YORK, window=window("02:15-02:45", 0))
    assert found.until == utc("2026-03-09T06:15")


def test_a_sunday_is_the_local_one() -> None:
    rules = ruled(closed_weekdays=frozenset({6}))
    chicago = "America/Chicago"
    # 2026-07-05 is a Sunday. In Chicago it is still Saturday at 00:30 UTC.
    assert at("2026-07-05T00:30", chicago, regions=["US-XX"], rules=rules) == Open(
        utc("2026-07-05T01:59")
    )
    assert at("2026-07-05T15:00", chicago, regions=["US-XX"], rules=rules) == Closed(
        utc("2026-07-06T13:00"), "US-XX allows no calls on a Sunday (America/Chicago)"
    )
    # And it is Monday in Kiritimati when half of that Sunday is over elsewhere.
    late = at("2026-07-05T18:30", KIRITIMATI, regions=["US-XX"], rules=rules)
    assert isinstance(late, Open)


def test_a_ban_cuts_a_window_over_midnight_at_midnight_less_the_margin() -> None:
    rules = ruled(closed_weekdays=frozenset({6}))
    found = at(
        "2026-07-04T21:00", "UTC", window=window("20:00-04:00"), regions=["US-XX"], rules=rules
    )
    assert found == Open(utc("2026-07-04T23:59"))


def test_hours_of_a_region_narrow_the_window_and_never_widen_it() -> None:
    narrow = ruled(hours=dict.fromkeys(range(7), (time(10), time(20))))
    found = at("2026-07-01T12:00", NEW_YORK, regions=["US-XX"], rules=narrow)
    assert found == Closed(utc("2026-07-01T14:00"), "US-XX allows 10:00-20:00 (America/New_York)")
    assert at("2026-07-01T14:00", NEW_YORK, regions=["US-XX"], rules=narrow) == Open(
        utc("2026-07-01T23:59")
    )
    wide = ruled(hours=dict.fromkeys(range(7), (time(0), time(0))))
    assert at("2026-07-01T11:00", NEW_YORK, regions=["US-XX"], rules=wide).until == utc(
        "2026-07-01T12:00"
    )


def test_a_rule_holds_from_its_first_local_date_on() -> None:
    rules = ruled(closed_weekdays=frozenset({6}), since=date(2026, 10, 18))
    before = at("2026-10-11T16:00", NEW_YORK, regions=["US-XX"], rules=rules)
    after = at("2026-10-18T16:00", NEW_YORK, regions=["US-XX"], rules=rules)
    assert isinstance(before, Open)
    assert isinstance(after, Closed)


def test_a_region_that_is_closed_for_good_is_never_called() -> None:
    rules = ruled(closed_weekdays=frozenset(range(7)))
    found = at("2026-07-01T12:00", NEW_YORK, BERLIN, regions=["US-XX"], rules=rules)
    assert found == Closed(None, "its window never opens")


ZONES = (
    NEW_YORK, BERLIN, BOISE, LOS_ANGELES, KIRITIMATI, PAGO_PAGO, "UTC", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns",
    "America/Havana", "Africa/Cairo", "Africa/Casablanca", "Asia/Beirut", "Atlantic/Azores",
    "America/Nuuk", "America/Asuncion", "Antarctica/Troll", "Pacific/Apia",
)  # fmt: skip
# About the clock changes of both hemispheres, and any time at all.
AROUND = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-04-24", "2026-10-25", "2026-11-01")
MOMENTS = st.one_of(
    st.builds(
        lambda day, minutes: utc(day) + timedelta(minutes=minutes),
        st.sampled_from(AROUND),
        st.integers(-1500, 1500),
    ),
    st.builds(
        lambda minutes: utc("2026-01-01") + timedelta(minutes=minutes), st.integers(0, 10**6)
    ),
)
WINDOWS = st.builds(
    lambda start, end, margin: CallingWindow(
        start=time(start // 4, start % 4 * 15), end=time(end // 4, end % 4 * 15),
        margin_seconds=margin,
    ),
    st.integers(0, 95), st.integers(0, 95), st.sampled_from([0, 60, 600]),
)  # fmt: skip
ZONE_SETS = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True).map(tuple)


def is_inside(moment: datetime, zone: str, hours: CallingWindow) -> bool:
    clock = moment.astimezone(ZoneInfo(zone)).time()
    if hours.start < hours.end:
        return hours.start <= clock < hours.end
    if hours.start == hours.end:
        return hours.is_whole_day
    return clock >= hours.start or clock < hours.end


@settings(deadline=None)
@given(moment=MOMENTS, zones=ZONE_SETS, hours=WINDOWS)
def test_whenever_it_is_open_every_zone_is_inside_the_window(
    moment: datetime, zones: tuple[str, ...], hours: CallingWindow
) -> None:
    found = at(moment, *zones, window=hours)
    if hours.is_whole_day:
        return
    if isinstance(found, Closed):
        if found.until is None:
            return
        moment, found = found.until, at(found.until, *zones, window=hours)
    assert isinstance(found, Open)
    assert found.until is not None
    length = (found.until - moment).total_seconds()
    margin = timedelta(seconds=hours.margin_seconds)
    for share in (0, 0.25, 0.5, 0.75, 0.999):
        during = moment + timedelta(seconds=length * share)
        assert all(is_inside(during + margin, zone, hours) for zone in zones)
        assert all(is_inside(during, zone, hours) for zone in zones)


@settings(max_examples=25, deadline=None)
@given(zones=ZONE_SETS, hours=WINDOWS)
def test_away_from_clock_changes_it_is_open_exactly_when_it_should_be(
    zones: tuple[str, ...], hours: CallingWindow
) -> None:
    memory = Openings(hours, NO_RULES)
    margin = timedelta(seconds=hours.margin_seconds)
    start = utc("2026-06-10")
    for minutes in range(0, 2 * 1440, 5):
        moment = start + timedelta(minutes=minutes)
        within = all(
            is_inside(moment + step, zone, hours)
            for zone in zones
            for step in (timedelta(0), margin / 2, margin)
        )
        assert isinstance(memory.at(moment, zones, ()), Open) is within


@settings(max_examples=20, deadline=None)
@given(moments=st.lists(MOMENTS, max_size=8), zones=ZONE_SETS, hours=WINDOWS)
def test_memory_never_says_anything_else(
    moments: list[datetime], zones: tuple[str, ...], hours: CallingWindow
) -> None:
    memory = Openings(hours, NO_RULES)
    for moment in [*moments, *moments]:
        remembered, fresh = memory.at(moment, zones, ()), at(moment, *zones, window=hours)
        assert type(remembered) is type(fresh)
        assert remembered.until == fresh.until
