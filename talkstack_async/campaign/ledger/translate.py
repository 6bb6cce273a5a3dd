"""What sqlite3 raises, in this package's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import LedgerBusyError, LedgerCorruptError, LedgerError, LedgerFullError

__all__ = ["ledger_error", "translated"]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# SQLite says FULL for ENOSPC only. A quota, or a limit on the size of files, is one of these.
_NO_ROOM = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)


def ledger_error(error: sqlite3.Error, path: Path) -> LedgerError:
    """Return the error of ours that says what an error of SQLite means."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _BUSY:
        return LedgerBusyError(
            f"{path} stayed locked by another program. Close what has it open and run again"
        )
    if primary == sqlite3.SQLITE_FULL or code in _NO_ROOM:
        return LedgerFullError(
            f"{path} cannot grow ({error}): the disk is full, or a quota or limit is reached. "
            "Nothing was lost; make room and run the same command again"
        )
    if primary in _CORRUPT:
        return LedgerCorruptError(
            f"{path} is damaged or is no ledger ({error}). Keep the file and restore a copy"
        )
    if primary == sqlite3.SQLITE_READONLY:
        return LedgerError(f"{path} may not be written ({error}): check its owner and mode")
    return LedgerError(f"{path} cannot be read or written ({error})")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises inside into a `LedgerError`, also when SQLAlchemy wrapped it."""
    try:
        yield
    except sqlite3.Error as error:
        raise ledger_error(error, path) from error
    except Exception as error:
        inner = getattr(error, "orig", None)
        if not isinstance(inner, sqlite3.Error):
            raise
        raise ledger_error(inner, path) from error
