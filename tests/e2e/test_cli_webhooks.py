"""`talkstack webhooks serve`: events go into a ledger, whatever becomes of the process."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.records import EventRecord
from talkstack_async.cli.app import run
from talkstack_async.emulator import EmulatorThread, WebhookScript
from tests.e2e.test_cli import COMMAND, check_output, environment, one_line
from tests.e2e.test_cli_groups import place_call

LIFE = {"queued", "ringing", "in-progress", "completed"}


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread(
        webhooks=WebhookScript(duplicates=0.5, disorder=0.5, timeout=60)
    ) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.csv.talkstack.db"

    async def create() -> None:
        async with open_ledger(path):
            pass

    asyncio.run(create())
    return path


def events_in(path: Path) -> list[EventRecord]:
    async def read() -> list[EventRecord]:
        async with open_ledger(path, create=False) as ledger:
            return [event for event, _ in await ledger.take_events(limit=1000)]

    return asyncio.run(read())


class Serving:
    """A server in a process of its own, and what it said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.facts: dict[str, Any] = json.loads(process.stdout.readline())
        self.rest = ""
        self.errors = ""

    @property
    def token(self) -> str:
        return str(self.facts["url"]).rpartition("/")[2]

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.rest, self.errors = self.process.communicate(timeout=30)
        return self.process.returncode


@contextmanager
def serving(
    ledger: Path, *options: str | Path, emulator: EmulatorThread | None = None
) -> Iterator[Serving]:
    arguments = ["webhooks", "serve", "--ledger", ledger, "--port", "0", "--json", *options]
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(emulator),
    ) as process:
        try:
            yield Serving(process)
        finally:
            process.kill()


def post(url: str, body: bytes) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=30) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_events_of_calls_reach_the_ledger_once_each(
    emulator: EmulatorThread, ledger: Path
) -> None:
    with serving(ledger, "--register", emulator=emulator) as server:
        calls = [place_call(emulator) for _ in range(5)]
        emulator.advance(10_000)
        emulator.wait_for_webhooks()
        code = server.end()

    assert {one.fate for one in emulator.webhooks} == {"delivered"}
    kept = events_in(ledger)
    assert {event.call_id for event in kept} == set(calls)
    for call_id in calls:
        told = [event.status for event in kept if event.call_id == call_id]
        assert (len(told), set(told)) == (4, LIFE)
    doubles = len(emulator.webhooks) - 20
    assert doubles > 0
    assert (code, server.rest) == (0, "")
    assert server.facts["registered"] is True
    assert f"20 new events were kept; {doubles} were there before" in server.errors
    assert server.token not in server.errors
    check_output(server.errors, env=environment(emulator))


def test_a_killed_server_has_kept_what_it_acknowledged_and_comes_back_to_its_address(
    ledger: Path,
) -> None:
    with serving(ledger) as server:
        for place in range(20):
            assert post(server.facts["url"], f'{{"sid": "CA{place}"}}'.encode()) == 200
        server.process.kill()
    kept = Path(f"{ledger}.webhook")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text() == f"{server.token}\n"
    assert [event.call_id for event in events_in(ledger)] == [f"CA{i}" for i in range(20)]

    with serving(ledger) as again:
        assert again.token == server.token
        assert post(again.facts["url"], b'{"sid": "CA0"}') == 200
        assert again.end() == 0
    assert "0 new events were kept; 1 were there before" in again.errors
    assert len(events_in(ledger)) == 20


def test_whoever_does_not_know_the_address_writes_nothing(ledger: Path) -> None:
    with serving(ledger, "--public-url", "https://hooks.example.com/x/") as server:
        at, token = server.facts["listens_on"], server.token
        for path in ("", "talkstack", f"talkstack/{token[::-1]}", token):
            assert post(f"{at}/{path}", b'{"sid": "CA1"}') == 404
        assert post(f"{at}/talkstack/{token}", b"rubbish") == 400
        assert server.end() == 0
    assert server.facts["url"] == f"https://hooks.example.com/x/talkstack/{token}"
    assert server.facts["registered"] is False
    assert events_in(ledger) == []
    assert token not in server.errors


def test_people_get_the_address_on_stdout_and_the_rest_on_stderr(
    ledger: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    options = ["--ledger", ledger, "--port", "0", "--token-file", file]
    with subprocess.Popen(
        [*COMMAND, "webhooks", "serve", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        process.terminate()
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert address.endswith(f"/talkstack/{file.read_text().strip()}")
    assert "Ctrl-C ends it" in errors
    assert file.read_text().strip() not in errors


@pytest.fixture
def failing(
    ledger: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Any:
    for name, value in environment(XDG_CONFIG_HOME=str(tmp_path)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TALKSTACK_API_KEY", raising=False)

    def fail(*options: str | Path, of: Path = ledger, code: int = 2) -> str:
        arguments = ["webhooks", "serve", "--ledger", of, "--port", "0", *options]
        assert run([str(each) for each in arguments]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert one_line(err)
        return err

    return fail


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "example.com", "https://", "https://u:p@example.com", "https://[",
        "https://example.com:port", "https://example.com?a=b", "https://example.com#a", "ftp://x",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_public_is_refused(failing: Any, url: str) -> None:
    assert "--public-url" in failing("--public-url", url)


def test_what_cannot_be_served_is_one_line_and_leaves_no_token(
    failing: Any, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ledger.with_name("missing.db")
    assert "talkstack dial creates one" in failing(of=missing)
    assert "TALKSTACK_API_KEY" in failing("--register")
    monkeypatch.setenv("TALKSTACK_API_KEY", "k" * 64)
    assert "--register needs --public-url" in failing("--register")
    assert not missing.exists()
    assert not missing.with_name("missing.db.webhook").exists()
    assert not Path(f"{ledger}.webhook").exists()


def test_a_file_that_holds_no_token_or_shows_it_is_refused(failing: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("short")
    assert "chmod 600" in failing("--token-file", file)
    file.chmod(0o600)
    assert "no token of ours" in failing("--token-file", file)
    assert file.read_text() == "short"


def test_a_port_that_is_taken_is_one_line(failing: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = failing("--port", str(taken.getsockname()[1]))
    assert "cannot be opened" in said


def test_what_is_no_ledger_is_one_line(failing: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"something else, and quite long " * 100)
    assert "ledger" in failing(of=other, code=2)


def test_a_service_that_refuses_the_address_ends_it(
    failing: Any, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(emulator, TALKSTACK_API_KEY="wrong").items():
        monkeypatch.setenv(name, value)
    assert "401" in failing("--register")
