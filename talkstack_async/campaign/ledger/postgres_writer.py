"""The one thread that writes to a ledger on PostgreSQL, and what it does when the server goes.

As in a file, everything that is waiting goes into one transaction, and nobody is answered before
the server has said that it is committed. A connection may be lost at any point. Before the word
COMMIT was sent nothing happened, and the group is run again. After it, the server is asked what
became of that very transaction; so nobody is answered on a guess, and nothing is done twice.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ...clock import Clock
from ...errors import LedgerBusyError, LedgerError, LedgerVersionError
from ...telemetry import logger
from .addresses import ServerAddress, driver
from .auditing import Chain
from .postgres_text import StorableText
from .postgres_transaction import PostgresTransaction
from .translate import server_error
from .writing import Waiting, WriterThread

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresWriter"]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
# Whoever closes the ledger does not wait for a dead server for longer.
_LAST_PATIENCE_SECONDS = 5.0
# Of a group that met another transaction: a deadlock, or a row that was added by both.
_TRIES = 8
_MET_ANOTHER = ("40001", "40P01", "23505")
# By SQLSTATE: the server, or somebody who manages it, ends the connection; or it leads to a server
# that is not the one that is written to any more.
_ENDED = ("08", "57P", "25P03", "25006")

_OLDEST = 140_000

# What keeps a frozen or vanished client from holding its locks. Stronger than `on` is only
# `remote_apply`, and who has set it is to have it.
_SESSION = (
    "SET client_encoding = 'UTF8'; SET statement_timeout = 0; SET lock_timeout = '10s'; "
    "SET idle_in_transaction_session_timeout = '4s'; "
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
    "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)"
)
_STATUS = "SELECT pg_xact_status(%s::text::xid8)"
_HASH = "SELECT hash FROM audit WHERE seq = %s"
_NOT_YET_BEGUN = "22023"  # there is no transaction of that number on this server


@attrs.frozen
class _Lost:
    """A transaction whose end is not known, and what it was to answer."""

    transaction: PostgresTransaction
    group: Sequence[Waiting[PostgresTransaction]]


class PostgresWriter(WriterThread[PostgresTransaction]):
    """Runs operations in one thread, each in a transaction it may share with others.

    Args:
        address: Of the ledger.
        clock: This host's.
        most_skew: By how many seconds it may differ from the database's clock; None for any.
        patience: Seconds for which a lost server is waited for.
        orphaned: Told, on the loop, what was written for somebody who was told that it failed.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        clock: Clock,
        most_skew: float | None,
        patience: float,
        orphaned: Callable[[Any], None],
    ) -> None:
        super().__init__()
        self._address = address
        self._clock = clock
        self._most_skew = most_skew
        self._patience = patience
        self._orphaned = orphaned
        self._errors = driver()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._chain: Chain | None = None
        self._lost: list[_Lost] = []
        self._pause = threading.Event()  # never set: it only measures time

    # --- In the thread.

    def _begin(self) -> None:
        try:
            self._connection = self._connect()
        except self._errors.Error as error:
            raise server_error(error, self._address.name) from None
        if self._connection.info.server_version < _OLDEST:
            self._disconnect()
            raise LedgerVersionError(f"the ledger {self._address} needs PostgreSQL 14 or newer")

    def _end(self) -> None:
        self._disconnect()

    def _attempt(
        self, group: Sequence[Waiting[PostgresTransaction]]
    ) -> Waiting[PostgresTransaction] | None:
        # Until its end is known.
        for tried in range(1, _TRIES + 1):
            running = None
            try:
                connection = self._connected()
                transaction = self._transaction(connection)
                for running in group:
                    running.run(transaction)
                running = None
                transaction.finish()
                if self._commit(connection, transaction, group):
                    self._chain = transaction.chain
                    return None
                # It certainly is not committed: once more.
            except Exception as error:
                if not self._may_try_again(error) or tried == _TRIES:
                    self._fail_all(group, error)
                    return running
                if tried > 1:
                    self._pause.wait(min(_FIRST_PAUSE_SECONDS * tried, _LONGEST_PAUSE_SECONDS))
        self._fail_all(group, self._gone("was lost again and again"))
        return None

    def _transaction(self, connection: psycopg.Connection[tuple[Any, ...]]) -> PostgresTransaction:
        return PostgresTransaction(
            connection, chain=self._chain, clock=self._clock, most_skew=self._most_skew
        )

    def _may_try_again(self, error: Exception) -> bool:
        """Bring the connection in order after an error; say whether the same may go well now."""
        if self._is_lost(error):
            logger.warning("the connection to %s was lost", self._address)
            self._disconnect()
            return True
        if self._connection is not None:
            with contextlib.suppress(self._errors.Error):
                self._connection.execute("ROLLBACK", prepare=False)
        return getattr(error, "sqlstate", None) in _MET_ANOTHER

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, self._errors.Error):
            return server_error(error, self._address.name)
        return error

    # --- The end of a transaction.

    def _commit(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        transaction: PostgresTransaction,
        group: Sequence[Waiting[PostgresTransaction]],
    ) -> bool:
        """Commit; say whether that is done, also if the connection is lost meanwhile.

        Raises:
            LedgerBusyError: It is not known. What was written is told to `orphaned` once it is.
        """
        try:
            return connection.execute("COMMIT", prepare=False).statusmessage == "COMMIT"
        except self._errors.Error as error:
            if not self._is_lost(error):
                raise
        logger.warning("the connection to %s was lost during a commit", self._address)
        self._disconnect()
        try:
            return self._find_out(transaction)
        except LedgerError:
            self._lost.append(_Lost(transaction, tuple(group)))
            # It may be written or not, so nothing can follow it.
            self._chain = None
            raise

    def _find_out(self, transaction: PostgresTransaction) -> bool:
        """Ask until it is known whether a transaction is committed."""
        for _ in self._pauses():
            connection = self._connected()
            try:
                is_committed = self._is_committed(connection, transaction)
            except self._errors.Error:
                self._disconnect()
                continue
            if is_committed is not None:
                return is_committed
        raise self._gone("does not say whether it has written")

    def _is_committed(
        self, connection: psycopg.Connection[tuple[Any, ...]], transaction: PostgresTransaction
    ) -> bool | None:
        """Say whether a transaction is committed; None if that is not decided yet."""
        try:
            ((status,),) = connection.execute(_STATUS, (transaction.number,)).fetchall()
        except self._errors.Error as error:
            if error.sqlstate != _NOT_YET_BEGUN:
                raise
            status = "aborted"
        if status == "in progress":
            return None
        if status == "committed" and transaction.last_entry is not None:
            # After a crash or a failover the number may be another transaction's; the hash is not.
            seq, head = transaction.last_entry
            return connection.execute(_HASH, (seq,)).fetchall() == [(head,)]
        return bool(status == "committed")

    # --- The connection.

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return the connection; if it was lost, wait for a new one.

        Raises:
            LedgerBusyError: The server stayed away.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        failure: LedgerError = self._gone("cannot be reached")
        for _ in self._pauses():
            try:
                self._connection = self._connect()
                self._look_for_orphans(self._connection)
            except self._errors.Error as error:
                failure = server_error(error, self._address.name)
                self._disconnect()
            else:
                return self._connection
        raise LedgerBusyError(f"{failure}. It was waited for {self._patience:g} s") from None

    def _look_for_orphans(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        undecided = []
        for lost in self._lost:
            is_committed = self._is_committed(connection, lost.transaction)
            if is_committed is None:
                undecided.append(lost)
            elif is_committed:
                for waiting in lost.group:
                    self._tell(self._orphaned, waiting.result)
        self._lost = undecided

    def _pauses(self) -> Iterator[None]:
        """Yield until patience is at its end, each time after a longer pause."""
        began, waited, pause = self._clock.monotonic(), 0.0, _FIRST_PAUSE_SECONDS
        while True:
            yield
            patience = self._patience
            if self._is_closed:
                patience = min(patience, _LAST_PATIENCE_SECONDS)
            if max(waited, self._clock.monotonic() - began) >= patience:
                return
            self._pause.wait(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self._address.connect()
        connection.execute(_SESSION, prepare=False)
        connection.adapters.register_dumper(str, StorableText)
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(self._errors.Error):
                self._connection.close()
            self._connection = None

    def _is_lost(self, error: Exception) -> bool:
        if not isinstance(error, self._errors.Error):
            return False
        if self._connection is None or self._connection.closed:
            return True
        return (getattr(error, "sqlstate", None) or "").startswith(_ENDED)

    def _gone(self, what: str) -> LedgerError:
        return LedgerBusyError(f"the ledger {self._address} {what}")
