"""`talkstack ledger`: upgrades, backups, and the one way to PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.addresses import ServerAddress
from talkstack_async.campaign.ledger.leaving import mark
from talkstack_async.campaign.ledger.schema import VERSION, migrate, migrate_server
from talkstack_async.campaign.states import AttemptState
from talkstack_async.clock import ManualClock
from talkstack_async.emulator import EmulatorThread
from tests.e2e.test_cli import one_line
from tests.e2e.test_cli_groups import Command, command
from tests.support.ledgers import NOW, campaign_of, claim, settlement
from tests.support.postgres import on_server

__all__ = ["command"]

PASSWORD = "hunter2-very-secret"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorThread]:
    with EmulatorThread() as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of five, in this directory; one was called, one is being called."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "contacts.csv.talkstack.db"

    async def fill() -> None:
        async with open_ledger(path, exclusive=True, clock=ManualClock(NOW)) as ledger:
            campaign = await campaign_of(ledger, 1, 2, 3, 4, 5, name="contacts.csv")
            first, _ = (await claim(ledger, campaign, limit=2)).claims
            await ledger.settle([settlement(first, AttemptState.PLACED, call_id="C1")])

    asyncio.run(fill())
    return path


def with_password(url: str) -> str:
    return url.replace("postgres@", f"postgres:{PASSWORD}@")


def test_a_ledger_moves_to_a_database_and_goes_on_there(
    command: Command, ledger: Path, empty_database: str
):
    url = with_password(empty_database)
    moved = command("ledger", "copy", "contacts.csv", url, "--yes", "--json")
    assert moved.code == 0, moved.err
    shown = empty_database.replace("postgres@", "")
    assert (moved.document["ledger"], moved.document["unknown"]) == (shown, 1)
    assert moved.document["rows"]["contact"] == 5
    there = command("campaign", "status", url, "--json")
    here = command("campaign", "status", "contacts.csv", "--json")
    assert there.document["total"] == here.document["total"] == 5
    assert command("campaign", "verify", url).code == 0
    for done in (moved, there, here):
        assert PASSWORD not in done.out + done.err


def test_what_was_moved_says_where_it_is(command: Command, ledger: Path, empty_database: str):
    url = with_password(empty_database)
    told = command("ledger", "copy", str(ledger), url, "--yes")
    again = command("ledger", "copy", str(ledger), url, "--yes")
    changed = command("suppression", "add", "+14155550123", "--ledger", str(ledger))
    assert "talkstack worker --ledger postgresql://127.0.0.1" in told.out
    assert "1 campaign, 5 contacts, 2 attempts" in told.out
    for done in (again, changed):
        assert (done.code, one_line(done.err)) == (2, True)
        assert "was moved to postgresql://127.0.0.1" in done.err
    assert PASSWORD not in told.out + told.err + again.err + changed.err


def test_a_move_is_asked_about(
    command: Command, ledger: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    done = command("ledger", "copy", str(ledger), with_password(empty_database))
    assert done.code == 2
    assert "dial no more from the file?" in done.err
    assert PASSWORD not in done.out + done.err
    assert on_server(empty_database, "SELECT count(*) FROM pg_tables "
                                     "WHERE tablename = 'campaign'") == [(0,)]  # fmt: skip


def test_a_move_that_was_cut_short_can_be_forgotten(
    command: Command, ledger: Path, empty_database: str
):
    with contextlib.closing(sqlite3.connect(ledger)) as connection:
        mark(connection, target="postgresql://gone/calls", token="t", at=0)
        connection.commit()
    refused = command("ledger", "copy", str(ledger), empty_database, "--yes")
    assert (refused.code, one_line(refused.err)) == (2, True)
    assert "--forget" in refused.err
    assert command("ledger", "copy", str(ledger), empty_database, "--yes", "--forget").code == 0


def test_a_backup_is_a_file_of_its_own(command: Command, ledger: Path, tmp_path: Path):
    done = command("ledger", "copy", "contacts.csv", "backup.db")
    assert done.code == 0
    assert "Dial from one of them only" in done.out
    assert command("campaign", "verify", "backup.db").code == 0
    again = command("ledger", "copy", "contacts.csv", "backup.db")
    assert (again.code, one_line(again.err)) == (2, True)
    nowhere = command("ledger", "copy", "contacts.csv", "no/such/place.db")
    assert (nowhere.code, one_line(nowhere.err)) == (2, True)


def test_a_database_is_not_copied_from(command: Command, postgres_url: str, tmp_path: Path):
    done = command("ledger", "copy", with_password(postgres_url), str(tmp_path / "copy.db"))
    assert (done.code, one_line(done.err)) == (2, True)
    assert "pg_dump" in done.err
    assert PASSWORD not in done.err


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_older_ledger_is_brought_up_to_date(
    command: Command, kind: str, request: pytest.FixtureRequest, tmp_path: Path
):
    if kind == "postgres":
        place = with_password(request.getfixturevalue("empty_database"))
        migrate_server(ServerAddress.read(place), to="0001")
    else:
        place = str(tmp_path / "old.db")
        migrate(Path(place), to="0001")
    refused = command("campaign", "list", place)
    assert (refused.code, one_line(refused.err)) == (2, True)
    assert "run talkstack ledger upgrade" in refused.err
    done = command("ledger", "upgrade", place, "--json")
    assert done.code == 0, done.err
    assert command("campaign", "list", place, "--json").code == 0
    for each in (refused, done):
        assert PASSWORD not in each.out + each.err
    assert VERSION > "0001"


def test_what_is_no_ledger_is_one_line_and_exit_2(
    command: Command, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    for words in (
        ("upgrade", "none.db"),
        ("upgrade", "broken.db"),
        ("upgrade", empty_database),
        ("upgrade",),
        ("copy", "none.db", "copy.db"),
        ("copy", "broken.db", empty_database, "--yes"),
    ):
        done = command("ledger", *words)
        assert (done.code, one_line(done.err)) == (2, True), (words, done.err)
    assert not (tmp_path / "copy.db").exists()
