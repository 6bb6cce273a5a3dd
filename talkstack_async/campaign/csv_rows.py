"""Contact lists in CSV: a header line, a column `number`, variables in the others."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence

from ..errors import ContactListError
from ..phone import scrub_numbers
from .lines import Lines
from .rows import NUMBER, VARIABLES, BadRow, Numbers, Row, contact_of, parse_object

__all__ = ["cells_of", "check_columns", "csv_rows", "delimiter_of", "row_of_cells"]

_DELIMITERS = ",;\t"


def csv_rows(lines: Lines, numbers: Numbers) -> Iterator[Row]:
    """Read the header at once and the rows as they are asked for.

    Raises:
        ContactListError: There is no usable header. While iterating: the list cannot be read
            any further.
    """
    first = lines.next_text()
    records = csv.reader(
        itertools.chain([first], lines), delimiter=delimiter_of(first), strict=True
    )
    try:
        columns = [name.strip() for name in next(records)]
    except csv.Error as error:
        raise ContactListError(f"the header line is not CSV ({error})") from error
    check_columns(columns)
    return (
        found
        if isinstance(found, BadRow)
        else row_of_cells(found[0], found[1], columns=columns, numbers=numbers)
        for found in cells_of(records, lines=lines)
    )


def delimiter_of(header: str) -> str:
    """Return the mark that makes a column `number`, or else the most columns."""

    def names(delimiter: str) -> list[str]:
        return [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]

    return max(_DELIMITERS, key=lambda mark: (NUMBER in names(mark), len(names(mark))))


def check_columns(columns: Sequence[str]) -> None:
    """Refuse a header without a column `number`, or with a name that stands twice.

    Raises:
        ContactListError: It is such a header.
    """
    if NUMBER not in columns:
        # It may be no header but the first person of a list without one.
        found = scrub_numbers(", ".join(columns[:20]))
        hint = "; JSON lines are expected in a file *.jsonl" if columns[0][:1] == "{" else ""
        raise ContactListError(
            f"there is no column {NUMBER!r}; the first line names the columns, and it holds: "
            f"{found[:300]}{hint}"
        )
    named = [name for name in columns if name]
    for name in named:
        if named.count(name) > 1:
            raise ContactListError(f"the column {name!r} stands twice in the header line")


def cells_of(
    records: Iterator[list[str]], *, lines: Lines
) -> Iterator[tuple[int, list[str]] | BadRow]:
    """Number the records that are not blank; `lines` is what they are read from.

    Raises:
        ContactListError: While iterating: a quotation mark swallows what follows.
    """
    row = 1
    while True:
        lines.where, begun_at = f"row {row}", lines.count
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.count - begun_at > 1:
                raise ContactListError(
                    f"row {row} opens a quotation mark that is not closed properly: the list "
                    "ends there"
                ) from error
            yield BadRow(row=row, number="", reason=f"the row is not CSV ({error})")
        else:
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            yield row, cells
        row += 1


def row_of_cells(row: int, cells: list[str], *, columns: Sequence[str], numbers: Numbers) -> Row:
    """Make a row of the cells of a table, one for each column of its header."""
    # What is missing at the end of a row is empty, as in a spreadsheet.
    cells += [""] * (len(columns) - len(cells))
    values = dict(zip(columns, cells, strict=False))
    values.pop("", None)
    number = values.pop(NUMBER)
    variables = values.pop(VARIABLES, "")
    if (reason := _misfit(cells, columns)) is not None:
        return BadRow(row=row, number=number, reason=reason)
    try:
        given = parse_object(variables) if variables.strip() else {}
    except ValueError as error:
        return BadRow(row=row, number=number, reason=f"{VARIABLES} {error}")
    return contact_of(row, number, given=given, further=values, numbers=numbers)


def _misfit(cells: Sequence[str], columns: Sequence[str]) -> str | None:
    if len(cells) > len(columns):
        return "the row has more cells than the header line"
    if any(cell.strip() for name, cell in zip(columns, cells, strict=True) if not name):
        return "the row has a value in a column without a name"
    return None
