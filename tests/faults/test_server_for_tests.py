"""The server the other tests run on: it comes back after anything, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.postgres import PLACE, Databases, PostgresServer, on_server

ROOT = Path(__file__).parents[2]
# What a session of tests does, and hangs.
HANGS = """
import time
from tests.support.postgres import Databases, PostgresServer

with PostgresServer() as server, Databases(server.url).fresh() as url:
    print(url, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory for servers, which `nobody` may enter as well."""
    with tempfile.TemporaryDirectory(dir="/tmp" if postgres._is_root() else None) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_a_server_that_was_stopped_has_what_was_written(how: str) -> None:
    with PostgresServer(durable=True) as server:
        on_server(server.url, "CREATE TABLE kept (n int)")
        on_server(server.url, "INSERT INTO kept VALUES (7)")
        port = server.port
        if how == "kill":
            server.kill()
        else:
            server.stop(how)
        with pytest.raises(psycopg.OperationalError):
            on_server(server.url, "SELECT 1")
        server.start()
        assert server.port == port
        assert on_server(server.url, "SELECT n FROM kept") == [(7,)]
        assert on_server(server.url, "SHOW fsync") == [("on",)]
    assert not server.directory.exists()


def test_databases_do_not_see_each_other(databases: Databases) -> None:
    with databases.fresh() as one, databases.fresh() as other:
        on_server(one, "CREATE TABLE only_here (n int)")
        assert on_server(
            other, "SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'"
        ) == [(0,)]
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        on_server(one, "SELECT 1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_its_tests_are_gone(place: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGS],
        cwd=ROOT,
        env={**os.environ, PLACE: str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert on_server(url, "SELECT 1") == [(1,)]
        process.send_signal(number)
        if number is signal.SIGINT and not _hears_ctrl_c():
            process.terminate()
    until = time.monotonic() + 60
    while any(place.iterdir()):
        assert time.monotonic() < until, "files are left"
        time.sleep(0.05)
    with pytest.raises(psycopg.OperationalError):
        on_server(url, "SELECT 1")


def _hears_ctrl_c() -> bool:
    # What a shell runs in the background ignores it, and so do its children.
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.skipif(not postgres._is_root(), reason="only root has a closed home")
def test_binaries_that_nobody_can_reach_are_copied(tmp_path: Path) -> None:
    binaries = postgres._binaries()
    assert binaries is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "site").symlink_to(binaries.parents[2])
    found = postgres._reachable(closed / "site" / binaries.relative_to(binaries.parents[2]),
                                tmp_path)  # fmt: skip
    assert found.is_relative_to(tmp_path)
    assert found.joinpath("postgres").exists()
    assert postgres._reachable(binaries, tmp_path) in (binaries, found)
