"""Where numbers are, compared with phonenumbers' own answers."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from talkstack_async.campaign import places as module
from talkstack_async.campaign.places import Place, Places, is_region, is_zone
from talkstack_async.errors import ConfigurationError, InvalidNumberError
from talkstack_async.phone import PhoneNumber

PLACES = Places()

STATES = """
    AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM
    NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR VI GU AS MP
"""

TYPES = sorted(phonenumbers.PhoneNumberType.values())


@st.composite
def near_real_numbers(draw: st.DrawFn) -> str:
    """Draw a number like those of a random country, some digits changed: most exist."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    kind = draw(st.sampled_from(TYPES))
    example = phonenumbers.example_number_for_type(
        region, kind
    ) or phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.FIXED_LINE)
    if example is None:
        return "+4930123456"
    text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    changed = draw(st.integers(0, 7))
    tail = draw(st.text("0123456789", min_size=changed, max_size=changed))
    return text[: len(text) - changed] + tail


american_numbers = st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True)


def answer_of_phonenumbers(number: str) -> tuple[str, ...] | None:
    found = phonenumbers.parse(number)
    if not phonenumbers.is_valid_number(found):
        return None
    zones = tuple(time_zones_for_number(found))
    return () if zones == ("Etc/Unknown",) else zones


def answer_of_ours(places: Places, number: str) -> tuple[str, ...] | None:
    try:
        return places.of(places.read(number)).zones
    except InvalidNumberError:
        return None


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(near_real_numbers() | american_numbers)
def test_validity_and_zones_are_those_phonenumbers_gives(number: str):
    try:
        theirs = answer_of_phonenumbers(number)
    except phonenumbers.NumberParseException:
        theirs = None

    assert answer_of_ours(PLACES, number) == theirs


def test_looking_at_fewer_lengths_would_give_other_zones():
    lazy = Places()
    lazy._lengths["1"] = tuple(n for n in lazy._lengths["1"] if n < lazy.depth("1"))
    number = "+12082010123"

    assert answer_of_ours(PLACES, number) == answer_of_phonenumbers(number)
    assert answer_of_ours(lazy, number) != answer_of_phonenumbers(number)


def test_every_prefix_of_the_table_lies_within_the_depth_of_its_country():
    for prefix in TIMEZONE_DATA:
        [country] = {prefix[:n] for n in (1, 2, 3) if _is_country(prefix[:n])}
        assert len(prefix) in PLACES._lengths[country]
        assert len(prefix) <= PLACES.depth(country)


def _is_country(text: str) -> bool:
    return int(text) in COUNTRY_CODE_TO_REGION_CODE


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_a_valid_e164_number_of_any_country_stays_what_it_is(region: str):
    for kind in TYPES:
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            text = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert PLACES.read(text) == text
            assert PLACES.read(text, region="US") == text


NATIONAL = {
    "plain digits": ("2025550123", "US", "+12025550123"),
    "brackets": ("(202) 555-0123", "US", "+12025550123"),
    "the country code without plus": ("1 202 555 0123", "US", "+12025550123"),
    "a trunk zero": ("030 123456", "DE", "+4930123456"),
    "a trunk zero in brackets": ("+49 (0)30 123456", None, "+4930123456"),
    "two zeros for abroad": ("0044 20 7946 0958", "DE", "+442079460958"),
    "a zero that belongs to the number": ("06 698 12345", "IT", "+390669812345"),
    "E.164 in a list of another country": ("+442079460958", "US", "+442079460958"),
    "blanks around it": ("  202.555.0123 ", "US", "+12025550123"),
    "no-break spaces": ("+49\u00a030\u00a0123456", None, "+4930123456"),
    "unusual dashes": ("202\u2011555\u20110123", "US", "+12025550123"),
}


@pytest.mark.parametrize("case", NATIONAL)
def test_a_number_is_read_as_people_write_it(case: str):
    text, region, expected = NATIONAL[case]

    number = PLACES.read(text, region=region)

    assert number == expected
    assert isinstance(number, PhoneNumber)


