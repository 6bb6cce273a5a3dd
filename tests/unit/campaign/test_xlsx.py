"""Reading contact lists out of Excel workbooks, and the columns every format may have."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from talkstack_async.campaign import BadRow, Contact, read_contacts
from talkstack_async.campaign import xlsx_rows as module
from talkstack_async.campaign.places import Places
from talkstack_async.errors import ConfigurationError, ContactListError

ADA, BOB = "+12025550101", "+12025550102"


def workbook(path: Path, *rows: list[Any], name: str = "list.xlsx") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path / name)
    return path / name


def rows_of(file: Path, **options: Any) -> list[Contact | BadRow]:
    with read_contacts(file, **options) as contacts:
        return list(contacts)


def contact(row: int, number: str, **variables: object) -> Contact:
    return Contact(row=row, number=number, variables=variables)  # type: ignore[arg-type]


CELLS = {
    "text": ("Ada", "Ada"),
    "a whole number": (7, "7"),
    "a decimal number": (1.5, "1.5"),
    "a sum of decimals": (0.1 + 0.2, "0.3"),
    "a large number": (123456789012345, "123456789012345"),
    "a negative number": (-3.0, "-3"),
    "a date": (datetime.date(2026, 3, 8), "2026-03-08"),
    "a moment": (datetime.datetime(2026, 3, 8, 14, 30), "2026-03-08T14:30:00"),  # noqa: DTZ001
    "an hour": (datetime.time(9, 30), "09:30:00"),
    "yes": (True, "TRUE"),
    "no": (False, "FALSE"),
    "nothing": (None, ""),
    "text with blanks": (" Ada ", " Ada "),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_becomes_the_text_a_csv_file_would_hold(tmp_path: Path, case: str):
    value, expected = CELLS[case]
    file = workbook(tmp_path, ["number", "x"], [ADA, value])

    assert rows_of(file) == [contact(1, ADA, x=expected)]


def test_a_formula_gives_its_last_value(tmp_path: Path):
    with xlsxwriter.Workbook(tmp_path / "list.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["number", "x", "y"])
        sheet.write_formula(1, 0, '="+1202555"&"0101"', None, ADA)
        sheet.write_formula(1, 1, "=1+1", None, 2)
        sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!")

    assert rows_of(tmp_path / "list.xlsx") == [contact(1, ADA, x="2", y="")]


def test_blank_rows_are_no_rows_and_the_header_may_stand_further_down(tmp_path: Path):
    file = workbook(
        tmp_path, [], [" number ", "name"], [], [ADA, "Ada"], [None, " "], [BOB, "Bob"]
    )

    with read_contacts(file) as contacts:
        assert list(contacts) == [contact(1, ADA, name="Ada"), contact(2, BOB, name="Bob")]
        assert contacts.fraction_read == 1.0


def test_a_number_cell_is_read_like_text_that_lost_its_plus(tmp_path: Path):
    file = workbook(tmp_path, ["number"], [12025550101], [2025550102.0])

    plain = rows_of(file)
    american = rows_of(file, region="US")

    assert all(isinstance(row, BadRow) and "start with +" in row.reason for row in plain)
    assert [row.number for row in plain] == ["12025550101", "2025550102"]
    assert [row.number for row in american] == [ADA, BOB]


def test_rows_follow_the_rules_of_csv(tmp_path: Path):
    file = workbook(
        tmp_path,
        ["number", "dynamicVariables", "n", None],
        [ADA, '{"name": "Ada"}', "1", None],
        [BOB, "[1]", "1", None],
        [BOB, None, "1", "stray"],
    )

    good, bad, stray = rows_of(file)

    assert good == contact(1, ADA, name="Ada", n="1")
    assert isinstance(bad, BadRow)
    assert "not a JSON object" in bad.reason
    assert isinstance(stray, BadRow)
    assert "without a name" in stray.reason


def test_the_first_visible_sheet_is_read(tmp_path: Path):
    book = openpyxl.Workbook()
    hidden = book.active
    assert hidden is not None
    hidden.append(["number"])
    hidden.append([BOB])
    hidden.sheet_state = "hidden"
    book.create_chartsheet("chart")
    shown = book.create_sheet("people")
    shown.append(["number"])
    shown.append([ADA])
    book.save(tmp_path / "list.xlsx")

    assert rows_of(tmp_path / "list.xlsx") == [contact(1, ADA)]


def zipped(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


BAD_FILES = {
    "nothing": (b"", "not an Excel workbook"),
    "a CSV file by another name": (b"number\n+12025550101\n", "not an Excel workbook"),
    "half a workbook": (zipped(a=b"x" * 9999)[:60], "not an Excel workbook"),
    "another archive": (zipped(a=b"x"), "cannot be read"),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + b"\0" * 600, r"\*\.xls workbook"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, case: str):
    content, words = BAD_FILES[case]
    (tmp_path / "list.xlsx").write_bytes(content)

    with pytest.raises(ContactListError, match=words) as caught:
        read_contacts(tmp_path / "list.xlsx")

    assert "list.xlsx" in str(caught.value)


def test_a_workbook_without_people_is_refused(tmp_path: Path):
    with pytest.raises(ContactListError, match="empty"):
        read_contacts(workbook(tmp_path))
    with pytest.raises(ContactListError, match="no rows"):
        read_contacts(workbook(tmp_path, ["number", "name"]))
    with pytest.raises(ContactListError, match="no column 'number'") as caught:
        read_contacts(workbook(tmp_path, [ADA, "Ada"]))
    assert ADA not in str(caught.value)


def test_a_workbook_that_unpacks_to_something_huge_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = workbook(tmp_path, ["number"], [ADA])
    assert len(rows_of(file)) == 1

    monkeypatch.setattr(module, "_LARGEST", 1000)

    with pytest.raises(ContactListError, match="more than 1,000"):
        read_contacts(file)


def test_a_workbook_that_packs_too_well_is_refused(tmp_path: Path):
    content = b"\0" * (65 * 1024**2)
    (tmp_path / "list.xlsx").write_bytes(zipped(bomb=content))

    with pytest.raises(ContactListError, match="200 times its size"):
        read_contacts(tmp_path / "list.xlsx")


def test_a_directory_that_names_too_small_a_size_is_found_out(tmp_path: Path):
    content = b"\0" * 1_000_000
    bomb = zipped(bomb=content)
    assert bomb.count(len(content).to_bytes(4, "little")) == 2
    lying = bomb.replace(len(content).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    (tmp_path / "list.xlsx").write_bytes(lying)

    with pytest.raises(ContactListError, match=r"not whole|not an Excel workbook"):
        read_contacts(tmp_path / "list.xlsx")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_region_that_does_not_exist_is_refused_before_the_first_row(tmp_path: Path, kind: str):
    with pytest.raises(ConfigurationError, match="'Germany' is no region"):
        read_contacts(listed(tmp_path, kind, {"number": ADA}), region="Germany")


# --- Columns that mean something once places are asked for, in every format.


def listed(path: Path, kind: str, values: dict[str, str]) -> Path:
    file = path / f"list.{kind}"
    if kind == "xlsx":
        return workbook(path, list(values), list(values.values()))
    if kind == "jsonl":
        file.write_text(json.dumps(values))
    else:
        file.write_text(",".join(values) + "\n" + ",".join(values.values()) + "\n")
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_zone_and_a_region_of_the_row_are_taken(tmp_path: Path, kind: str):
    values = {"number": "(202) 555-0101", "timezone": "America/Denver", "region": "us-fl"}
    file = listed(tmp_path, kind, values)

    [row] = rows_of(file, region="US", places=Places())

    assert isinstance(row, Contact)
    assert (row.number, row.timezone, row.region) == (ADA, "America/Denver", "US-FL")
    assert row.variables == {"timezone": "America/Denver", "region": "us-fl"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_empty_cells_leave_zone_and_region_to_the_number(tmp_path: Path, kind: str):
    [row] = rows_of(
        listed(tmp_path, kind, {"number": ADA, "timezone": "", "region": " "}), places=Places()
    )

    assert isinstance(row, Contact)
    assert (row.timezone, row.region) == (None, None)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("timezone", "Eastern", "unknown time zone"),
        ("timezone", "EST", "unknown time zone"),
        ("region", "Florida", "rule region like US-FL"),
    ],
)
def test_a_zone_or_region_nobody_knows_makes_the_row_bad(
    tmp_path: Path, kind: str, column: str, value: str, words: str
):
    file = listed(tmp_path, kind, {"number": ADA, column: value})

    [bad] = rows_of(file, places=Places())
    [plain] = rows_of(file)

    assert isinstance(bad, BadRow)
    assert words in bad.reason
    assert value not in bad.reason or column == "region"
    assert plain == contact(1, ADA, **{column: value})


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_a_number_that_does_not_exist_is_refused_only_where_places_are_asked_for(
    tmp_path: Path, kind: str
):
    file = listed(tmp_path, kind, {"number": "+12995550123"})

    [bad] = rows_of(file, places=Places())
    [plain] = rows_of(file)

    assert isinstance(bad, BadRow)
    assert (bad.number, bad.reason) == ("+12995550123", "there is no such number in its country")
    assert isinstance(plain, Contact)
