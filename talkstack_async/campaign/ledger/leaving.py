"""The mark in a file whose campaigns were moved to a server: nobody is dialled from here again.

The mark is made before anything is copied and taken away only when it is certain that nothing
arrived, so that at no moment two ledgers may ring the same people. Triggers refuse every change,
also by a program that had the file open before: a number that is suppressed here would be
called from there.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import attrs

from ...errors import LedgerError

__all__ = ["Mark", "confirm", "mark", "mark_of", "refuse_if_marked", "unmark"]

_TABLES = ("campaign", "contact", "attempt", "suppression", "event", "import", "audit")
_CHANGES = ("INSERT", "UPDATE", "DELETE")
_MARK_OF = "SELECT target, token, finished_at IS NOT NULL FROM moved"


@attrs.frozen(kw_only=True)
class Mark:
    """Where a ledger was moved to.

    Attributes:
        token: Stands in the target's audit, too, if the ledger arrived there.
        is_finished: Whether it certainly arrived.
    """

    target: str
    token: str
    is_finished: bool


def mark_of(connection: sqlite3.Connection) -> Mark | None:
    """Return where a ledger was moved to, None if it was not."""
    row = connection.execute(_MARK_OF).fetchone()
    return row and Mark(target=row[0], token=row[1], is_finished=bool(row[2]))


def refuse_if_marked(connection: sqlite3.Connection, path: Path) -> None:
    """Make sure that campaigns may be run from this ledger.

    Raises:
        LedgerError: They were moved, or perhaps were.
    """
    found = mark_of(connection)
    if found is None:
        return
    if found.is_finished:
        raise LedgerError(f"{path} was moved to {found.target}: its campaigns are run there")
    raise LedgerError(
        f"{path} is being moved to {found.target}, and it is not known how far that came. "
        f"Run talkstack ledger copy again, with the same names; nobody is called until then"
    )


def mark(connection: sqlite3.Connection, *, target: str, token: str, at: int) -> None:
    """Mark a ledger as being moved; part of a transaction. From its end on nothing changes."""
    connection.execute(
        "INSERT INTO moved (target, token, begun_at) VALUES (?, ?, ?)", (target, token, at)
    )
    text = f"it was moved to {target}".replace("'", "''")
    for table in _TABLES:
        for change in _CHANGES:
            connection.execute(
                f'CREATE TRIGGER moved_{table}_{change.lower()} BEFORE {change} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
            )


def confirm(connection: sqlite3.Connection, *, at: int) -> None:
    """Note that everything arrived."""
    connection.execute("UPDATE moved SET finished_at = ?", (at,))


def unmark(connection: sqlite3.Connection) -> None:
    """Take the mark away; part of a transaction. Only if nothing arrived."""
    for table in _TABLES:
        for change in _CHANGES:
            connection.execute(f"DROP TRIGGER moved_{table}_{change.lower()}")
    connection.execute("DELETE FROM moved")
