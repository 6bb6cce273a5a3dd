from __future__ import annotations

import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async.emulator.multipart import parse_form
from talkstack_async.emulator.sheets import read_rows

KIND = "multipart/form-data; boundary=X"
BODY = (
    b"a preamble nobody reads\r\n"
    b'--X\r\nContent-Disposition: form-data; name="projectId"\r\n\r\np1\r\n'
    b'--X\r\ncontent-disposition: form-data; name="file"; filename="c.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\nnumber\r\n--Y\r\n\x00\xff\r\n"
    b"--X\r\n\r\nno name at all\r\n"
    b"--X--\r\nand an epilogue"
)


def test_the_parts_of_a_form_are_found_by_name_byte_by_byte() -> None:
    form = parse_form(BODY, content_type=KIND)
    assert form is not None
    assert {name: part.content for name, part in form.items()} == {
        "projectId": b"p1",
        "file": b"number\r\n--Y\r\n\x00\xff",
    }
    assert form["file"].filename == "c.csv"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (BODY, "application/json"),
        (BODY, "multipart/form-data"),
        (BODY, "multipart/form-data; boundary=Z"),
        (BODY, ""),
        (BODY.replace(b"--X--", b""), KIND),
        (b"", KIND),
    ],
)
def test_what_is_no_form_is_none(body: bytes, kind: str) -> None:
    assert parse_form(body, content_type=kind) is None


@given(st.binary(max_size=200), st.text(max_size=40))
def test_no_body_is_too_odd_for_a_form(noise: bytes, kind: str) -> None:
    parse_form(BODY + noise + b"\r\n--X--", content_type=KIND)
    parse_form(noise, content_type=f"multipart/form-data; boundary={kind!r}")


def workbook(rows: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", rows)
    return packed.getvalue()


SHEET = workbook(
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b"<row><c><v>1</v></c><c/><c><v>3.0</v></c></row></sheetData></worksheet>"
)


def test_cells_without_a_place_follow_each_other() -> None:
    assert read_rows(SHEET) == [["1", "", "3"]]


@given(st.integers(0, len(SHEET) - 1), st.binary(max_size=8))
def test_a_broken_workbook_is_a_value_error_or_a_sheet(place: int, noise: bytes) -> None:
    with suppress(ValueError):
        read_rows(SHEET[:place] + noise + SHEET[place + len(noise) :])


@given(st.binary(max_size=100))
def test_any_file_is_a_sheet_or_a_value_error(content: bytes) -> None:
    with suppress(ValueError):
        assert all(isinstance(cell, str) for row in read_rows(content) for cell in row)
