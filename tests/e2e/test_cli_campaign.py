"""`talkstack campaign`: seeing and steering campaigns, also while they run."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import signal
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from talkstack_async.campaign.feeder import Ending
from talkstack_async.campaign.progress import Phase
from talkstack_async.cli.app import run
from talkstack_async.emulator import EmulatorThread, Fault, Script
from tests.e2e.test_cli import COMMAND, environment, one_line
from tests.e2e.test_cli_groups import Command, command
from tests.support.running import RunningCampaign, numbers

__all__ = ["command"]

SEEDS = itertools.count(1)
ALL = ("ready", "active", "done", "review", "excluded")


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    # A call stands in the history long after the tests are over: what is lost stays lost.
    with EmulatorThread(script=Script(listed_after=1e6)) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    # With another seed: no call id comes twice, as the ledger of five is used again and again.
    running.reset(seed=next(SEEDS))
    return running


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "contacts.csv.talkstack.db"


def run_five(emulator: EmulatorThread, ledger: Path) -> None:
    """Run a campaign of five, one of whose calls is lost."""
    people = numbers(5)
    emulator.add_fault(Fault("drop", rings=True, number=people[2], times=1))
    with RunningCampaign(emulator, ledger, people) as campaign:
        assert campaign.finish().ending is Ending.FINISHED


@pytest.fixture(scope="module")
def over(running: EmulatorThread, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ledger = tmp_path_factory.mktemp("over") / "ledger.db"
    run_five(running, ledger)
    return ledger


@pytest.fixture
def finished(over: Path, ledger: Path) -> Path:
    """The ledger of a campaign that is over; one of its five calls is lost."""
    with closing(sqlite3.connect(over)) as old, closing(sqlite3.connect(ledger)) as new:
        old.backup(new)
    ledger.chmod(0o600)
    return ledger


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def change(ledger: Path, *statements: str) -> None:
    """Change a ledger behind its back."""
    with closing(sqlite3.connect(ledger)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


# --- Looking.


def test_the_status_counts_everybody_once(command: Command, finished: Path):
    done = command("campaign", "status", finished, "--json")
    people = command("campaign", "status", finished)

    standing = done.document
    assert (done.code, done.err) == (0, "")
    assert standing["contacts"] == dict.fromkeys(ALL, 0) | {"done": 4, "review": 1}
    assert standing["attempts"]["placed"] == 4
    assert standing["attempts"]["lost"] == 1
    assert (standing["total"], standing["rings"], standing["finished"]) == (5, 5, False)
    assert standing["ledger"] == str(finished)
    assert ["Needs", "a", "look", "1"] in [line.split() for line in people.out.splitlines()]
    assert "talkstack campaign resolve" in people.out


def test_a_list_stands_for_its_ledger_and_so_does_the_directory(
    command: Command, finished: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(finished.parent)

    by_list = command("campaign", "status", "contacts.csv", "--json")
    by_option = command("campaign", "status", "--ledger", "contacts.csv", "--json")
    by_place = command("campaign", "status", "--json")
    twice = command("campaign", "status", "contacts.csv", "--ledger", "contacts.csv")
    directory = command("campaign", "status", ".")

    assert by_list.document == by_option.document == by_place.document
    assert by_list.document["total"] == 5
    assert (twice.code, one_line(twice.err)) == (2, True)
    assert (directory.code, one_line(directory.err)) == (2, True)


def test_what_dial_wrote_is_found_by_the_name_of_its_list(
    command: Command, emulator: EmulatorThread, tmp_path: Path
):
    file = tmp_path / "people.csv"
    file.write_text("number,name\n" + "".join(f"{number},Ada\n" for number in numbers(3)))
    hours = ("--calling-window", "00:00-24:00")

    dialled = command("dial", file, "--no-follow", *hours, "--json")
    status = command("campaign", "status", file, "--json")

    assert (dialled.code, status.code) == (0, 0)
    assert status.document["contacts"]["done"] == len(emulator.rings) == 3
    assert {name: dialled.document[name] for name in status.document} == status.document


def test_of_several_ledgers_one_must_be_named_and_all_are_listed(
    command: Command, finished: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(finished.parent)
    (finished.parent / "other.csv.talkstack.db").write_bytes(b"no ledger")

    unclear = command("campaign", "status")
    listed = command("campaign", "list", "--json")
    of_one = command("campaign", "list", "contacts.csv", "--json")

    assert (unclear.code, one_line(unclear.err)) == (2, True)
    assert "contacts.csv.talkstack.db, other.csv.talkstack.db" in unclear.err
    assert [each["campaign"] for each in listed.records] == ["contacts.csv"]
    assert (listed.code, of_one.code) == (2, 0)
    assert "other.csv" in listed.err
    assert listed.records == of_one.records


def test_of_several_campaigns_one_must_be_named(
    command: Command, emulator: EmulatorThread, finished: Path
):
    with RunningCampaign(emulator, finished, numbers(2), name="second") as campaign:
        campaign.finish()

    unclear = command("campaign", "status", finished)
    second = command("campaign", "status", finished, "--campaign", "second", "--json")
    wrong = command("campaign", "status", finished, "--campaign", "third")
    listed = command("campaign", "list", finished)

    assert (unclear.code, one_line(unclear.err)) == (2, True)
    assert "second, contacts.csv" in unclear.err
    assert second.document["total"] == 2
    assert (wrong.code, one_line(wrong.err)) == (2, True)
    assert [line.split()[0] for line in listed.out.splitlines()] == [
        "campaign", "second", "contacts.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "verb",
    [
        ("status",), ("watch",), ("list",), ("pause",), ("resume",), ("verify",), ("report",),
        ("explain", "+12024560000"), ("export", "--out", "out.csv"), ("resolve",), ("set",),
    ],
    ids=lambda verb: verb[0],
)  # fmt: skip
def test_a_ledger_that_cannot_be_used_is_one_line_and_exit_2(
    command: Command, tmp_path: Path, verb: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    nothing = command("campaign", *verb)
    missing = command("campaign", *verb, "--ledger", "none.db")
    (tmp_path / "people.csv").write_text("number\n")
    no_ledger = command("campaign", *verb, "--ledger", "people.csv")
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    broken = command("campaign", *verb, "--ledger", "broken.db", "--json")
    postgres = command("campaign", *verb, "--ledger", "postgresql://ada:secret@host/db")

    for done in (nothing, missing, no_ledger, broken, postgres):
        assert (done.code, one_line(done.err)) == (2, True)
    assert "talkstack dial people.csv" in no_ledger.err
    assert broken.document["exit_code"] == 2
    assert "secret" not in postgres.err
    assert {path.name for path in tmp_path.iterdir()} == {"broken.db", "people.csv"}


def test_a_ledger_of_a_newer_version_is_one_line_and_exit_2(command: Command, finished: Path):
    change(finished, "UPDATE alembic_version SET version_num = '9999'")

    done = command("campaign", "status", finished)

    assert (done.code, one_line(done.err)) == (2, True)
    assert "newer version" in done.err


def test_the_story_of_a_number_is_told_and_masked_unless_asked(command: Command, finished: Path):
    lost, nobody = numbers(3)[2], "+12024569999"

    told = command("campaign", "explain", lost, finished)
    whole = command("campaign", "explain", lost, finished, "--show-numbers")
    record = command("campaign", "explain", lost, finished, "--json")
    national = command("campaign", "explain", lost[2:], finished, "--region", "US", "--json")
    unknown = command("campaign", "explain", nobody, finished)
    wrong = command("campaign", "explain", "12", finished)

    assert (told.code, whole.code, unknown.code, wrong.code) == (0, 0, 1, 2)
    assert lost not in told.out + record.out
    assert lost in whole.out
    assert "Needs a look" in told.out
    assert national.document == record.document
    assert [attempt["state"] for attempt in record.document["attempts"]] == ["lost"]


def test_a_report_is_written_beside_the_ledger_and_masked(
    command: Command, finished: Path, tmp_path: Path
):
    done = command("campaign", "report", finished)
    again = command("campaign", "report", finished, "--json")
    other = command("campaign", "report", finished, "--out", tmp_path / "r.html", "--show-numbers")
    wrong = command("campaign", "report", finished, "--out", finished)

    page = tmp_path / "contacts.csv.report.html"
    assert done.out == f"{page}\n"
    assert again.document == {"report": str(page)}
    assert (other.code, wrong.code, one_line(wrong.err)) == (0, 2, True)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert numbers(3)[2] not in page.read_text()
    assert numbers(3)[2] in (tmp_path / "r.html").read_text()


def test_contacts_are_exported_whole_and_privately(
    command: Command, finished: Path, tmp_path: Path
):
    files = [tmp_path / f"out.{ending}" for ending in ("csv", "xlsx", "jsonl")]

    written = [command("campaign", "export", finished, "--out", file, "--json") for file in files]
    again = command("campaign", "export", finished, "--out", files[0])
    over = command("campaign", "export", finished, "--out", files[0], "--overwrite")
    wrong = command("campaign", "export", finished, "--out", tmp_path / "out.txt")

    assert [done.document["contacts"] for done in written] == [5, 5, 5]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    with files[0].open(newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == numbers(5)
    lines = [json.loads(line) for line in files[2].read_text().splitlines()]
    assert [line["state"] for line in lines].count("review") == 1
    assert (again.code, over.code, wrong.code) == (2, 0, 2)
    assert one_line(again.err)
    assert one_line(wrong.err)


def test_a_clean_ledger_is_verified_and_a_changed_one_found_out(command: Command, finished: Path):
    clean = command("campaign", "verify", finished)
    before = command("campaign", "verify", finished, "--json")
    with closing(sqlite3.connect(finished)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        guards = [f"DROP TRIGGER {name}" for (name,) in found]
    change(finished, *guards, "UPDATE audit SET detail = '{}' WHERE seq = 3")
    changed = command("campaign", "verify", finished, "--json")
    for_people = command("campaign", "verify", finished)

    assert (clean.code, before.code, changed.code, for_people.code) == (0, 0, 1, 1)
    assert before.document["hash"] in clean.out
    assert (before.document["clean"], before.document["findings"]) == (True, [])
    assert "entry 3" in changed.document["findings"][0]["detail"]
    assert for_people.out.startswith("broken: ")


def test_a_campaign_is_watched_until_it_is_over(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    with RunningCampaign(emulator, ledger, numbers(40), calls_per_second=40):
        lines = command("campaign", "watch", ledger, "--every", "0.1", "--json")
    plain = command("campaign", "watch", ledger)

    states = [line["contacts"]["done"] for line in lines.records]
    assert (lines.code, states[-1], states) == (0, 40, sorted(set(states)))
    assert plain.out == "finished, done 40 of 40, being called 0, waiting 0, to look at 0\n"


def test_watching_ends_with_ctrl_c_and_the_reader_sees_plain_lines(finished: Path):
    command = [*COMMAND, "campaign", "watch", str(finished)]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)

    assert first.startswith("running, done 4 of 5")
    assert (process.returncode, rest, errors) == (0, "", "")


def test_on_a_terminal_the_picture_stays_when_watching_ends(
    command: Command, finished: Path, monkeypatch: pytest.MonkeyPatch
):
    command("campaign", "resolve", "--all", "--as", "done", "--ledger", finished)
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        patch.setenv("TERM", "xterm")
        code = run(["campaign", "watch", str(finished)])

    assert code == 0
    assert all(word in terminal.getvalue() for word in ("Finished", "\u2501", "Attempts"))


def test_watching_ends_when_nobody_reads_any_more(finished: Path):
    command = [*COMMAND, "campaign", "watch", str(finished), "--every", "0.1", "--json"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        # Something new to say, to nobody.
        change(finished, "UPDATE campaign SET state = 'paused'")
        code, errors = process.wait(timeout=30), process.stderr.read()

    assert (code, errors) == (0, "")


# --- Beside a runner.


def test_a_running_campaign_can_be_looked_at(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    people = numbers(60)
    with RunningCampaign(emulator, ledger, people, calls_per_second=30) as campaign:
        emulator.wait_for_rings(3)
        status = command("campaign", "status", ledger, "--json")
        story = command("campaign", "explain", people[0], ledger, "--json")
        clean = command("campaign", "verify", ledger)
        result = campaign.finish()

    assert (status.code, story.code, clean.code) == (0, 0, 0)
    assert 0 < status.document["rings"] < 60
    assert sum(status.document["contacts"].values()) == 60
    assert len(story.document["attempts"]) == 1
    assert result.ending is Ending.FINISHED
    assert len(emulator.rings) == 60


def test_a_paused_campaign_rings_nobody_until_it_is_resumed(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    people = numbers(80)
    with RunningCampaign(emulator, ledger, people, calls_per_second=40) as campaign:
        emulator.wait_for_rings(5)
        paused = command("campaign", "pause", ledger, "--json")
        status = command("campaign", "status", ledger, "--json")
        while campaign.phase is not Phase.PAUSED or status.document["contacts"]["active"]:
            status = command("campaign", "status", ledger, "--json")
        rung = len(emulator.rings)
        suppressed = command("suppression", "add", people[-1], "--ledger", ledger)
        looks = [command("campaign", "verify", ledger).code for _ in range(5)]
        still = len(emulator.rings)
        resumed = command("campaign", "resume", ledger)
        result = campaign.finish()

    assert (paused.code, suppressed.code, resumed.code, looks) == (0, 0, 0, [0] * 5)
    assert paused.document == {"campaign": "contacts.csv", "state": "paused"}
    assert status.document["state"] == "paused"
    assert rung == still == status.document["rings"] < 80
    assert result.ending is Ending.FINISHED
    # Who was put on the list meanwhile was not called; all others were, once.
    assert sorted(ring.number for ring in emulator.rings) == people[:-1]


def test_a_canceled_campaign_ends_for_good(
    command: Command, emulator: EmulatorThread, ledger: Path, monkeypatch: pytest.MonkeyPatch
):
    with RunningCampaign(emulator, ledger, numbers(80), calls_per_second=40) as campaign:
        emulator.wait_for_rings(5)
        with Path(os.devnull).open() as nobody:
            monkeypatch.setattr("sys.stdin", nobody)
            unconfirmed = command("campaign", "cancel", ledger)
        canceled = command("campaign", "cancel", ledger, "--yes")
        result = campaign.finish()
    rung = len(emulator.rings)
    resumed = command("campaign", "resume", ledger)

    assert (unconfirmed.code, canceled.code) == (2, 0)
    assert result.ending is Ending.CANCELED
    assert rung < 80
    assert (resumed.code, one_line(resumed.err)) == (2, True)


def test_settings_are_shown_and_changed_while_it_runs(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    with RunningCampaign(emulator, ledger, numbers(30), calls_per_second=0.5) as campaign:
        emulator.wait_for_rings(1)
        shown = command("campaign", "set", ledger)
        # At the old pace it would take a minute, which is longer than `finish` waits.
        changed = command(
            "campaign", "set", ledger, "--calls-per-second", "500", "--redial", "busy=1m",
            "--max-concurrency", "20",
        )  # fmt: skip
        result = campaign.finish()
    after = command("campaign", "set", ledger, "--json")
    free = command("campaign", "set", ledger, "--no-pace", "--json")
    same = command("campaign", "set", ledger, "--no-pace")

    assert "calls per second" in shown.out
    assert [line.split("  ")[0] for line in changed.out.splitlines()] == [
        "calls per second", "max concurrency", "redial gaps busy",
    ]  # fmt: skip
    assert result.ending is Ending.FINISHED
    assert after.document["calls_per_second"] == 500
    assert free.document["calls_per_second"] is None
    assert same.out == "nothing has changed\n"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--calls-per-second", "0"),
        ("--calls-per-second", "5", "--no-pace"),
        ("--budget", "10"),
        ("--redial", "busy"),
        ("--calling-window", "8-9"),
        ("--lost", "forget"),
        ("--max-attempts", "0"),
        ("--rules", "none.json"),
    ],
)
def test_settings_that_cannot_work_change_nothing(
    command: Command, finished: Path, wrong: tuple[str, ...]
):
    before = command("campaign", "set", finished, "--json")
    done = command("campaign", "set", finished, *wrong)
    after = command("campaign", "set", finished, "--json")

    assert (done.code, one_line(done.err)) == (2, True)
    assert after.document == before.document


# --- Deciding.


def test_who_is_in_review_is_shown_masked_and_for_programs_whole(command: Command, finished: Path):
    lost = numbers(3)[2]

    shown = command("campaign", "resolve", finished)
    whole = command("campaign", "resolve", "--ledger", finished, "--show-numbers")
    records = command("campaign", "resolve", "--ledger", finished, "--json").records

    assert lost not in shown.out
    assert lost in whole.out
    assert [(each["number"], each["reason"]) for each in records] == [(lost, "lost")]


def test_a_contact_that_is_redialled_rings_once_more_and_is_done(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    lost = numbers(3)[2]
    run_five(emulator, ledger)
    before = len(emulator.rings_to(lost))

    resolved = command("campaign", "resolve", ledger, lost, "--as", "redial")
    with RunningCampaign(emulator, ledger) as campaign:
        result = campaign.finish()
    again = command("campaign", "resolve", lost, "--as", "redial", "--ledger", ledger, "--json")
    standing = command("campaign", "status", ledger, "--json").document
    clean = command("campaign", "verify", ledger)

    assert (before, resolved.code, result.ending) == (1, 0, Ending.FINISHED)
    assert len(emulator.rings_to(lost)) == 2
    assert len(emulator.rings) == 6
    assert (again.code, again.document) == (1, {"resolved": 0, "not_in_review": 1})
    assert standing["contacts"] == dict.fromkeys(ALL, 0) | {"done": 5}
    assert clean.code == 0


@pytest.mark.parametrize("word", ["done", "suppress"])
def test_a_contact_that_is_left_alone_rings_no_more(
    command: Command, emulator: EmulatorThread, finished: Path, word: str
):
    lost = numbers(3)[2]

    resolved = command("campaign", "resolve", "--all", "--as", word, "--ledger", finished)
    with RunningCampaign(emulator, finished) as campaign:
        campaign.finish()
    rung = len(emulator.rings)
    listed = command("suppression", "check", lost, finished)
    left = command("campaign", "resolve", "--ledger", finished)

    assert resolved.code == 0
    assert rung == 0
    assert listed.code == (1 if word == "suppress" else 0)
    assert (left.out, left.err) == ("", "nobody is in review\n")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--as", "redial"),
        ("--all",),
        ("+12024560002",),
        ("+12024560002", "--all", "--as", "done"),
        ("--all", "--as", "forget"),
        ("+12", "--as", "done"),
        ("12", "--as", "done"),
    ],
)
def test_a_decision_that_is_not_clear_changes_nothing(
    command: Command, finished: Path, wrong: tuple[str, ...]
):
    done = command("campaign", "resolve", *wrong, "--ledger", finished)
    still = command("campaign", "resolve", "--ledger", finished, "--json")

    assert (done.code, one_line(done.err)) == (2, True)
    assert len(still.records) == 1
