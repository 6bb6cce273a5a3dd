"""Contact lists in JSON lines: one object per line, with a key `number`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .lines import Lines
from .rows import NUMBER, VARIABLES, BadRow, Numbers, Row, contact_of, parse_object

__all__ = ["jsonl_rows"]


def jsonl_rows(lines: Lines, numbers: Numbers) -> Iterator[Row]:
    """Read the rows as they are asked for.

    Raises:
        ContactListError: While iterating: the list cannot be read any further.
    """
    row = 1
    lines.where = "row 1"
    for line in lines:
        if line.strip():
            yield _row(row, line, numbers)
            row += 1
            lines.where = f"row {row}"


def _row(row: int, line: str, numbers: Numbers) -> Row:
    try:
        values = parse_object(line)
    except ValueError as error:
        return BadRow(row=row, number="", reason=f"the row {error}")
    number = values.pop(NUMBER, None)
    given = values.pop(VARIABLES, None)
    if not isinstance(number, str):
        shown = str(number) if isinstance(number, int) else ""
        return BadRow(row=row, number=shown, reason=_no_number(number))
    if not isinstance(given, dict | None):
        return BadRow(row=row, number=number, reason=f"{VARIABLES} is not a JSON object")
    return contact_of(row, number, given=given or {}, further=values, numbers=numbers)


def _no_number(value: Any) -> str:
    if value is None:
        return f"the row has no {NUMBER!r}"
    return f"{NUMBER!r} must be text in quotation marks"
