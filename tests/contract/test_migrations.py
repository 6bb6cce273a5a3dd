"""Ledgers of older and newer versions: the one is brought forward, the other refused."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
import sqlalchemy as sa

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.addresses import ServerAddress
from talkstack_async.campaign.ledger.opening import upgrade_ledger
from talkstack_async.campaign.ledger.reading import Reading
from talkstack_async.campaign.ledger.schema import (
    VERSION,
    migrate,
    migrate_server,
    prepare_server,
)
from talkstack_async.campaign.ledger.tables import metadata
from talkstack_async.clock import ManualClock
from talkstack_async.errors import LedgerBusyError, LedgerCorruptError, LedgerError
from talkstack_async.errors import LedgerVersionError as VersionError
from tests.support.ledgers import NOW, SETTINGS, number
from tests.support.postgres import on_server

# What a runner of the first version left behind: one contact called, one still to be called.
_OF_FIRST_VERSION = f"""
INSERT INTO campaign (campaign_id, name, state, settings, created_at, unpriced)
VALUES (1, 'spring', 'running', '{SETTINGS.to_json()}', 0, 1);

INSERT INTO contact (contact_id, campaign_id, row, number, variables, zones, regions, state,
                     attempts, tries, import_id)
VALUES (1, 1, 1, '{number(1)}', '{{}}', '', '', 1, 1, 1, 1),
       (2, 1, 2, '{number(2)}', '{{}}', '', '', 0, 0, 0, 1);

