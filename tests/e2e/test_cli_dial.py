"""`talkstack dial`: a campaign in a ledger beside the list; the emulator's rings decide."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.records import CampaignRecord
from talkstack_async.cli.app import run
from talkstack_async.emulator import EmulatorThread, Fault, Script
from tests.e2e.test_cli import COMMAND, check_output, environment, one_line, talkstack

ANY_HOUR = ("--calling-window", "00:00-24:00")
PLACED_ONLY = (*ANY_HOUR, "--no-follow")
Inside = Callable[..., subprocess.CompletedProcess[str]]
AT_ONCE_OVER = Script(latency=0.02, queued_for=0, ringing_for=0, talking_for=0)


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread(script=AT_ONCE_OVER) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


def write_list(path: Path, *lines: str, name: str = "list.csv") -> Path:
    file = path / name
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def people(path: Path, *numbers: str, name: str = "list.csv") -> Path:
    rows = (f"{number},Nr. {row}" for row, number in enumerate(numbers))
    return write_list(path, "number,name", *rows, name=name)


def long_list(path: Path, count: int) -> Path:
    return people(path, *(f"+1202555{n:04d}" for n in range(200, 200 + count)))


def ledger_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.talkstack.db")


def rang(emulator: EmulatorThread) -> Counter[str]:
    return Counter(ring.number for ring in emulator.rings)


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(done.stdout)
    assert shown["exit_code"] == done.returncode, done.stderr
    return shown


def record_in(ledger: Path, name: str = "list.csv") -> CampaignRecord:
    async def read() -> CampaignRecord | None:
        async with open_ledger(ledger, create=False) as opened:
            return await opened.campaign(name)

    found = asyncio.run(read())
    assert found is not None
    return found


@pytest.fixture
def inside(
    emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Inside:
    """Runs commands in this process, which need not start first."""

    def command(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        env = environment(emulator, **more)
        with monkeypatch.context() as patch:
            for name in set(os.environ) - set(env):
                patch.delenv(name)
            for name, value in env.items():
                patch.setenv(name, value)
            code = run([*map(str, arguments)])
        shown = capsys.readouterr()
        check_output(shown.out + shown.err, env=env)
        return subprocess.CompletedProcess(arguments, code, shown.out, shown.err)

    return command


def start(*arguments: str | Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_row_is_accounted_for_and_rings_once(emulator: EmulatorThread, tmp_path: Path):
    file = write_list(
        tmp_path,
        "number;name;dynamicVariables",
        '+12025550101;Ada;"{""n"": 1}"',
        "+12025550186;Refused;",
        "nonsense;Nobody;",
        "+1 202 555 0101;Ada again;",
        "+12025550102;;",
        "+12025550103;Eve;",
    )

    done = talkstack("dial", file, *PLACED_ONLY, env=environment(emulator))

    with (tmp_path / "list.csv.rejected.csv").open(
        encoding="utf-8", newline=""
    ) as file_of_rejects:
        rejected = list(csv.reader(file_of_rejects))
    assert done.returncode == 1
    assert rang(emulator) == {"+12025550101": 1, "+12025550103": 1}
    assert emulator.rings_to("+12025550101")[0].variables == {"name": "Ada", "n": 1}
    assert [line[:2] for line in rejected[1:]] == [["3", "nonsense"], ["4", "+12025550101"]]
    assert stat.S_IMODE(ledger_of(file).stat().st_mode) == 0o600
    assert "6 rows: 4 new, 1 twice in the list, 1 rejected; 1 of them lack" in done.stderr
    assert "The service refused the call" in done.stdout
    assert "every contact is accounted for" in done.stdout
    assert "rules of states are off" in done.stderr
    assert "+1202555" not in done.stdout + done.stderr


def test_the_document_counts_contacts_attempts_and_ends(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550101", "+12025550185", "+12025550186", "oops")

    done = inside("dial", file, *ANY_HOUR, "--json")

    shown = document(done)
    assert done.returncode == 1
    assert (shown["campaign"], shown["ending"], shown["finished"]) == (
        "list.csv",
        "finished",
        True,
    )
    assert (shown["contacts"]["done"], shown["total"], shown["rings"]) == (3, 3, 2)
    assert (shown["attempts"]["final"], shown["attempts"]["rejected"]) == (2, 1)
    assert (shown["dispositions"]["answered"], shown["dispositions"]["canceled"]) == (1, 1)
    assert shown["reasons"] == {"no_redial": 1, "refused": 1}
    assert shown["import"] == {
        "rows": 4, "added": 3, "updated": 0, "unchanged": 0, "duplicates": 0, "rejected": 1,
        "excluded": 0,
    }  # fmt: skip
    assert (shown["next_due_at"], shown["report"], shown["error"]) == (None, None, None)
    assert shown["ledger"] == str(ledger_of(file))


def test_the_same_command_rings_nobody_again_and_a_changed_list_only_who_is_new(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550101", "+12025550102", "oops")
    arguments = ("dial", file, *PLACED_ONLY, "--json")

    first = document(inside(*arguments))
    again = document(inside(*arguments))
    people(tmp_path, "+12025550103", "+12025550102", "+12025550101")
    third = document(inside(*arguments))

    assert rang(emulator) == {"+12025550101": 1, "+12025550102": 1, "+12025550103": 1}
    assert [one["exit_code"] for one in (first, again, third)] == [1, 1, 0]
    assert (again["import"], again["rejected"]) == (None, 1)
    assert (third["import"]["added"], third["import"]["unchanged"]) == (1, 2)
    assert not (tmp_path / "list.csv.rejected.csv").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_and_the_same_command_goes_on_where_it_was(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside, number: signal.Signals
):
    file, env = long_list(tmp_path, 300), environment(emulator)
    arguments = ("dial", file, *PLACED_ONLY, "--json")

    with start(*arguments, "--calls-per-second", "100", env=env) as process:
        emulator.wait_for_rings(50, timeout=30)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    stopped, rung = json.loads(stdout), len(emulator.rings)
    done = inside(*arguments, "--calls-per-second", "1000")

    check_output(stdout + stderr, env=env)
    assert process.returncode == stopped["exit_code"] == 130
    assert (stopped["ending"], stopped["rings"]) == ("stopped", rung)
    assert 50 <= rung < 300
    assert "the same command goes on" in stderr
    assert document(done)["contacts"]["done"] == 300
    assert (len(emulator.rings), len(rang(emulator))) == (300, 300)


def test_a_second_signal_gives_up_waiting_for_an_answer(emulator: EmulatorThread, tmp_path: Path):
    emulator.add_fault(Fault("stall", rings=True, number="+12025550102"))
    file, env = people(tmp_path, "+12025550101", "+12025550102"), environment(emulator)

    with start("dial", file, *PLACED_ONLY, "--json", env=env) as process:
        emulator.wait_for_rings(2, timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)

    shown = json.loads(stdout)
    check_output(stdout + stderr, env=env)
    assert process.returncode == 130
    assert shown["attempts"]["unknown"] >= 1
    assert shown["attempts"]["placed"] + shown["attempts"]["unknown"] == 2
    assert "the next run looks for them" in stderr
    assert len(emulator.rings) == 2


def test_calls_that_went_on_after_a_stop_are_followed_by_the_next_run(tmp_path: Path):
    file = people(tmp_path, "+12025550101", "+12025550102")
    arguments = ("dial", file, *ANY_HOUR, "--json")

    with EmulatorThread(script=Script(talking_for=600)) as emulator:
        env = environment(emulator)
        with start(*arguments, env=env) as process:
            emulator.wait_for_rings(2, timeout=30)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        emulator.advance(3600)
        done = talkstack(*arguments, env=env)
        rings = rang(emulator)

    assert json.loads(stdout)["contacts"]["active"] == 2
    assert "calls that went on: 2" in stderr
    assert document(done)["dispositions"]["answered"] == 2
    assert rings == {"+12025550101": 1, "+12025550102": 1}


def test_what_waits_for_a_redial_or_an_hour_is_told_and_left_on_request(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    busy = people(tmp_path, "+12025550180", name="busy.csv")
    closed = people(tmp_path, "+12025550101", name="closed.csv")
    there = datetime.now(ZoneInfo("America/New_York"))
    later = [(there + timedelta(hours=hours)).strftime("%H:00") for hours in (3, 4)]
    hours = ("--calling-window", "-".join(later))
    began = datetime.now(UTC)

    redialled = inside("dial", busy, *ANY_HOUR, "--redial", "busy=15m", "--no-wait", "--json")
    waiting = inside("dial", closed, *hours, "--no-wait", "--json")
    told = inside("dial", busy, "--no-wait")

    shown = document(redialled)
    due_at = datetime.fromisoformat(shown["next_due_at"])
    assert (shown["exit_code"], shown["ending"], shown["waiting"]) == (0, "waiting", 1)
    assert began + timedelta(minutes=15) <= due_at <= datetime.now(UTC) + timedelta(minutes=15)
    shown = document(waiting)
    opens_at = datetime.fromisoformat(shown["next_due_at"]).astimezone(there.tzinfo)
    assert (shown["ending"], shown["reasons"]) == ("waiting", {"outside_window": 1})
    assert opens_at.strftime("%H:%M") == later[0]
    assert "waiting: 1, the first until" in told.stdout
    assert "; the same command goes on then" in told.stdout
    assert rang(emulator) == {"+12025550180": 1}


def test_who_is_not_reached_in_all_attempts_is_done(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550180")

    done = inside("dial", file, *ANY_HOUR, "--max-attempts", "1", "--json")

    shown = document(done)
    assert (shown["ending"], shown["reasons"]) == ("finished", {"attempts_used": 1})
    assert (done.returncode, len(emulator.rings)) == (0, 1)


def test_a_dry_run_rings_nobody_and_leaves_no_ledger(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550101", "+12025550101", "+14155550102")
    money = ("--budget", "10", "--worst-call", "0.5")

    shown = inside("dial", file, "--dry-run", *ANY_HOUR, *money, "--json")
    told = inside("dial", file, "--dry-run")

    plan = document(shown)
    assert (shown.returncode, told.returncode) == (0, 0)
    assert (plan["contacts"], plan["callable_now"], plan["out"]) == (3, 2, {"duplicate": 1})
    assert (plan["attempts_at_most"], plan["cost_at_most"]) == (6, 3.0)
    assert "Nobody was called" in told.stdout
    assert "America/Los_Angeles" in told.stdout
    assert "+1202555" not in told.stdout
    assert not emulator.rings
    assert not list(tmp_path.glob("*talkstack.db*"))


def test_a_dry_run_on_a_ledger_leaves_it_as_it_was(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550101")
    inside("dial", file, *PLACED_ONLY)
    people(tmp_path, "+12025550101", "+12025550102")

    dry = document(inside("dial", file, "--dry-run", "--json"))
    done = document(inside("dial", file, "--json"))

    assert (dry["callable_now"], dry["import"]["added"]) == (1, 1)
    assert done["import"]["added"] == 1
    assert rang(emulator) == {"+12025550101": 1, "+12025550102": 1}


def test_a_budget_stops_the_calls_and_a_larger_one_goes_on(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = long_list(tmp_path, 10)
    arguments = ("dial", file, *PLACED_ONLY, "--json", "--budget")

    first = document(inside(*arguments, "1", "--worst-call", "0.25"))
    rung = len(emulator.rings)
    second = document(inside(*arguments, "100"))

    assert (first["exit_code"], first["ending"], rung) == (1, "budget", 4)
    assert (second["exit_code"], second["ending"]) == (0, "finished")
    assert (len(emulator.rings), len(rang(emulator))) == (10, 10)


def test_options_are_kept_and_what_is_not_given_stays(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550101")
    inside(
        "dial", file, *PLACED_ONLY, "--max-attempts", "5", "--redial", "busy=never",
        "--redial", "failed=3h", "--lost", "redial", "--max-per-day", "2",
    )  # fmt: skip

    without_ids = {"TALKSTACK_PROJECT_ID": "", "TALKSTACK_AGENT_ID": ""}
    done = inside("dial", file, "--max-concurrency", "7", **without_ids)

    settings = record_in(ledger_of(file)).settings
    assert done.returncode == 0
    assert (settings.project_id, settings.agent_id) == (emulator.project_id, emulator.agent_id)
    assert (settings.redial.max_attempts, settings.max_concurrency) == (5, 7)
    assert "busy" not in settings.redial.gaps
    assert settings.redial.gaps["failed"] == 3 * 3600.0  # type: ignore[index]
    assert (settings.evidence.lost, settings.caps.per_day) == ("redial", 2)
    assert (settings.follow, settings.window.is_whole_day) == (False, True)


def test_national_numbers_need_a_region_and_a_ledger_may_lie_elsewhere(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "(202) 555-0101", "+12025550102")
    ledger = tmp_path / "all.db"
    options = (*PLACED_ONLY, "--ledger", ledger, "--campaign", "Monday", "--region", "US")

    done = inside("dial", file, *options, "--json")

    assert (done.returncode, document(done)["campaign"]) == (0, "Monday")
    assert rang(emulator) == {"+12025550101": 1, "+12025550102": 1}
    assert record_in(ledger, "Monday").name == "Monday"
    assert not ledger_of(file).exists()


def test_a_second_runner_of_the_ledger_is_refused(emulator: EmulatorThread, tmp_path: Path):
    file, env = long_list(tmp_path, 200), environment(emulator)
    arguments = ("dial", file, *PLACED_ONLY, "--calls-per-second", "20")

    with start(*arguments, env=env) as process:
        emulator.wait_for_rings(5, timeout=30)
        second = talkstack(*arguments, env=env)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)

    assert (second.returncode, second.stdout) == (2, "")
    assert one_line(second.stderr)
    assert f"another runner (process {process.pid})" in second.stderr
    assert max(rang(emulator).values()) == 1


def test_a_paused_or_canceled_campaign_calls_nobody(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = people(tmp_path, "+12025550101")
    arguments, ledger = ("dial", file, *PLACED_ONLY), ledger_of(file)
    inside(*arguments)
    people(tmp_path, "+12025550101", "+12025550102")

    inside("campaign", "pause", ledger)
    paused = inside(*arguments, "--no-wait")
    inside("campaign", "cancel", ledger, "--yes")
    canceled = inside(*arguments)

    assert paused.returncode == 0
    assert "talkstack campaign resume --ledger" in paused.stdout
    assert (canceled.returncode, canceled.stdout) == (2, "")
    assert "canceled, which is for good" in canceled.stderr
    assert rang(emulator) == {"+12025550101": 1}


def test_a_report_is_written_at_the_end(emulator: EmulatorThread, tmp_path: Path, inside: Inside):
    file, report = people(tmp_path, "+12025550101"), tmp_path / "report.html"

    done = inside("dial", file, *PLACED_ONLY, "--report", report, "--json")

    assert document(done)["report"] == str(report)
    assert "<html" in report.read_text(encoding="utf-8")


BEFOREHAND: dict[str, tuple[bytes | None, tuple[str, ...], dict[str, str], str]] = {
    "none": (None, (), {}, "no such file"),
    "empty": (b"", (), {}, "is empty"),
    "column": (b"phone\n+12025550101\n", (), {}, "no column 'number'"),
    "encoding": (b"number,n\xe4me\n+12025550101,Ada\n", (), {}, "not UTF-8"),
    "credential": (b"number\n1\n", (), {"TALKSTACK_API_KEY": ""}, "no credential"),
    "project": (b"number\n1\n", (), {"TALKSTACK_PROJECT_ID": ""}, "--project-id"),
    "address": (b"number\n1\n", (), {"TALKSTACK_CALLS_URL": "http://127.0.0.1:9"}, "connect"),
    "budget": (b"number\n1\n", ("--budget", "5"), {}, "--worst-call"),
    "redial": (b"number\n1\n", ("--redial", "busy=soon"), {}, "busy=15m"),
    "window": (b"number\n1\n", ("--calling-window", "8-9"), {}, "08:00-21:00"),
    "lost": (b"number\n1\n", ("--lost", "forget"), {}, "review or redial"),
    "rules": (b"number\n1\n", ("--rules", "nowhere.json"), {}, "nowhere.json"),
    "report": (b"number\n1\n", ("--report", "nowhere/report.html"), {}, "directory"),
    "region": (b"number\n1\n", ("--region", "XX"), {}, "XX"),
}


def test_what_can_be_known_beforehand_is_one_line_and_leaves_no_ledger(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    for case, (content, options, more, said) in BEFOREHAND.items():
        file = tmp_path / f"{case}.csv"
        if content is not None:
            file.write_bytes(content)
        done = inside("dial", file, *options, **more)

        assert (done.returncode, done.stdout) == (2, ""), case
        assert one_line(done.stderr), (case, done.stderr)
        assert said in done.stderr, case
    assert not emulator.rings
    assert not list(tmp_path.glob("*.db*"))


def test_a_refused_credential_is_said_once_and_calls_nobody(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = long_list(tmp_path, 50)

    done = inside("dial", file, *PLACED_ONLY, "--json", TALKSTACK_API_KEY="not-this-one")

    assert (done.returncode, document(done)["exit_code"]) == (2, 2)
    assert done.stderr.count("401") == 1
    assert not emulator.rings


def test_a_credential_that_is_refused_while_calling_ends_the_run_with_one_line(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    emulator.add_fault(Fault("status", status=401))
    file = long_list(tmp_path, 50)

    refused = inside("dial", file, *PLACED_ONLY, "--json")
    emulator.clear_faults()
    done = inside("dial", file, *PLACED_ONLY, "--no-wait", "--json")

    shown = document(refused)
    assert (refused.returncode, shown["ending"], shown["contacts"]["ready"]) == (2, None, 50)
    assert "401" in shown["error"]
    assert refused.stderr.count("talkstack: ") == 1
    assert document(done)["contacts"]["done"] + document(done)["waiting"] == 50
    assert all(count == 1 for count in rang(emulator).values())


def test_a_list_that_cannot_be_read_to_its_end_calls_nobody_until_it_is_mended(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = tmp_path / "list.csv"
    file.write_bytes(b"number,name\n+12025550101,Ada\n+12025550102,J\xf6rg\n")

    broken = inside("dial", file, *PLACED_ONLY)
    rung = len(emulator.rings)
    file.write_bytes(b"number,name\n+12025550101,Ada\n+12025550102,Joerg\n")
    mended = inside("dial", file, *PLACED_ONLY)

    assert (broken.returncode, rung) == (2, 0)
    assert "row 2 is not UTF-8" in broken.stderr
    assert mended.returncode == 0
    assert rang(emulator) == {"+12025550101": 1, "+12025550102": 1}


def test_a_full_disk_is_one_line_and_rings_nobody_without_a_record(
    emulator: EmulatorThread, tmp_path: Path
):
    file, limit = long_list(tmp_path, 1000), 400_000
    limited = (
        "import resource, sys\n"
        "from talkstack_async.__main__ import main\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "sys.exit(main())"
    )
    env = environment(emulator)
    # Coverage would want to write more than the process may.
    unmeasured = {name: text for name, text in env.items() if not name.startswith("COVERAGE")}

    done = subprocess.run(
        [sys.executable, "-c", limited, "dial", file, *PLACED_ONLY],
        env=unmeasured,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    check_output(done.stdout + done.stderr, env=env)
    assert done.returncode == 2
    assert done.stderr.count("talkstack: ") == 1
    assert "make room and run the same command again" in done.stderr
    assert all(count == 1 for count in rang(emulator).values())
    assert len(emulator.rings) < 1000


@pytest.mark.parametrize("missing", ["sqlalchemy", "phonenumbers"])
def test_a_missing_extra_is_one_line_that_says_what_to_install(
    emulator: EmulatorThread, tmp_path: Path, missing: str
):
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from talkstack_async.__main__ import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "dial", people(tmp_path, "+12025550101")],
        capture_output=True,
        text=True,
        env=environment(emulator),
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr)
    assert missing in done.stderr
    assert "pip install 'talkstack-async[cli,campaign]'" in done.stderr


def test_what_comes_from_outside_cannot_steer_the_terminal(
    emulator: EmulatorThread, tmp_path: Path, inside: Inside
):
    file = write_list(
        tmp_path, "number,na\x1b[31mme,name", "+12025550101,[bold]\x1b[2J,x", "\x1b]0;evil\x07,x,y"
    )

    done = inside("dial", file, *PLACED_ONLY)

    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr


def test_a_reader_that_goes_away_does_not_disturb_the_campaign(
    emulator: EmulatorThread, tmp_path: Path
):
    file, env = long_list(tmp_path, 50), environment(emulator)

    with start("dial", file, *PLACED_ONLY, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.wait(timeout=30)

    assert process.returncode == 0
    assert len(rang(emulator)) == len(emulator.rings) == 50


def test_on_a_terminal_there_is_a_panel_with_rate_and_time_left(
    emulator: EmulatorThread, tmp_path: Path
):
    file, env = long_list(tmp_path, 60), environment(emulator, TERM="xterm", COLUMNS="100")
    ours, theirs = os.openpty()

    process = subprocess.Popen(
        [*COMMAND, "dial", str(file), *PLACED_ONLY, "--calls-per-second", "40"],
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
    for part in ("ETA", "/s", "dialling", "being placed", "60 contacts", "\x1b["):
        assert part in shown.decode()
