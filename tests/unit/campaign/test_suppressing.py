"""Suppression lists, in and out: in doubt a number is suppressed."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign.ledger import Ledger, open_ledger
from talkstack_async.campaign.places import Places
from talkstack_async.campaign.records import Suppression
from talkstack_async.campaign.rejects import Rejects
from talkstack_async.campaign.rows import BadRow
from talkstack_async.campaign.suppressing import (
    SuppressionCounts,
    export_suppressions,
    import_suppressions,
    read_suppressions,
)
from talkstack_async.errors import CampaignError, ContactListError

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ADA, BOB = "+12025550101", "+12025550102"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path / "ledger.db") as opened:
        yield opened


async def numbers_in(ledger: Ledger) -> dict[str, str]:
    return {entry.number: entry.reason async for entry in ledger.suppressions()}


def read(path: Path, content: str | bytes, **options: Any) -> list[Suppression | BadRow]:
    file = path / "stop.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_suppressions(file, now=NOW, **options))


def pairs(rows: list[Suppression | BadRow]) -> list[tuple[str, str]]:
    return [(row.number, row.reason) for row in rows if isinstance(row, Suppression)]


LISTS = {
    "a column": (f"number\n{ADA}\n{BOB}\n", [(ADA, "listed"), (BOB, "listed")]),
    "a column with reasons": (
        f"name,reason,number\nAda,asked,{ADA}\nBob,,{BOB}\n", [(ADA, "asked"), (BOB, "listed")]
    ),
    "one number per line": (f"{ADA}\n\n{BOB}", [(ADA, "listed"), (BOB, "listed")]),
    "reasons without a header": (f"{ADA};asked\n{BOB};\n", [(ADA, "asked"), (BOB, "listed")]),
    "a byte order mark": (f"\ufeff{ADA}\n", [(ADA, "listed")]),
    "quoted": (f'"{ADA}"\n"{BOB}"\n', [(ADA, "listed"), (BOB, "listed")]),
    "too many cells": (f"number\n{ADA},x,y\n", [(ADA, "listed")]),
    "an apostrophe of a spreadsheet": (f"number\n'{ADA}\n", [(ADA, "listed")]),
    "a header and nobody": ("number,reason\n", []),
}  # fmt: skip


@pytest.mark.parametrize("case", LISTS)
def test_a_list_is_read(tmp_path: Path, case: str):
    content, expected = LISTS[case]

    rows = read(tmp_path, content)

    assert pairs(rows) == expected
    assert len(rows) == len(expected)
    assert {row.source for row in rows if isinstance(row, Suppression)} <= {"stop.txt"}


def test_national_formats_are_read_with_a_region(tmp_path: Path):
    rows = read(tmp_path, "(202) 555-0101\n1-202-555-0102\n", region="US")

    assert pairs(rows) == [(ADA, "listed"), (BOB, "listed")]


def test_a_number_that_does_not_exist_is_suppressed_all_the_same(tmp_path: Path):
    assert pairs(read(tmp_path, "+12995550123\n", places=Places())) == [("+12995550123", "listed")]


@pytest.mark.parametrize("first", ["2025550101", "202-CALL", "+1 202"])
def test_a_line_that_is_no_number_is_reported_also_if_it_is_the_first(tmp_path: Path, first: str):
    bad, good = read(tmp_path, f"{first}\n{BOB}\n")

    assert isinstance(bad, BadRow)
    assert (bad.row, bad.number) == (1, first)
    assert "not suppressed" in bad.reason
    assert good.number == BOB


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        (f"phone,name\n{ADA},Ada\n", "no column 'number'"),
        (f"number,number\n{ADA},{ADA}\n", "twice"),
        (f'number\n"{ADA}\n{BOB}\n', "quotation mark"),
        (b"number\n\xff\n", "not UTF-8"),
        (b"PK\x03\x04", "Excel"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: str | bytes, words: str):
    with pytest.raises(ContactListError, match=words) as caught:
        read(tmp_path, content)

    assert str(caught.value).count("stop.txt") == 1
    assert ADA not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(ContactListError, match="No such file"):
        list(read_suppressions(tmp_path / "none.csv", now=NOW))


async def test_a_list_is_brought_into_the_ledger(ledger: Ledger, tmp_path: Path):
    file = tmp_path / "stop.csv"
    file.write_text(f"number,reason\n{ADA},asked\nnobody,\n{BOB},\n{ADA},again\n")

    with Rejects(tmp_path / "rejects.csv") as rejects:
        first = await import_suppressions(ledger, file, now=NOW, rejects=rejects)
    second = await import_suppressions(ledger, file, now=NOW)

    assert first == SuppressionCounts(rows=4, added=2, known=1, rejected=1)
    assert second == SuppressionCounts(rows=4, added=0, known=3, rejected=1)
    assert await numbers_in(ledger) == {ADA: "asked", BOB: "listed"}
    assert "2,nobody," in (tmp_path / "rejects.csv").read_text()


async def test_a_list_that_breaks_off_has_suppressed_what_stood_above(
    ledger: Ledger, tmp_path: Path
):
    file = tmp_path / "stop.csv"
    file.write_bytes(f"number\n{ADA}\n{BOB}\n".encode() + b"\xff\n")

    with pytest.raises(ContactListError, match="row 3 is not UTF-8"):
        await import_suppressions(ledger, file, now=NOW)

    assert set(await numbers_in(ledger)) == {ADA, BOB}


async def test_what_was_exported_can_be_imported(ledger: Ledger, tmp_path: Path):
    entries = [
        Suppression(number=ADA, reason="=cmd()", source="a call", added_at=NOW),
        Suppression(number=BOB, reason="asked, twice", source="list.csv", added_at=NOW),
    ]
    await ledger.suppress(entries)
    file = tmp_path / "out.csv"

    count = await export_suppressions(ledger, file)

    assert count == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines() == [
        "number,reason,source,added_at",
        f"{ADA},'=cmd(),a call,2026-01-05T12:00:00+00:00",
        f'{BOB},"asked, twice",list.csv,2026-01-05T12:00:00+00:00',
    ]
    async with open_ledger(tmp_path / "other.db") as other:
        assert (await import_suppressions(other, file, now=NOW)).added == 2
        assert set(await numbers_in(other)) == {ADA, BOB}


async def test_an_export_replaces_a_file_only_if_told_so(ledger: Ledger, tmp_path: Path):
    file = tmp_path / "out.csv"
    file.write_text("old")

    with pytest.raises(CampaignError, match="exists already"):
        await export_suppressions(ledger, file)
    assert file.read_text() == "old"

    assert await export_suppressions(ledger, file, overwrite=True) == 0
    assert file.read_text().strip() == "number,reason,source,added_at"


async def test_an_export_that_cannot_be_written_says_so(ledger: Ledger, tmp_path: Path):
    with pytest.raises(CampaignError, match=r"cannot be written \(No such file"):
        await export_suppressions(ledger, tmp_path / "none" / "out.csv")
