# ruff: noqa: ASYNC240 # the files are small, and nothing else waits for the loop
"""Full disks, locks, damage, second runners and SIGKILL: one clear error each, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.opening import upgrade_ledger
from talkstack_async.campaign.ledger.sqlite import SqliteLedger
from talkstack_async.campaign.records import EventRecord, Suppression
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.errors import (
    LedgerBusyError,
    LedgerCorruptError,
    LedgerError,
    LedgerFullError,
    LedgerInUseError,
    LedgerVersionError,
)
from tests.support.ledgers import NOW, campaign_of, claim, number, row, settlement

ROOT = Path(__file__).parents[2]
SHORT = 0.02  # a lock is waited for this long, where the test wants it to be missed

_PRELUDE = """
import asyncio, json, os, signal, sys
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.errors import *
from tests.support.ledgers import *

path = sys.argv[1]

def say(what):
    print(json.dumps(what), flush=True)
"""


@contextlib.contextmanager
def child(path: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """Run a script in a process of its own; killed in the end, if it still runs."""
    text = _PRELUDE + textwrap.dedent(script)
    with subprocess.Popen(
        [sys.executable, "-c", text, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(process: subprocess.Popen[str]) -> Iterator[object]:
    """Return what a script says, line by line; a line that was cut short does not count."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield json.loads(line)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.csv.talkstack.db"


# --- No room.


def test_a_full_disk_is_one_clear_error_and_work_goes_on_once_there_is_room(path: Path) -> None:
    script = """
    import resource

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main():
        async with open_ledger(path, exclusive=True) as ledger:
            campaign = await campaign_of(ledger, *range(1, 200))
            taken = (await claim(ledger, campaign, limit=50)).claims
            limit(os.path.getsize(path + "-wal") + 10_000)
            placed = [
                settlement(one, AttemptState.PLACED, call_id=f"{one.attempt_id:2000d}")
                for one in taken
            ]
            try:
                await ledger.settle(placed)
            except LedgerFullError as error:
                say(str(error))
            try:
                await claim(ledger, campaign, limit=100)
            except LedgerFullError:
                say("still full")
            limit(resource.RLIM_INFINITY)
            say(all(await ledger.settle(placed)))
            say(len((await claim(ledger, campaign, limit=100)).claims))
            say([str(finding) for finding in await ledger.verify()])

    asyncio.run(main())
    """
    with child(path, script) as process:
        message, still, settled, claimed, findings = lines_of(process)
    assert "cannot grow" in str(message)
    assert "make room" in str(message)
    assert (still, settled, claimed, findings) == ("still full", True, 100, [])


# --- Others at the same file.


async def test_a_locked_file_is_an_error_after_the_timeout_and_then_all_is_well(
    path: Path,
) -> None:
    async with open_ledger(path, exclusive=True, busy_seconds=SHORT) as ledger:
        campaign = await campaign_of(ledger, 1)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerBusyError, match="another program"):
                await claim(ledger, campaign)
            other.execute("ROLLBACK")
        assert len((await claim(ledger, campaign)).claims) == 1


async def test_a_second_runner_is_refused_and_told_who_is_first(path: Path) -> None:
    script = """
    async def main():
        async with open_ledger(path, exclusive=True):
            say("open")
            await asyncio.Event().wait()

    asyncio.run(main())
    """
    with child(path, script) as process:
        assert next(lines_of(process)) == "open"
        with pytest.raises(LedgerInUseError, match=f"process {process.pid}"):
            await open_ledger(path, exclusive=True).__aenter__()
        with pytest.raises(LedgerInUseError):
            await upgrade_ledger(path)
        async with open_ledger(path) as beside:
            assert await beside.campaigns() == [], "looking is allowed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        async with open_ledger(path, exclusive=True) as ledger:
            assert await ledger.campaigns() == []


