"""Contact lists in JSON lines: one object per line, with a key `number`."""

from __future__ import annotations

from collections.abc import Iterator

from .lines import Lines
from .rows import BadRow, Numbers, Row, parse_object, row_of_object

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
    return row_of_object(row, values, numbers)
