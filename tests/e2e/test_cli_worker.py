"""`talkstack worker`, and `talkstack dial` as a worker: processes on a real PostgreSQL."""

from __future__ import annotations

import json
import queue
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from talkstack_async.emulator import EmulatorThread, Script
from tests.e2e.test_cli import COMMAND, environment, one_line, talkstack
from tests.support.running import numbers

PASSWORD = "hunter2-very-secret"
ANY_HOUR = ("--calling-window", "00:00-24:00")
PLACED_ONLY = (*ANY_HOUR, "--no-follow")


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def ledger(postgres_url: str) -> str:
    return postgres_url.replace("postgres@", f"postgres:{PASSWORD}@")


def people(path: Path, *them: str, name: str = "list.csv") -> Path:
    file = path / name
    file.write_text("number,name\n" + "".join(f"{each},Ada\n" for each in them))
    return file


def rang(emulator: EmulatorThread) -> Counter[str]:
    return Counter(ring.number for ring in emulator.rings)


class Process:
    """A command at work. What it says for people is read as it comes."""

    def __init__(self, *words: str | Path, env: dict[str, str]) -> None:
        self.err = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [*COMMAND, *map(str, words)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def hear(self, pattern: str) -> re.Match[str]:
        """Wait for a line on stderr."""
        while (line := self._lines.get(timeout=60)) is not None:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without saying {pattern!r}:\n{self.err}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, dict[str, Any]]:
        """Wait for the end; return the exit code and the document."""
        code = self._process.wait(60)
        self._reader.join(10)
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        assert PASSWORD not in self.err + out
        assert "Traceback" not in self.err, self.err
        return code, json.loads(out) if out else {}

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.err += line
            self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_dial_works_a_database_alone_and_the_same_command_goes_on(
    emulator: EmulatorThread, ledger: str, tmp_path: Path
):
    env, them = environment(emulator, TALKSTACK_LEDGER=ledger), numbers(12)
    file = people(tmp_path, *them[:6])
    first = talkstack("dial", file, *PLACED_ONLY, "--json", env=env)
    people(tmp_path, *them)
    again = talkstack("dial", file, "--json", env=env)

    shown = [json.loads(done.stdout) for done in (first, again)]
    assert [each["ending"] for each in shown] == ["finished", "finished"]
    assert [each["exit_code"] for each in shown] == [first.returncode, again.returncode] == [0, 0]
    assert shown[1]["import"] | {"rows": 12, "added": 6, "unchanged": 6} == shown[1]["import"]
    assert rang(emulator) == dict.fromkeys(them, 1)
    assert PASSWORD not in first.stdout + first.stderr + again.stdout + again.stderr
    # The environment names it, so no option is needed to go on.
    assert "talkstack worker with the same TALKSTACK_LEDGER" in first.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"list.csv"}


def test_a_worker_dials_what_dial_has_made_is_well_and_drains_when_it_is_told_to(
    emulator: EmulatorThread, ledger: str, tmp_path: Path
):
    env, them = environment(emulator), numbers(30)
    file = people(tmp_path, *them)
    made = talkstack(
        "dial", people(tmp_path, "+12025550186", name="one.csv"), *PLACED_ONLY,
        "--campaign", "list.csv", "--ledger", ledger, env=env,
    )  # fmt: skip
    assert made.returncode == 1  # the only one is refused
    with Process("worker", "--ledger", ledger, "--health-port", "0", "--json", env=env) as worker:
        health = worker.hear(r"health: (http://127\.0\.0\.1:\d+)/livez")[1]
        worker.hear("Ctrl-C drains it")
        assert fetch(f"{health}/livez") == (200, "ok\n")
        with Process("dial", file, "--ledger", ledger, "--json", env=env) as dial:
            assert dial.end()[0] == 1
        shown = talkstack("campaign", "workers", ledger, "--json", env=env)
        (known,) = [json.loads(line) for line in shown.stdout.splitlines()]
        code, text = fetch(f"{health}/readyz")
        metrics = fetch(f"{health}/metrics")[1]
        worker.send(signal.SIGTERM)
        ended, document = worker.end()
    assert (code, json.loads(text)["ready"]) == (200, True)
    assert json.loads(text)["worker"] == known["worker"] == document["worker"]
    assert known["state"] == "working"
    assert 'talkstack_contacts{campaign="list.csv",state="done"} 31.0' in metrics
    assert "process_cpu_seconds_total" in metrics
    assert (ended, document["exit_code"]) == (0, 0)
    assert rang(emulator) == dict.fromkeys(them, 1)
    gone = talkstack("campaign", "workers", ledger, env=env)
    assert (gone.stdout, one_line(gone.stderr)) == ("", True)


