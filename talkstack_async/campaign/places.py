"""Where a number is: whether it exists, which time zones and which rule regions it may be in.

Needs `phonenumbers`, the tables of libphonenumber. It is imported when the first `Places` is
made, so that whoever reads plain E.164 lists needs none of this.
"""

from __future__ import annotations

import json
import re
import zoneinfo
from collections import defaultdict
from functools import cache
from importlib import resources
from typing import Any

import attrs

from ..errors import ConfigurationError, InvalidNumberError, MissingExtraError
from ..phone import PhoneNumber
from .free_digits import CountryTables

__all__ = ["Place", "Places", "is_region", "is_zone"]

_UNKNOWN = ("Etc/Unknown",)
# Digits and the usual punctuation. phonenumbers would also read letters, extensions, and the
# first of two numbers; in a list of people to be rung those are mistakes, not spellings.
_PLAIN = re.compile(r"\(?\+?\s*\(?[0-9][0-9\s().\-\u2010-\u2015]*")
_REGION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII)
_DOTS = "." * 15
# Some sixty megabytes at most; all exchanges of North America fit.
_REMEMBERED = 400_000


@attrs.frozen
class Place:
    """Where a number may be.

    Attributes:
        zones: Every IANA time zone it may be in; empty if unknown.
        regions: Rule regions, like `US-FL`; empty outside the United States and Canada, and
            for toll-free numbers.
    """

    zones: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


class Places:
    """Reads numbers as people write them, and says where they may be.

    The answers are those of phonenumbers, found by shorter ways. Whether a number exists and of
    which kind it is, is asked once for all numbers that differ only in digits that do not
    matter (see `free_digits`). The table of zones goes by the longest prefix of the number or,
    for kinds that belong to no area, of the country code; no prefix in it is longer than
    `depth(country_code)` digits, and only lengths that occur under a country code are tried.

    One object serves one thread at a time.
    """

    def __init__(self) -> None:
        self._lib, self._prefixes = _tables()
        self._invalid: int = self._lib.PhoneNumberType.UNKNOWN
        self._countries: frozenset[str] = frozenset(
            map(str, self._lib.COUNTRY_CODE_TO_REGION_CODE)
        )
        self._lengths = _lengths_by_country(self._prefixes, self._countries)
        self._areas = _area_codes()
        self._everywhere = tuple(
            sorted({name for found in self._areas.values() for name in found if name[:2] == "US"})
        )
        self._kinds: dict[str, int] = {}
        self._tables = cache(self._tables_of)
        self._free: dict[tuple[int, str], int] = {}

    def depth(self, country_code: str) -> int:
        """Return how many digits of a number its time zones may depend on."""
        return max(self._lengths.get(country_code, (0,)))

    def read(self, text: str, *, region: str | None = None) -> PhoneNumber:
        """Read a number, in E.164 or as it is dialled within a region like `US` or `DE`.

        A valid number in E.164 form stays what it is.

        Raises:
            InvalidNumberError: It is no number, or none that exists. The message does not
                hold it.
            ConfigurationError: There is no such region.
        """
        number = _compact(text)
        if number is not None and self._kind(number) != self._invalid:
            return number
        return self._parse(text, region=region)

    def check_region(self, region: str | None) -> None:
        """Refuse a region numbers cannot be read for; None is none at all, and in order.

        Raises:
            ConfigurationError: There is no such region.
        """
        if region is not None and region not in self._lib.SUPPORTED_REGIONS:
            raise ConfigurationError(
                f"{region!r} is no region phone numbers can be read for; write one like US or DE"
            )

    def of(self, number: PhoneNumber) -> Place:
        """Say where a valid number may be."""
        return Place(self._zones(number), self._regions(number))

    def _zones(self, number: str) -> tuple[str, ...]:
        kind, digits = self._kind(number), number[1:]
        if kind == self._invalid:
            return ()
        country = self._country(digits)
        if not self._lib.is_number_type_geographical(kind, int(country)):
            digits = country
        for length in self._lengths.get(country, ()):
            zones = self._prefixes.get(digits[:length])
            if zones is not None:
                return () if zones == _UNKNOWN else zones
        return ()

    def _regions(self, number: str) -> tuple[str, ...]:
        if not number.startswith("+1"):
            return ()
        found = self._areas.get(number[2:5])
        if found is not None:
            return found
        # An area code younger than the table may be anywhere: every region's rules count.
        kind = self._kind(number)
        if kind != self._lib.PhoneNumberType.FIXED_LINE_OR_MOBILE:
            return ()
        country = self._lib.region_code_for_number(self._object(number))
        return self._everywhere if country == "US" else ()

    def _kind(self, number: str) -> int:
        free = self._free_digits(number)
        family = number[:-free] + _DOTS[:free] if free else number
        kind = self._kinds.get(family)
        if kind is None:
            if len(self._kinds) >= _REMEMBERED:
                self._kinds.clear()
            kind = self._lib.number_type(self._object(number))
            self._kinds[family] = kind
        return kind

    def _free_digits(self, number: str) -> int:
        """Say how many last digits do not matter for the kind of numbers like this one."""
        country = self._country(number[1:])
        tables = self._tables(country)
        head = number[: 1 + len(country) + tables.head]
        free = self._free.get((len(number), head))
        if free is None:
            national = number[1 + len(country) :]
            free = max(0, min(tables.free_digits(national), len(number) - len(head)))
            self._free[len(number), head] = free
        return free

    def _tables_of(self, country: str) -> CountryTables:
        if not country:
            return CountryTables([])
        find = self._lib.PhoneMetadata.metadata_for_region_or_calling_code
        regions = self._lib.COUNTRY_CODE_TO_REGION_CODE[int(country)]
        found = (find(int(country), region) for region in regions)
        return CountryTables([table for table in found if table is not None])

    def _country(self, digits: str) -> str:
        # Country codes are prefix-free: at most one of these is one.
        for length in (1, 2, 3):
            if digits[:length] in self._countries:
                return digits[:length]
        return ""

    def _object(self, number: str) -> Any:
        """Make what `phonenumbers.parse` makes of a valid E.164 number, in a tenth of the time."""
        country = self._country(number[1:])
        if not country:
            return self._lib.PhoneNumber()
        national = number[1 + len(country) :]
        if not national.startswith("0"):
            return self._lib.PhoneNumber(int(country), int(national or 0))
        zeros = min(len(national) - len(national.lstrip("0")), len(national) - 1)
        return self._lib.PhoneNumber(
            int(country),
            int(national),
            italian_leading_zero=True,
            number_of_leading_zeros=zeros,
        )

    def _parse(self, text: str, *, region: str | None) -> PhoneNumber:
        self.check_region(region)
        text = text.strip()
        if (trouble := _what_is_wrong(text, region=region)) is not None:
            raise InvalidNumberError(trouble)
        try:
            found = self._lib.parse(text, region)
        except self._lib.NumberParseException as error:
            raise InvalidNumberError(_WORDS.get(error.error_type, _NO_SUCH)) from None
        if not self._lib.is_valid_number(found):
            possible = self._lib.is_possible_number_with_reason(found)
            raise InvalidNumberError(_LENGTHS.get(possible, _NO_SUCH))
        return PhoneNumber(self._lib.format_number(found, self._lib.PhoneNumberFormat.E164))


