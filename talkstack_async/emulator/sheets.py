"""Reading the sheet of a batch: CSV, or the first sheet of a plain XLSX file."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree as Xml

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHEET = "xl/worksheets/sheet1.xml"
_STRINGS = "xl/sharedStrings.xml"
_ZIP = b"PK\x03\x04"
_MOST_BYTES = 64 * 1024 * 1024
_WIDEST = 16384
_COLUMN = re.compile(r"[A-Z]{1,3}")


def read_rows(content: bytes) -> list[list[str]]:
    """Return the rows of a sheet as texts.

    Raises:
        ValueError: It can be read neither as CSV nor as XLSX.
    """
    return _xlsx_rows(content) if content.startswith(_ZIP) else _csv_rows(content)


def _csv_rows(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the file is neither CSV in UTF-8 nor XLSX") from None
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as problem:
        raise ValueError(f"the file is no CSV: {problem}") from None


def _xlsx_rows(content: bytes) -> list[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            strings = list(_shared_strings(book))
            sheet = _xml(book, _SHEET)
        return [_cells_of(row, strings) for row in sheet.iter(f"{_MAIN}row")]
    except Exception:
        # A broken archive raises whatever its compression, its XML or its links run into.
        raise ValueError("the file is no plain XLSX") from None


def _xml(book: zipfile.ZipFile, name: str) -> Xml.Element:
    if book.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError("the sheet is too large")
    # Whoever sends this already runs code on this machine; expat stops entity bombs.
    return Xml.fromstring(book.read(name))  # noqa: S314


def _shared_strings(book: zipfile.ZipFile) -> Iterator[str]:
    if _STRINGS in book.namelist():
        for item in _xml(book, _STRINGS).iter(f"{_MAIN}si"):
            yield _text_of(item)


def _text_of(element: Xml.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{_MAIN}t"))


def _cells_of(row: Xml.Element, strings: list[str]) -> list[str]:
    """Return the cells of a row, with empty texts where the file leaves cells out."""
    cells: list[str] = []
    for cell in row.iter(f"{_MAIN}c"):
        place = _place_of(cell, default=len(cells))
        cells.extend([""] * (place - len(cells)))
        cells.append(_value_of(cell, strings))
    return cells


def _place_of(cell: Xml.Element, *, default: int) -> int:
    """Return the column of a cell, counted from zero."""
    letters = _COLUMN.match(cell.get("r", ""))
    if letters is None:
        return default
    place = 0
    for letter in letters.group():
        place = place * 26 + ord(letter) - ord("A") + 1
    if place > _WIDEST:
        raise ValueError("the sheet is too wide")
    return place - 1


def _value_of(cell: Xml.Element, strings: list[str]) -> str:
    kind = cell.get("t")
    if kind == "inlineStr":
        return _text_of(cell)
    value = cell.findtext(f"{_MAIN}v") or ""
    if kind == "s":
        return strings[int(value)]
    # Excel writes whole numbers that were calculated as "12025550123.0".
    return value.removesuffix(".0")
