"""Attempts of a runner that is dead: only where a ledger is held by one process alone."""

from __future__ import annotations

from datetime import datetime

from .sqlite_transaction import SqliteTransaction
from .stored import OPEN_ATTEMPT_COLUMNS, open_attempt_of
from .watching import take_over

__all__ = ["recover"]

# The condition on two states is the one of the partial index, which holds nothing else.
_DISPATCHING = (
    f"SELECT {OPEN_ATTEMPT_COLUMNS} FROM attempt a INDEXED BY attempt_open "  # noqa: S608  # columns
    "CROSS JOIN contact c ON c.contact_id = a.contact_id "
    "WHERE a.state IN (1, 6) AND a.state = 1 ORDER BY a.attempt_id"
)


def recover(transaction: SqliteTransaction, *, worker: str, now: datetime) -> int:
    """See `Ledger.recover`."""
    left = [open_attempt_of(row) for row in transaction.rows(_DISPATCHING)]
    take_over(transaction, left, worker, why="recovered", now=now)
    return len(left)
