"""Reading contact lists, a row at a time, so that a list may be longer than memory."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ..errors import ContactListError
from .csv_rows import csv_rows
from .jsonl_rows import jsonl_rows
from .lines import Lines
from .rows import BadRow, Contact, Row

__all__ = ["BadRow", "Contact", "ContactList", "Row", "read_contacts"]

# A further format is a function from lines (or a file) to rows and an entry here.
_FORMATS: dict[str, Callable[[Lines], Iterator[Row]]] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
}


class ContactList(Iterator[Row]):
    """The rows of an open list, in order. Close it, or use it with `with`.

    Attributes:
        last_row: Number of the row handed out last, 0 before the first.
    """

    def __init__(self, file: BinaryIO, *, read: Callable[[Lines], Iterator[Row]]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        file.seek(0)
        self._lines = Lines(file)
        self._rows = _at_least_one(read(self._lines))
        self.last_row = 0

    @property
    def fraction_read(self) -> float:
        """How much of the file was read, 0 to 1."""
        return min(1.0, self._lines.bytes_read / self._size) if self._size else 1.0

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


def read_contacts(path: Path) -> ContactList:
    """Open a contact list: `.jsonl` and `.ndjson` are JSON lines, all else is CSV.

    The header and the first row are read at once, so what is wrong with the whole file is
    known before anybody is called; the rest is read as it is asked for. A bad row is a
    `BadRow` and never ends the list.

    Raises:
        ContactListError: The file cannot be opened, is empty or has no column `number`. While
            iterating: it cannot be read any further, and the rows after that are unknown.
    """
    file = _open(path)
    try:
        return ContactList(file, read=_FORMATS.get(path.suffix.lower(), csv_rows))
    except ContactListError as error:
        file.close()
        raise ContactListError(f"{path}: {error}") from error
    except BaseException:
        file.close()
        raise


def _open(path: Path) -> BinaryIO:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.open("rb")
    except OSError as error:
        raise ContactListError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ContactListError(f"{str(path)!r} is not a file name") from error
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise ContactListError(f"{path}: is {kind}")


def _at_least_one(rows: Iterator[Row]) -> Iterator[Row]:
    for first in rows:
        return itertools.chain([first], rows)
    raise ContactListError("the file holds no rows: nobody to call")