async def test_a_runner_that_closed_lets_the_next_one_in(path: Path) -> None:
    for _ in range(2):
        async with open_ledger(path, exclusive=True):
            with pytest.raises(LedgerInUseError, match=f"process {os.getpid()}"):
                await open_ledger(path, exclusive=True).__aenter__()


async def test_a_runner_that_could_not_open_leaves_no_lock(path: Path) -> None:
    path.write_text("this is no database, although it is long enough to look at" * 40)
    with pytest.raises(LedgerCorruptError):
        await open_ledger(path, exclusive=True).__aenter__()
    path.unlink()
    async with open_ledger(path, exclusive=True):
        pass


async def test_others_write_beside_a_runner_and_the_chain_stays_whole(path: Path) -> None:
    async with open_ledger(path, exclusive=True) as runner, open_ledger(path) as beside:
        campaign = await campaign_of(runner, *range(1, 101))

        async def dial() -> None:
            while taken := (await claim(runner, campaign, limit=7)).claims:
                await runner.settle([settlement(each, AttemptState.PLACED) for each in taken])

        async def interfere() -> None:
            for n in range(40):
                entry = Suppression(number=number(n), reason="r", source="api", added_at=NOW)
                await beside.suppress([entry])
                await beside.receive(
                    EventRecord(
                        event_id=0, call_id=f"c{n}", digest="d", status=None, received_at=NOW
                    )
                )

        await asyncio.gather(dial(), interfere())
        assert await runner.verify() == []
        assert len(await beside.take_events(limit=100)) == 40


async def test_several_that_create_it_at_once_share_one_ledger(path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        opened = [open_ledger(path) for _ in range(6)]
        await asyncio.gather(*(stack.enter_async_context(each) for each in opened))
        await campaign_of(opened[0], 1)
        assert [len(await each.campaigns()) for each in opened] == [1] * 6
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


# --- What is no ledger.


async def test_damage_in_the_middle_is_found_before_anybody_is_called(path: Path) -> None:
    async with open_ledger(path) as ledger:
        campaign = await campaign_of(ledger, *(row(n) for n in range(1, 5000)))
        assert campaign
    whole = path.read_bytes()
    middle = len(whole) // 2 // 4096 * 4096
    path.write_bytes(whole[:middle] + b"\xa5" * 4096 + whole[middle + 4096 :])

    with pytest.raises(LedgerCorruptError, match="restore a copy"):
        await open_ledger(path, exclusive=True).__aenter__()

    # The negative control: it is the damage that is found.
    path.write_bytes(whole)
    async with open_ledger(path, exclusive=True) as ledger:
        assert await ledger.verify() == []


@pytest.mark.parametrize("content", [b"", b"number,name\n+14155550123,Ada\n" * 200])
@pytest.mark.parametrize("exclusive", [False, True])
async def test_a_file_of_another_kind_is_refused_and_kept(
    path: Path, content: bytes, exclusive: bool
) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerCorruptError):
        await open_ledger(path, exclusive=exclusive).__aenter__()
    assert path.read_bytes() == content


async def test_a_database_of_another_program_is_refused_and_not_upgraded(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    for opening in (open_ledger(path).__aenter__(), upgrade_ledger(path)):
        with pytest.raises(LedgerCorruptError, match="no ledger of this package"):
            await opening
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("theirs",)]


@pytest.mark.parametrize(
    ("version", "advice"), [("0000", "talkstack ledger upgrade"), ("9999", "upgrade talkstack-")]
)
async def test_a_ledger_of_another_version_is_refused(
    path: Path, version: str, advice: str
) -> None:
    async with open_ledger(path):
        pass
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    with pytest.raises(LedgerVersionError, match=advice):
        await open_ledger(path).__aenter__()


