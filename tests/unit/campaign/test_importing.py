"""Bringing lists into a real ledger: every row is accounted for, whatever happens."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import stat
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign import read_contacts
from talkstack_async.campaign.cells import safe_cell
from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.importing import digest_of, import_contacts
from talkstack_async.campaign.ledger import Ledger, open_ledger
from talkstack_async.campaign.places import Places
from talkstack_async.campaign.records import CampaignRecord, ContactRecord, ImportSummary
from talkstack_async.campaign.rejects import Rejects
from talkstack_async.campaign.rows import Contact, Row
from talkstack_async.campaign.settings import CampaignSettings
from talkstack_async.campaign.states import CampaignState, ContactState
from talkstack_async.errors import CampaignError, ContactListError
from talkstack_async.phone import PhoneNumber

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ADA, BOB, EVE = "+12025550101", "+12025550102", "+12025550103"
PLACES = Places()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path / "ledger.db") as opened:
        yield opened


async def campaign_in(ledger: Ledger) -> CampaignRecord:
    found = await ledger.campaign("spring")
    settings = CampaignSettings(project_id="p", agent_id="a")
    return found or await ledger.create_campaign("spring", settings, now=NOW)


async def bring(ledger: Ledger, rows: Iterable[Row], **options: Any) -> ImportSummary:
    given: dict[str, Any] = {
        "source": "list.csv",
        "places": PLACES,
        "placeholders": (),
        "rejects": None,
        "digest": None,
        "now": lambda: NOW,
    }
    return await import_contacts(ledger, await campaign_in(ledger), rows, **(given | options))


async def bring_text(ledger: Ledger, path: Path, text: str, **options: Any) -> ImportSummary:
    file = path / "list.csv"
    file.write_text(text)
    with read_contacts(file, region="US", places=PLACES) as rows:
        return await bring(ledger, rows, **options)


async def contacts_in(ledger: Ledger) -> list[ContactRecord]:
    campaign = await campaign_in(ledger)
    return [contact async for contact, _ in ledger.export(campaign.campaign_id)]


def rejected(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def people(count: int) -> Iterator[Contact]:
    for row in range(1, count + 1):
        yield Contact(row=row, number=PhoneNumber(f"+1202555{row:04d}"))


async def test_every_row_of_a_list_is_accounted_for(ledger: Ledger, tmp_path: Path):
    text = f"number,name\n{ADA},Ada\n(202) 555-0102,Bob\nnobody,Eve\n{ADA},Again\n{EVE}, \n"
    with Rejects(tmp_path / "rejects.csv") as rejects:
        summary = await bring_text(
            ledger, tmp_path, text, placeholders=("name",), rejects=rejects, digest="abc"
        )

    assert summary == ImportSummary(rows=5, added=3, duplicates=1, rejected=1, excluded=1)
    ada, bob, eve = await contacts_in(ledger)
    assert (ada.number, ada.row, ada.variables) == (ADA, 1, {"name": "Ada"})
    assert (ada.zones, ada.regions) == (("America/New_York",), ("US-DC",))
    assert (bob.number, bob.row, bob.state) == (BOB, 2, ContactState.READY)
    assert (eve.number, eve.state, eve.reason) == (EVE, ContactState.EXCLUDED, Reason.PLACEHOLDER)
    assert eve.detail == "no value for name"
    assert rejected(tmp_path / "rejects.csv") == [
        ["row", "number", "reason"],
        ["3", "nobody", "the number holds something that is not a digit"],
        ["4", ADA, "the number stands in row 1 already"],
    ]
    campaign = await campaign_in(ledger)
    assert (campaign.state, campaign.list_digest) == (CampaignState.RUNNING, "abc")
    assert not await ledger.verify()


async def test_the_row_says_better_than_the_number_where_somebody_is(
    ledger: Ledger, tmp_path: Path
):
    await bring_text(
        ledger, tmp_path, f"number,timezone,region\n{ADA},America/Denver,us-co\n{BOB},,\n"
    )

    ada, bob = await contacts_in(ledger)
    assert (ada.zones, ada.regions) == (("America/Denver",), ("US-CO",))
    assert ada.variables == {"timezone": "America/Denver", "region": "us-co"}
    assert (bob.zones, bob.regions) == (("America/New_York",), ("US-DC",))


async def test_a_list_that_is_read_again_adds_what_is_new_and_nobody_twice(
    ledger: Ledger, tmp_path: Path
):
    await bring_text(ledger, tmp_path, f"number,name,day\n{ADA},Ada,Monday\n{BOB},Bob,Monday\n")

    again = await bring_text(
        ledger,
        tmp_path,
        f"day,number,name\nMonday,{EVE},Eve\nMonday,{BOB},Bob\nSunday,{ADA},Ada\n",
    )

    assert again == ImportSummary(rows=3, added=1, updated=1, unchanged=1)
    assert len(await contacts_in(ledger)) == 3


async def test_a_value_that_was_missing_brings_somebody_back(ledger: Ledger, tmp_path: Path):
    first = await bring_text(ledger, tmp_path, f"number,name\n{ADA},\n", placeholders=("name",))
    second = await bring_text(
        ledger, tmp_path, f"number,name\n{ADA},Ada\n", placeholders=("name",)
    )

    assert (first.excluded, second.updated, second.excluded) == (1, 1, 0)
    [ada] = await contacts_in(ledger)
    assert ada.state == ContactState.READY


async def test_a_list_longer_than_a_batch_is_read_to_its_end(ledger: Ledger):
    seen: list[int] = []

    summary = await bring(ledger, people(25), batch=10, on_progress=seen.append)

    assert summary == ImportSummary(rows=25, added=25)
    assert seen == [10, 20, 25]
    assert [contact.row for contact in await contacts_in(ledger)] == list(range(1, 26))


async def test_a_duplicate_in_another_batch_is_one(ledger: Ledger, tmp_path: Path):
    rows = [*people(3), Contact(row=4, number=PhoneNumber("+12025550001"))]
    with Rejects(tmp_path / "rejects.csv") as rejects:
        summary = await bring(ledger, rows, batch=2, rejects=rejects)

    assert summary == ImportSummary(rows=4, added=3, duplicates=1)
    assert rejected(tmp_path / "rejects.csv")[1][2] == "the number stands in row 1 already"


async def test_a_list_that_breaks_off_leaves_the_campaign_importing(
    ledger: Ledger, tmp_path: Path
):
    file = tmp_path / "list.csv"
    file.write_bytes(f"number,name\n{ADA},Ada\n{BOB},Bob\n{EVE},".encode() + b"J\xf6rg\n")

    with read_contacts(file, places=PLACES) as rows:
        with pytest.raises(ContactListError, match="row 3 is not UTF-8"):
            await bring(ledger, rows, batch=1)

    assert (await campaign_in(ledger)).state is CampaignState.IMPORTING
    assert [contact.number for contact in await contacts_in(ledger)] == [ADA, BOB]
    mended = await bring_text(ledger, tmp_path, f"number,name\n{ADA},Ada\n{BOB},Bob\n{EVE},J\n")
    assert mended == ImportSummary(rows=3, added=1, unchanged=2)
    assert (await campaign_in(ledger)).state is CampaignState.RUNNING


async def test_rows_are_read_beside_the_event_loop(ledger: Ledger):
    threads: set[int] = set()

    def watched() -> Iterator[Contact]:
        for row in people(5):
            threads.add(threading.get_ident())
            yield row

    await bring(ledger, watched(), batch=2)

    assert threads
    assert threading.get_ident() not in threads


async def test_no_more_than_two_batches_are_in_memory(ledger: Ledger):
    handed_out = 0
    furthest_ahead = 0

    def watched() -> Iterator[Contact]:
        nonlocal handed_out
        for row in people(60):
            handed_out += 1
            yield row

    def note(written: int) -> None:
        nonlocal furthest_ahead
        furthest_ahead = max(furthest_ahead, handed_out - written)

    await bring(ledger, watched(), batch=10, on_progress=note)

    assert furthest_ahead <= 10


async def test_a_cancelled_import_leaves_the_list_alone_and_the_campaign_importing(
    ledger: Ledger,
):
    reached, go_on = threading.Event(), threading.Event()
    is_reading = False

    def slow() -> Iterator[Contact]:
        nonlocal is_reading
        is_reading = True
        yield from people(2)
        reached.set()
        go_on.wait(30)
        yield Contact(row=3, number=PhoneNumber(EVE))
        is_reading = False

    task = asyncio.create_task(bring(ledger, slow()))
    await asyncio.to_thread(reached.wait, 30)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not is_reading
    assert (await campaign_in(ledger)).state is CampaignState.IMPORTING


async def test_a_ledger_that_fails_ends_the_import(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    async def full(*_: object, **__: object) -> None:
        raise CampaignError("no room")

    await campaign_in(ledger)
    monkeypatch.setattr(ledger, "add_contacts", full)

    with pytest.raises(CampaignError, match="no room"):
        await bring(ledger, people(30), batch=10)

    assert (await campaign_in(ledger)).state is CampaignState.IMPORTING


async def test_half_a_character_in_a_list_ends_nothing(ledger: Ledger, tmp_path: Path):
    file = tmp_path / "list.jsonl"
    file.write_text(f'{{"number": "{ADA}", "name": "\\ud800"}}\n{{"number": "\\ud800"}}\n')

    with read_contacts(file, places=PLACES) as rows, Rejects(tmp_path / "rejects.csv") as rejects:
        summary = await bring(ledger, rows, rejects=rejects)

    assert summary == ImportSummary(rows=2, added=1, rejected=1)
    assert (await contacts_in(ledger))[0].variables == {"name": "\ud800"}
    assert rejected(tmp_path / "rejects.csv")[1][:2] == ["2", "?"]


async def test_the_digest_is_that_of_the_file(tmp_path: Path):
    (tmp_path / "list.csv").write_bytes(b"number\n")

    assert await digest_of(tmp_path / "list.csv") == hashlib.sha256(b"number\n").hexdigest()
    with pytest.raises(ContactListError, match="No such file"):
        await digest_of(tmp_path / "none.csv")


# --- The file of rejects.


def test_rejects_appear_when_they_are_complete_and_only_for_their_owner(tmp_path: Path):
    path = tmp_path / "rejects.csv"
    path.write_text("old")

    with Rejects(path) as rejects:
        rejects.write(7, ADA, reason="because")
        assert path.read_text() == "old"
        assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob(".*.part")] == [0o600]

    assert rejected(path) == [["row", "number", "reason"], ["7", ADA, "because"]]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_rejected_leaves_no_file_and_takes_away_an_old_one(tmp_path: Path):
    path = tmp_path / "rejects.csv"
    path.write_text("old")

    with Rejects(path):
        pass

    assert not path.exists()


def test_an_error_leaves_the_old_rejects(tmp_path: Path):
    path = tmp_path / "rejects.csv"
    path.write_text("old")

    with pytest.raises(RuntimeError), Rejects(path) as rejects:
        rejects.write(1, ADA, reason="because")
        raise RuntimeError

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_rejects_that_cannot_be_written_say_so(tmp_path: Path):
    with pytest.raises(CampaignError, match=r"cannot be written \(No such file"):
        Rejects(tmp_path / "none" / "rejects.csv").write(1, ADA, reason="because")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1", "'-1"),
        ("+1-2", "'+1-2"),
        ("+cmd|'/c calc'!A0", "'+cmd|'/c calc'!A0"),
        ("\t=1", "'\t=1"),
        (ADA, ADA),
        ("Ada", "Ada"),
        ("", ""),
    ],
)
def test_a_cell_is_never_run_as_a_formula(cell: str, expected: str):
    assert safe_cell(cell) == expected