def test_a_worker_ends_by_itself_when_nothing_is_left_if_that_was_wanted(
    emulator: EmulatorThread, ledger: str, tmp_path: Path
):
    env, them = environment(emulator), numbers(5)
    file = people(tmp_path, *them)
    with Process("dial", file, *PLACED_ONLY, "--ledger", ledger, "--json", env=env) as dial:
        dial.hear("on other hosts, too")
        with Process("worker", "--ledger", ledger, "--until-done", "--json", env=env) as worker:
            code, document = worker.end()
        assert dial.end()[0] == 0
    assert (code, document["exit_code"]) == (0, 0)
    assert rang(emulator) == dict.fromkeys(them, 1)


def test_a_worker_for_a_campaign_that_is_not_there_says_so(emulator: EmulatorThread, ledger: str):
    done = talkstack(
        "worker", "--ledger", ledger, "--campaign", "autumn", env=environment(emulator)
    )
    assert (done.returncode, one_line(done.stderr)) == (2, True)
    assert "autumn" in done.stderr
    assert PASSWORD not in done.stderr


def test_a_health_port_that_is_taken_is_one_line(emulator: EmulatorThread, ledger: str):
    port = emulator.url.rpartition(":")[2]
    done = talkstack(
        "worker", "--ledger", ledger, "--health-port", port, env=environment(emulator)
    )
    assert (done.returncode, one_line(done.stderr)) == (2, True)
    assert f"port {port} cannot be opened" in done.stderr


@pytest.fixture
def endless() -> Iterator[EmulatorThread]:
    """A service whose calls never end."""
    with EmulatorThread(script=Script(latency=0.02, queued_for=0, talking_for=1e6)) as emulator:
        yield emulator


def test_a_drained_dial_says_how_to_go_on_without_a_password(
    endless: EmulatorThread, ledger: str, tmp_path: Path
):
    env, file = environment(endless), people(tmp_path, *numbers(40))
    options = (*ANY_HOUR, "--max-concurrency", "3", "--ledger", ledger, "--json")
    with Process("dial", file, *options, env=env) as dial:
        dial.hear("followed 3")
        dial.send(signal.SIGINT)
        code, document = dial.end()
    assert (code, document["ending"], document["exit_code"]) == (130, "stopped", 130)
    assert document["contacts"]["active"] == 3
    assert "the same command goes on" in dial.err
    assert sum(rang(endless).values()) == 3


def test_a_second_signal_gives_up_waiting_for_answers(
    ledger: str, tmp_path: Path, emulator: EmulatorThread
):
    # So slow to answer that the drain would wait for its whole grace.
    with EmulatorThread(script=Script(latency=40.0)) as slow:
        env, file = environment(slow), people(tmp_path, *numbers(4))
        with Process("dial", file, *PLACED_ONLY, "--ledger", ledger, "--json", env=env) as dial:
            dial.hear("being placed [1-4]")
            with Process("worker", "--ledger", ledger, "--json", env=env) as worker:
                worker.hear("Ctrl-C drains it")
                worker.send(signal.SIGINT)
                worker.hear("draining")
                assert worker.end()[0] == 0
            dial.send(signal.SIGINT)
            dial.hear("stopping")
            dial.send(signal.SIGINT)
            code, document = dial.end()
    assert code == 130
    assert document["attempts"]["unknown"] == 4
    assert "may have rung, and not found yet: 4" in dial.err
