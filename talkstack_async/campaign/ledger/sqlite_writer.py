"""The one thread that writes to a SQLite ledger, and its group commit.

An fsync costs the same for one change as for a hundred. So everything that is waiting when the
thread becomes free goes into one transaction, and nobody is answered before it is on disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from .sqlite_transaction import SqliteTransaction
from .translate import ledger_error
from .writing import Waiting, WriterThread

__all__ = ["SqliteWriter"]


class SqliteWriter(WriterThread[SqliteTransaction]):
    """Runs operations in one thread, each in a transaction it may share with others.

    Args:
        connect: Opens the connection, in the writer's thread.
        path: The ledger's file, for messages.
    """

    _connection: sqlite3.Connection  # from `_begin` on

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, path: Path) -> None:
        super().__init__()
        self._connect = connect
        self._path = path

    # --- In the thread.

    def _begin(self) -> None:
        self._connection = self._connect()

    def _end(self) -> None:
        self._connection.close()

    def _attempt(
        self, group: Sequence[Waiting[SqliteTransaction]]
    ) -> Waiting[SqliteTransaction] | None:
        # What fails the transaction as a whole, like a lock or a full disk, fails all of them.
        running = None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            transaction = SqliteTransaction(self._connection)
            for running in group:
                running.run(transaction)
            running = None
            transaction.commit()
        except Exception as error:
            self._roll_back()
            self._fail_all(group, error)
        return running

    def _roll_back(self) -> None:
        # After some errors SQLite has rolled back by itself.
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _translated(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        ours = ledger_error(error, self._path)
        ours.__cause__ = error
        return ours
