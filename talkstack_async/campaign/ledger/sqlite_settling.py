"""Settling on SQLite: each settlement a compare-and-set, many of them in one transaction.

The transaction holds the write lock, so what is read at its beginning cannot change under it:
the states are compared here, and then written with one statement per table.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection, IntegrityError

from ..records import Settlement
from .moments import to_ms
from .settling import AFTER_PLACING, Batch, audit_placed, is_everyday
from .sqlite_transaction import SqliteTransaction
from .transaction import to_json

__all__ = ["settle"]

_ATTEMPT = (
    "UPDATE attempt SET state = ?, call_id = coalesce(?, call_id), "
    "disposition = coalesce(?, disposition), seconds = coalesce(?, seconds), "
    "cost_micros = coalesce(?, cost_micros), error = coalesce(?, error), settled_at = ? "
    "WHERE attempt_id = ?"
)
_PLACED = (
    "UPDATE attempt SET state = 2, call_id = ?, settled_at = ? "
    "WHERE attempt_id = ? AND worker = ? AND contact_id = ? AND state = 1"
)
_CONTACTS_PLACED = (
    "UPDATE contact SET state = ?, next_at = 0, reason = 'placed', detail = '' "
    "WHERE contact_id IN (SELECT value FROM json_each(?)) AND state = 1"
)
_CONTACT = (
    "UPDATE contact SET state = ?, next_at = ?, reason = ?, detail = ?, attempts = attempts - ? "
    "WHERE contact_id = ?"
)
_COUNT = "UPDATE contact SET attempts = attempts - ? WHERE contact_id = ?"
_MONEY = (
    "UPDATE campaign SET unpriced = unpriced + ?, spent_micros = spent_micros + ? "
    "WHERE campaign_id = ?"
)
_SUPPRESS = (
    "INSERT OR IGNORE INTO suppression (number, reason, source, added_at) VALUES (?, ?, ?, ?)"
)


def settle(transaction: SqliteTransaction, settlements: Sequence[Settlement]) -> Sequence[bool]:
    """See `Ledger.settle`."""
    if all(map(is_everyday, settlements)):
        moments = [to_ms(one.at) for one in settlements]
        if _place_all(transaction.connection, settlements, moments):
            audit_placed(transaction, settlements, moments)
            return [True] * len(settlements)
    batch = Batch(transaction, settlements, may_repeat=False)
    answers = [batch.accepts(settlement) for settlement in settlements]
    _write(transaction.connection, batch)
    return answers


def _place_all(
    connection: Connection, settlements: Sequence[Settlement], moments: Sequence[int]
) -> bool:
    """Settle a batch of placed calls if all of them are as they believe; otherwise change nothing.

    The compare-and-set is in the statement, and one count tells whether all were met. Of a
    contact whose attempt is dispatching that attempt is the last, so nothing else can have moved
    it.
    """
    connection.execute("SAVEPOINT placing")
    try:
        placed = connection.executemany(
            _PLACED,
            (
                (one.call_id, at, one.attempt_id, one.worker, one.contact_id)
                for one, at in zip(settlements, moments, strict=True)
            ),
        ).rowcount
    except IntegrityError:  # the id of a call that another attempt has
        placed = -1
    if placed != len(settlements):
        connection.execute("ROLLBACK TO placing")
        connection.execute("RELEASE placing")
        return False
    for state in AFTER_PLACING:
        contacts = [one.contact_id for one in settlements if one.contact is state]
        if contacts:
            connection.execute(_CONTACTS_PLACED, (int(state), to_json(contacts)))
    connection.execute("RELEASE placing")
    return True


def _write(connection: Connection, batch: Batch) -> None:
    for statement, rows in (
        (_ATTEMPT, batch.attempts()),
        (_CONTACT, batch.contacts()),
        (_COUNT, batch.counts()),
        (_SUPPRESS, batch.suppressed),
        (_MONEY, [(*money, campaign_id) for campaign_id, money in batch.money.items()]),
    ):
        if rows:
            connection.executemany(statement, rows)
