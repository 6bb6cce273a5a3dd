"""`talkstack suppression`: numbers that no campaign of a ledger calls."""

from __future__ import annotations

import csv
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkstack_async.campaign.feeder import Ending
from talkstack_async.emulator import EmulatorThread
from tests.e2e.test_cli import one_line
from tests.e2e.test_cli_groups import Command, Done, command
from tests.support.running import RunningCampaign, numbers

__all__ = ["command"]

ADA, BO, CY = numbers(3)


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def ledger(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger with nothing in it but one number that is never called."""
    monkeypatch.chdir(tmp_path)
    done = command("suppression", "add", ADA, "--ledger", "contacts.csv", "--create")
    assert done.code == 0
    return tmp_path / "contacts.csv.talkstack.db"


def listed(command: Command) -> list[str]:
    return [entry["number"] for entry in command("suppression", "list", "--json").records]


def test_numbers_are_added_listed_checked_and_removed(command: Command, ledger: Path):
    added = command("suppression", "add", "+1 202 456-0001", ADA, "--reason", "asked +12024560007")
    shown = command("suppression", "list")
    whole = command("suppression", "list", "--show-numbers")
    on_it = command("suppression", "check", BO, "--json")
    for_people = command("suppression", "check", BO)
    numbers_on_it = listed(command)
    removed = command("suppression", "remove", BO)
    again = command("suppression", "remove", BO, "--json")
    off_it = command("suppression", "check", BO, "--json")

    assert added.out == "1 added, 1 were on the list before\n"
    assert numbers_on_it == [ADA, BO]
    assert not any(number in shown.out + for_people.out for number in (ADA, BO, "+12024560007"))
    assert BO in whole.out
    assert (on_it.code, for_people.code, off_it.code) == (1, 1, 0)
    assert on_it.document["entry"]["reason"] == "asked +12024560007"
    assert off_it.document == {"number": BO, "suppressed": False, "entry": None}
    assert (removed.code, again.code) == (0, 1)
    assert again.document == {"removed": 0, "unknown": 1}
    assert listed(command) == [ADA]


def test_numbers_may_be_written_as_in_their_country(command: Command, ledger: Path):
    done = command("suppression", "add", "(202) 456-0001", "--region", "US")
    unknown = command("suppression", "add", BO[2:], "--region", "Atlantis")
    without = command("suppression", "add", BO[2:])

    assert done.code == 0
    assert listed(command) == [ADA, BO]
    assert (unknown.code, without.code) == (2, 2)
    assert all(one_line(each.err) and BO[2:] not in each.err for each in (unknown, without))


def test_one_number_that_is_none_adds_nobody(command: Command, ledger: Path):
    done = command("suppression", "add", BO, "nonsense", "--json")

    assert (done.code, one_line(done.err), done.document["exit_code"]) == (2, True, 2)
    assert listed(command) == [ADA]


def test_a_ledger_is_only_made_when_that_is_asked_for(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    unnamed = command("suppression", "add", ADA, "--create")
    typo = command("suppression", "add", ADA, "--ledger", "contcats.csv")

    assert (unnamed.code, typo.code) == (2, 2)
    assert one_line(unnamed.err)
    assert one_line(typo.err)
    assert not list(tmp_path.iterdir())


def test_a_list_is_imported_and_its_bad_rows_are_reported(
    command: Command, ledger: Path, tmp_path: Path
):
    file = tmp_path / "dnc.csv"
    file.write_text(f"number,reason\n{BO},moved\n{ADA},\n(202) 456-0002,\nnonsense,\n")

    done = command("suppression", "import", file, "--region", "US", "--json")
    again = command("suppression", "import", file, "--region", "US")
    missing = command("suppression", "import", tmp_path / "none.csv")

    rejects = tmp_path / "dnc.csv.rejected.csv"
    assert done.code == again.code == 1
    assert done.document == {
        "rows": 4, "added": 2, "known": 1, "rejected": 1, "rejects": str(rejects),
    }  # fmt: skip
    assert "NOT suppressed" in again.err
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    assert "nonsense" in rejects.read_text()
    assert listed(command) == [ADA, BO, CY]
    assert (missing.code, one_line(missing.err)) == (2, True)


def test_what_is_exported_can_be_imported_elsewhere(
    command: Command, ledger: Path, tmp_path: Path
):
    out = tmp_path / "out.csv"
    exported = command("suppression", "export", "--out", out, "--json")
    again = command("suppression", "export", "--out", out)
    over = command("suppression", "export", "--out", out, "--overwrite")
    wrong = command("suppression", "export", "--out", ledger, "--overwrite")
    imported = command("suppression", "import", out, "--ledger", "other.db", "--create")

    assert exported.document == {"numbers": 1, "file": str(out)}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with out.open(newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == [ADA]
    assert (again.code, over.code, wrong.code, imported.code) == (2, 0, 2, 0)
    assert imported.out.startswith("1 added")


def test_a_long_list_is_shown_in_part_and_says_so(command: Command, ledger: Path):
    command("suppression", "add", *numbers(30)[1:])

    part = command("suppression", "list", "--limit", "10", "--json")
    all_of_it = command("suppression", "list", "--limit", "30")

    assert len(part.records) == 10
    assert "there are more" in part.err
    assert (len(all_of_it.out.splitlines()), all_of_it.err) == (31, "")


def test_an_empty_list_says_so(command: Command, ledger: Path):
    command("suppression", "remove", ADA)

    done = command("suppression", "list")

    assert done == Done(0, "", "nobody is on the list\n")


@pytest.mark.parametrize(
    "verb",
    [("list",), ("add", ADA), ("remove", ADA), ("check", ADA), ("export", "--out", "o.csv")],
    ids=lambda verb: verb[0],
)
def test_a_ledger_that_cannot_be_used_is_one_line_and_exit_2(
    command: Command, tmp_path: Path, verb: tuple[str, ...]
):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no ledger" * 100)

    done = command("suppression", *verb, "--ledger", broken)
    missing = command("suppression", *verb, "--ledger", tmp_path / "none.db")

    assert (done.code, missing.code) == (2, 2)
    assert one_line(done.err)
    assert one_line(missing.err)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.db"]


def test_nobody_on_the_list_is_called_whatever_the_campaign(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    for name in ("first", "second"):
        with RunningCampaign(emulator, ledger, [ADA, BO], name=name) as campaign:
            assert campaign.finish().ending is Ending.FINISHED
    standing = command("campaign", "status", "--campaign", "first", "--json").document

    assert {ring.number for ring in emulator.rings} == {BO}
    assert standing["reasons"] == {"suppressed": 1}


def test_whoever_is_taken_off_the_list_is_called_by_later_campaigns_only(
    command: Command, emulator: EmulatorThread, ledger: Path
):
    with RunningCampaign(emulator, ledger, [ADA], name="first") as campaign:
        campaign.finish()
    command("suppression", "remove", ADA)
    with RunningCampaign(emulator, ledger, name="first") as campaign:
        campaign.finish()
    rung = len(emulator.rings)
    with RunningCampaign(emulator, ledger, [ADA], name="second") as campaign:
        campaign.finish()

    assert (rung, len(emulator.rings)) == (0, 1)
