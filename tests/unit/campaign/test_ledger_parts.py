"""The parts of a ledger that need no ledger: the chain, moments, errors, and its plans."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async.campaign.ledger import (
    campaigns,
    claiming,
    lists,
    resolving,
    settling,
    sqlite_claims,
    sqlite_recovering,
    sqlite_settling,
    sqlite_transaction,
    watching,
)
from talkstack_async.campaign.ledger.chain import GENESIS, Entry, check, next_hash
from talkstack_async.campaign.ledger.files import create_file
from talkstack_async.campaign.ledger.moments import from_ms, to_ms
from talkstack_async.campaign.ledger.tables import metadata
from talkstack_async.campaign.ledger.transaction import in_sqlite

lines = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 10**12),
        st.text(max_size=5),
        st.none() | st.integers(0, 9),
        st.none() | st.integers(0, 9),
        st.none() | st.integers(0, 9),
        st.text(max_size=10),
    ),
    min_size=1,
    max_size=12,
)


def chained(contents: list[tuple[object, ...]]) -> list[Entry]:
    heads: dict[object, str] = {}
    entries = []
    for seq, content in enumerate(contents, 1):
        chain = content[0]
        heads[chain] = next_hash(heads.get(chain, GENESIS), *content)  # type: ignore[arg-type]
        entries.append(Entry(seq, *content, heads[chain]))  # type: ignore[arg-type]
    return entries


@given(lines)
def test_a_chain_that_nobody_touched_is_whole(contents: list[tuple[object, ...]]) -> None:
    assert check(chained(contents)) == {}


@given(lines, st.data())
def test_any_change_of_a_chain_is_found_where_it_begins(
    contents: list[tuple[object, ...]], data: st.DataObject
) -> None:
    entries = chained(contents)
    place = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["at", "what", "contact_id", "detail", "hash"]))
    changes = {
        "at": entries[place].at + 1,
        "what": entries[place].what + "|",
        "contact_id": 99,
        "detail": "|" + entries[place].detail,
        "hash": "f" * 64,
    }
    entries[place] = entries[place]._replace(**{field: changes[field]})
    broken = entries[place]
    assert check(entries) == {broken.chain: broken.seq}


@given(lines, st.data())
def test_an_entry_that_was_removed_is_missed(
    contents: list[tuple[object, ...]], data: st.DataObject
) -> None:
    entries = chained(contents)
    gone = entries.pop(data.draw(st.integers(0, len(entries) - 1)))
    followers = [each for each in entries if each.chain == gone.chain and each.seq > gone.seq]
    assert check(entries) == ({gone.chain: followers[0].seq} if followers else {})


def test_a_bar_in_a_word_makes_no_two_lines_alike() -> None:
    assert next_hash(GENESIS, 0, 1, "a|b", None, None, None, "c") != next_hash(
        GENESIS, 0, 1, "a", None, None, None, "b|c"
    )


@given(st.integers(0, 4 * 10**12))
def test_milliseconds_survive_the_way_there_and_back(milliseconds: int) -> None:
    assert to_ms(from_ms(milliseconds)) == milliseconds


def test_what_is_finer_than_a_millisecond_is_cut_off() -> None:
    moment = datetime(2026, 1, 5, 12, 0, 0, 1999, tzinfo=UTC)
    assert from_ms(to_ms(moment)) == moment - timedelta(microseconds=999)
    with pytest.raises(TypeError):
        to_ms(datetime(2026, 1, 5))  # noqa: DTZ001 # that it is naive is the point


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "empty.db"
    create_file(path)
    return path


def test_the_migrations_make_what_the_tables_say(empty: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{empty}", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_the_same_indexes_as_the_tables(empty: Path, tmp_path: Path) -> None:
    made = sa.create_engine(f"sqlite:///{tmp_path / 'made.db'}", poolclass=sa.pool.NullPool)
    metadata.create_all(made)

    def indexes(path: Path) -> list[tuple[str, str]]:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return sorted(connection.execute(query).fetchall())

    assert indexes(empty) == indexes(tmp_path / "made.db")


STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": in_sqlite(text)
    for module in (
        campaigns,
        claiming,
        lists,
        resolving,
        settling,
        sqlite_claims,
        sqlite_recovering,
        sqlite_settling,
        sqlite_transaction,
        watching,
    )
    for name, text in vars(module).items()
    if isinstance(text, str) and text.startswith(("SELECT", "UPDATE", "INSERT", "DELETE"))
}
# These go through what is open or waiting, by a partial index that holds nothing else.
SMALL = {"a USING INDEX attempt_open", "attempt USING INDEX attempt_open"}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_goes_through_a_whole_table(empty: Path, name: str) -> None:
    text = STATEMENTS[name]
    with contextlib.closing(sqlite3.connect(empty)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?"))
        steps = [step for *_, step in plan]
    scans = [step.removeprefix("SCAN ") for step in steps if step.startswith("SCAN ")]
    big = [scan for scan in scans if not scan.startswith(("json_each", "j VIRTUAL", "campaign"))]
    assert [scan for scan in big if scan not in SMALL and "event_waiting" not in scan] == []


def test_the_plan_test_would_notice_a_whole_table(empty: Path) -> None:
    with contextlib.closing(sqlite3.connect(empty)) as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM contact WHERE row = 1")
        assert [step for *_, step in plan] == ["SCAN contact"]
