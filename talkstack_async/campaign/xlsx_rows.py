"""Contact lists in Excel workbooks: the first visible sheet, read like a CSV file.

The whole sheet is loaded before the first row is handed out; a million rows of a few columns
take some hundred megabytes. CSV needs next to nothing.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, time
from typing import Any, BinaryIO

from ..errors import ContactListError, MissingExtraError
from .csv_rows import check_columns, row_of_cells
from .rows import Numbers, Row

__all__ = ["Sheet"]

# A million rows of ten columns are about 500 MB of XML, which packs to a tenth or less.
_LARGEST = 1024**3
_PACKED = 200
_SMALL = 64 * 1024**2
_OLE = b"\xd0\xcf\x11\xe0"


class Sheet:
    """The rows of the first visible sheet.

    Cells become the text a CSV file would hold: whole numbers without a decimal point, dates
    in ISO form, a formula's last value; an error like `#N/A` is empty.

    Attributes:
        rows_read: How many rows of the sheet were looked at, the header and blank ones included.
        height: How many there are.

    Raises:
        ContactListError: It is no workbook, it would unpack to something huge, or it has no
            usable header.
        MissingExtraError: `python-calamine` is not installed.
    """

    def __init__(self, file: BinaryIO) -> None:
        _refuse_bombs(file)
        file.seek(0)
        self._sheet = _first_sheet(file)
        # Rows are handed out from the sheet's first, however far down its content begins.
        self.height: int = self._sheet.end[0] + 1 if self._sheet.end else 0
        self.rows_read = 0
        self._cells = self._not_blank()
        self._columns = [name.strip() for name in next(self._cells, [])]
        if not self._columns:
            raise ContactListError("the sheet is empty")
        check_columns(self._columns)

    def rows(self, numbers: Numbers) -> Iterator[Row]:
        """Go through the rows below the header, once."""
        for row, cells in enumerate(self._cells, start=1):
            yield row_of_cells(row, cells, columns=self._columns, numbers=numbers)

    def _not_blank(self) -> Iterator[list[str]]:
        for cells in self._sheet.iter_rows():
            self.rows_read += 1
            texts = [_text(cell) for cell in cells]
            if any(text.strip() for text in texts):
                yield texts


def _refuse_bombs(file: BinaryIO) -> None:
    """Check what the workbook unpacks to, and that its directory tells the truth about it."""
    if file.read(len(_OLE)) == _OLE:
        raise ContactListError(
            "this is an old *.xls workbook, or one with a password: save it as *.xlsx without one"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive.infolist())
            # Unpacks every part to the size the directory names, and no further.
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise ContactListError(f"this is not an Excel workbook ({error})") from error
    except RuntimeError as error:  # the zip module's word for encrypted
        raise ContactListError("the workbook is protected by a password") from error
    if damaged is not None:
        raise ContactListError(f"the workbook is damaged: its part {damaged!r} is not whole")


def _check_sizes(parts: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if unpacked > _LARGEST:
        raise ContactListError(
            f"the workbook unpacks to {unpacked:,} bytes, more than {_LARGEST:,}: save it as "
            "'CSV UTF-8'"
        )
    if unpacked > _SMALL and unpacked > packed * _PACKED:
        raise ContactListError(
            f"the workbook unpacks to {_PACKED} times its size, as no list does: save it as "
            "'CSV UTF-8'"
        )


def _first_sheet(file: BinaryIO) -> Any:
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise MissingExtraError(
            "reading Excel workbooks needs python-calamine: "
            "pip install 'talkstack-async[campaign]'"
        ) from error
    try:
        book = calamine.CalamineWorkbook.from_filelike(file)
        for sheet in book.sheets_metadata:
            if (
                sheet.typ == calamine.SheetTypeEnum.WorkSheet
                and sheet.visible == calamine.SheetVisibleEnum.Visible
            ):
                return book.get_sheet_by_name(sheet.name)
    except calamine.CalamineError as error:
        raise ContactListError(f"the workbook cannot be read ({error})") from error
    raise ContactListError("the workbook has no visible sheet")


def _text(cell: Any) -> str:
    match cell:
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case int():
            return str(cell)
        case float():
            # Excel keeps and shows 15 digits, which is also the longest phone number.
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.15g}"
        case date() | time():  # a datetime is a date
            return cell.isoformat()
        case _:
            return str(cell)
