"""A write transaction under way on SQLite: its connection, and its audit."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any, LiteralString

from ...errors import CampaignError
from ..records import CampaignRecord
from .auditing import Auditing, Chain
from .chain import GENESIS
from .stored import CAMPAIGN_COLUMNS, campaign_of
from .transaction import Rows, in_sqlite, to_json

__all__ = ["SqliteTransaction"]

_CAMPAIGN = f"SELECT {CAMPAIGN_COLUMNS} FROM campaign WHERE campaign_id = ?"  # noqa: S608  # columns
_LAST_CONTACT = "SELECT max(contact_id) FROM contact"
_LAST_ENTRY = "SELECT seq, hash FROM audit WHERE seq = (SELECT max(seq) FROM audit)"
_ADD_ENTRY = (
    "INSERT INTO audit (seq, chain, at, what, campaign_id, contact_id, attempt_id, detail, hash) "
    "VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)"
)


class SqliteTransaction(Auditing):
    """A `Transaction` on SQLite. It holds the write lock, so nobody else changes anything.

    Args:
        connection: On which the transaction has begun.
    """

    most_shards = 1

    def __init__(self, connection: sqlite3.Connection) -> None:
        # Read in every transaction: other processes write to the same chain.
        super().__init__(chain=None)
        self.connection = connection
        self._last_seq = 0

    def commit(self) -> None:
        """Write the audit and make everything durable."""
        if self._entries:
            numbered = enumerate(self._entries, self._last_seq + 1)
            self.connection.executemany(_ADD_ENTRY, [(seq, *entry) for seq, entry in numbered])
        self.connection.execute("COMMIT")

    def _find_chain(self) -> Chain:
        last = self.connection.execute(_LAST_ENTRY).fetchone()
        self._last_seq, head = last or (0, GENESIS)
        return Chain(0, head)

    # --- What both databases share.

    def rows(self, statement: str, args: Sequence[Any] = ()) -> list[Any]:
        return self.connection.execute(in_sqlite(statement), args).fetchall()

    def change(self, statement: str, args: Sequence[Any]) -> int:
        return self.connection.execute(in_sqlite(statement), args).rowcount

    def change_all(self, statement: str, rows: Rows) -> int:
        return self.connection.executemany(in_sqlite(statement), rows).rowcount if rows else 0

    def add(self, statement: str, args: Sequence[Any], *, key: LiteralString) -> int | None:
        added = self.connection.execute(in_sqlite(statement), args)
        return added.lastrowid if added.rowcount else None

    def add_contacts(self, columns: Sequence[LiteralString], rows: Rows) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self.connection.executemany(
            f"INSERT INTO contact ({names}) VALUES ({marks})",  # noqa: S608  # names of ours
            rows,
        )

    def contact_ids(self, count: int) -> Iterator[int]:
        (last,) = self.connection.execute(_LAST_CONTACT).fetchone()
        return itertools.count((last or 0) + 1)

    def many(self, values: Collection[Any]) -> Any:
        return to_json(list(values))

    def campaign(self, campaign_id: int, *, lock: bool = False) -> CampaignRecord:
        row = self.connection.execute(_CAMPAIGN, (campaign_id,)).fetchone()
        if row is None:
            raise CampaignError(f"the ledger holds no campaign of id {campaign_id}")
        return campaign_of(row)

    def import_alone(self, campaign_id: int) -> None:
        """Nothing to do: whoever writes is alone."""

    def shards_of_others(self, campaign_id: int, workers: Collection[str]) -> list[int]:
        return []  # a file is run by one process

    def living_besides(self, worker: str) -> list[str]:
        return []
