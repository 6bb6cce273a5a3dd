"""Moving a ledger from its file to a server, once and whole.

Nobody is rung by it. Calls under way come along as unknown, and whoever runs the campaigns on
the server looks for what became of them. The order is what makes it safe: the file is marked,
then everything is copied in one transaction, then the mark is made final. Whatever is cut short
in between leaves a file that refuses to dial, and the same command finishes the move.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from ...clock import Clock, SystemClock
from ...errors import LedgerError
from . import leaving
from .addresses import ServerAddress
from .arriving import Arrival
from .files import check_file, connect
from .leaving import Mark
from .lock import RunnerLock
from .moments import to_ms
from .opening import file_of
from .schema import prepare_server
from .sqlite_recovering import recover
from .sqlite_transaction import SqliteTransaction
from .translate import translated

__all__ = ["Moved", "move_ledger", "move_ledger_here"]

_BUSY_SECONDS = 5.0
_WORKER = "moved"


@attrs.frozen(kw_only=True)
class Moved:
    """What a move brought to the server.

    Attributes:
        target: Where it is now, without user and password.
        rows: How many, by table; nothing if an earlier move had brought all of it.
        unknown: Calls under way whose end a worker has to look for.
    """

    target: str
    rows: dict[str, int]
    unknown: int


async def move_ledger(
    source: str | Path, target: str, *, clock: Clock | None = None, forget: bool = False
) -> Moved:
    """Move everything in a file into an empty database; see `move_ledger_here`.

    It goes to its end, or not at all, also if the task that waits for it is cancelled.
    """
    return await asyncio.to_thread(
        move_ledger_here, source, target, clock=clock or SystemClock(), forget=forget
    )


def move_ledger_here(
    source: str | Path, target: str, *, clock: Clock, forget: bool = False
) -> Moved:
    """Move everything in a file into an empty database, in the thread that calls.

    Args:
        source: The file. Nobody may be running it, and nobody dials from it afterwards.
        target: The address of the database; its tables are made if it has none.
        clock: Says when it happened.
        forget: An earlier move to another place was cut short, and whoever calls made sure that
            nothing arrived there.

    Raises:
        LedgerInUseError: A runner has the file.
        LedgerError: There is no ledger, it was moved before, or the target is not empty or
            cannot be reached. Unless the message says otherwise, nothing has changed.
    """
    file, address = file_of(source), ServerAddress.read(target)
    if not file.exists():
        raise LedgerError(f"there is no ledger at {file}")
    with _held(file) as connection:
        earlier = _earlier(connection, file, address, forget=forget)
        prepare_server(address, create=True)
        mark = earlier or _marked(connection, address, clock=clock)
        arrival = Arrival(address, token=mark.token, is_certainly_empty=earlier is None)
        moved = _copied(connection, arrival, file=file, clock=clock)
        leaving.confirm(connection, at=to_ms(clock.now()))
        return moved


@contextmanager
def _held(file: Path) -> Iterator[sqlite3.Connection]:
    lock = RunnerLock(file)
    lock.acquire()
    try:
        check_file(file, thoroughly=True, busy_seconds=_BUSY_SECONDS, may_be_moved=True)
        with (
            translated(file),
            contextlib.closing(connect(file, busy_seconds=_BUSY_SECONDS)) as connection,
        ):
            yield connection
    finally:
        lock.release()


def _earlier(
    connection: sqlite3.Connection, file: Path, address: ServerAddress, *, forget: bool
) -> Mark | None:
    """Return the mark of a move to the same place that was cut short."""
    earlier = leaving.mark_of(connection)
    if earlier is None or (earlier.target == address.name and not earlier.is_finished):
        return earlier
    if earlier.is_finished:
        raise LedgerError(f"{file} was moved to {earlier.target} already")
    if not forget:
        raise LedgerError(
            f"{file} is being moved to {earlier.target}, and it is not known how far that came. "
            "Run it again with that name; or, if certainly nothing arrived there, say --forget"
        )
    with _changing(connection):
        leaving.unmark(connection)
    return None


def _marked(connection: sqlite3.Connection, address: ServerAddress, *, clock: Clock) -> Mark:
    """Let nobody change the file any more, and make what is under way unknown."""
    token, now = os.urandom(16).hex(), clock.now()
    connection.execute("BEGIN IMMEDIATE")
    transaction = SqliteTransaction(connection)
    # What a new runner does first: whoever dispatched these has lost its lock, or is gone.
    recover(transaction, worker=_WORKER, now=now)
    transaction.audit(to_ms(now), "ledger_moving", {"to": address.name, "token": token})
    transaction.commit()
    with _changing(connection):
        leaving.mark(connection, target=address.name, token=token, at=to_ms(now))
    return Mark(target=address.name, token=token, is_finished=False)


def _copied(
    connection: sqlite3.Connection, arrival: Arrival, *, file: Path, clock: Clock
) -> Moved:
    try:
        with _reading(connection):
            rows = arrival.bring(connection, name=file.name, at=to_ms(clock.now()))
    except BaseException:
        if arrival.is_certainly_empty:
            with _changing(connection):
                leaving.unmark(connection)
        raise
    return Moved(target=arrival.address.name, rows=rows, unknown=_unknown(connection))


def _unknown(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM attempt WHERE state IN (1, 6)").fetchone()
    return int(count)


@contextmanager
def _changing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _reading(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
