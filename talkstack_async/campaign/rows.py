"""What one row of a contact list turns into, whatever file it came from.

A row is numbered as it stands below the header: the first row of data is row 1, blank lines
are not rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from ..errors import InvalidNumberError
from ..phone import PhoneNumber, mask_number

__all__ = ["BadRow", "Contact", "Row", "contact_of", "parse_object"]

NUMBER = "number"
VARIABLES = "dynamicVariables"


def _names(variables: Mapping[str, Any]) -> str:
    return str(sorted(variables))


@attrs.frozen(kw_only=True)
class Contact:
    """Somebody to be called, and what the agent should know about them."""

    row: int
    number: PhoneNumber
    variables: Mapping[str, Any] = attrs.field(factory=dict, repr=_names)


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


def contact_of(
    row: int, number: str, *, given: Mapping[str, Any], further: Mapping[str, Any]
) -> Row:
    """Make a contact of a number and its variables, or say why that is impossible.

    Args:
        row: The row's number.
        number: The number as it stands in the row.
        given: The variables of `dynamicVariables`.
        further: The variables that have a place of their own.
    """
    try:
        parsed = PhoneNumber.parse(number)
    except InvalidNumberError as error:
        # The rest of the message quotes the number, which stands beside the reason anyway.
        return BadRow(row=row, number=number, reason=error.message.partition(" (got ")[0])
    for name in given.keys() & further.keys():
        if given[name] != further[name]:
            reason = f"{VARIABLES} and the column {name!r} give different values"
            return BadRow(row=row, number=number, reason=reason)
    return Contact(row=row, number=parsed, variables={**further, **given})


def parse_object(text: str) -> dict[str, Any]:
    """Read a JSON object whose keys are all different.

    Raises:
        ValueError: It is something else; the message says what.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
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


def _refuse(constant: str) -> Any:
    raise ValueError(f"holds {constant}, which is not JSON")
