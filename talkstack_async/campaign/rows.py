"""What one row of a contact list turns into, whatever file it came from.

A row is numbered as it stands below the header: the first row of data is row 1, blank lines
are not rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from ..errors import InvalidNumberError
from ..phone import PhoneNumber, mask_number
from .places import Places, is_region, is_zone

__all__ = ["BadRow", "Contact", "Numbers", "Row", "contact_of", "parse_object", "row_of_object"]

NUMBER = "number"
VARIABLES = "dynamicVariables"
TIMEZONE = "timezone"
REGION = "region"


def _names(variables: Mapping[str, Any]) -> str:
    return str(sorted(variables))


@attrs.frozen(kw_only=True)
class Contact:
    """Somebody to be called, and what the agent should know about them.

    Attributes:
        timezone: Where the person is, an IANA name: better than what the number tells.
        region: Whose calling rules hold, like `US-FL`, instead of the area code's.
    """

    row: int
    number: PhoneNumber
    variables: Mapping[str, Any] = attrs.field(factory=dict, repr=_names)
    timezone: str | None = None
    region: str | None = None


@attrs.frozen(kw_only=True)
class BadRow:
    """A row nobody can be called from.

    Attributes:
        number: What stands in the number's place, empty if that cannot be told.
        reason: What is wrong, in words that do not repeat the row's content.
    """

    row: int
    number: str = attrs.field(repr=mask_number)
    reason: str


Row: TypeAlias = Contact | BadRow


@attrs.frozen(kw_only=True)
class Numbers:
    """How the numbers of a list are read.

    Without `places` a number must be in E.164 form and whether it exists is not asked;
    `timezone` and `region` are variables like any others.

    Attributes:
        region: The country national formats are of, like `US` or `DE`.
    """

    places: Places | None = None
    region: str | None = None

    @classmethod
    def of(cls, *, region: str | None, places: Places | None) -> Numbers:
        """Say how numbers are read; a region brings a `Places` of its own if there is none.

        Raises:
            ConfigurationError: There is no such region.
            MissingExtraError: A region needs the extra `campaign`.
        """
        if region is not None:
            places = places or Places()
            places.check_region(region)
        return cls(places=places, region=region)

    def read(self, text: str) -> PhoneNumber:
        """Read a number.

        Raises:
            InvalidNumberError: It is none; the message ends with the masked number, or does
                not hold it.
        """
        if self.places is None:
            return PhoneNumber.parse(text)
        return self.places.read(text, region=self.region)


def row_of_object(row: int, values: Mapping[str, Any], numbers: Numbers) -> Row:
    """Make a contact of an object with a key `number`; its other keys are variables.

    Args:
        row: The row's number.
        values: What the object holds, of JSON's types.
        numbers: How the number is read.
    """
    further = dict(values)
    number = further.pop(NUMBER, None)
    given = further.pop(VARIABLES, None)
    if not isinstance(number, str):
        shown = str(number) if isinstance(number, int) else ""
        return BadRow(row=row, number=shown, reason=_no_number(number))
    if not isinstance(given, dict | None):
        return BadRow(row=row, number=number, reason=f"{VARIABLES} is not a JSON object")
    return contact_of(row, number, given=given or {}, further=further, numbers=numbers)


def _no_number(value: Any) -> str:
    if value is None:
        return f"the row has no {NUMBER!r}"
    return f"{NUMBER!r} must be text in quotation marks"


def contact_of(
    row: int,
    number: str,
    *,
    given: Mapping[str, Any],
    further: Mapping[str, Any],
    numbers: Numbers,
) -> Row:
    """Make a contact of a number and its variables, or say why that is impossible.

    Args:
        row: The row's number.
        number: The number as it stands in the row.
        given: The variables of `dynamicVariables`.
        further: The variables that have a place of their own.
        numbers: How the number is read.
    """
    try:
        parsed = numbers.read(number)
    except InvalidNumberError as error:
        # The rest of the message quotes the number, which stands beside the reason anyway.
        return BadRow(row=row, number=number, reason=error.message.partition(" (got ")[0])
    for name in given.keys() & further.keys():
        if given[name] != further[name]:
            reason = f"{VARIABLES} and the column {name!r} give different values"
            return BadRow(row=row, number=number, reason=reason)
    variables = {**further, **given} if given else further
    if numbers.places is None:
        return Contact(row=row, number=parsed, variables=variables)
    try:
        zone, region = _zone_of(variables), _region_of(variables)
    except ValueError as error:
        return BadRow(row=row, number=number, reason=str(error))
    return Contact(row=row, number=parsed, variables=variables, timezone=zone, region=region)


def _zone_of(variables: Mapping[str, Any]) -> str | None:
    text = _text(variables.get(TIMEZONE))
    if text and not is_zone(text):
        raise ValueError("unknown time zone: a name like America/New_York is needed")
    return text or None


def _region_of(variables: Mapping[str, Any]) -> str | None:
    text = _text(variables.get(REGION)).upper()
    # Not passed over: a list that says "Florida" would be dialled by the rules of New York.
    if text and not is_region(text):
        raise ValueError(f"the column {REGION!r} must hold a rule region like US-FL")
    return text or None


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def parse_object(text: str) -> dict[str, Any]:
    """Read a JSON object whose keys are all different.

    Raises:
        ValueError: It is something else; the message says what.
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg})") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004  # the text is wrong, not a type
    return value


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for name, value in pairs:
        if name in known:
            raise ValueError("names a key twice")
        known[name] = value
    return known


def _finite(text: str) -> float:
    number = float(text)
    # What is too large for one would be written as `Infinity`, which is not JSON.
    if math.isinf(number):
        raise ValueError("holds a number that is too large")
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"holds {constant}, which is not JSON")