INSERT INTO attempt (attempt_id, contact_id, campaign_id, n, number, state, worker, sent_at)
VALUES (1, 1, 1, 1, '{number(1)}', 1, 'w', 0)
"""


@attrs.frozen(kw_only=True)
class Old:
    """A ledger of the first version, with data, in one of the databases."""

    place: str
    run: Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    if request.param == "postgres":
        url = request.getfixturevalue("empty_database")
        migrate_server(ServerAddress.read(url), to="0001")
        made = Old(place=url, run=lambda statement: on_server(url, statement))
    else:
        path = tmp_path / "old.db"
        migrate(path, to="0001")

        def run(statement: str) -> list[tuple[Any, ...]]:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                return connection.execute(statement).fetchall()

        made = Old(place=str(path), run=run)
    for statement in _OF_FIRST_VERSION.split(";"):
        made.run(statement)
    return made


def reading(place: str) -> Reading:
    return Reading(place if place.startswith("postgresql") else f"sqlite:///{place}")


async def test_an_older_ledger_is_refused_until_it_is_upgraded(old: Old) -> None:
    with pytest.raises(VersionError, match="run talkstack ledger upgrade"):
        await open_ledger(old.place).__aenter__()
    await upgrade_ledger(old.place)
    async with open_ledger(old.place, clock=ManualClock(NOW)) as ledger:
        (campaign,) = await ledger.campaigns()
    assert (campaign.name, campaign.shards, campaign.unpriced) == ("spring", 1, 1)


async def test_an_upgrade_keeps_what_is_there(old: Old) -> None:
    tables = ("campaign", "contact", "attempt")
    before = {table: old.run(f"SELECT * FROM {table}") for table in tables}
    await upgrade_ledger(old.place)
    after = {table: old.run(f"SELECT * FROM {table}") for table in tables}
    # What is new stands behind what was there.
    assert {
        table: [new[: len(row)] for new, row in zip(after[table], rows, strict=True)]
        for table, rows in before.items()
    } == before
    assert old.run("SELECT version_num FROM alembic_version") == [(VERSION,)]


async def test_upgrading_twice_or_by_several_at_once_does_it_once(old: Old) -> None:
    if old.place.startswith("postgresql"):
        await asyncio.gather(*(upgrade_ledger(old.place) for _ in range(4)))
    await upgrade_ledger(old.place)
    await upgrade_ledger(old.place)
    assert old.run("SELECT version_num FROM alembic_version") == [(VERSION,)]


async def test_a_newer_ledger_is_refused_by_everything(old: Old) -> None:
    old.run("UPDATE alembic_version SET version_num = '9999'")
    for work in (
        lambda: open_ledger(old.place).__aenter__(),
        lambda: open_ledger(old.place, exclusive=True).__aenter__(),
        lambda: upgrade_ledger(old.place),
    ):
        with pytest.raises(VersionError, match=r"schema 9999, this one has .* upgrade talkstack-"):
            await work()


async def test_the_migrations_make_the_tables_that_are_written_down(old: Old) -> None:
    await upgrade_ledger(old.place)
    with contextlib.closing(reading(old.place)) as opened, opened._transaction() as connection:
        found = sa.inspect(connection)
        for table in metadata.sorted_tables:
            columns = {each["name"]: each for each in found.get_columns(table.name)}
            assert list(columns) == [each.name for each in table.columns], table.name
            for column in table.columns:
                assert columns[column.name]["nullable"] == column.nullable, column
            indexes = {each["name"] for each in found.get_indexes(table.name)}
            assert {each.name for each in table.indexes} <= indexes, table.name
        names = set(found.get_table_names())
    assert names == {*metadata.tables, "alembic_version"}


async def test_an_upgrade_that_cannot_be_made_changes_nothing(old: Old) -> None:
    old.run("CREATE TABLE holding (theirs INTEGER)")
    with pytest.raises(Exception, match=r"holding|same names"):
        await upgrade_ledger(old.place)
    assert old.run("SELECT version_num FROM alembic_version") == [("0001",)]
    old.run("DROP TABLE holding")
    await upgrade_ledger(old.place)


# --- Servers.


def with_option(url: str, option: str) -> str:
    """Return an address whose connections begin with a setting."""
    return f"{url}{'&' if '?' in url else '?'}options=-c{quote(option)}"


async def test_several_that_make_a_ledger_at_once_make_one(empty_database: str) -> None:
    address = ServerAddress.read(empty_database)
    await asyncio.gather(
        *(asyncio.to_thread(prepare_server, address, create=True) for _ in range(5))
    )
    assert on_server(empty_database, "SELECT version_num FROM alembic_version") == [(VERSION,)]


async def test_an_empty_database_is_no_ledger_unless_it_may_become_one(
    empty_database: str,
) -> None:
    for work in (
        lambda: open_ledger(empty_database, create=False).__aenter__(),
        lambda: upgrade_ledger(empty_database),
    ):
        with pytest.raises(LedgerError, match="no ledger at"):
            await work()
    assert on_server(empty_database, "SELECT count(*) FROM pg_tables WHERE tableowner = "
                     "current_user AND schemaname = 'public'") == [(0,)]  # fmt: skip


async def test_a_database_of_another_program_is_refused(empty_database: str) -> None:
    on_server(empty_database, "CREATE TABLE attempt (theirs int)")
    for work in (
        lambda: open_ledger(empty_database).__aenter__(),
        lambda: upgrade_ledger(empty_database),
    ):
        with pytest.raises(LedgerCorruptError, match="something else"):
            await work()


async def test_a_ledger_may_live_in_a_schema_of_its_own(empty_database: str) -> None:
    on_server(empty_database, "CREATE TABLE attempt (theirs int)")
    on_server(empty_database, "CREATE SCHEMA calls")
    address = ServerAddress.read(with_option(empty_database, "search_path=calls"))
    prepare_server(address, create=True)
    with contextlib.closing(Reading(address)) as opened:
        assert list(opened.campaigns()) == []


async def test_a_migration_does_not_wait_for_long_behind_somebody_who_reads(
    postgres_url: str,
) -> None:
    address = ServerAddress.read(with_option(postgres_url, "lock_timeout=50ms"))
    with contextlib.closing(ServerAddress.read(postgres_url).connect()) as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock(%s)", [0x7A1C57AC])
        with pytest.raises(LedgerBusyError, match="stayed locked"):
            migrate_server(address)


async def test_the_audit_of_a_server_is_append_only(postgres_url: str) -> None:
    on_server(
        postgres_url, "INSERT INTO audit (at, what, detail, hash) VALUES (1, 'dial', '{}', '')"
    )
    for change in ("UPDATE audit SET what = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(Exception, match="append-only"):
            on_server(postgres_url, change)
