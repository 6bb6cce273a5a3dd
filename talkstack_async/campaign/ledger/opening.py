"""Opening a ledger, whatever it lives in."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from ...clock import Clock, SystemClock
from ...errors import LedgerError
from .files import connect, copy_file
from .lock import RunnerLock
from .schema import is_older, migrate
from .sqlite import SqliteLedger
from .translate import translated

__all__ = ["copy_ledger", "open_ledger", "upgrade_ledger"]

_BUSY_SECONDS = 5.0


def open_ledger(
    path: str | Path,
    *,
    exclusive: bool = False,
    clock: Clock | None = None,
    create: bool = True,
    busy_seconds: float = _BUSY_SECONDS,
) -> SqliteLedger:
    """Return a ledger, to be used with `async with`; only then is anything opened.

    Args:
        path: The SQLite file. Made, readable by its owner only, if it is not there.
        exclusive: Run campaigns of it: nobody else may do so until it is closed, and the whole
            file is checked. Others may still look, pause, receive events and suppress numbers.
        clock: Where the moments come from that no caller gives.
        create: If false, a file that is not there is an error.
        busy_seconds: How long to wait for another program that is writing.

    Raises:
        LedgerError: It is an address of a database this version cannot use. On entering:
            LedgerInUseError, LedgerCorruptError, LedgerVersionError, LedgerBusyError.
    """
    return SqliteLedger(
        _file_of(path),
        exclusive=exclusive,
        clock=clock or SystemClock(),
        create=create,
        busy_seconds=busy_seconds,
    )


async def upgrade_ledger(path: str | Path) -> None:
    """Bring a ledger of an older version up to date; nothing happens if it is.

    Raises:
        LedgerInUseError: A runner has it.
        LedgerCorruptError: It is no ledger.
        LedgerVersionError: It was written by a newer version.
    """
    file = _file_of(path)
    if not file.exists():
        raise LedgerError(f"there is no ledger at {file}")
    await asyncio.to_thread(_upgrade, file)


async def copy_ledger(source: str | Path, target: Path) -> None:
    """Copy a ledger as it stands, also while a runner has it.

    Raises:
        LedgerError: There is none, or the copy cannot be written.
    """
    file = _file_of(source)
    if not file.exists():
        raise LedgerError(f"there is no ledger at {file}")
    await asyncio.to_thread(copy_file, file, target)


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


def _file_of(path: str | Path) -> Path:
    if str(path).startswith(("postgresql:", "postgres:", "postgresql+")):
        # The address may hold a password, so it is not repeated.
        raise LedgerError("a ledger in PostgreSQL is not in this version: name a file")
    # Without links, so that all ways to a file lead to the same lock beside it.
    return Path(path).expanduser().resolve()
