"""Moving a ledger from its file to a server: all of it, once, and nobody is rung by it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.leaving import confirm, mark, mark_of
from talkstack_async.campaign.ledger.moving import Moved, move_ledger
from talkstack_async.campaign.ledger.opening import copy_ledger
from talkstack_async.campaign.ledger.reading import Reading
from talkstack_async.campaign.ledger.sqlite import SqliteLedger
from talkstack_async.campaign.records import EventRecord, Suppression
from talkstack_async.campaign.states import AttemptState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import LedgerCorruptError, LedgerError, LedgerInUseError
from talkstack_async.models.statuses import Disposition
from tests.support.ledgers import (
    NOW,
    SETTINGS,
    at,
    bring,
    campaign_of,
    claim,
    number,
    row,
    settlement,
)
from tests.support.postgres import Databases, on_server

CLOCK = ManualClock(at(5000))
TABLES = ("campaign", "contact", "attempt", "suppression", "event", "import", "audit")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spring.db"


async def play(path: Path) -> None:
    """Two campaigns with everything a ledger may hold, and calls under way in one of them."""
    async with open_ledger(path, exclusive=True, clock=ManualClock(NOW)) as ledger:
        await campaign_of(ledger, 90, name="old")
        campaign = await campaign_of(
            ledger, *range(1, 40), row(40, excluded=(Reason.PLACEHOLDER, "name: é\t\\N"))
        )
        taken = (await claim(ledger, campaign, limit=5)).claims
        await ledger.settle(
            [
                settlement(taken[0], AttemptState.FINAL, disposition=Disposition.ANSWERED,
                           call_id="C1", seconds=31.5, cost_micros=120_000),
                settlement(taken[1], AttemptState.LOST, error="it said nothing"),
                settlement(taken[2], AttemptState.PLACED, call_id="C3"),
                settlement(taken[3], AttemptState.UNKNOWN),
            ]
        )  # fmt: skip
        await ledger.suppress(
            [Suppression(number=number(7), reason="asked", source="desk", added_at=NOW)]
        )
        await ledger.receive(
            EventRecord(event_id=0, call_id="C3", digest="d", status="busy", received_at=NOW)
        )


async def move(path: Path, url: str, **options: Any) -> Moved:
    return await move_ledger(path, url, clock=CLOCK, **options)


def rows_of(path: Path) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            for table in TABLES
        }


def rows_on(url: str) -> dict[str, int]:
    return {table: on_server(url, f'SELECT count(*) FROM "{table}"')[0][0] for table in TABLES}


def everything(reading: Reading) -> Mapping[str, Any]:
    """What a ledger tells of its campaigns, but for how they are divided."""
    return {
        campaign.name: (
            reading.counts(campaign.campaign_id, now=NOW),
            list(reading.export(campaign.campaign_id)),
            reading.facts(campaign.campaign_id, now=NOW).imports,
        )
        for campaign in reading.campaigns()
    }


async def test_all_of_a_ledger_arrives_and_is_whole(path: Path, empty_database: str) -> None:
    await play(path)
    moved = await move(path, empty_database)
    assert moved.rows == rows_of(path)
    assert moved.rows["contact"] == 41
    ours = Reading(f"sqlite:///{path}")
    with contextlib.closing(Reading(empty_database)) as theirs:
        assert theirs.verify() == []
        assert list(theirs.suppressions()) == list(ours.suppressions())
        for n in (1, 3, 7, 40, 90):
            assert theirs.story(number(n)).lines == ours.story(number(n)).lines
        assert everything(theirs) == everything(ours)


async def test_calls_under_way_are_unknown_there_and_nobody_is_called_twice(
    path: Path, empty_database: str
) -> None:
    await play(path)
    moved = await move(path, empty_database)
    assert moved.unknown == 2
    states = on_server(empty_database, "SELECT state FROM attempt ORDER BY attempt_id")
    assert [state for (state,) in states] == [3, 7, 2, 6, 6]
    active = on_server(empty_database, "SELECT number FROM contact WHERE state = 1 ORDER BY 1")
    assert [each for (each,) in active] == [number(3), number(4), number(5)]


async def test_what_a_server_cannot_keep_in_a_text_is_replaced(
    path: Path, postgres_url: str
) -> None:
    async with open_ledger(path, exclusive=True, clock=ManualClock(NOW)) as ledger:
        (taken,) = (await claim(ledger, await campaign_of(ledger, 1))).claims
        await ledger.settle([settlement(taken, AttemptState.LOST, error="it said \0")])
    await move(path, postgres_url)
    assert on_server(postgres_url, "SELECT error FROM attempt") == [("it said \ufffd",)]
    with contextlib.closing(Reading(postgres_url)) as reading:
        assert reading.verify() == []


async def test_contacts_are_divided_as_if_they_had_come_there(
    path: Path, empty_database: str
) -> None:
    await play(path)
    await move(path, empty_database)
    (campaigns,) = on_server(empty_database, "SELECT array_agg(shards) FROM campaign")
    shards = min(16, SETTINGS.max_concurrency)
    assert campaigns == ([shards] * 2,)
    wrong = "SELECT count(*) FROM contact WHERE shard <> contact_id %% %s"
    assert on_server(empty_database, wrong, shards) == [(0,)]


async def test_new_ids_come_after_those_that_were_moved(path: Path, empty_database: str) -> None:
    await play(path)
    await move(path, empty_database)
    for table, key in (
        ("campaign", "campaign_id"), ("contact", "contact_id"), ("attempt", "attempt_id"),
        ("event", "event_id"), ("import", "import_id"), ("audit", "seq"),
    ):  # fmt: skip
        ((following, last),) = on_server(
            empty_database,
            f"SELECT nextval(pg_get_serial_sequence('{table}', '{key}')), "
            f'(SELECT max({key}) FROM "{table}")',
        )
        assert following > last, table


async def test_what_was_moved_is_not_dialled_from_its_file_any_more(
    path: Path, postgres_url: str
) -> None:
    await play(path)
    await move(path, postgres_url)
    with pytest.raises(LedgerError, match=r"was moved to postgresql://127\.0\.0\.1"):
        await open_ledger(path, exclusive=True).__aenter__()
    async with open_ledger(path, clock=ManualClock(NOW)) as ledger:
        assert await ledger.verify() == [], "looking is allowed"
        spring = await ledger.campaign("spring")
        assert spring is not None
        for change in (
            claim(ledger, spring),
            bring(ledger, spring, 200),
            ledger.suppress(
                [Suppression(number=number(8), reason="r", source="api", added_at=NOW)]
            ),
            ledger.receive(
                EventRecord(event_id=0, call_id="C9", digest="d", status=None, received_at=NOW)
            ),
        ):
            with pytest.raises(LedgerError, match="not changed: it was moved to postgresql:"):
                await change


async def test_a_program_that_had_the_file_open_cannot_write_to_it_either(
    path: Path, postgres_url: str
) -> None:
    await play(path)
    async with open_ledger(path, clock=ManualClock(NOW)) as beside:
        await move(path, postgres_url)
        entry = Suppression(number=number(8), reason="r", source="api", added_at=NOW)
        with pytest.raises(LedgerError, match="it was moved to"):
            await beside.suppress([entry])


async def test_a_ledger_is_moved_once(path: Path, databases: Databases) -> None:
    await play(path)
    with databases.fresh() as first, databases.fresh() as second:
        await move(path, first)
        for target in (first, second):
            with pytest.raises(LedgerError, match=r"was moved to .* already"):
                await move(path, target)
            with pytest.raises(LedgerError, match=r"was moved to .* already"):
                await move(path, target, forget=True)
        assert rows_on(second)["audit"] == 0


async def test_a_database_that_holds_a_ledger_is_left_alone(
    path: Path, tmp_path: Path, postgres_url: str
) -> None:
    await play(path)
    await play(tmp_path / "other.db")
    await move(tmp_path / "other.db", postgres_url)
    before = rows_on(postgres_url)
    with pytest.raises(LedgerError, match="not empty"):
        await move(path, postgres_url)
    assert rows_on(postgres_url) == before
    async with open_ledger(path, exclusive=True) as ledger:
        assert await ledger.verify() == [], "and the file goes on as before"


async def test_a_database_of_something_else_is_left_alone(path: Path, empty_database: str) -> None:
    on_server(empty_database, "CREATE TABLE alembic_version (version_num text)")
    await play(path)
    with pytest.raises(LedgerCorruptError, match="of something else"):
        await move(path, empty_database)
    async with open_ledger(path, exclusive=True):
        pass


async def test_what_a_runner_has_is_not_moved(path: Path, postgres_url: str) -> None:
    async with open_ledger(path, exclusive=True):
        with pytest.raises(LedgerInUseError):
            await move(path, postgres_url)
    with pytest.raises(LedgerError, match="no ledger at"):
        await move(path.with_name("nowhere.db"), postgres_url)
    assert rows_on(postgres_url)["audit"] == 0


async def test_a_copy_that_fails_changes_nothing_anywhere(path: Path, postgres_url: str) -> None:
    await play(path)
    # The last table but one: everything before it was copied by then.
    on_server(postgres_url, 'ALTER TABLE "import" ADD CHECK (import_id < 2)')
    with pytest.raises(LedgerError) as caught:
        await move(path, postgres_url)
    assert "list.csv" not in str(caught.value), "no detail, which may name people"
    assert set(rows_on(postgres_url).values()) == {0}
    async with open_ledger(path, exclusive=True) as ledger:
        assert await ledger.verify() == []
    # The negative control: it was that condition.
    on_server(postgres_url, 'ALTER TABLE "import" DROP CONSTRAINT import_import_id_check')
    await move(path, postgres_url)
    assert rows_on(postgres_url)["campaign"] == 2


def cut_short(path: Path, target: str, *, token: str = "t") -> None:
    """Leave the file as a move does that was killed before it knew how it ended."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        mark(connection, target=target, token=token, at=0)
        connection.commit()


