"""A write transaction under way on PostgreSQL: its connection, its audit, and the money.

Locks are taken in one order, so that two workers do not wait for each other: contacts and
attempts first, the campaign's row, where the money is, at the very end. So money is added up
here, and written just before the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, LiteralString

import attrs

from ...clock import Clock
from ...errors import CampaignError, ClockJumpError, LedgerBusyError
from ..beats import SILENT_SECONDS
from ..records import CampaignRecord
from .auditing import Auditing, Chain
from .moments import from_ms
from .postgres_text import as_array
from .stored import CAMPAIGN_COLUMNS, campaign_of
from .transaction import MOST_SHARDS, Rows, in_postgres

if TYPE_CHECKING:
    import psycopg

__all__ = ["DATABASE_MS", "PostgresTransaction"]

# The database's clock, as ledgers store moments. Not now(): that stands still in a transaction.
DATABASE_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
# A worker that was not heard of for so long holds nothing any more.
_HELD_MS = 60_000

# Two statements at once are one way to the server and back. The number of the transaction is
# what to ask for if the connection is lost before the server has said that it is committed.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
    f"SELECT pg_current_xact_id()::text, {DATABASE_MS}"
)
_CAMPAIGN = f"SELECT {CAMPAIGN_COLUMNS} FROM campaign WHERE campaign_id = %s"  # noqa: S608  # columns
_KEEP = f"{_CAMPAIGN} FOR KEY SHARE"
_MONEY = (
    "UPDATE campaign SET unpriced = unpriced + %s, spent_micros = spent_micros + %s "
    "WHERE campaign_id = %s"
)
_NEW_CHAIN = "SELECT nextval('audit_chain')"
# In the order in which they follow from each other: the numbers are given as they come.
_ADD_ENTRIES = (
    "INSERT INTO audit (chain, at, what, campaign_id, contact_id, attempt_id, detail, hash) "
    "SELECT %s, at, what, campaign_id, contact_id, attempt_id, detail, hash "
    "FROM unnest(%s::bigint[], %s::text[], %s::integer[], %s::bigint[], %s::bigint[], "
    "%s::text[], %s::text[]) WITH ORDINALITY "
    "AS e (at, what, campaign_id, contact_id, attempt_id, detail, hash, place) "
    "ORDER BY place RETURNING seq"
)
_IDS = "SELECT nextval('contact_contact_id_seq') FROM generate_series(1, %s)"
_ALONE = "SELECT pg_advisory_xact_lock(%s, %s)"
# Only to tell our locks from others'; any number does.
_IMPORTING = 0x7A1C
_OF_OTHERS = (
    "SELECT h.shard FROM holding h LEFT JOIN worker w ON w.name = h.worker "  # noqa: S608  # a constant
    "WHERE h.campaign_id = %s AND h.worker <> ALL(%s::text[]) "
    f"AND greatest(h.since_at, w.beat_at) > {DATABASE_MS} - %s"
)
_LIVING = (
    "SELECT name FROM worker "  # noqa: S608  # a constant
    f"WHERE name <> %s AND beat_at > {DATABASE_MS} - %s"
)


class _ChangedError(LedgerBusyError):
    """What was read is not so any more; run again, everything may go well."""

    sqlstate = "40001"  # as PostgreSQL says it at higher levels of isolation


class PostgresTransaction(Auditing):
    """A `Transaction` on PostgreSQL.

    Args:
        connection: In autocommit mode: here it is said when a transaction begins and ends.
        chain: What this writer's audit goes on from; None to begin a new chain.
        clock: This host's.
        most_skew: By how many seconds that may differ from the database's clock; None for any.
    """

    # So many workers can share a campaign.
    most_shards = MOST_SHARDS

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        *,
        chain: Chain | None,
        clock: Clock,
        most_skew: float | None,
    ) -> None:
        super().__init__(chain)
        self.connection = connection
        self._most_skew = most_skew
        # Of each campaign: attempts that may still cost something, and what others have cost.
        self._money: dict[int, tuple[int, int]] = {}
        self.last_entry: tuple[int, str] | None = None
        asked_at = clock.now()
        begun = connection.execute(_BEGIN, prepare=False)
        begun.nextset()
        self.number, milliseconds = begun.fetchall()[0]
        self._skew = _skew(from_ms(milliseconds), asked_at, clock.now())

    def finish(self) -> None:
        """Write what was put off. Nothing but the commit comes after it."""
        # In an order, so that two who write the money of several campaigns do not deadlock.
        for campaign_id, (unpriced, spent) in sorted(self._money.items()):
            self.connection.execute(_MONEY, (unpriced, spent, campaign_id))
        if self._entries and self.chain is not None:
            columns = map(as_array, zip(*self._entries, strict=True))
            added = self.connection.execute(_ADD_ENTRIES, (self.chain.number, *columns))
            self.last_entry = (max(seq for (seq,) in added), self.chain.head)

    def check_time(self) -> None:
        """Make sure that the clocks of this host and of the database agree.

        Raises:
            ClockJumpError: They do not.
        """
        if self._most_skew is not None and abs(self._skew) > self._most_skew:
            way = "ahead of" if self._skew > 0 else "behind"
            raise ClockJumpError(
                f"this host's clock is {abs(self._skew):.1f} s {way} the database's: set it right"
            )

    def spend(self, campaign_id: int, *, unpriced: int, micros: int = 0) -> None:
        """Count attempts that may still cost something, and what others have cost."""
        before = self._money.get(campaign_id, (0, 0))
        self._money[campaign_id] = (before[0] + unpriced, before[1] + micros)

    def change_together(self, statement: LiteralString, rows: Rows) -> None:
        """Run a statement once over many rows, which it takes as one array for each column."""
        if rows:
            self.connection.execute(statement, list(map(as_array, zip(*rows, strict=True))))

    def _find_chain(self) -> Chain:
        ((number,),) = self.connection.execute(_NEW_CHAIN).fetchall()
        return Chain(number)

    # --- What both databases share.

    def rows(self, statement: str, args: Sequence[Any] = ()) -> list[Any]:
        return self.connection.execute(in_postgres(statement), args).fetchall()

    def change(self, statement: str, args: Sequence[Any]) -> int:
        return self.connection.execute(in_postgres(statement), args).rowcount

    def change_all(self, statement: str, rows: Rows) -> int:
        if not rows:
            return 0
        with self.connection.cursor() as cursor:
            cursor.executemany(in_postgres(statement), rows)
            return cursor.rowcount

    def add(self, statement: str, args: Sequence[Any], *, key: LiteralString) -> int | None:
        statement = f"{in_postgres(statement)} RETURNING {key}"
        added = self.connection.execute(statement, args).fetchone()
        return None if added is None else int(added[0])

    def add_contacts(self, columns: Sequence[LiteralString], rows: Rows) -> None:
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY contact ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def contact_ids(self, count: int) -> Iterator[int]:
        return iter([number for (number,) in self.connection.execute(_IDS, (count,))])

    def many(self, values: Collection[Any]) -> Any:
        return as_array(values)

    def campaign(self, campaign_id: int, *, lock: bool = False) -> CampaignRecord:
        statement = f"{_CAMPAIGN} FOR UPDATE" if lock else _CAMPAIGN
        row = self.connection.execute(statement, (campaign_id,)).fetchone()
        if row is None:
            raise CampaignError(f"the ledger holds no campaign of id {campaign_id}")
        record = campaign_of(row)
        unpriced, spent = self._money.get(campaign_id, (0, 0))
        return attrs.evolve(
            record,
            unpriced=record.unpriced + unpriced,
            spent_micros=record.spent_micros + spent,
        )

    def keep(self, campaign: CampaignRecord) -> None:
        """Make sure that a campaign is as it was read, and stays so until this is committed.

        What it has spent may change: that does not wait for this, nor this for that.
        """
        row = self.connection.execute(_KEEP, (campaign.campaign_id,)).fetchone()
        found = None if row is None else campaign_of(row)
        if found is None or (found.state, found.settings) != (campaign.state, campaign.settings):
            raise _ChangedError("the campaign was changed meanwhile, again and again: run again")

    def import_alone(self, campaign_id: int) -> None:
        self.connection.execute(_ALONE, (_IMPORTING, campaign_id))

    def shards_of_others(self, campaign_id: int, workers: Collection[str]) -> list[int]:
        found = self.connection.execute(_OF_OTHERS, (campaign_id, as_array(workers), _HELD_MS))
        return [shard for (shard,) in found]

    def living_besides(self, worker: str) -> list[str]:
        silent_ms = int(SILENT_SECONDS * 1000)
        return [name for (name,) in self.connection.execute(_LIVING, (worker, silent_ms))]


def _skew(database: datetime, before: datetime, after: datetime) -> float:
    """Return by how many seconds a host is ahead that saw these moments before and after."""
    if before <= database <= after:
        return 0.0
    nearest = before if database < before else after
    return (nearest - database).total_seconds()
