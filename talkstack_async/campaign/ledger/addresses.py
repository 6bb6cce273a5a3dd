"""Where a ledger on a server is, said in two ways.

The driver gets the whole address; everybody else one without user and password.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ...errors import LedgerError, MissingExtraError

if TYPE_CHECKING:
    import psycopg

__all__ = ["ServerAddress", "driver", "is_server"]

_SCHEMES = ("postgresql:", "postgres:", "postgresql+")
_EXAMPLE = "postgresql://user@host/database"
# No host and no database has an @ in its name; a password that was not quoted brings one along.
_PLAIN = re.compile(r"[\w.,:/%\[\] -]*")
_CONNECT_SECONDS = 10
# A server that vanished without a word is noticed in seconds; by itself TCP takes many minutes.
_KEPT_ALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def is_server(place: str | Path) -> bool:
    """Say whether a ledger is named by an address, and not by its file."""
    return str(place).startswith(_SCHEMES)


def driver() -> Any:
    """Return the module psycopg.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError(
            "a ledger in PostgreSQL needs psycopg: pip install 'talkstack-async[distributed]'"
        ) from error
    return psycopg


@attrs.frozen
class ServerAddress:
    """The address of a ledger in PostgreSQL.

    Attributes:
        dsn: What libpq takes; it may hold a password, so it is shown nowhere.
        name: `postgresql://host/database`, for messages.
    """

    dsn: str = attrs.field(repr=False)
    name: str

    @classmethod
    def read(cls, url: str | Path) -> ServerAddress:
        """Read an address as people write it: `postgresql://`, `postgres://`, or SQLAlchemy's.

        Raises:
            LedgerError: It is none, or a `Path`, which lost one of the slashes.
            MissingExtraError: The driver is not installed.
        """
        if isinstance(url, Path):
            raise LedgerError(f"give the address of a ledger as text: {_EXAMPLE}")
        dsn = re.sub(r"^(postgresql|postgres)(\+\w+)?:", "postgresql:", url)
        psycopg = driver()
        try:
            parts = psycopg.conninfo.conninfo_to_dict(dsn)
        except psycopg.Error:
            # Its words may hold a part of the password.
            parts = None
        name = parts and dsn.startswith("postgresql://") and _name_of(parts)
        if not name:
            raise LedgerError(
                f"this is no address of a ledger: it is written {_EXAMPLE}, and in user and "
                "password each @ : / ? # % stands as %40 %3A %2F %3F %23 %25"
            )
        return cls(dsn=dsn, name=name)

    def connect(self, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection of one's own; it commits each statement unless told otherwise."""
        given = {
            "autocommit": True,
            "application_name": "talkstack",
            **_KEPT_ALIVE,
            **options,
        }
        if "connect_timeout" not in self.dsn:
            given.setdefault("connect_timeout", _CONNECT_SECONDS)
        connection: psycopg.Connection[tuple[Any, ...]] = driver().connect(self.dsn, **given)
        return connection

    def __str__(self) -> str:
        return self.name


def _name_of(parts: dict[str, Any]) -> str | None:
    """Return what may be shown; None if a part of a password may have got into it."""
    hosts = str(parts.get("host") or "").split(",")
    ports = str(parts.get("port") or "").split(",")
    database = str(parts.get("dbname") or "")
    is_plain = all(_PLAIN.fullmatch(each) for each in (*hosts, database))
    if not is_plain or not all(re.fullmatch(r"\d*", port) for port in ports):
        return None
    places = ",".join(map(_place, hosts, (ports * len(hosts))[: len(hosts)]))
    return f"postgresql://{places}/{database}"


def _place(host: str, port: str) -> str:
    if host.startswith("/"):
        host = ""  # a socket on this machine
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