WRONG = {
    "nothing": ("", "US", "is empty"),
    "blanks": ("  ", None, "is empty"),
    "a word": ("nobody", "US", "not a digit"),
    "letters": ("1-800-FLOWERS", "US", "not a digit"),
    "an extension": ("202 555 0123 ext. 4", "US", "not a digit"),
    "two numbers": ("2025550123/2025550124", "US", "not a digit"),
    "two numbers in E.164": ("+12025550123+12025550124", None, "not a digit"),
    "two pluses": ("++12025550123", None, "not a digit"),
    "digits of another script": ("٢٠٢٥٥٥٠١٢٣", "US", "not a digit"),
    "no country": ("2025550123", None, r"start with \+"),
    "an area code that does not exist": ("+12995550123", None, "no such number"),
    "an exchange that does not exist": ("(202) 155-0123", "US", "no such number"),
    "too few digits": ("+1202555012", None, "too short"),
    "too many digits": ("+120255501234", None, "too long"),
    "no area code": ("555-0123", "US", "area code is missing"),
    "a country code that does not exist": ("+999123456789", None, "country code does not exist"),
    "an emergency number": ("911", "US", "too short"),
    "absurdly long": ("+" + "1" * 5000, None, "too long|not a phone number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_number_that_cannot_be_dialled_is_refused_in_words_that_do_not_hold_it(case: str):
    text, region, words = WRONG[case]

    with pytest.raises(InvalidNumberError, match=words) as caught:
        PLACES.read(text, region=region)

    assert not text.strip() or text.strip()[:9] not in str(caught.value)


def test_a_region_that_does_not_exist_is_a_mistake_of_the_settings():
    with pytest.raises(ConfigurationError, match="'Germany' is no region"):
        PLACES.read("030 123456", region="Germany")


PLACED = {
    "one zone, one state": ("+12025550123", ("America/New_York",), ("US-DC",)),
    "a state in two zones": (
        "+12082000123", ("America/Boise", "America/Los_Angeles"), ("US-ID",),
    ),
    "a territory": ("+17875550123", ("America/Puerto_Rico",), ("US-PR",)),
    "an area code of two provinces": ("+19025550123", ("America/Halifax",), ("CA-NS", "CA-PE")),
    "another country of country code 1": ("+18765230123", ("America/Jamaica",), ()),
    "another country": ("+4930123456", ("Europe/Berlin",), ()),
    "a mobile phone": ("+4915112345678", ("Europe/Berlin",), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", PLACED)
def test_a_number_is_placed(case: str):
    number, zones, regions = PLACED[case]

    assert PLACES.of(PLACES.read(number)) == Place(zones, regions)


def test_a_toll_free_number_may_be_in_any_zone_and_in_no_region():
    place = PLACES.of(PLACES.read("+18005550123"))

    assert len(place.zones) > 30
    assert place.regions == ()


def test_a_number_of_no_country_has_no_zone():
    assert PLACES.of(PhoneNumber("+999123456789")) == Place((), ())
    assert PLACES.of(PhoneNumber("+883510012345678")).regions == ()


def test_the_table_of_area_codes_has_every_state_and_territory_and_every_code_in_use():
    named = {region for found in PLACES._areas.values() for region in found}

    assert {f"US-{state}" for state in STATES.split()} == {
        name for name in named if name[:2] == "US"
    }
    assert set(PLACES._everywhere) == {f"US-{state}" for state in STATES.split()}
    for area in range(200, 1000):
        example = phonenumbers.PhoneNumber(1, int(f"{area}5550123"))
        country = phonenumbers.region_code_for_number(example)
        if country in ("US", "CA") and phonenumbers.is_number_geographical(example):
            regions = PLACES._areas[str(area)]
            assert regions
            assert {name[:2] for name in regions} == {country}


def test_an_area_code_younger_than_the_table_may_be_in_any_state():
    old = Places()
    old._areas = {code: found for code, found in old._areas.items() if code not in ("202", "416")}

    assert old.of(PhoneNumber("+12025550123")).regions == old._everywhere
    assert old.of(PhoneNumber("+14165550123")).regions == ()
    assert old.of(PhoneNumber("+18765230123")).regions == ()


def test_many_numbers_do_not_make_it_grow(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_REMEMBERED", 100)
    places = Places()
    for line in range(1000):
        places.read(f"+1202{200 + line % 800}0123")

    assert len(places._kinds) <= 100


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(near_real_numbers() | american_numbers, st.integers(0))
def test_numbers_that_differ_in_free_digits_are_of_one_kind(number: str, other: int):
    free = PLACES._free_digits(number)
    neighbour = number[: len(number) - free] + f"{other % 10**free:0{free}d}"[:free]

    assert phonenumbers.number_type(PLACES._object(neighbour)) == PLACES._kind(number)


def test_the_digit_before_the_free_ones_is_not_free():
    exists, exists_not = "+15235540123", "+15235550123"

    assert PLACES._free_digits(exists) == 4
    assert exists[:-5] == exists_not[:-5]
    assert PLACES.read(exists) == exists
    with pytest.raises(InvalidNumberError):
        PLACES.read(exists_not)


@pytest.mark.parametrize("name", ["America/New_York", "Europe/Berlin", "UTC", "Etc/GMT+5"])
def test_the_name_of_a_zone_is_known(name: str):
    assert is_zone(name)


@pytest.mark.parametrize("name", ["EST", "Mars/Olympus", "America", "../etc/passwd", "", "berlin"])
def test_an_abbreviation_or_a_path_is_no_zone(name: str):
    assert not is_zone(name)


def test_a_rule_region_looks_like_a_country_and_a_state():
    assert is_region("US-FL")
    assert not any(map(is_region, ["FL", "Florida", "us-fl", "US-", "US-FLOR", "US-FL\n"]))
