"""What sqlite3 and psycopg raise, in this package's words.

The words of PostgreSQL come in two parts. The detail may hold a whole phone number ("Key
(number)=(...) already exists"), so only the first part is ever told.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import LedgerBusyError, LedgerCorruptError, LedgerError, LedgerFullError

__all__ = ["ledger_error", "server_error", "translated"]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# SQLite says FULL for ENOSPC only. A quota, or a limit on the size of files, is one of these.
_NO_ROOM = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
)

# By SQLSTATE, or its first two digits: what the words of PostgreSQL mean to whoever reads them.
_OF_SERVER: dict[str, tuple[type[LedgerError], str]] = {
    "53100": (
        LedgerFullError,
        "cannot grow: the server's disk is full. Nothing was lost; make room and run again",
    ),
    "53300": (
        LedgerBusyError,
        "has no connection to spare: run fewer workers, or raise max_connections",
    ),
    "53": (LedgerBusyError, "has run out of something"),
    "55P03": (LedgerBusyError, "stayed locked by another program. Run again"),
    "57014": (LedgerBusyError, "took too long to answer"),
    "40": (LedgerBusyError, "was changed by several at once. Run again"),
    "57P": (LedgerBusyError, "is being stopped or started"),
    "08": (LedgerBusyError, "cannot be reached"),
    "28": (LedgerError, "does not let this user in: check user, password and pg_hba.conf"),
    "3D000": (LedgerError, "is not there: create the database first"),
    "3F000": (LedgerError, "has no schema to put tables in: check its search_path"),
    "25006": (LedgerError, "may only be read here"),
    "42501": (
        LedgerError,
        "does not allow its user to do this: grant it, or use the tables' owner",
    ),
    "42P07": (
        LedgerError,
        "holds tables of the same names: give the ledger a database of its own",
    ),
    "42P01": (LedgerCorruptError, "lacks a table: it is no ledger, or not any more"),
    "42703": (LedgerCorruptError, "lacks a column: it is no ledger, or not any more"),
    "22": (LedgerCorruptError, "holds what no version of this package wrote. Restore a backup"),
    "XX": (LedgerCorruptError, "is damaged. Restore a backup"),
}
_TOLD_AT_MOST = 300


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
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return LedgerError(f"{path} is not changed: {error}")
    return LedgerError(f"{path} cannot be read or written ({error})")


def server_error(error: BaseException, name: str) -> LedgerError:
    """Return the error of ours that says what an error of psycopg means.

    Raise it `from None` if `error.diag.message_detail` is set, which may name people.
    """
    told = _told(error)
    state = getattr(error, "sqlstate", None) or _state_by_words(error, told)
    for length in (5, 3, 2):
        if (meaning := _OF_SERVER.get(state[:length])) is not None:
            kind, words = meaning
            return kind(f"the ledger {name} {words} ({told})")
    return LedgerError(f"the ledger {name} cannot be read or written ({told})")


def _told(error: BaseException) -> str:
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    # Without a diagnosis it is libpq that speaks: of hosts and users, never of passwords.
    words = primary or str(error)
    return " ".join(words.split())[:_TOLD_AT_MOST]


# What libpq says of a connection that was refused has no code, only words.
_BY_WORDS = {
    "password": "28000",
    "authentication": "28000",
    "pg_hba.conf": "28000",
    "role": "28000",
    "too many": "53300",
    "remaining connection slots": "53300",
    "starting up": "57P03",
    "shutting down": "57P03",
    "database": "3D000",
}


def _state_by_words(error: BaseException, told: str) -> str:
    if not isinstance(error, _errors_of_server("OperationalError")):
        return ""
    refusal = told.rpartition("FATAL:")
    if refusal[1]:
        for words, state in _BY_WORDS.items():
            if words in refusal[2]:
                return state
    return "08006"


@contextmanager
def translated(place: Path | str) -> Iterator[None]:
    """Turn what a database raises inside into a `LedgerError`, also when SQLAlchemy wrapped it.

    Args:
        place: The ledger's file, or the name of its address.
    """
    try:
        yield
    except Exception as error:
        inner: Any = getattr(error, "orig", None) or error
        if isinstance(inner, sqlite3.Error):
            raise ledger_error(inner, Path(place)) from error
        if not isinstance(inner, _errors_of_server("Error")):
            raise
        ours = server_error(inner, str(place))
        if inner.diag.message_detail is not None or inner is not error:
            raise ours from None
        raise ours from error


def _errors_of_server(name: str) -> tuple[Any, ...]:
    # If nobody has loaded the driver, it raised nothing.
    module = sys.modules.get("psycopg")
    return () if module is None else (getattr(module, name),)
