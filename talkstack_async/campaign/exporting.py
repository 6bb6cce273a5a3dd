"""A campaign as a file, one row per contact, for spreadsheets and other programs.

A cell that begins like a formula would be run by the spreadsheet that opens the file, and
lists come from outside. XLSX has cells that are text, so there every text is one, as it is.
CSV has not: there such a cell gets an apostrophe in front, which spreadsheets take for "this
is text". Only a plain phone number keeps its plus: it can do nothing, and has to stay usable.
"""

from __future__ import annotations

import asyncio
import csv
import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeAlias, assert_never

from ..errors import CampaignError, MissingExtraError
from .cells import safe_cell
from .ledger.base import Ledger
from .private import PrivateFile
from .records import AttemptRecord, CampaignRecord, ContactRecord
from .standing import money

__all__ = ["COLUMNS", "Format", "export"]

Format: TypeAlias = Literal["csv", "xlsx", "jsonl"]

COLUMNS = (
    "row",
    "number",
    "state",
    "reason",
    "detail",
    "attempts",
    "disposition",
    "call_id",
    "call_ids",
    "first_attempt_at",
    "last_attempt_at",
    "seconds",
    "cost",
    "variables",
)

_GROUP = 1000
_LONGEST_CELL = 32_767  # a limit of XLSX
_ROWS_PER_SHEET = 1_048_576


async def export(
    ledger: Ledger,
    campaign: CampaignRecord,
    path: Path,
    *,
    format: Format,  # noqa: A002  # the word people say
    overwrite: bool = False,
) -> int:
    """Write all contacts of a campaign, in the order of their rows; return how many.

    `disposition` and `call_id` are the last attempt's, `call_ids` all of them with blanks
    between; `seconds` and `cost` are sums. The file holds whole numbers, so only its owner may
    read it. It is there once it is whole.

    Raises:
        CampaignError: There is a file of that name, or it cannot be written.
    """
    with PrivateFile(path, overwrite=overwrite) as file:
        try:
            written = await _write(ledger, campaign, file.beside, format)
        except OSError as error:
            raise CampaignError(f"{path}: cannot be written ({error.strerror})") from error
        await asyncio.to_thread(file.finish)
    return written


async def _write(ledger: Ledger, campaign: CampaignRecord, path: Path, kind: Format) -> int:
    sheet = await asyncio.to_thread(_sheet, path, kind)
    written, group = 0, []
    try:
        async for contact, attempts in ledger.export(campaign.campaign_id):
            group.append(_row(contact, attempts))
            written += 1
            if len(group) == _GROUP:
                await asyncio.to_thread(sheet.write, group)
                group = []
        await asyncio.to_thread(sheet.write, group)
    finally:
        # Nothing of ours may touch the file any more once it is moved or removed.
        await asyncio.shield(asyncio.to_thread(sheet.close))
    return written


def _row(contact: ContactRecord, attempts: Sequence[AttemptRecord]) -> dict[str, Any]:
    calls = [attempt.call_id for attempt in attempts if attempt.call_id]
    seconds = [attempt.seconds for attempt in attempts if attempt.seconds is not None]
    costs = [attempt.cost_micros for attempt in attempts if attempt.cost_micros is not None]
    last = attempts[-1] if attempts else None
    return {
        "row": contact.row,
        "number": contact.number,
        "state": contact.state.name.lower(),
        "reason": contact.reason,
        "detail": contact.detail or None,
        "attempts": contact.attempts,
        "disposition": last.disposition.value if last and last.disposition else None,
        "call_id": last.call_id if last else None,
        "call_ids": calls,
        "first_attempt_at": attempts[0].sent_at.isoformat() if attempts else None,
        "last_attempt_at": last.sent_at.isoformat() if last else None,
        "seconds": sum(seconds) if seconds else None,
        "cost": money(sum(costs)) if costs else None,
        "variables": dict(contact.variables),
    }


class _Sheet(Protocol):
    def write(self, rows: Sequence[dict[str, Any]]) -> None: ...
    def close(self) -> None: ...


def _sheet(path: Path, kind: Format) -> _Sheet:
    match kind:
        case "csv":
            return _Csv(path)
        case "jsonl":
            return _JsonLines(path)
        case "xlsx":
            return _Workbook(path)
        case _:
            assert_never(kind)


def _open(path: Path) -> IO[str]:
    # A lone surrogate, which JSON can hold and UTF-8 cannot, becomes a question mark.
    return path.open("w", encoding="utf-8", errors="replace", newline="")


def _cells(row: dict[str, Any]) -> list[str | float | None]:
    """Flatten a row: what is no number becomes text."""
    return [_cell(row[name]) for name in COLUMNS]


def _cell(value: Any) -> str | float | None:
    match value:
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return " ".join(value)
        case None | str() | int() | float():
            return value
        case _:
            return str(value)


class _Csv:
    def __init__(self, path: Path) -> None:
        self._file = _open(path)
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._writer.writerows(
            [safe_cell(cell) if isinstance(cell, str) else cell for cell in _cells(row)]
            for row in rows
        )

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = _open(path)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        self._file.writelines(json.dumps(row) + "\n" for row in rows)

    def close(self) -> None:
        self._file.close()


class _Workbook:
    """An XLSX file, written row by row; a sheet that is full is followed by another."""

    def __init__(self, path: Path) -> None:
        try:
            import xlsxwriter  # type: ignore[import-untyped]  # it has none
        except ImportError as error:
            raise MissingExtraError(
                "writing XLSX needs xlsxwriter: pip install 'talkstack-async[campaign]'"
            ) from error
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
        self._sheet: Any = None
        self._next_row = _ROWS_PER_SHEET
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, COLUMNS, self._book.add_format({"bold": True}))
        self._next_row = 1

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            if self._next_row == _ROWS_PER_SHEET:
                self._begin_sheet()
            for column, cell in enumerate(_cells(row)):
                self._write_cell(column, cell)
            self._next_row += 1

    def _write_cell(self, column: int, cell: str | float | None) -> None:
        match cell:
            case None | "":
                return
            case str():
                # Never `write`, which would look for formulas and addresses.
                text = cell.encode("utf-8", "replace").decode()
                self._sheet.write_string(self._next_row, column, _shortened(text))
            case _:
                self._sheet.write_number(self._next_row, column, cell)

    def close(self) -> None:
        from xlsxwriter.exceptions import XlsxFileError  # type: ignore[import-untyped]  # it has none

        try:
            self._book.close()
        except XlsxFileError as error:
            raise OSError(errno.EIO, str(error)) from error


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}\u2026"
