"""The file of rows that were not taken, for people to mend and to hand in again."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..errors import CampaignError
from .arriving import ArrivingFile

__all__ = ["Rejects", "safe_cell"]

_COLUMNS = ("row", "number", "reason")
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"\+[0-9]{1,15}", re.ASCII)


def safe_cell(text: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula.

    A plain `+14155550123` stays: at worst it is shown without its plus.
    """
    if text.startswith(_FORMULA) and not _PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


class Rejects:
    """A CSV file of row, number and reason that appears when it is complete.

    Use it with `with`: leaving in peace keeps it, an exception leaves things as they were. If
    nothing was rejected there is no file, and one from an earlier run is removed. Only the
    owner may read it: the numbers are whole.

    Raises:
        CampaignError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._arriving: ArrivingFile | None = None
        self._writer: Any = None
        self._is_closed = False

    def write(self, row: int, number: str, *, reason: str) -> None:
        """Note that a row was not taken. The file begins with the first of them."""
        # A lone surrogate, which JSON may hold, must not end the import.
        number = number.encode("utf-8", "replace").decode()
        try:
            if self._arriving is None:
                self._arriving = ArrivingFile(self.path)
                self._writer = csv.writer(self._arriving.file)
                self._writer.writerow(_COLUMNS)
            self._writer.writerow((row, safe_cell(number), safe_cell(reason)))
        except OSError as error:
            raise self._trouble(error) from error
        self.count += 1

    def close(self, *, keep: bool) -> None:
        """Move the file into its place, or drop what was written. Closing twice does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._arriving is not None:
                self._arriving.close(keep=keep)
            elif keep:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._trouble(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(keep=kind is None)

    def _trouble(self, error: OSError) -> CampaignError:
        return CampaignError(f"{self.path}: the rejected rows cannot be written: {error.strerror}")
