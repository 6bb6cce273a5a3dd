"""Suppression lists: numbers that are never called, in and out of a ledger.

In doubt a number is suppressed: one that is well formed but does not exist is taken, too, and
what cannot be read is reported, never passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import attrs

from ..errors import CampaignError, ContactListError, InvalidNumberError
from ..phone import PhoneNumber
from .cells import safe_cell
from .csv_rows import cells_of, check_columns, delimiter_of
from .ledger.base import Ledger
from .lines import Lines, open_list
from .places import Places
from .private import PrivateFile
from .records import Suppression
from .rejects import Rejects
from .rows import NUMBER, BadRow, Numbers

__all__ = [
    "SuppressionCounts",
    "export_suppressions",
    "import_suppressions",
    "read_suppressions",
]

REASON = "reason"
_COLUMNS = (NUMBER, REASON, "source", "added_at")
_BATCH = 2000


@attrs.frozen(kw_only=True)
class SuppressionCounts:
    """What became of a suppression list.

    Attributes:
        added: Numbers that were not suppressed before.
        known: Numbers that were.
        rejected: Rows that hold no number; these people are NOT suppressed.
    """

    rows: int = 0
    added: int = 0
    known: int = 0
    rejected: int = 0


def read_suppressions(
    path: Path,
    *,
    now: datetime,
    region: str | None = None,
    places: Places | None = None,
    reason: str = "listed",
) -> Iterator[Suppression | BadRow]:
    """Go through a suppression list: CSV with a column `number`, or one number per line.

    A column `reason` may say why; otherwise, and where it is empty, `reason` stands. Without a
    header line, what follows the number in its line is the reason. The file is open while the
    iterator is.

    Raises:
        ContactListError: While iterating: the file cannot be read, or not any further.
        ConfigurationError: While iterating: there is no such region.
    """
    numbers = Numbers.of(region=region, places=places)
    try:
        with open_list(path) as file:
            for found in _rows(file, numbers=numbers):
                if isinstance(found, BadRow):
                    yield found
                else:
                    number, why = found
                    yield Suppression(
                        number=number, reason=why or reason, source=path.name, added_at=now
                    )
    except ContactListError as error:
        if str(path) in error.message:
            raise
        raise ContactListError(f"{path}: {error}") from error


async def import_suppressions(
    ledger: Ledger,
    path: Path,
    *,
    now: datetime,
    region: str | None = None,
    places: Places | None = None,
    reason: str = "listed",
    rejects: Rejects | None = None,
) -> SuppressionCounts:
    """Put a list of numbers on the ledger's suppression list.

    Whoever is on it stays on it. If the list ends too early, what stood above is suppressed.

    Raises:
        ContactListError: The file cannot be read, or not any further.
        LedgerError: The ledger cannot be written.
    """
    rows = read_suppressions(path, now=now, region=region, places=places, reason=reason)
    counts, error = SuppressionCounts(), None
    while error is None:
        batch, error = await asyncio.to_thread(_take, rows)
        if not batch:
            break
        good = [row for row in batch if isinstance(row, Suppression)]
        bad = [row for row in batch if isinstance(row, BadRow)]
        added = await ledger.suppress(good) if good else 0
        if rejects is not None:
            await asyncio.to_thread(_reject, rejects, bad)
        counts = SuppressionCounts(
            rows=counts.rows + len(batch),
            added=counts.added + added,
            known=counts.known + len(good) - added,
            rejected=counts.rejected + len(bad),
        )
    if error is not None:
        raise error
    return counts


async def export_suppressions(ledger: Ledger, path: Path, *, overwrite: bool = False) -> int:
    """Write the suppression list as CSV that `import_suppressions` reads; return its length.

    Only the owner may read the file: the numbers are whole.

    Raises:
        CampaignError: The file is there already, or cannot be written.
    """
    count = 0
    with PrivateFile(path, overwrite=overwrite) as place:
        try:
            with place.beside.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(_COLUMNS)
                async for entry in ledger.suppressions():
                    texts = (entry.number, entry.reason, entry.source, entry.added_at.isoformat())
                    writer.writerow([safe_cell(text) for text in texts])
                    count += 1
        except OSError as error:
            raise CampaignError(f"{path}: cannot be written ({error.strerror})") from error
        place.finish()
    return count


def _rows(file: BinaryIO, *, numbers: Numbers) -> Iterator[tuple[str, str] | BadRow]:
    lines = Lines(file)
    first = lines.next_text()
    records: Iterator[list[str]] = csv.reader(
        itertools.chain([first], lines), delimiter=delimiter_of(first), strict=True
    )
    try:
        top = next(records)
    except csv.Error as error:
        raise ContactListError(f"the first line is not CSV ({error})") from error
    columns: Sequence[str] = (NUMBER, REASON)
    if _is_somebody(top):
        records = itertools.chain([top], records)
    else:
        columns = [name.strip() for name in top]
        check_columns(columns)
    for found in cells_of(records, lines=lines):
        yield found if isinstance(found, BadRow) else _pair(*found, columns, numbers=numbers)


def _is_somebody(top: Sequence[str]) -> bool:
    # A digit is enough: the first number of a list without a header may be badly written, and
    # must be reported like any other.
    is_header = any(name.strip() == NUMBER for name in top)
    return not is_header and any(mark.isdigit() for mark in top[0])


def _pair(
    row: int, cells: list[str], columns: Sequence[str], *, numbers: Numbers
) -> tuple[str, str] | BadRow:
    values = dict(zip(columns, cells, strict=False))
    text = values.get(NUMBER, "")
    try:
        return _read(text, numbers=numbers), values.get(REASON, "").strip()
    except InvalidNumberError as error:
        reason = error.message.partition(" (got ")[0]
        return BadRow(row=row, number=text, reason=f"{reason}; it is not suppressed")


def _read(text: str, *, numbers: Numbers) -> PhoneNumber:
    # What `safe_cell` put there comes off again.
    text = text.removeprefix("'")
    try:
        return numbers.read(text)
    except InvalidNumberError:
        # Well formed and of no use is still better suppressed than not.
        with contextlib.suppress(InvalidNumberError):
            return PhoneNumber.parse(text)
        raise


def _take(
    rows: Iterator[Suppression | BadRow],
) -> tuple[list[Suppression | BadRow], ContactListError | None]:
    taken: list[Suppression | BadRow] = []
    try:
        for row in itertools.islice(rows, _BATCH):
            taken.append(row)  # noqa: PERF402  # what came before an error must be kept
    except ContactListError as error:
        return taken, error
    return taken, None


def _reject(rejects: Rejects, bad: Sequence[BadRow]) -> None:
    for row in bad:
        rejects.write(row.row, row.number, reason=row.reason)