async def test_a_move_that_was_cut_short_is_finished_by_the_same_command(
    path: Path, postgres_url: str
) -> None:
    await play(path)
    name = postgres_url.replace("postgres@", "")
    cut_short(path, name)
    with pytest.raises(LedgerError, match="not known how far that came"):
        await open_ledger(path, exclusive=True).__aenter__()
    await move(path, postgres_url)
    assert rows_on(postgres_url)["contact"] == 41
    with pytest.raises(LedgerError, match="was moved to"):
        await open_ledger(path, exclusive=True).__aenter__()


async def test_a_move_that_arrived_but_did_not_say_so_is_not_done_twice(
    path: Path, postgres_url: str
) -> None:
    await play(path)
    await move(path, postgres_url)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE moved SET finished_at = NULL")
        connection.commit()
    before = rows_on(postgres_url)
    moved = await move(path, postgres_url)
    assert moved.rows == {}
    assert rows_on(postgres_url) == before
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = mark_of(connection)
    assert found is not None
    assert found.is_finished


async def test_a_move_that_was_cut_short_does_not_go_elsewhere_unless_it_is_forgotten(
    path: Path, postgres_url: str
) -> None:
    await play(path)
    cut_short(path, "postgresql://elsewhere/calls")
    with pytest.raises(LedgerError, match="say --forget"):
        await move(path, postgres_url)
    assert rows_on(postgres_url)["contact"] == 0
    await move(path, postgres_url, forget=True)
    assert rows_on(postgres_url)["contact"] == 41


