"""The command line as people run it: a process of its own, against the emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.emulator import EmulatorThread

COMMAND = (sys.executable, "-m", "talkstack_async")


def environment(emulator: EmulatorThread | None = None, **more: str) -> dict[str, str]:
    """The environment of a command: ours, without what the person running the tests has set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALKSTACK_")}
    kept["PYTHONWARNINGS"] = "error"
    if emulator is not None:
        kept |= {
            "TALKSTACK_API_KEY": emulator.api_key,
            "TALKSTACK_CALLS_URL": emulator.calls_url,
            "TALKSTACK_API_URL": emulator.api_url,
            "TALKSTACK_PROJECT_ID": emulator.project_id,
            "TALKSTACK_AGENT_ID": emulator.agent_id,
        }
    return kept | more


def talkstack(
    *arguments: str | Path, env: dict[str, str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; no secret and no traceback may ever show."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    check_output(done.stdout + done.stderr, env=env)
    return done


def at_once(
    runs: Iterable[tuple[Sequence[str | Path], dict[str, str]]],
) -> list[subprocess.CompletedProcess[str]]:
    """Run commands side by side: most of their time goes into starting."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda run: talkstack(*run[0], env=run[1]), runs))


def check_output(output: str, *, env: dict[str, str]) -> None:
    assert "Traceback" not in output
    for name in ("TALKSTACK_API_KEY", "TALKSTACK_TOKEN"):
        assert not env.get(name) or env[name] not in output


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith("\n")


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


def test_help_is_plain_in_a_pipe_and_names_verbs_and_exit_codes():
    done = talkstack("--help", env=environment())

    assert done.returncode == 0
    for word in ("demo", "call", "dial", "campaign", "suppression", "webhooks", "130 interrupted"):
        assert word in done.stdout
    assert done.stdout.isascii() or "│" not in done.stdout
    assert "\x1b" not in done.stdout


def test_the_version_is_told():
    done = talkstack("--version", env=environment())

    assert (done.returncode, done.stdout.split()[0]) == (0, "talkstack")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_one_line_that_says_what_to_install(missing: str):
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from talkstack_async.__main__ import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr)
    assert "install talkstack-async[cli]" in done.stderr


def test_help_loads_neither_the_emulator_nor_what_campaigns_need():
    program = (
        "import sys\n"
        "from talkstack_async.__main__ import main\n"
        "main()\n"
        "heavy = ('talkstack_async.emulator', 'sqlalchemy', 'alembic', 'phonenumbers')\n"
        "sys.exit(any(name.startswith(heavy) for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        capture_output=True,
        env=environment(),
        check=False,
    )

    assert done.returncode == 0


def test_misuse_is_one_line_and_exit_2(emulator: EmulatorThread):
    misuses = (
        ("nonsense",),
        ("call",),
        ("dial", "x.csv"),
        ("call", "123"),
        ("call", "+12025550101", "--var", "x"),
        ("call", "+12025550101", "--api-key", "secret"),
    )

    for done in at_once((misuse, environment(emulator)) for misuse in misuses):
        assert (done.returncode, done.stdout) == (2, ""), done.args
        assert one_line(done.stderr), done.args
    assert not emulator.rings


def test_a_call_prints_its_id_and_carries_its_variables(emulator: EmulatorThread):
    done = talkstack(
        "call", "+12025550101", "--var", "name=Ada", "--var", "x=1=2", env=environment(emulator)
    )

    (ring,) = emulator.rings
    assert (done.returncode, done.stdout) == (0, f"{ring.call_id}\n")
    assert ring.variables == {"name": "Ada", "x": "1=2"}
    assert "+12025550101" not in done.stderr


def test_a_call_as_json_is_one_document(emulator: EmulatorThread):
    done = talkstack(
        "call", "+12025550101", "--json", "--agent-id", "a", "--project-id", "p",
        env=environment(emulator),
    )  # fmt: skip

    (ring,) = emulator.rings
    document = json.loads(done.stdout)
    assert (document["outcome"], document["call_id"]) == ("placed", ring.call_id)
    assert (ring.agent_id, ring.project_id) == ("a", "p")


def test_a_failed_call_says_by_its_exit_code_whether_it_may_have_rung(emulator: EmulatorThread):
    expected = {
        "+12025550186": (1, "not_placed", 0),
        "+12025550187": (3, "uncertain", 1),
        "+12025550191": (3, "uncertain", 1),
        "+12025550192": (3, "uncertain", 0),
    }

    runs = [(("call", number, "--json"), environment(emulator)) for number in expected]
    for number, done in zip(expected, at_once(runs), strict=True):
        outcome, rings = json.loads(done.stdout)["outcome"], len(emulator.rings_to(number))
        assert (done.returncode, outcome, rings) == expected[number], number
        assert one_line(done.stderr)


def test_a_wrong_configuration_is_one_line_and_exit_2(emulator: EmulatorThread):
    changes = {
        "TALKSTACK_API_KEY": ("", "TALKSTACK_API_KEY"),
        "TALKSTACK_api_key": ("wrong-and-secret", "401"),
        "TALKSTACK_TOKEN": ("another-secret", "exactly one"),
        "TALKSTACK_AGENT_ID": ("", "--agent-id"),
        "TALKSTACK_CALLS_URL": ("http://example.com", "unencrypted"),
        "TALKSTACK_API_URL": ("nonsense", "api_url"),
    }

    runs = [
        (("call", "+12025550101", "--json"), environment(emulator, **{name.upper(): value}))
        for name, (value, _) in changes.items()
    ]
    for (name, (_, said)), done in zip(changes.items(), at_once(runs), strict=True):
        assert done.returncode == 2, name
        assert isinstance(json.loads(done.stdout), dict)
        assert one_line(done.stderr)
        assert said in done.stderr
    assert not emulator.rings


def test_the_emulator_announces_itself_and_ends_well_on_a_signal():
    with subprocess.Popen(
        [*COMMAND, "emulator", "--json", "--seed", "7"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        port = facts["url"].rpartition(":")[2]
        taken = talkstack("emulator", "--port", port, env=environment())
        called = talkstack(
            "call",
            "+12025550101",
            env=environment(
                TALKSTACK_API_KEY=facts["api_key"],
                TALKSTACK_CALLS_URL=facts["calls_url"],
                TALKSTACK_API_URL=facts["api_url"],
                TALKSTACK_PROJECT_ID=facts["project_id"],
                TALKSTACK_AGENT_ID=facts["agent_id"],
            ),
        )
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=10)

    assert (process.returncode, rest) == (0, "")
    assert called.returncode == 0
    assert taken.returncode == 2
    assert one_line(taken.stderr)
    check_output(errors, env={})


def test_the_emulator_prints_lines_that_a_shell_understands():
    with subprocess.Popen(
        [*COMMAND, "emulator"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        exports = "".join(process.stdout.readline() for _ in range(5))
        done = subprocess.run(
            ["sh", "-c", f"{exports} exec {sys.executable} -m talkstack_async call +12025550101"],
            capture_output=True, text=True, env=environment(), timeout=30, check=False,
        )  # fmt: skip
        process.terminate()

    assert (done.returncode, process.returncode) == (0, 0), done.stderr
    assert done.stdout.startswith("CA")
