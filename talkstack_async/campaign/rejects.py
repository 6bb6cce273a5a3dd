"""The file of rows that were not taken, for people to mend and to hand in again."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from ..errors import CampaignError
from .cells import safe_cell
from .private import PrivateFile

__all__ = ["Rejects"]

_COLUMNS = ("row", "number", "reason")


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
        self._place: PrivateFile | None = None
        self._file: TextIO | None = None
        self._writer: Any = None
        self._is_closed = False

    def write(self, row: int, number: str, *, reason: str) -> None:
        """Note that a row was not taken. The file begins with the first of them."""
        # A lone surrogate, which JSON may hold, must not end the import.
        number = number.encode("utf-8", "replace").decode()
        try:
            if self._file is None:
                self._place = PrivateFile(self.path, overwrite=True)
                self._file = self._place.beside.open("w", encoding="utf-8", newline="")
                self._writer = csv.writer(self._file)
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
            if self._file is not None:
                self._file.close()
        except OSError as error:
            keep = False
            raise self._trouble(error) from error
        finally:
            self._put_in_place(keep=keep)

    def _put_in_place(self, *, keep: bool) -> None:
        if self._place is None:
            if keep:
                self.path.unlink(missing_ok=True)
            return
        with self._place as place:
            if keep:
                place.finish()

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