async def test_a_server_that_cannot_be_reached_again_does_not_free_the_file(
    path: Path, databases: Databases
) -> None:
    await play(path)
    with databases.fresh() as url:
        cut_short(path, url.replace("postgres@", ""))
    with pytest.raises(LedgerError, match="is not there"):
        await move(path, url)
    with pytest.raises(LedgerError, match="not known how far"):
        await open_ledger(path, exclusive=True).__aenter__()


async def test_a_copy_of_a_file_is_a_file(path: Path, tmp_path: Path, postgres_url: str) -> None:
    await play(path)
    await copy_ledger(path, tmp_path / "copy.db")
    for _ in range(2):
        with pytest.raises(LedgerError, match="File exists"):
            await copy_ledger(path, tmp_path / "copy.db")
    with pytest.raises(LedgerError, match="pg_dump"):
        await copy_ledger(postgres_url, tmp_path / "copy.db")
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerCorruptError):
        await copy_ledger(tmp_path / "broken.db", tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()
    async with open_ledger(tmp_path / "copy.db", exclusive=True) as ledger:
        assert isinstance(ledger, SqliteLedger)
        assert await ledger.verify() == []


def test_a_mark_is_made_final_once(tmp_path: Path) -> None:
    from talkstack_async.campaign.ledger.files import create_file

    create_file(tmp_path / "l.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "l.db")) as connection:
        assert mark_of(connection) is None
        mark(connection, target="it's there", token="t", at=1)
        confirm(connection, at=2)
        found = mark_of(connection)
    assert found is not None
    assert (found.target, found.is_finished) == ("it's there", True)