async def test_upgrading_a_ledger_that_is_up_to_date_changes_nothing(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await campaign_of(ledger, 1)
    before = path.read_bytes()
    await upgrade_ledger(path)
    assert path.read_bytes() == before


async def test_a_missing_file_is_an_error_if_it_is_not_to_be_made(path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger at"):
        await open_ledger(path, create=False, exclusive=True).__aenter__()
    with pytest.raises(LedgerError, match="no ledger at"):
        await upgrade_ledger(path)
    with pytest.raises(LedgerError, match="No such file"):
        await open_ledger(path / "there" / "l.db").__aenter__()
    assert list(path.parent.iterdir()) == []


# --- Files.


async def test_every_file_is_its_owners_only(path: Path) -> None:
    mask = os.umask(0)
    try:
        async with open_ledger(path, exclusive=True) as ledger:
            await campaign_of(ledger, 1)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in all_beside(path)}
    finally:
        os.umask(mask)
    names = ("", "-wal", "-shm", ".lock")
    assert modes == {path.name + name: 0o600 for name in names}


def all_beside(path: Path) -> list[Path]:
    return list(path.parent.iterdir())


async def test_a_kill_while_it_is_made_leaves_no_half_a_ledger(path: Path) -> None:
    script = """
    from talkstack_async.campaign.ledger import files

    files._publish = lambda draft, path: os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(open_ledger(path).__aenter__())
    """
    with child(path, script) as process:
        assert process.wait() == -signal.SIGKILL
    assert not path.exists()
    async with open_ledger(path, exclusive=True) as ledger:
        assert await ledger.verify() == []


# --- SIGKILL.


@pytest.mark.parametrize("said", [1, 7, 40])
async def test_what_was_claimed_before_a_kill_is_in_the_ledger(path: Path, said: int) -> None:
    script = """
    async def dial(ledger, campaign):
        while taken := (await claim(ledger, campaign, limit=3)).claims:
            say([one.attempt_id for one in taken])
            await ledger.settle([settlement(one, AttemptState.PLACED) for one in taken])

    async def main():
        async with open_ledger(path, exclusive=True) as ledger:
            campaign = await campaign_of(ledger, *range(1, 9000))
            await asyncio.gather(*(dial(ledger, campaign) for _ in range(8)))

    asyncio.run(main())
    """
    told: set[int] = set()
    with child(path, script) as process:
        for count, line in enumerate(lines_of(process), 1):
            assert isinstance(line, list)
            told.update(line)
            if count == said:
                process.kill()
    assert told, "it was killed while it worked"

    async with open_ledger(path, exclusive=True) as ledger:
        (campaign,) = await ledger.campaigns()
        written = {
            attempt.attempt_id
            async for _, attempts in ledger.export(campaign.campaign_id)
            for attempt in attempts
        }
        assert told <= written
        assert len(written) < 8999, "there was something left to do"
        before = await ledger.counts(campaign.campaign_id, now=NOW)
        cut = before.attempts.get(AttemptState.DISPATCHING, 0)
        assert await ledger.recover(worker="next") == cut
        assert await ledger.verify() == []
        after = await ledger.counts(campaign.campaign_id, now=NOW)
        assert after.contacts[ContactState.READY] == 8999 - len(written)


# --- The audit.


async def test_the_audit_cannot_be_changed_without_being_found(path: Path) -> None:
    async with open_ledger(path) as ledger:
        await campaign_of(ledger, 1, 2)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("UPDATE audit SET at = 0", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        # Whoever owns the file can remove the guard, but not restore the chain unseen.
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET detail = '{}' WHERE seq = 2")
    async with open_ledger(path) as ledger:
        assert "entry 2 " in str(await ledger.verify())


async def test_a_full_disk_names_no_number(path: Path) -> None:
    async with open_ledger(path) as ledger:
        assert isinstance(ledger, SqliteLedger)
        await ledger._write(
            lambda transaction: transaction.connection.execute("PRAGMA max_page_count = 1")
        )
        with pytest.raises(LedgerFullError) as caught:
            await campaign_of(ledger, *range(1, 3000))
    assert "+1415" not in str(caught.value)