_NO_SUCH = "there is no such number in its country"
# By phonenumbers' `NumberParseException` and `ValidationResult`, whose numbers are promised.
_WORDS = {
    0: "the country code does not exist",
    1: "this is not a phone number",
    2: "the number is too short",
    3: "the number is too short",
    4: "the number is too long",
}
_LENGTHS = {
    1: "the country code does not exist",
    2: "the number is too short for its country",
    3: "the number is too long for its country",
    4: "the number works only within its area: the area code is missing",
    5: "the number has not as many digits as numbers of its country have",
}


def is_region(text: str) -> bool:
    """Whether a text looks like a rule region, `US-FL`."""
    return _REGION.fullmatch(text) is not None


def is_zone(name: str) -> bool:
    """Whether a text is the IANA name of a place's time zone.

    Abbreviations are refused although the tables have some: `EST` is no summer time, and who
    writes it means New York.
    """
    return name in _zone_names()


@cache
def _zone_names() -> frozenset[str]:
    names = zoneinfo.available_timezones()
    return frozenset(name for name in names if "/" in name) | {"UTC"}


def _compact(text: str) -> PhoneNumber | None:
    try:
        return PhoneNumber.parse(text)
    except InvalidNumberError:
        return None


def _tables() -> tuple[Any, dict[str, tuple[str, ...]]]:
    try:
        import phonenumbers
        from phonenumbers.tzdata import TIMEZONE_DATA
    except ImportError as error:
        raise MissingExtraError(
            "national formats and time zones need phonenumbers: "
            "pip install 'talkstack-async[campaign]'"
        ) from error
    return phonenumbers, TIMEZONE_DATA


def _what_is_wrong(text: str, *, region: str | None) -> str | None:
    if not text:
        return "the number is empty"
    if not _PLAIN.fullmatch(text):
        return "the number holds something that is not a digit"
    if region is None and "+" not in text:
        return "the number must start with + and the country code, like +14155550123"
    return None


def _lengths_by_country(
    prefixes: dict[str, tuple[str, ...]], countries: frozenset[str]
) -> dict[str, tuple[int, ...]]:
    """Say which lengths of prefix occur under a country code, the longest first."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for prefix in prefixes:
        country = next((prefix[:n] for n in (1, 2, 3) if prefix[:n] in countries), None)
        if country is not None:
            found[country].add(len(prefix))
    return {country: tuple(sorted(lengths, reverse=True)) for country, lengths in found.items()}


@cache
def _area_codes() -> dict[str, tuple[str, ...]]:
    file = resources.files("talkstack_async.campaign").joinpath("data/area_codes.json")
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for region, codes in json.loads(file.read_text(encoding="utf-8"))["regions"].items():
        for code in codes:
            found[code] += (region,)
    return dict(found)
