"""Writing a campaign as a file."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from talkstack_async.campaign.cells import safe_cell
from talkstack_async.campaign.exporting import COLUMNS, Format, export
from talkstack_async.campaign.ledger import Ledger, open_ledger
from talkstack_async.campaign.records import CampaignRecord, NewContact
from talkstack_async.campaign.standing import standing
from talkstack_async.campaign.states import AttemptState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import CampaignError
from talkstack_async.models.statuses import Disposition
from tests.support.ledgers import NOW, at, campaign_of, claim, number, row, settlement

FORMATS: list[Format] = ["csv", "xlsx", "jsonl"]
EVIL = '=HYPERLINK("http://example.invalid","click")'


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path / "ledger.db", clock=ManualClock(NOW)) as opened:
        yield opened


async def played(ledger: Ledger) -> CampaignRecord:
    named = NewContact(row=1, number=number(1), variables='{"name": "=1+1", "x": "Zoë"}')
    campaign = await campaign_of(ledger, named, 2, 3)
    first, second = (await claim(ledger, campaign, limit=2)).claims
    await ledger.settle(
        [
            settlement(first, AttemptState.FINAL, disposition=Disposition.ANSWERED, call_id="C1",
                       seconds=31.5, cost_micros=120_000, at=at(40)),
            settlement(second, AttemptState.REJECTED, detail=EVIL, at=at(1)),
        ]
    )  # fmt: skip
    return campaign


def half_written(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


def read(path: Path, kind: Format) -> list[dict[str, Any]]:
    match kind:
        case "csv":
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        case "jsonl":
            return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        case "xlsx":
            book = openpyxl.load_workbook(path)
            names, *rows = book.worksheets[0].values
            return [dict(zip(names, each, strict=True)) for each in rows]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FORMATS)
async def test_there_is_one_row_per_contact(ledger: Ledger, tmp_path: Path, kind: Format) -> None:
    path = tmp_path / f"out.{kind}"
    campaign = await played(ledger)
    assert await export(ledger, campaign, path, format=kind) == 3
    first, second, third = read(path, kind)
    assert tuple(first) == COLUMNS
    assert [str(each["row"]) for each in (first, second, third)] == ["1", "2", "3"]
    assert [each["state"] for each in (first, second, third)] == ["done", "done", "ready"]
    assert (first["number"], first["disposition"], first["call_id"]) == (
        number(1), "answered", "C1"
    )  # fmt: skip
    assert (float(first["seconds"]), float(first["cost"])) == (31.5, 0.12)
    assert first["first_attempt_at"] == first["last_attempt_at"] == NOW.isoformat()
    assert not third["last_attempt_at"]
    variables = first["variables"]
    assert (variables if kind == "jsonl" else json.loads(variables)) == {
        "name": "=1+1", "x": "Zoë"
    }  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
async def test_only_its_owner_may_read_it(ledger: Ledger, tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "out"
    old = os.umask(0)
    try:
        await export(ledger, await played(ledger), path, format=kind)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert half_written(tmp_path) == []


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_file_that_is_there_stays(ledger: Ledger, tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "out"
    path.write_text("precious")
    campaign = await played(ledger)
    with pytest.raises(CampaignError, match="exists already"):
        await export(ledger, campaign, path, format=kind)
    assert path.read_text() == "precious"
    assert await export(ledger, campaign, path, format=kind, overwrite=True) == 3
    assert len(read(path.rename(tmp_path / f"out.{kind}"), kind)) == 3


async def test_a_directory_that_is_not_there_is_a_clear_error(
    ledger: Ledger, tmp_path: Path
) -> None:
    campaign = await played(ledger)
    with pytest.raises(CampaignError, match="cannot be written"):
        await export(ledger, campaign, tmp_path / "no" / "out.csv", format="csv")


async def test_an_export_that_fails_leaves_nothing(ledger: Ledger, tmp_path: Path) -> None:
    campaign = await played(ledger)
    folder = tmp_path / "out"
    folder.mkdir()

    class Broken:
        def export(self, campaign_id: int) -> AsyncIterator[Any]:
            return self._rows(campaign_id)

        async def _rows(self, campaign_id: int) -> AsyncIterator[Any]:
            async for each in ledger.export(campaign_id):
                yield each
                raise CampaignError("gone")

    for kind in FORMATS:
        with pytest.raises(CampaignError, match="gone"):
            await export(Broken(), campaign, folder / "out", format=kind)  # type: ignore[arg-type]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_cell_that_begins_like_a_formula_is_text(begin: str) -> None:
    assert safe_cell(f"{begin}1+1") == f"'{begin}1+1"
    assert safe_cell(f"a{begin}1") == f"a{begin}1"


@pytest.mark.parametrize("text", ["+14155550123", "Ada", "", "1=1", "{}"])
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize("text", ["+1415-555", "+1415555A", "+14155550123\n", "+1-1", "+"])
def test_only_a_plain_number_keeps_its_plus(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


async def test_no_cell_of_a_spreadsheet_is_a_formula(ledger: Ledger, tmp_path: Path) -> None:
    campaign = await played(ledger)
    await export(ledger, campaign, tmp_path / "out.csv", format="csv")
    await export(ledger, campaign, tmp_path / "out.xlsx", format="xlsx")
    assert read(tmp_path / "out.csv", "csv")[1]["detail"] == f"'{EVIL}"
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    cells = [cell for line in sheet.iter_rows() for cell in line]
    assert EVIL in [cell.value for cell in cells]
    assert {cell.data_type for cell in cells} <= {"s", "n", "inlineStr"}
    assert not any(cell.hyperlink for cell in cells)


async def test_what_no_encoding_can_hold_ends_no_export(ledger: Ledger, tmp_path: Path) -> None:
    odd = NewContact(row=1, number=number(1), variables='{"name": "\\ud800\\u0000\\u0007"}')
    campaign = await campaign_of(ledger, odd)
    for kind in FORMATS:
        path = tmp_path / f"out.{kind}"
        assert await export(ledger, campaign, path, format=kind) == 1
        assert read(path, kind)[0]["row"] in (1, "1")


async def test_a_cell_longer_than_a_workbook_can_hold_is_cut(
    ledger: Ledger, tmp_path: Path
) -> None:
    long = NewContact(row=1, number=number(1), variables=json.dumps({"a": "x" * 40_000}))
    campaign = await campaign_of(ledger, long)
    await export(ledger, campaign, tmp_path / "out.xlsx", format="xlsx")
    assert len(read(tmp_path / "out.xlsx", "xlsx")[0]["variables"]) == 32_767


async def test_an_empty_campaign_is_a_head_without_rows(ledger: Ledger, tmp_path: Path) -> None:
    campaign = await campaign_of(ledger)
    for kind in FORMATS:
        assert await export(ledger, campaign, tmp_path / f"out.{kind}", format=kind) == 0
        assert read(tmp_path / f"out.{kind}", kind) == []


async def test_more_than_a_group_of_rows_is_written(ledger: Ledger, tmp_path: Path) -> None:
    campaign = await campaign_of(ledger, *(row(n) for n in range(1, 2002)))
    for kind in FORMATS:
        assert await export(ledger, campaign, tmp_path / f"out.{kind}", format=kind) == 2001
        assert len(read(tmp_path / f"out.{kind}", kind)) == 2001


async def test_the_standing_of_a_campaign_is_what_json_can_hold(ledger: Ledger) -> None:
    campaign = await played(ledger)
    counts = await ledger.counts(campaign.campaign_id, now=NOW)
    found = await ledger.campaign("spring")
    assert found is not None
    data = json.loads(json.dumps(standing(found, counts)))
    assert data["contacts"] == {"ready": 1, "active": 0, "done": 2, "review": 0, "excluded": 0}
    assert data["attempts"]["final"] == data["dispositions"]["answered"] == data["rings"] == 1
    assert (data["total"], data["spent"], data["finished"]) == (3, 0.12, False)
