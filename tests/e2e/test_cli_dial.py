"""`talkstack dial`: every row once, every row accounted for; the emulator's ledger decides."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.emulator import EmulatorThread, Fault, Script
from tests.e2e.test_cli import COMMAND, at_once, check_output, environment, one_line, talkstack

KEYS = ["row", "number", "outcome", "call_id", "to", "from", "error"]


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread(script=Script(latency=0.02)) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def write_list(path: Path, *lines: str, name: str = "list.csv") -> Path:
    file = path / name
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def long_list(path: Path, count: int) -> Path:
    return write_list(path, "number,name", *(f"+1202{n:07d},Nr. {n}" for n in range(count)))


def lines_of(out: Path) -> list[dict[str, Any]]:
    """The results in order of rows, each whole and with the promised keys."""
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(list(line) in (KEYS, [*KEYS, "status", "disposition"]) for line in lines)
    assert len({line["row"] for line in lines}) == len(lines)
    return sorted(lines, key=lambda line: line["row"])


def numbers(lines: list[dict[str, Any]], *outcomes: str) -> Counter[str]:
    return Counter(line["number"] for line in lines if line["outcome"] in outcomes)


def rang(emulator: EmulatorThread) -> Counter[str]:
    return Counter(ring.number for ring in emulator.rings)


def test_every_row_has_a_line_and_rings_once(emulator: EmulatorThread, tmp_path: Path, out: Path):
    file = write_list(
        tmp_path,
        "number;name;dynamicVariables",
        '+12025550101;Ada;"{""n"": 1}"',
        "+12025550186;Refused;",
        "nonsense;Nobody;",
        "+1 202 555 0101;Ada again;",
        "+12025550187;Lost;",
        "+12025550189;Busy service;",
    )

    done = talkstack("dial", file, "--results", out, env=environment(emulator))

    lines = lines_of(out)
    assert done.returncode == 3
    assert [line["outcome"] for line in lines] == [
        "placed", "not_placed", "not_placed", "not_placed", "uncertain", "placed",
    ]  # fmt: skip
    assert lines[0]["call_id"] == emulator.rings_to("+12025550101")[0].call_id
    assert lines[0]["to"] == "+12025550101"
    assert lines[0]["error"] is None
    assert "400" in lines[1]["error"]
    assert lines[2]["number"] == "nonsense"
    assert "duplicate" in lines[3]["error"]
    assert lines[4]["call_id"] is None
    assert rang(emulator) == numbers(lines, "placed", "uncertain")
    assert emulator.rings_to("+12025550101")[0].variables == {"name": "Ada", "n": 1}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    for shown in ("row 3", "row 4", "row 5", "start with +"):
        assert shown in done.stdout
    assert "+12025550187" not in done.stdout + done.stderr


def test_the_exit_code_tells_whether_all_were_placed(emulator: EmulatorThread, tmp_path: Path):
    good = write_list(tmp_path, "number", "+12025550101", name="good.csv")
    mixed = write_list(tmp_path, "number", "+12025550102", "+12025550186", name="mixed.csv")

    done = at_once(
        (("dial", file, "--results", file.with_suffix(".out")), environment(emulator))
        for file in (good, mixed)
    )

    assert [one.returncode for one in done] == [0, 1]


def test_json_lines_are_dialled_and_stdout_is_one_document(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = write_list(
        tmp_path,
        '{"number": "+12025550101", "n": 1, "dynamicVariables": {"m": [2]}}',
        "oops",
        name="list.jsonl",
    )

    done = talkstack("dial", file, "--results", out, "--json", env=environment(emulator))

    summary = json.loads(done.stdout)
    assert done.returncode == summary["exit_code"] == 1
    assert (summary["rows"], summary["placed"], summary["not_placed"]) == (2, 1, 1)
    assert emulator.rings[0].variables == {"n": 1, "m": [2]}


def test_followed_calls_say_how_they_ended(tmp_path: Path, out: Path):
    file = write_list(tmp_path, "number", "+12025550101", "+12025550180", "+12025550186")
    at_once_over = Script(queued_for=0, ringing_for=0, talking_for=0)

    with EmulatorThread(script=at_once_over) as emulator:
        env = environment(emulator)
        done = talkstack("dial", file, "--results", out, "--follow", "--json", env=env)

    lines, summary = lines_of(out), json.loads(done.stdout)
    assert done.returncode == 1
    assert {line["number"]: (line["status"], line["disposition"]) for line in lines} == {
        "+12025550101": ("completed", "answered"),
        "+12025550180": ("busy", "busy"),
        "+12025550186": (None, None),
    }
    assert (summary["placed"], summary["dispositions"]) == (2, {"answered": 1, "busy": 1})
    assert "How the calls ended" in done.stderr


def test_a_row_that_leaves_a_placeholder_unfilled_is_not_called_if_asked(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = write_list(
        tmp_path, '{"number": "+12025550101", "name": "Ada"}', '{"number": "+12025550102"}',
        name="list.jsonl",
    )  # fmt: skip

    done = talkstack(
        "dial", file, "--results", out, "--check-variables", env=environment(emulator)
    )

    assert done.returncode == 1
    assert [ring.number for ring in emulator.rings] == ["+12025550101"]
    (refused,) = [line for line in lines_of(out) if line["outcome"] == "not_placed"]
    assert "no value for name" in refused["error"]


def test_a_second_run_is_refused_and_rings_nobody(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = write_list(tmp_path, "number", "+12025550101")
    arguments = ("dial", file, "--results", out)
    talkstack(*arguments, env=environment(emulator))
    before = out.read_bytes()

    done = talkstack(*arguments, env=environment(emulator))

    assert done.returncode == 2
    assert one_line(done.stderr)
    assert "exists already" in done.stderr
    assert (len(emulator.rings), out.read_bytes()) == (1, before)


def test_results_are_never_written_through_a_dangling_link(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    out.symlink_to(tmp_path / "elsewhere")
    file = write_list(tmp_path, "number", "+12025550101")

    done = talkstack("dial", file, "--results", out, env=environment(emulator))

    assert (done.returncode, len(emulator.rings)) == (2, 0)
    assert not (tmp_path / "elsewhere").exists()


def test_duplicates_ring_as_often_as_listed_if_that_is_asked_for(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = write_list(tmp_path, "number", "+12025550101", "+12025550101")

    done = talkstack(
        "dial", file, "--results", out, "--allow-duplicates", env=environment(emulator)
    )

    assert (done.returncode, len(emulator.rings)) == (0, 2)


BEFOREHAND: dict[str, tuple[bytes | None, dict[str, str], str]] = {
    "none": (None, {}, "No such file"),
    "empty": (b"", {}, "is empty"),
    "column": (b"phone\n+12025550101\n", {}, "no column 'number'"),
    "encoding": (b"number,n\xe4me\n+12025550101,Ada\n", {}, "not UTF-8"),
    "credential": (b"number\n+12025550101\n", {"TALKSTACK_API_KEY": ""}, "no credential"),
    "project": (b"number\n+12025550101\n", {"TALKSTACK_PROJECT_ID": ""}, "--project-id"),
    "address": (
        b"number\n+12025550101\n", {"TALKSTACK_CALLS_URL": "http://127.0.0.1:9"}, "connection"
    ),
}  # fmt: skip


def test_what_can_be_known_beforehand_is_one_line_before_anything_happens(
    emulator: EmulatorThread, tmp_path: Path
):
    runs = []
    for case, (content, more, _) in BEFOREHAND.items():
        file = tmp_path / f"{case}.csv"
        if content is not None:
            file.write_bytes(content)
        arguments = ("dial", file, "--results", tmp_path / f"{case}.out")
        runs.append((arguments, environment(emulator, **more)))

    for case, done in zip(BEFOREHAND, at_once(runs), strict=True):
        assert (done.returncode, done.stdout) == (2, ""), case
        assert one_line(done.stderr), case
        assert BEFOREHAND[case][2] in done.stderr
    assert not emulator.rings
    assert not list(tmp_path.glob("*.out"))


def test_results_that_cannot_be_made_are_known_before_anybody_is_called(
    emulator: EmulatorThread, tmp_path: Path
):
    file = write_list(tmp_path, "number", "+12025550101")

    done = talkstack("dial", file, "--results", tmp_path / "no" / "out", env=environment(emulator))

    assert (done.returncode, len(emulator.rings)) == (2, 0)
    assert one_line(done.stderr)


def test_wrong_bytes_in_the_middle_end_the_list_and_keep_what_was_dialled(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = tmp_path / "list.csv"
    file.write_bytes(
        b"number,name\n+12025550101,Ada\n+12025550102,Bob\n+12025550103,J\xf6rg\n+12025550104,Eve\n"
    )

    done = talkstack("dial", file, "--results", out, "--json", env=environment(emulator))

    lines = lines_of(out)
    assert done.returncode == 2
    assert [line["outcome"] for line in lines] == ["placed", "placed"]
    assert rang(emulator) == numbers(lines, "placed")
    assert "row 3 is not UTF-8" in json.loads(done.stdout)["error"]
    assert "row 3 is not UTF-8" in done.stderr


def test_a_refused_credential_is_said_once_and_ends_the_list(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = long_list(tmp_path, 500)

    done = talkstack(
        "dial", file, "--results", out, env=environment(emulator, TALKSTACK_API_KEY="not-this-one")
    )

    assert done.returncode == 2
    assert done.stderr.count("check the API key") == 1
    assert "not dialled: 4" in done.stderr
    assert emulator.statistics.requests <= 20


def test_results_that_cannot_be_written_any_more_stop_the_dialling(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = long_list(tmp_path, 500)

    limited = (
        "import resource, sys\n"
        "from talkstack_async.__main__ import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))\n"
        "sys.exit(main())"
    )

    done = subprocess.run(
        [sys.executable, "-c", limited, "dial", file, "--results", out, "--json"],
        env=unmeasured(environment(emulator)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    summary, lines = json.loads(done.stdout), lines_of(out)
    unrecorded = [line["call_id"] for line in summary["unrecorded"] if line["call_id"]]
    known = [line["call_id"] for line in lines if line["call_id"]] + unrecorded
    assert done.returncode == 2
    assert done.stderr.count("cannot be written") == 1
    assert sorted(known) == sorted(ring.call_id for ring in emulator.rings)
    assert len(emulator.rings) < 60
    assert summary["rows"] + summary["not_dialled"] == 500
    assert max(rang(emulator).values()) == 1


def test_bad_rows_that_cannot_be_written_any_more_stop_the_list(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file = write_list(tmp_path, "number", *["nonsense"] * 40, "+12025550101")
    limited = (
        "import resource, sys\n"
        "from talkstack_async.__main__ import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))\n"
        "sys.exit(main())"
    )

    done = subprocess.run(
        [sys.executable, "-c", limited, "dial", file, "--results", out, "--json"],
        env=unmeasured(environment(emulator)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    summary = json.loads(done.stdout)
    check_output(done.stdout + done.stderr, env={})
    assert done.returncode == 2
    assert len(summary["unrecorded"]) == 1
    assert summary["rows"] == len(lines_of(out)) + 1
    assert not emulator.rings


def test_what_comes_from_outside_cannot_steer_the_terminal(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    emulator.add_fault(Fault("status", status=400, times=1))
    file = write_list(
        tmp_path, "number,na\x1b[31mme", "+12025550101,[bold]\x1b[2J", "\x1b]0;evil\x07,x"
    )

    done = talkstack("dial", file, "--results", out, env=environment(emulator))

    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr


def unmeasured(env: dict[str, str]) -> dict[str, str]:
    """Without coverage, which would want to write more than the process may."""
    return {name: value for name, value in env.items() if not name.startswith("COVERAGE")}


def start(*arguments: str | Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_new_calls_and_records_those_that_have_left(
    emulator: EmulatorThread, tmp_path: Path, out: Path, number: signal.Signals
):
    file, env = long_list(tmp_path, 5_000), environment(emulator)

    with start("dial", file, "--results", out, "--json", env=env) as process:
        emulator.wait_for_rings(50, timeout=15)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)

    summary, lines = json.loads(stdout), lines_of(out)
    assert process.returncode == summary["exit_code"] == 130
    check_output(stdout + stderr, env=env)
    assert rang(emulator) == numbers(lines, "placed", "uncertain")
    assert max(rang(emulator).values()) == 1
    assert not numbers(lines, "uncertain")
    assert 50 <= len(emulator.rings) < 5_000
    assert len(lines) + summary["not_dialled"] == 5_000
    assert f"not dialled: {summary['not_dialled']} rows" in stderr


def test_a_second_signal_gives_up_waiting_and_records_the_rest_as_uncertain(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    emulator.add_fault(Fault("stall", rings=True, number="+12025550102"))
    file = write_list(tmp_path, "number", "+12025550101", "+12025550102")
    env = environment(emulator)

    with start("dial", file, "--results", out, env=env) as process:
        emulator.wait_for_rings(2, timeout=15)
        until = time.monotonic() + 10
        while not (out.exists() and out.read_bytes().count(b"\n") == 1):
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "stopping" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=10)

    assert process.returncode == 130
    check_output(stdout + stderr, env=env)
    assert [line["outcome"] for line in lines_of(out)] == ["placed", "uncertain"]
    assert len(emulator.rings) == 2


def test_a_reader_that_goes_away_does_not_disturb_the_list(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file, env = long_list(tmp_path, 50), environment(emulator)

    with start("dial", file, "--results", out, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.wait(timeout=20)

    assert process.returncode == 0
    assert rang(emulator) == numbers(lines_of(out), "placed")
    assert len(emulator.rings) == 50


def test_on_a_terminal_there_is_a_bar_with_rate_and_time_left(
    emulator: EmulatorThread, tmp_path: Path, out: Path
):
    file, env = long_list(tmp_path, 60), environment(emulator, TERM="xterm", COLUMNS="100")
    ours, theirs = os.openpty()

    process = subprocess.Popen(
        [*COMMAND, "dial", str(file), "--results", str(out), "--calls-per-second", "60"],
        env=env, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65_536):
            shown += piece
    except OSError:  # Linux says EIO when the other end is closed.
        pass
    finally:
        os.close(ours)

    assert process.wait(timeout=10) == 0
    for part in ("ETA", "/s", "placed", "60 rows", "\x1b["):
        assert part in shown.decode()
