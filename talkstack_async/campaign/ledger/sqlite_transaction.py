"""The words of a SQLite transaction for the operations that both databases share."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, LiteralString

from ..records import CampaignRecord
from .sqlite_campaigns import campaign_by_id
from .transaction import Rows, in_sqlite
from .writer import Transaction, to_json

__all__ = ["SqliteTransaction"]

_LAST_CONTACT = "SELECT max(contact_id) FROM contact"


class SqliteTransaction:
    """A `Transaction` on SQLite. It holds the write lock, so nobody else changes anything."""

    most_shards = 1

    def __init__(self, inner: Transaction) -> None:
        self.inner = inner
        self._connection = inner.connection

    def rows(self, statement: str, args: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(in_sqlite(statement), args).fetchall()

    def change(self, statement: str, args: Sequence[Any]) -> int:
        return self._connection.execute(in_sqlite(statement), args).rowcount

    def change_all(self, statement: str, rows: Rows) -> int:
        return self._connection.executemany(in_sqlite(statement), rows).rowcount if rows else 0

    def add(self, statement: str, args: Sequence[Any], *, key: LiteralString) -> int | None:
        added = self._connection.execute(in_sqlite(statement), args)
        return added.lastrowid if added.rowcount else None

    def add_contacts(self, columns: Sequence[LiteralString], rows: Rows) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self._connection.executemany(
            f"INSERT INTO contact ({names}) VALUES ({marks})",  # noqa: S608  # names of ours
            rows,
        )

    def contact_ids(self, count: int) -> Iterator[int]:
        (last,) = self._connection.execute(_LAST_CONTACT).fetchone()
        return itertools.count((last or 0) + 1)

    def many(self, values: Collection[Any]) -> Any:
        return to_json(list(values))

    def campaign(self, campaign_id: int, *, lock: bool = False) -> CampaignRecord:
        return campaign_by_id(self.inner, campaign_id)

    def import_alone(self, campaign_id: int) -> None:
        """Nothing to do: whoever writes is alone."""

    def shards_of_others(self, campaign_id: int, workers: Collection[str]) -> list[int]:
        return []  # a file is run by one process

    def audit(
        self,
        at: int,
        what: str,
        detail: Mapping[str, Any] | str,
        *,
        campaign_id: int | None = None,
        contact_id: int | None = None,
        attempt_id: int | None = None,
    ) -> None:
        self.inner.audit(
            at,
            what,
            detail,
            campaign_id=campaign_id,
            contact_id=contact_id,
            attempt_id=attempt_id,
        )
