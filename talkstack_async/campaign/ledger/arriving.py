"""The other end of a move: everything of a file into an empty database, in one transaction."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, LiteralString, TypeAlias

import attrs

from ...errors import LedgerError
from ..settings import CampaignSettings
from .addresses import ServerAddress, driver
from .chain import GENESIS, next_hash
from .transaction import MOST_SHARDS
from .translate import translated

if TYPE_CHECKING:
    import psycopg

__all__ = ["Arrival"]

_Row: TypeAlias = tuple[Any, ...]

# In the order in which workers lock them. Their columns are those of `tables.py`.
_TABLES: dict[LiteralString, LiteralString] = {
    "campaign": "campaign_id, name, state, settings, created_at, spent_micros, unpriced, "
    "placeholders, list_digest, shards",
    "contact": "contact_id, campaign_id, shard, row, number, variables, zones, regions, state, "
    "attempts, tries, next_at, reason, detail, import_id",
    "attempt": "attempt_id, contact_id, campaign_id, n, number, state, worker, sent_at, call_id, "
    "disposition, seconds, cost_micros, error, settled_at, looks, looked_at",
    "suppression": "number, reason, source, added_at",
    "event": "event_id, call_id, digest, status, received_at, applied_at",
    "import": "import_id, campaign_id, source, begun_at, finished_at, counts, digest",
    "audit": "seq, chain, at, what, campaign_id, contact_id, attempt_id, detail, hash",
}
_COUNTED: dict[LiteralString, LiteralString] = {
    "campaign": "campaign_id",
    "contact": "contact_id",
    "attempt": "attempt_id",
    "event": "event_id",
    "import": "import_id",
    "audit": "seq",
}
_LOCK: LiteralString = (
    "SET LOCAL lock_timeout = '10s'; LOCK TABLE "
    + ", ".join(f'"{table}"' for table in _TABLES)
    + " IN ACCESS EXCLUSIVE MODE"
)
_HAS_ROWS: LiteralString = "SELECT " + " OR ".join(
    f'EXISTS (TABLE "{table}")' for table in _TABLES
)
_ARRIVED = "SELECT detail FROM audit WHERE what = 'ledger_copied'"
_ADD_ENTRY = "INSERT INTO audit (chain, at, what, detail, hash) VALUES (%s, %s, %s, %s, %s)"


@attrs.define
class Arrival:
    """One try to bring a ledger to a server.

    Attributes:
        address: Where to.
        token: Of this move; stands in the audit of the target once it has arrived.
        is_certainly_empty: Whether nothing of this move is there. Before the first try that is
            certain; afterwards only if it was looked at, or the transaction failed.
    """

    address: ServerAddress
    token: str
    is_certainly_empty: bool

    def bring(self, source: sqlite3.Connection, *, name: str, at: int) -> dict[str, int]:
        """Copy everything; return how many rows, by table. Empty if it had arrived before.

        Args:
            source: A connection in a transaction.
            name: Of the file, for the audit.
            at: The moment, for the audit.

        Raises:
            LedgerError: The target is not empty, or cannot be reached or written.
        """
        with (
            translated(self.address.name),
            contextlib.closing(self.address.connect(autocommit=False)) as target,
        ):
            target.execute(_LOCK)
            if self._has_arrived(target):
                return {}
            self.is_certainly_empty = True
            rows = {table: _copy(source, target, table) for table in _TABLES}
            _count_on(target)
            self._sign(target, rows, name=name, at=at)
            self._commit(target)
            _analyse(target)
            return rows

    def _has_arrived(self, target: psycopg.Connection[_Row]) -> bool:
        (has_rows,) = _one(target, _HAS_ROWS)
        details = [json.loads(text) for (text,) in target.execute(_ARRIVED)]
        if any(detail.get("token") == self.token for detail in details):
            self.is_certainly_empty = False
            return True
        if has_rows:
            self.is_certainly_empty = True
            raise LedgerError(
                f"{self.address.name} holds a ledger that is not empty: move this one to a "
                "database of its own"
            )
        return False

    def _sign(
        self, target: psycopg.Connection[_Row], rows: dict[str, int], *, name: str, at: int
    ) -> None:
        detail = json.dumps({"from": name, "token": self.token, "rows": rows})
        (chain,) = _one(target, "SELECT nextval('audit_chain')")
        hashed = next_hash(GENESIS, chain, at, "ledger_copied", None, None, None, detail)
        target.execute(_ADD_ENTRY, (chain, at, "ledger_copied", detail, hashed))

    def _commit(self, target: psycopg.Connection[_Row]) -> None:
        self.is_certainly_empty = False
        try:
            target.commit()
        except driver().Error as error:
            if not target.broken:
                self.is_certainly_empty = True
                raise
            raise LedgerError(
                f"the connection to {self.address.name} was lost at the very end, and it is not "
                "known whether everything arrived: run the same command again"
            ) from error


def _one(target: psycopg.Connection[_Row], statement: LiteralString) -> _Row:
    (row,) = target.execute(statement).fetchall()
    return row


def _copy(
    source: sqlite3.Connection, target: psycopg.Connection[_Row], table: LiteralString
) -> int:
    columns = _TABLES[table]
    change = {"campaign": _divided, "contact": _sharded(source)}.get(table, _unchanged)
    rows = source.execute(f'SELECT {columns} FROM "{table}"')  # noqa: S608  # names of ours
    count = 0
    with target.cursor() as cursor, cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
        for row in change(rows):
            copy.write_row(_storable(row))
            count += 1
    return count


def _unchanged(rows: Iterable[_Row]) -> Iterable[_Row]:
    return rows


def _divided(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Divide campaigns as if they had been made on the server."""
    for row in rows:
        yield (*row[:-1], _shards_of(row[3]))


def _shards_of(settings: str) -> int:
    return min(MOST_SHARDS, CampaignSettings.from_json(settings).max_concurrency)


def _sharded(source: sqlite3.Connection) -> Callable[[Iterable[_Row]], Iterator[_Row]]:
    found = source.execute("SELECT campaign_id, settings FROM campaign")
    shards = {campaign_id: _shards_of(settings) for campaign_id, settings in found}

    def with_shards(rows: Iterable[_Row]) -> Iterator[_Row]:
        for row in rows:
            contact_id, campaign_id = row[:2]
            # Of a contact without a campaign `verify` tells, here and there.
            yield (*row[:2], contact_id % shards.get(campaign_id, 1), *row[3:])

    return with_shards


def _storable(row: Sequence[Any]) -> Sequence[Any]:
    # PostgreSQL keeps no NUL in texts. Here one can only stand in what a service said.
    if any(type(value) is str and "\0" in value for value in row):
        return [value.replace("\0", "\ufffd") if type(value) is str else value for value in row]
    return row


def _count_on(target: psycopg.Connection[_Row]) -> None:
    """Let new ids begin after those that were copied."""
    for table, key in _COUNTED.items():
        target.execute(
            f"SELECT setval(pg_get_serial_sequence('\"{table}\"', '{key}'), max({key})) "  # noqa: S608  # names of ours
            f'FROM "{table}" HAVING max({key}) IS NOT NULL'
        )


def _analyse(target: psycopg.Connection[_Row]) -> None:
    """Let the server look at what it has, before the first claim. It would do so in a minute."""
    with contextlib.suppress(driver().Error):
        target.execute("ANALYZE " + ", ".join(f'"{table}"' for table in _TABLES))
        target.commit()
