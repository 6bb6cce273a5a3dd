"""The schema's version, and Alembic to make it and to bring it up to date.

Alembic is only loaded when there is something to make: opening a ledger that is up to date
reads one row.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import LedgerCorruptError, LedgerError, LedgerVersionError, MissingExtraError
from .addresses import ServerAddress
from .translate import translated

__all__ = [
    "VERSION",
    "check_version",
    "is_older",
    "migrate",
    "migrate_server",
    "prepare_server",
    "upgrade_server",
]

# What this package reads and writes. Versions are counted up, and compare as text.
VERSION = "0002"

_MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic keeps the migration under way in a global.
_ONE_AT_A_TIME = threading.Lock()
# Of whoever makes or migrates a ledger on a server; others wait until it is done.
_MIGRATING = 0x7A1C_57AC
# Workers that are dialling must not stand still for long behind a migration that waits itself.
_WAIT_FOR_TABLES = "10s"

_OURS = ("alembic_version", "attempt", "audit")
_TABLES_THERE = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relname = ANY(%s)"
)


# --- Files.


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Make sure that a ledger was written by this version of the schema.

    Raises:
        LedgerVersionError: It was not.
        LedgerCorruptError: It is no ledger at all.
    """
    if is_older(connection, path):
        raise _too_old(str(path))


def is_older(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether a ledger must be migrated before this version can use it.

    Raises:
        LedgerVersionError: It was written by a newer version.
        LedgerCorruptError: It is no ledger at all.
    """
    version = _version_of(connection)
    if version is None:
        raise LedgerCorruptError(f"{path} is a database, but no ledger of this package")
    return _must_migrate(version, str(path))


def migrate(path: Path, *, to: str = "head") -> None:
    """Bring a file to a version of the schema, in one transaction.

    Raises:
        MissingExtraError: SQLAlchemy or Alembic is not installed.
    """
    _run(
        "sqlite://",
        lambda: sqlite3.connect(path, isolation_level=None),
        begin="BEGIN IMMEDIATE",
        to=to,
    )


# --- Servers.


def prepare_server(address: ServerAddress, *, create: bool) -> None:
    """Make sure that there is a ledger of this version; make it in an empty database if told to.

    Raises:
        LedgerVersionError: It was written by another version.
        LedgerError: There is none, or it cannot be reached or made.
    """
    version = _version_on(address)
    if version is None:
        if not create:
            raise LedgerError(f"there is no ledger at {address.name}: the database is empty")
        migrate_server(address)
    elif _must_migrate(version, address.name):
        raise _too_old(address.name)


def upgrade_server(address: ServerAddress) -> None:
    """Bring a ledger of an older version up to date; workers may go on meanwhile.

    Raises:
        LedgerVersionError: It was written by a newer version.
        LedgerError: There is none, or it cannot be reached or changed.
    """
    version = _version_on(address)
    if version is None:
        raise LedgerError(f"there is no ledger at {address.name}: the database is empty")
    if _must_migrate(version, address.name):
        migrate_server(address)


def migrate_server(address: ServerAddress, *, to: str = "head") -> None:
    """Bring a database to a version of the schema, in one transaction; one after the other."""
    with translated(address.name):
        _run(
            "postgresql+psycopg://",
            # Not in autocommit: SQLAlchemy begins and commits.
            lambda: address.connect(autocommit=False),
            begin=f"SELECT pg_advisory_xact_lock({_MIGRATING}); "
            f"SET LOCAL lock_timeout = '{_WAIT_FOR_TABLES}'",
            to=to,
        )


# --- Both.


def _must_migrate(version: str, name: str) -> bool:
    if version > VERSION:
        raise LedgerVersionError(
            f"{name} was written by a newer version (schema {version}, this one has {VERSION}): "
            "upgrade talkstack-async"
        )
    return version < VERSION


def _too_old(name: str) -> LedgerVersionError:
    return LedgerVersionError(
        f"{name} was written by an older version of this package: run talkstack ledger upgrade"
    )


def _run(url: str, connect: Callable[[], Any], *, begin: str, to: str) -> None:
    try:
        import sqlalchemy as sa
        from alembic import command
        from alembic.config import Config
        from sqlalchemy import event
    except ImportError as error:
        raise MissingExtraError(
            "a ledger needs SQLAlchemy and Alembic: pip install 'talkstack-async[campaign]'"
        ) from error
    config = Config()
    # A percent sign would start an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = sa.create_engine(url, creator=connect, poolclass=sa.pool.NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    with _ONE_AT_A_TIME, engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _version_of(connection: sqlite3.Connection) -> str | None:
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    row = (
        connection.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    )
    return None if row is None else str(row[0])


def _version_on(address: ServerAddress) -> str | None:
    """Return the version of the ledger in a database, None if there is none."""
    with translated(address.name), contextlib.closing(address.connect()) as connection:
        there = {name for (name,) in connection.execute(_TABLES_THERE, [list(_OURS)])}
        if not there:
            return None
        if there != set(_OURS):
            raise LedgerCorruptError(
                f"{address.name} is a database of something else: give the ledger one of its own"
            )
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise LedgerCorruptError(f"{address.name} is a database, but no ledger of this package")
    return str(row[0])
