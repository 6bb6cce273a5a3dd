"""A move that is killed, or loses its server, at the worst moments: no two ledgers, none lost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.moving import move_ledger
from talkstack_async.campaign.ledger.reading import Reading
from talkstack_async.clock import ManualClock
from talkstack_async.errors import LedgerError
from tests.support.ledgers import NOW, campaign_of, claim
from tests.support.postgres import on_server

ROOT = Path(__file__).parents[2]
CONTACTS = 30
MOVE = """
import asyncio, sys
from talkstack_async.campaign.ledger.moving import move_ledger
asyncio.run(move_ledger(*sys.argv[1:]))
"""
# Where the server is held up until the test lets it go: between two copies, or at the commit.
HOLD_UP = """
CREATE FUNCTION is_held_up() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$
"""
IN_THE_MIDDLE = (
    'CREATE TRIGGER held_up BEFORE INSERT ON "import" FOR EACH ROW EXECUTE FUNCTION is_held_up()'
)
AT_THE_END = (
    'CREATE CONSTRAINT TRIGGER held_up AFTER INSERT ON "import" DEFERRABLE INITIALLY DEFERRED '
    "FOR EACH ROW EXECUTE FUNCTION is_held_up()"
)
HELD_UP = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE wait_event = 'advisory' AND datname = current_database()"
)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "spring.db"
    async with open_ledger(path, exclusive=True, clock=ManualClock(NOW)) as ledger:
        await claim(ledger, await campaign_of(ledger, *range(CONTACTS)), limit=3)
    return path


@contextlib.contextmanager
def held_up(url: str, where: LiteralString) -> Iterator[None]:
    """Hold the server up at a place, until the end of the block."""
    on_server(url, HOLD_UP)
    on_server(url, where)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        yield


async def who_is_held_up(url: str) -> int:
    """Wait until the move has come so far; return the server's process that works on it."""
    until = time.monotonic() + 60
    while not (found := on_server(url, HELD_UP)):
        assert time.monotonic() < until, "it never came so far"
        await asyncio.sleep(0.01)
    return int(found[0][0])


async def killed(path: Path, url: str, *, where: LiteralString) -> None:
    """Move in a process of its own, and kill that there. The server goes on by itself."""
    with held_up(url, where):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MOVE, str(path), url, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            pid = await who_is_held_up(url)
        finally:
            process.kill()
            await process.wait()
    until = time.monotonic() + 60
    while on_server(url, "SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid):
        assert time.monotonic() < until, "the server does not notice"


async def cut_off(path: Path, url: str, *, where: LiteralString) -> LedgerError:
    """Move, and lose the connection there."""
    with held_up(url, where):
        task = asyncio.create_task(move_ledger(path, url))
        pid = await who_is_held_up(url)
        on_server(url, "SELECT pg_terminate_backend(%s)", pid)
        with pytest.raises(LedgerError) as caught:
            await task
    return caught.value


def contacts_on(url: str) -> int:
    ((count,),) = on_server(url, "SELECT count(*) FROM contact")
    return int(count)


async def finish(path: Path, url: str) -> dict[str, int]:
    """Run the same command again; everything is there then, once, and nowhere else."""
    moved = await move_ledger(path, url)
    assert contacts_on(url) == CONTACTS
    with contextlib.closing(Reading(url)) as reading:
        assert reading.verify() == []
    with pytest.raises(LedgerError, match="was moved to"):
        await open_ledger(path, exclusive=True).__aenter__()
    return moved.rows


async def is_free(path: Path) -> None:
    async with open_ledger(path, exclusive=True) as ledger:
        assert await ledger.verify() == []


async def is_refused(path: Path) -> None:
    with pytest.raises(LedgerError, match="nobody is called until then"):
        await is_free(path)


async def test_a_move_killed_in_the_middle_brought_nothing(path: Path, postgres_url: str) -> None:
    await killed(path, postgres_url, where=IN_THE_MIDDLE)
    assert contacts_on(postgres_url) == 0
    await is_refused(path)  # whoever was killed cannot say how far it came
    assert (await finish(path, postgres_url))["contact"] == CONTACTS


async def test_a_move_killed_while_it_was_committed_brought_everything(
    path: Path, postgres_url: str
) -> None:
    await killed(path, postgres_url, where=AT_THE_END)
    assert contacts_on(postgres_url) == CONTACTS
    await is_refused(path)
    assert await finish(path, postgres_url) == {}, "and nothing comes twice"


async def test_a_move_that_lost_its_server_in_the_middle_gives_the_file_back(
    path: Path, postgres_url: str
) -> None:
    error = await cut_off(path, postgres_url, where=IN_THE_MIDDLE)
    assert "stopped or started" in str(error)
    assert contacts_on(postgres_url) == 0
    await is_free(path)
    assert (await finish(path, postgres_url))["contact"] == CONTACTS


async def test_a_move_that_lost_its_server_while_it_was_committed_does_not_guess(
    path: Path, postgres_url: str
) -> None:
    error = await cut_off(path, postgres_url, where=AT_THE_END)
    assert "not known whether everything arrived" in str(error)
    await is_refused(path)
    assert (await finish(path, postgres_url))["contact"] == CONTACTS
