"""Ledgers in PostgreSQL from the command line: every verb, and never a password on the screen."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from talkstack_async.campaign import Campaign, open_ledger
from talkstack_async.campaign.beats import Beat
from talkstack_async.campaign.ledger import Ledger
from talkstack_async.cli.groups.campaign_workers import spans_of
from talkstack_async.emulator import EmulatorThread
from tests.e2e.test_cli import one_line
from tests.e2e.test_cli_groups import Command, command
from tests.support.running import numbers, settings_for

__all__ = ["command"]

PASSWORD = "hunter2-very-secret"


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


def with_password(url: str) -> str:
    """The same address, with a password the server does not ask for."""
    return url.replace("postgres@", f"postgres:{PASSWORD}@")


def shown(url: str) -> str:
    return re.sub(r"//[^@]*@", "//", url)


async def fill(url: str, emulator: EmulatorThread, *people: str, name: str = "spring") -> None:
    async with open_ledger(url) as ledger:
        campaign = await Campaign.open(ledger, name, settings=settings_for(emulator))
        await campaign.enqueue([{"number": each, "name": "Ada"} for each in people])


@pytest.fixture
def five(postgres_url: str, emulator: EmulatorThread) -> str:
    """The address, with a password, of a ledger with a campaign of five."""
    asyncio.run(fill(postgres_url, emulator, *numbers(5)))
    return with_password(postgres_url)


def test_every_verb_takes_the_address_of_a_database(
    command: Command, five: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    person = numbers(5)[0]
    runs = [
        command(*words, five, "--json")
        for words in (
            ("campaign", "list"),
            ("campaign", "status"),
            ("campaign", "pause"),
            ("campaign", "resume"),
            ("campaign", "set", "--calls-per-second", "7"),
            ("campaign", "explain", person),
            ("campaign", "resolve"),
            ("campaign", "verify"),
            ("campaign", "report"),
            ("campaign", "export", "--out", "all.csv"),
            ("campaign", "workers"),
            ("ledger", "upgrade"),
            ("suppression", "list"),
            ("campaign", "cancel", "--yes"),
            ("campaign", "watch", "--every", "0.1"),
        )
    ]
    for words in (("add", person), ("remove", person)):
        runs.append(command("suppression", *words, "--ledger", five))
    for done in runs:
        assert done.code == 0, done.err
        assert PASSWORD not in done.out + done.err
    assert [each["campaign"] for each in runs[0].records] == ["spring"]
    assert runs[1].document["total"] == 5
    assert runs[1].document["ledger"] == shown(five).replace(f":{PASSWORD}", "")
    assert runs[7].document["clean"] is True
    assert {path.name for path in tmp_path.iterdir()} == {"spring.report.html", "all.csv"}


def test_the_environment_may_name_the_ledger(
    command: Command, five: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKSTACK_LEDGER", five)
    by_environment = command("campaign", "status", "--json")
    all_of_it = command("campaign", "list", "--json")
    # What is named outright wins.
    elsewhere = command("campaign", "status", "--ledger", "none.db")
    assert by_environment.document["total"] == 5
    assert [each["campaign"] for each in all_of_it.records] == ["spring"]
    assert (elsewhere.code, one_line(elsewhere.err)) == (2, True)


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://ada:{PASSWORD}@127.0.0.1:1/none",
        f"postgres://ada:{PASSWORD}@no.such.host.invalid/none?connect_timeout=2",
        f"postgresql://ada:{PASSWORD}@[broken/none",
        f"mysql://ada:{PASSWORD}@host/db",
    ],
    ids=["nobody listens", "no such host", "no address", "another database"],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(
    command: Command, address: str
):
    for verb in (("campaign", "status"), ("worker",), ("suppression", "list")):
        done = command(*verb, "--ledger", address)
        assert (done.code, one_line(done.err)) == (2, True), done.err
        assert PASSWORD not in done.err + done.out


def test_the_workers_are_shown_with_what_they_hold_and_when_they_were_heard_of(
    command: Command, five: str
):
    async def pretend() -> None:
        async with open_ledger(five) as ledger:
            await pretend_worker(ledger)

    asyncio.run(pretend())
    people = command("campaign", "workers", five)
    (record,) = command("campaign", "workers", five, "--json").records
    assert (people.code, record["worker"], record["state"]) == (0, "here:7:ab", "working")
    assert record["held"] == {"spring": [0, 1, 2, 4]}
    assert record["beat_seconds_ago"] < 60
    assert (record["host"], record["pid"], record["in_flight"]) == ("here", 7, 3)
    assert "spring: 0-2, 4" in people.out
    assert "here" in people.out


async def pretend_worker(ledger: Ledger) -> None:
    from typing import Any, cast

    shared = cast("Any", ledger)
    beat = Beat(
        worker="here:7:ab", host="here", pid=7, began_at=datetime(2026, 1, 5, tzinfo=UTC),
        in_flight=3,
    )  # fmt: skip
    await shared.beat(beat)
    campaign = await ledger.campaign("spring")
    assert campaign is not None
    for shard in (0, 1, 2, 4):
        await shared.hold(campaign.campaign_id, shard, worker=beat.worker)


def test_a_ledger_in_a_file_has_no_workers_and_takes_none(command: Command, tmp_path: Path):
    file = tmp_path / "list.talkstack.db"
    asyncio.run(make_ledger(file))
    for verb in (("campaign", "workers"), ("worker",)):
        done = command(*verb, "--ledger", file)
        assert (done.code, one_line(done.err)) == (2, True)
        assert "talkstack dial" in done.err


async def make_ledger(file: Path) -> None:
    async with open_ledger(file):
        pass


def test_a_ledger_that_nobody_works_on_says_so(command: Command, five: str):
    done = command("campaign", "workers", five)
    assert (done.code, done.out, one_line(done.err)) == (0, "", True)


def test_numbers_of_shards_are_written_as_people_do():
    assert spans_of([]) == ""
    assert spans_of([3]) == "3"
    assert spans_of([0, 1, 2, 3]) == "0-3"
    assert spans_of([7, 0, 1, 9, 10, 1]) == "0-1, 7, 9-10"


def test_a_list_that_a_file_knows_is_not_begun_anew_in_a_database(
    command: Command, five: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    people = tmp_path / "list.csv"
    people.write_text("number,name\n+12025550101,Ada\n")
    asyncio.run(make_ledger(tmp_path / "list.csv.talkstack.db"))
    named = command("dial", people, "--ledger", five)
    monkeypatch.setenv("TALKSTACK_LEDGER", five)
    in_environment = command("dial", people)
    for done in (named, in_environment):
        assert (done.code, PASSWORD in done.err) == (2, False)
    assert "talkstack ledger copy" in named.err
    assert "--ledger" in in_environment.err
    assert json.loads(command("campaign", "status", five, "--json").out)["campaign"] == "spring"


def test_a_dry_run_beside_a_database_writes_nothing_and_heeds_its_suppression_list(
    command: Command, five: str, tmp_path: Path
):
    people = tmp_path / "list.csv"
    people.write_text("number,name\n+12025550101,Ada\n+12025550102,Bo\n")
    command("suppression", "add", "+12025550102", "--ledger", five)
    tried = command("dial", people, "--ledger", five, "--dry-run", "--json")
    known = command("dial", people, "--ledger", five, "--dry-run", "--campaign", "spring")
    assert tried.code == 0, tried.err
    assert json.loads(tried.out)["out"] == {"suppressed": 1}
    assert (known.code, "status" in known.err) == (2, True)
    (only,) = command("campaign", "list", five, "--json").records
    assert only["campaign"] == "spring"
    assert {path.name for path in tmp_path.iterdir()} == {"list.csv"}


def test_a_webhook_address_for_a_database_wants_a_file_for_its_token(command: Command, five: str):
    done = command("webhooks", "serve", "--ledger", five, "--port", "0")
    assert (done.code, one_line(done.err)) == (2, True)
    assert "--token-file" in done.err
    assert PASSWORD not in done.err
