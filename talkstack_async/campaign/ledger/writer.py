"""The one thread that writes to a SQLite ledger, and its group commit.

An fsync costs the same for one change as for a hundred. So everything that is waiting when the
thread becomes free goes into one transaction, and nobody is answered before it is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from ...errors import ClosedError
from .chain import GENESIS, next_hash
from .translate import ledger_error

__all__ = ["Transaction", "Writer", "to_json"]

T = TypeVar("T")

# More than that would let the first wait too long for the last.
_LARGEST_GROUP = 500

_LAST_ENTRY = "SELECT seq, hash FROM audit WHERE seq = (SELECT max(seq) FROM audit)"
_ADD_ENTRY = (
    "INSERT INTO audit (seq, chain, at, what, campaign_id, contact_id, attempt_id, detail, hash) "
    "VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)"
)

# One encoder for all: `json.dumps` with separators builds a new one each time.
to_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode


class Transaction:
    """A write transaction under way: its connection, and the audit it adds to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._entries: list[tuple[Any, ...]] = []
        self._seq = 0
        self._hash = ""

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
        """Add a line to the audit. No phone numbers, please: the contact's id says whose.

        `detail` may be JSON text already, where the same is said for many calls.
        """
        if not self._hash:
            # Read in every transaction: other processes write to the same chain.
            last = self.connection.execute(_LAST_ENTRY).fetchone()
            self._seq, self._hash = last or (0, GENESIS)
        text = detail if isinstance(detail, str) else to_json(detail)
        self._seq += 1
        self._hash = next_hash(self._hash, 0, at, what, campaign_id, contact_id, attempt_id, text)
        self._entries.append(
            (self._seq, at, what, campaign_id, contact_id, attempt_id, text, self._hash)
        )

    def audit_all(
        self,
        at: int,
        what: str,
        words: str,
        of: Sequence[tuple[Any, ...]],
        *,
        campaign_id: int,
    ) -> None:
        """Add one line that is said of many attempts at once: a call costs two of them otherwise.

        Args:
            at: The moment.
            what: What happened to them.
            words: What is said of all, a JSON object as text.
            of: Contact and attempt of each, and what is said of it alone.
            campaign_id: Whose they are.
        """
        # `entries.said_of` and the readers know this form.
        self.audit(at, what, f'{words[:-1]},"of":{to_json(of)}}}', campaign_id=campaign_id)

    def commit(self) -> None:
        """Write the audit and make everything durable."""
        if self._entries:
            self.connection.executemany(_ADD_ENTRY, self._entries)
        self.connection.execute("COMMIT")


# What a writer runs. It may run twice if something else in its group failed, so it changes
# nothing but the database.
Operation: TypeAlias = Callable[[Transaction], T]


@attrs.define(eq=False)
class _Waiting(Generic[T]):
    operation: Operation[T]
    future: asyncio.Future[T]
    result: T | None = None
    error: Exception | None = None

    def run(self, transaction: Transaction) -> None:
        self.error = None
        self.result = self.operation(transaction)


class Writer:
    """Runs operations in one thread, each in a transaction it may share with others.

    Args:
        connect: Opens the connection, in the writer's thread.
        path: The ledger's file, for messages.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, path: Path) -> None:
        self._connect = connect
        self._path = path
        self._queue: queue.SimpleQueue[_Waiting[Any] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._is_closed = False

    async def open(self) -> None:
        """Start the thread and open the connection."""
        thread = threading.Thread(target=self._work, name="talkstack-ledger", daemon=True)
        thread.start()
        await self._opened

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue an operation; the future is done once it is on disk, or has failed.

        Cancelling the future does not stop the operation: what was handed over is written.

        Raises:
            ClosedError: The ledger was closed.
        """
        if self._is_closed:
            raise ClosedError("the ledger was closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Waiting(operation, future))
        return future

    async def close(self) -> None:
        """Write what is waiting, and close the connection. Closing twice does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
        await asyncio.shield(self._ended)

    # --- In the thread.

    def _work(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:
            self._tell(_fail, self._opened, error)
            self._tell(_succeed, self._ended)
            return
        self._tell(_succeed, self._opened)
        try:
            self._serve(connection)
        finally:
            connection.close()
            self._tell(_succeed, self._ended)

    def _serve(self, connection: sqlite3.Connection) -> None:
        goes_on = True
        while goes_on:
            group, goes_on = self._next_group()
            if group:
                self._write(connection, group)
                self._tell(_answer, group)

    def _next_group(self) -> tuple[list[_Waiting[Any]], bool]:
        """Wait for something to do, and take everything else that waits by then."""
        group: list[_Waiting[Any]] = []
        waiting = self._queue.get()
        while waiting is not None:
            group.append(waiting)
            if len(group) == _LARGEST_GROUP:
                return group, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _write(self, connection: sqlite3.Connection, group: Sequence[_Waiting[Any]]) -> None:
        culprit = self._attempt(connection, group)
        if culprit is None or len(group) == 1:
            return
        # One bad operation must not fail the others, and they were rolled back with it.
        for waiting in group:
            self._attempt(connection, [waiting])

    def _attempt(
        self, connection: sqlite3.Connection, group: Sequence[_Waiting[Any]]
    ) -> _Waiting[Any] | None:
        """Run a group in one transaction; return the operation that spoilt it, if one did.

        What fails the transaction as a whole, like a lock or a full disk, fails all of them.
        """
        running = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            for running in group:
                running.run(transaction)
            running = None
            transaction.commit()
        except Exception as error:
            self._roll_back(connection)
            self._fail_all(group, error)
        return running

    @staticmethod
    def _roll_back(connection: sqlite3.Connection) -> None:
        # After some errors SQLite has rolled back by itself.
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _fail_all(self, group: Iterable[_Waiting[Any]], error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            ours = ledger_error(error, self._path)
            ours.__cause__ = error
            error = ours
        for waiting in group:
            waiting.error = error

    def _tell(self, what: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(what, *args)


# --- On the loop.


def _answer(group: Iterable[_Waiting[Any]]) -> None:
    for waiting in group:
        if waiting.future.done():
            continue  # whoever waited was cancelled
        if waiting.error is not None:
            waiting.future.set_exception(waiting.error)
        else:
            waiting.future.set_result(waiting.result)


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
