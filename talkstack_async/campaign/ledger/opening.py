"""Opening a ledger, whatever it lives in."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...clock import Clock, SystemClock
from ...errors import LedgerError
from .addresses import ServerAddress, is_server
from .files import connect, copy_file
from .lock import RunnerLock
from .schema import is_older, migrate, upgrade_server
from .sqlite import SqliteLedger
from .translate import translated

if TYPE_CHECKING:
    from .postgres import PostgresLedger

__all__ = ["copy_ledger", "file_of", "open_ledger", "upgrade_ledger"]

_BUSY_SECONDS = 5.0
_RECONNECT_SECONDS = 60.0
_MAX_CLOCK_SKEW_SECONDS = 2.0


def open_ledger(
    path: str | Path,
    *,
    exclusive: bool = False,
    clock: Clock | None = None,
    create: bool = True,
    busy_seconds: float = _BUSY_SECONDS,
    reconnect_seconds: float = _RECONNECT_SECONDS,
    max_clock_skew_seconds: float | None = _MAX_CLOCK_SKEW_SECONDS,
) -> SqliteLedger | PostgresLedger:
    """Return a ledger, to be used with `async with`; only then is anything opened.

    Args:
        path: The SQLite file; made, readable by its owner only, if it is not there. Or the
            address of a database, `postgresql://user@host/database`, which is given its tables
            if it is empty.
        exclusive: Run campaigns of a file: nobody else may do so until it is closed, and the
            whole file is checked. Others may still look, pause, receive events and suppress
            numbers. A server is shared, whatever is said here.
        clock: Where the moments come from that no caller gives.
        create: If false, a ledger that is not there is an error.
        busy_seconds: How long to wait for another program that is writing to the file.
        reconnect_seconds: How long to wait for a server that went away. Until it is back nobody
            is answered, so nobody is rung.
        max_clock_skew_seconds: How far this host's clock may be from the server's before nothing
            is claimed any more; None if it does not matter, as in a test.

    Raises:
        LedgerError: It is an address that cannot be read. On entering: LedgerInUseError,
            LedgerCorruptError, LedgerVersionError, LedgerBusyError.
        MissingExtraError: It is on a server, and psycopg is not installed.
    """
    if not is_server(path):
        return SqliteLedger(
            file_of(path),
            exclusive=exclusive,
            clock=clock or SystemClock(),
            create=create,
            busy_seconds=busy_seconds,
        )
    address = ServerAddress.read(path)
    from .postgres import PostgresLedger

    return PostgresLedger(
        address,
        clock=clock or SystemClock(),
        create=create,
        reconnect_seconds=reconnect_seconds,
        max_clock_skew_seconds=max_clock_skew_seconds,
    )


async def upgrade_ledger(path: str | Path) -> None:
    """Bring a ledger of an older version up to date; nothing happens if it is.

    A file must not be in use. Workers on a server may go on meanwhile.

    Raises:
        LedgerInUseError: A runner has the file.
        LedgerCorruptError: It is no ledger.
        LedgerVersionError: It was written by a newer version.
    """
    if is_server(path):
        await asyncio.to_thread(upgrade_server, ServerAddress.read(path))
        return
    file = file_of(path)
    if not file.exists():
        raise LedgerError(f"there is no ledger at {file}")
    await asyncio.to_thread(_upgrade, file)


async def copy_ledger(source: str | Path, target: Path) -> None:
    """Copy a file as it stands, also while a runner has it. Never dial from both.

    Raises:
        LedgerError: There is none, or the copy cannot be written.
    """
    file = file_of(source)
    if not file.exists():
        raise LedgerError(f"there is no ledger at {file}")
    await asyncio.to_thread(copy_file, file, target)


def file_of(path: str | Path) -> Path:
    """Return the one name of a ledger's file.

    Raises:
        LedgerError: It is the address of a server.
    """
    if is_server(path):
        # The address may hold a password, so it is not repeated.
        raise LedgerError("a ledger on a server is no file: copy it with pg_dump")
    # Without links, so that all ways to a file lead to the same lock beside it.
    return Path(path).expanduser().resolve()


def _upgrade(file: Path) -> None:
    lock = RunnerLock(file)
    lock.acquire()
    try:
        with translated(file):
            with contextlib.closing(connect(file, busy_seconds=_BUSY_SECONDS)) as connection:
                must_migrate = is_older(connection, file)
            if must_migrate:
                migrate(file)
    finally:
        lock.release()
