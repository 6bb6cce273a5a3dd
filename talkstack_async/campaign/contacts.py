"""Reading contact lists, a row at a time, so that a list may be longer than memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ..errors import ContactListError
from .csv_rows import csv_rows
from .jsonl_rows import jsonl_rows
from .lines import Lines, open_list
from .places import Places
from .rows import BadRow, Contact, Numbers, Row
from .xlsx_rows import Sheet

__all__ = ["BadRow", "Contact", "ContactList", "Row", "read_contacts"]

_Rows = Callable[[Lines, Numbers], Iterator[Row]]
_LINES: dict[str, _Rows] = {".jsonl": jsonl_rows, ".ndjson": jsonl_rows}
_WORKBOOKS = (".xlsx", ".xlsm")


class ContactList(Iterator[Row]):
    """The rows of an open list, in order. Close it, or use it with `with`.

    Attributes:
        last_row: Number of the row handed out last, 0 before the first.
    """

    def __init__(
        self, file: BinaryIO, *, rows: Iterator[Row], fraction: Callable[[], float]
    ) -> None:
        self._file = file
        self._fraction = fraction
        self._rows = _at_least_one(rows)
        self.last_row = 0

    @property
    def fraction_read(self) -> float:
        """How much of the file was read, 0 to 1."""
        return self._fraction()

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._file.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row:
        row = next(self._rows)
        self.last_row = row.row
        return row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_contacts(
    path: Path, *, region: str | None = None, places: Places | None = None
) -> ContactList:
    """Open a contact list: CSV, or by its name JSON lines (`.jsonl`, `.ndjson`) or `.xlsx`.

    The header and the first row are read at once, so what is wrong with the whole file is
    known before anybody is called; the rest is read as it is asked for. A bad row is a
    `BadRow` and never ends the list. A workbook is loaded as a whole, which takes seconds if it
    is large: on an event loop, call this in a thread.

    Args:
        path: The file.
        region: Numbers may also be written as within this country, like `US` or `DE`. Brings
            a `Places` of its own if there is none.
        places: Refuse numbers that do not exist, and heed the columns `timezone` and `region`.

    Raises:
        ContactListError: The file cannot be opened, is empty or has no column `number`. While
            iterating: it cannot be read any further, and the rows after that are unknown.
        ConfigurationError: There is no such region.
        MissingExtraError: What is asked for needs the extra `campaign`.
    """
    numbers = Numbers.of(region=region, places=places)
    file = open_list(path)
    try:
        return _list_of(file, suffix=path.suffix.lower(), numbers=numbers)
    except ContactListError as error:
        file.close()
        raise ContactListError(f"{path}: {error}") from error
    except BaseException:
        file.close()
        raise


def _list_of(file: BinaryIO, *, suffix: str, numbers: Numbers) -> ContactList:
    if suffix in _WORKBOOKS:
        sheet = Sheet(file)
        return ContactList(
            file, rows=sheet.rows(numbers), fraction=lambda: sheet.rows_read / sheet.height
        )
    size = file.seek(0, 2)
    file.seek(0)
    lines = Lines(file)
    rows = _LINES.get(suffix, csv_rows)(lines, numbers)
    return ContactList(
        file, rows=rows, fraction=lambda: min(1.0, lines.bytes_read / size) if size else 1.0
    )


def _at_least_one(rows: Iterator[Row]) -> Iterator[Row]:
    for first in rows:
        return itertools.chain([first], rows)
    raise ContactListError("the file holds no rows: nobody to call")
