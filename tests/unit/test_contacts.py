"""Reading contact lists: tables of good and bad files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from talkstack_async.campaign import BadRow, Contact, read_contacts
from talkstack_async.cli.demo_list import demo_list
from talkstack_async.errors import ContactListError

ADA, BOB = "+12025550101", "+12025550102"


def rows_of(path: Path, content: str | bytes, name: str = "list.csv") -> list[Contact | BadRow]:
    file = path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with read_contacts(file) as contacts:
        return list(contacts)


def contact(row: int, number: str, **variables: object) -> Contact:
    return Contact(row=row, number=number, variables=variables)  # type: ignore[arg-type]


GOOD = {
    "a column of numbers": (f"number\n{ADA}\n", [contact(1, ADA)]),
    "no newline at the end": (f"number\n{ADA}", [contact(1, ADA)]),
    "further columns are variables": (
        f"name,number,x\nAda,{ADA},1\n",
        [contact(1, ADA, name="Ada", x="1")],
    ),
    "semicolons": (f"number;name\n{ADA};a,b\n", [contact(1, ADA, name="a,b")]),
    "tabs": (f"number\tname\n{ADA}\ta,b;c\n", [contact(1, ADA, name="a,b;c")]),
    "the delimiter comes from the header only": (
        f"number,name\n{ADA},a;b;c;d;e\n",
        [contact(1, ADA, name="a;b;c;d;e")],
    ),
    "a byte order mark": (b"\xef\xbb\xbfnumber,name\n+12025550101,Zo\xc3\xab\n", [
        contact(1, ADA, name="Zoë")
    ]),
    "header names are trimmed": (f" number , name\n{ADA},Ada\n", [contact(1, ADA, name="Ada")]),
    "values are not trimmed": (f"number,name\n {ADA} , Ada\n", [contact(1, ADA, name=" Ada")]),
    "windows line ends": (f"number,name\r\n{ADA},Ada\r\n", [contact(1, ADA, name="Ada")]),
    "old mac line ends": (f"number,name\r{ADA},Ada\r{BOB},Bob\r", [
        contact(1, ADA, name="Ada"), contact(2, BOB, name="Bob")
    ]),
    "quoted newlines": (f'number,name\n{ADA},"a\r\nb\nc"\n{BOB},d\n', [
        contact(1, ADA, name="a\r\nb\nc"), contact(2, BOB, name="d")
    ]),
    "quoted delimiters and quotes": (
        f'number,name\n{ADA},"a ""b"", c"\n', [contact(1, ADA, name='a "b", c')]
    ),
    "blank lines are no rows": (f"\nnumber\n\n{ADA}\n   \n{BOB}\n\n", [
        contact(1, ADA), contact(2, BOB)
    ]),
    "missing cells are empty": (f"number,name\n{ADA}\n", [contact(1, ADA, name="")]),
    "numbers as people write them": (
        "number\n+1 (202) 555-0101\n", [contact(1, ADA)]
    ),
    "the JSON column": (
        f'number,dynamicVariables\n{ADA},"{{""name"": ""Ada"", ""n"": 1}}"\n',
        [contact(1, ADA, name="Ada", n=1)],
    ),
    "the JSON column and others": (
        f'number,x,dynamicVariables\n{ADA},y,"{{""name"": ""Ada""}}"\n{BOB},z,\n',
        [contact(1, ADA, name="Ada", x="y"), contact(2, BOB, x="z")],
    ),
    "the same value twice is no conflict": (
        f'number,name,dynamicVariables\n{ADA},Ada,"{{""name"": ""Ada""}}"\n',
        [contact(1, ADA, name="Ada")],
    ),
    "a nameless column that is empty": (f"number,\n{ADA},\n", [contact(1, ADA)]),
}  # fmt: skip

BAD_ROWS = {
    "no plus": ("number\n12025550101\n", "12025550101", "start with +"),
    "letters": ("number\n+1202CALLNOW\n", "+1202CALLNOW", "not a digit"),
    "too short": ("number\n+1202\n", "+1202", "7 to 15"),
    "empty": ("number,name\n,Ada\n", "", "empty"),
    "too many cells": (f"number,name\n{ADA},a,b\n", ADA, "more cells"),
    "a value without a column name": (f"number,\n{ADA},b\n", ADA, "without a name"),
    "no JSON": (f"number,dynamicVariables\n{ADA},x\n", ADA, "is not JSON"),
    "no JSON object": (f"number,dynamicVariables\n{ADA},[1]\n", ADA, "not a JSON object"),
    "a key twice": (
        f'number,dynamicVariables\n{ADA},"{{""a"":1,""a"":2}}"\n', ADA, "names a key twice"
    ),
    "too large a number": (
        f'number,dynamicVariables\n{ADA},"{{""a"":1e999}}"\n', ADA, "too large"
    ),
    "not a number": (f'number,dynamicVariables\n{ADA},"{{""a"":NaN}}"\n', ADA, "NaN"),
    "deep": (f"number,dynamicVariables\n{ADA},{'[' * 100_000}\n", ADA, "nested"),
    "conflict": (
        f'number,name,dynamicVariables\n{ADA},Ada,"{{""name"": ""Bob""}}"\n', ADA, "different"
    ),
    "text after a quotation mark": (f'number,name\n{ADA},"a"b\n', "", "not CSV"),
}  # fmt: skip

BAD_FILES = {
    "nothing": (b"", "empty"),
    "only blank lines": (b"\n \n\n", "empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "empty"),
    "only a header": (b"number,name\n", "no rows"),
    "no column number": (b"phone,name\n+12025550101,Ada\n", "no column 'number'"),
    "a column twice": (b"number,name,name\n", "twice"),
    "number twice": (b"number,number\n", "twice"),
    "latin-1 in the header": (b"number,n\xe4me\n", "not UTF-8"),
    "latin-1 in the first row": (b"number,name\n+12025550101,J\xf6rg\n", "row 1 is not UTF-8"),
    "UTF-16": ("number\n".encode("utf-16"), "UTF-16"),
    "a workbook": (b"PK\x03\x04....", "Excel"),
    "gzip": (b"\x1f\x8b....", "compressed"),
    "a line without end": (b"x" * 2_000_000, "longer than"),
    "JSON lines by another name": (b'{"number": "+12025550101"}\n', ".jsonl"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_list_is_read(tmp_path: Path, case: str):
    content, expected = GOOD[case]

    assert rows_of(tmp_path, content) == expected


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_says_why_and_does_not_end_the_list(tmp_path: Path, case: str):
    content, number, reason = BAD_ROWS[case]
    padding = "," * content.partition("\n")[0].count(",")

    bad, good = rows_of(tmp_path, f"{content}{BOB}{padding}\n")

    assert isinstance(bad, BadRow)
    assert (bad.row, bad.number) == (1, number)
    assert reason in bad.reason
    assert isinstance(good, Contact)
    assert (good.row, good.number) == (2, BOB)


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_when_it_is_opened(tmp_path: Path, case: str):
    content, reason = BAD_FILES[case]
    (tmp_path / "list.csv").write_bytes(content)

    with pytest.raises(ContactListError, match=reason) as caught:
        read_contacts(tmp_path / "list.csv")

    assert "list.csv" in str(caught.value)
    assert "+12025550101" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path):
    with pytest.raises(ContactListError, match="No such file"):
        read_contacts(tmp_path / "none.csv")
    with pytest.raises(ContactListError, match="is a directory"):
        read_contacts(tmp_path)


def test_wrong_bytes_in_the_middle_end_the_list_after_the_rows_before_them(tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_bytes(f"number,name\n{ADA},Ada\n{BOB},".encode() + b"J\xf6rg\n")

    with read_contacts(file) as contacts:
        first = next(contacts)
        with pytest.raises(ContactListError, match=r"row 2 is not UTF-8 \(byte 0xf6\)"):
            next(contacts)

    assert first == contact(1, ADA, name="Ada")


@pytest.mark.parametrize("end", ["", "\n", "\n" * 200_000], ids=["short", "line", "long"])
def test_an_open_quotation_mark_never_swallows_the_people_below_it(tmp_path: Path, end: str):
    file = tmp_path / "list.csv"
    file.write_text(f'number,name\n{ADA},Ada\n{BOB},"Bob\n+12025550103,Eve{end}')

    with read_contacts(file) as contacts:
        assert next(contacts) == contact(1, ADA, name="Ada")
        with pytest.raises(ContactListError, match="row 2 opens a quotation mark"):
            list(contacts)


def test_json_lines_are_read(tmp_path: Path):
    content = "\ufeff" + "\n".join(
        [
            f'{{"number": "{ADA}", "name": "Ada", "n": 1}}',
            "",
            f'{{"number": "{BOB}", "dynamicVariables": {{"a": [1]}}, "b": null}}',
            f'{{"number": "{ADA}", "dynamicVariables": null}}',
        ]
    )

    assert rows_of(tmp_path, content, "list.jsonl") == [
        contact(1, ADA, name="Ada", n=1),
        contact(2, BOB, a=[1], b=None),
        contact(3, ADA),
    ]


@pytest.mark.parametrize(
    ("line", "number", "reason"),
    [
        ("oops", "", "is not JSON"),
        (f'["{ADA}"]', "", "not a JSON object"),
        ('{"name": "Ada"}', "", "no 'number'"),
        ('{"number": 12025550101}', "12025550101", "must be text"),
        ('{"number": null}', "", "no 'number'"),
        ('{"number": "\\ud800"}', "\ud800", "start with +"),
        (f'{{"number": "{ADA}", "number": "{BOB}"}}', "", "twice"),
        (f'{{"number": "{ADA}", "dynamicVariables": "x"}}', ADA, "not a JSON object"),
        (f'{{"number": "{ADA}", "a": 1, "dynamicVariables": {{"a": 2}}}}', ADA, "different"),
    ],
)
def test_a_bad_json_line_says_why(tmp_path: Path, line: str, number: str, reason: str):
    bad, good = rows_of(tmp_path, f'{line}\n{{"number": "{BOB}"}}\n', "list.ndjson")

    assert isinstance(bad, BadRow)
    assert (bad.row, bad.number) == (1, number)
    assert reason in bad.reason
    assert good == contact(2, BOB)


def test_numbers_are_hidden_when_rows_are_printed():
    assert ADA not in repr(BadRow(row=1, number=ADA, reason="x"))
    assert "Lovelace" not in repr(contact(1, ADA, name="Lovelace"))


def test_a_long_list_takes_no_more_memory_than_a_short_one(tmp_path: Path):
    file = tmp_path / "list.csv"
    with file.open("w") as out:
        out.write("number,name\n")
        out.writelines(f"+1202{n:07d},Somebody\n" for n in range(50_000))

    tracemalloc.start()
    with read_contacts(file) as contacts:
        count = sum(1 for _ in contacts)
        fraction = contacts.fraction_read
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (count, fraction, contacts.last_row) == (50_000, 1.0, 50_000)
    assert peak < 1_000_000


def test_the_example_list_is_the_one_the_demo_makes(tmp_path: Path):
    example = Path(__file__).parents[2] / "examples" / "contacts.csv"

    assert example.read_text(encoding="utf-8") == demo_list()
    assert len(rows_of(tmp_path, demo_list())) == 500
