"""The schema's version, and Alembic to make it and to bring it up to date.

Alembic is only loaded when there is something to make: opening a ledger that is up to date
reads one row.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

from ...errors import LedgerCorruptError, LedgerVersionError, MissingExtraError

__all__ = ["VERSION", "check_version", "is_older", "migrate"]

# What this package reads and writes. Versions are counted up, and compare as text.
VERSION = "0001"

_MIGRATIONS = Path(__file__).parent / "migrations"
# Alembic keeps the migration under way in a global.
_ONE_AT_A_TIME = threading.Lock()


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Make sure that a ledger was written by this version of the schema.

    Raises:
        LedgerVersionError: It was not.
        LedgerCorruptError: It is no ledger at all.
    """
    if is_older(connection, path):
        raise LedgerVersionError(
            f"{path} was written by an older version of this package: "
            "run talkstack campaign upgrade"
        )


def is_older(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether a ledger must be migrated before this version can use it.

    Raises:
        LedgerVersionError: It was written by a newer version.
        LedgerCorruptError: It is no ledger at all.
    """
    version = _version_of(connection)
    if version is None:
        raise LedgerCorruptError(f"{path} is a database, but no ledger of this package")
    if version > VERSION:
        raise LedgerVersionError(
            f"{path} was written by a newer version (schema {version}, this one has {VERSION}): "
            "upgrade talkstack-async"
        )
    return version < VERSION


def migrate(path: Path) -> None:
    """Bring a database to this version, in one transaction.

    Raises:
        MissingExtraError: SQLAlchemy or Alembic is not installed.
    """
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
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, isolation_level=None),
        poolclass=sa.pool.NullPool,
    )
    event.listen(engine, "begin", _begin)
    with _ONE_AT_A_TIME, engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _version_of(connection: sqlite3.Connection) -> str | None:
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    row = (
        connection.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    )
    return None if row is None else str(row[0])
