"""The files of a SQLite ledger: made in one step, private from the first byte, checked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from ...errors import LedgerCorruptError, LedgerError
from .leaving import refuse_if_marked
from .schema import check_version, migrate
from .translate import translated

__all__ = ["check_file", "connect", "copy_file", "create_file"]

_PRAGMAS = (
    # T1 must survive a power cut: with NORMAL it could be rolled back, and somebody who was
    # called would look as if he were not. On macOS only FULLFSYNC reaches the disk.
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
    # 16 MB: numbers come in no order, so an import would write each page again and again.
    "PRAGMA wal_autocheckpoint = 4000",
)


def connect(path: Path, *, busy_seconds: float) -> sqlite3.Connection:
    """Open a ledger for writing. It must exist."""
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def create_file(path: Path) -> None:
    """Make an empty ledger, unless there is one: whole or not at all, also if killed.

    Raises:
        LedgerError: The directory cannot be written.
    """
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        # Before SQLite sees it, so that nobody else can read it for a moment. The files SQLite
        # puts beside it get the same mode.
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with translated(path):
                migrate(draft)
                _switch_to_wal(draft)
            _publish(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(f"{path} cannot be created: {error.strerror}") from error


def copy_file(source: Path, target: Path) -> None:
    """Copy a ledger as it stands, what others are writing left out; only the owner may read it.

    Raises:
        LedgerError: The target is there already, or cannot be written.
    """
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise LedgerError(f"{target} cannot be created: {error.strerror}") from error
    try:
        with (
            translated(source),
            contextlib.closing(connect(source, busy_seconds=5.0)) as original,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
    except BaseException:
        # Half a ledger is none.
        target.unlink(missing_ok=True)
        raise


def check_file(
    path: Path, *, thoroughly: bool, busy_seconds: float, may_be_moved: bool = False
) -> None:
    """Make sure that a file is a ledger of this version, and that it is whole.

    Args:
        path: The file.
        thoroughly: Its campaigns are to be run, so all of it is read, which takes about a second
            per million contacts; and it must not have been moved to a server.
        may_be_moved: It may, all the same.
        busy_seconds: How long to wait for whoever has it locked.

    Raises:
        LedgerCorruptError: It is damaged, or is no ledger.
        LedgerVersionError: It is one of another version.
        LedgerError: It was moved to a server.
    """
    if path.stat().st_size == 0:
        raise LedgerCorruptError(f"{path} is empty: no ledger. Remove it and run again")
    with translated(path), contextlib.closing(connect(path, busy_seconds=busy_seconds)) as opened:
        check_version(opened, path)
        if thoroughly and not may_be_moved:
            refuse_if_marked(opened, path)
        if thoroughly:
            (answer,) = opened.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise LedgerCorruptError(
                    f"{path} is damaged ({answer}). Keep the file and restore a copy"
                )


def _switch_to_wal(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise LedgerError(f"{path.parent} is on a file system that cannot hold a ledger")


def _publish(draft: Path, path: Path) -> None:
    """Give a finished file its name; whoever was first wins."""
    _sync(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:
        # No hard links here. Two that create it at the same moment are then one too many.
        draft.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    # A directory cannot be opened on Windows, and needs no syncing there.
    with contextlib.suppress(PermissionError):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
