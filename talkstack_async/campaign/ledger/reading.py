"""Reading a ledger, beside whoever writes it.

Nothing here can change anything: the connections are opened for reading. Cold queries are
SQLAlchemy's, the same for every database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.event import listen

from ...errors import CampaignError, LedgerCorruptError
from ..records import (
    AttemptRecord,
    CampaignRecord,
    ContactRecord,
    Finding,
    OpenAttempt,
    Story,
    Suppression,
)
from .addresses import ServerAddress, is_server
from .base import CampaignFacts, Counts
from .chain import GENESIS
from .counting import counts_of
from .gathering import facts_of
from .moments import from_ms, to_ms
from .stored import campaign_of
from .tables import attempt, audit, campaign, event
from .telling import contacts_with_attempts, ready_in, reviews_of, story_of, suppressed
from .translate import translated
from .verifying import findings_in

__all__ = ["Reading"]

_FILE = "sqlite:///"
_BUSY_SECONDS = 5.0


class Reading:
    """The reading half of a ledger: the methods of `Ledger`, but not asynchronous.

    Each method is one transaction on a connection of its own, so it may run in any thread and
    sees one state of things. So do the iterators: for as long as one is not at its end, SQLite
    cannot shorten its write-ahead log, and PostgreSQL cannot clean up.

    Args:
        place: Of SQLAlchemy's form: `sqlite:////srv/contacts.csv.talkstack.db`. Whatever follows
            `sqlite:///` is the file's name, question marks included. Or an address of a server.
    """

    def __init__(self, place: str | ServerAddress) -> None:
        if isinstance(place, str) and is_server(place):
            place = ServerAddress.read(place)
        if isinstance(place, ServerAddress):
            self._name, self._engine = place.name, _of_server(place)
        else:
            self._name = place.removeprefix(_FILE)
            self._engine = _of_file(Path(self._name))

    def close(self) -> None:
        """Let the connections go."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with translated(self._name), self._engine.connect() as connection, connection.begin():
            try:
                yield connection
            except ValueError as error:
                # A state nobody knows, or JSON that is none.
                raise LedgerCorruptError(
                    f"{self._name} holds what no version of this package wrote ({error}). "
                    "Keep it and restore a copy"
                ) from error

    # --- Campaigns.

    def campaign(self, name: str) -> CampaignRecord | None:
        with self._transaction() as connection:
            query = sa.select(campaign).where(campaign.c.name == name)
            row = connection.execute(query).one_or_none()
            return None if row is None else campaign_of(row)

    def campaigns(self) -> Sequence[CampaignRecord]:
        with self._transaction() as connection:
            query = sa.select(campaign).order_by(campaign.c.campaign_id.desc())
            return [campaign_of(row) for row in connection.execute(query)]

    def counts(self, campaign_id: int, *, now: datetime) -> Counts:
        with self._transaction() as connection:
            return counts_of(connection, campaign_id, now=to_ms(now))

    def facts(self, campaign_id: int, *, now: datetime) -> CampaignFacts:
        with self._transaction() as connection:
            query = sa.select(campaign).where(campaign.c.campaign_id == campaign_id)
            row = connection.execute(query).one_or_none()
            if row is None:
                raise CampaignError(f"there is no campaign {campaign_id} in {self._name}")
            return facts_of(connection, campaign_of(row), now=to_ms(now))

    # --- People.

    def story(self, number: str) -> Story:
        with self._transaction() as connection:
            return story_of(connection, number)

    def reviews(self, campaign_id: int) -> Sequence[tuple[ContactRecord, OpenAttempt]]:
        with self._transaction() as connection:
            return reviews_of(connection, campaign_id)

    def export(self, campaign_id: int) -> Iterator[tuple[ContactRecord, Sequence[AttemptRecord]]]:
        with self._transaction() as connection:
            yield from contacts_with_attempts(connection, campaign_id)

    def ready_contacts(self, campaign_id: int) -> Iterator[ContactRecord]:
        with self._transaction() as connection:
            yield from ready_in(connection, campaign_id)

    def suppressions(self) -> Iterator[Suppression]:
        with self._transaction() as connection:
            yield from suppressed(connection)

    # --- Trust.

    def verify(self) -> Sequence[Finding]:
        # Not `_transaction`: what no version wrote is a finding here.
        with translated(self._name), self._engine.connect() as connection, connection.begin():
            return findings_in(connection)

    def newest(self) -> datetime | None:
        newest_of_each = (
            sa.select(column).order_by(key.desc()).limit(1).scalar_subquery()
            for column, key in (
                (audit.c.at, audit.c.seq),
                (attempt.c.sent_at, attempt.c.attempt_id),
                (event.c.received_at, event.c.event_id),
            )
        )
        with self._transaction() as connection:
            moments = connection.execute(sa.select(*newest_of_each)).one()
            return max((from_ms(each) for each in moments if each is not None), default=None)

    def head(self) -> tuple[int, str]:
        query = sa.select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
            return (0, GENESIS) if row is None else (row.seq, row.hash)


def _of_server(address: ServerAddress) -> sa.Engine:
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: address.connect(autocommit=False),
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        # An error would repeat them, and there are phone numbers among them.
        hide_parameters=True,
        # A connection may have gone with the server it was made to.
        pool_pre_ping=True,
        pool_size=1,
        max_overflow=9,
    )
    listen(engine, "connect", _plan_for_all_rows)
    return engine


def _plan_for_all_rows(connection: Any, _: Any) -> None:
    # Lists are read to their end; PostgreSQL plans a cursor for its first rows.
    connection.execute("SET cursor_tuple_fraction = 1")
    connection.commit()


def _of_file(path: Path) -> sa.Engine:
    name = quote(os.fsencode(path.absolute()))

    def connect() -> sqlite3.Connection:
        # An iterator may be asked for each page by another thread, though never by two at once.
        return sqlite3.connect(
            f"file:{name}?mode=ro",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    engine = sa.create_engine(
        "sqlite://", creator=connect, poolclass=sa.pool.NullPool, hide_parameters=True
    )
    listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> Any:
    # sqlite3 begins no transaction for a SELECT by itself.
    connection.exec_driver_sql("BEGIN")
