"""Which ledger a verb works on, and which campaign in it.

A ledger is named by its file or by the list it was made from. All these verbs open it beside a
runner that may be at work: they look, and change what the runner then notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .exits import CliError

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.ledger import Ledger

__all__ = [
    "SUFFIX",
    "CampaignName",
    "LedgerFile",
    "LedgerOrList",
    "beside",
    "find_ledger",
    "ledgers_here",
    "on_campaign",
    "on_ledger",
    "opened",
]

SUFFIX = ".talkstack.db"

LedgerOrList = Annotated[
    Path | None,
    typer.Argument(metavar="LEDGER", help="The ledger, or the list it belongs to."),
]
LedgerFile = Annotated[
    Path | None,
    typer.Option("--ledger", help="The ledger, or the list it belongs to; else the one here."),
]
CampaignName = Annotated[
    str | None, typer.Option("--campaign", help="Which one, if the ledger holds several.")
]

OnLedger: TypeAlias = "Callable[[Ledger, Path], Awaitable[int]]"
OnCampaign: TypeAlias = "Callable[[Campaign, Path], Awaitable[int]]"


def find_ledger(*given: Path | None, may_be_new: bool = False) -> Path:
    """Return the ledger that was named, or the only one in this directory.

    Args:
        given: The ways to name it; one of them at most may be used.
        may_be_new: Whether a ledger that was named need not be there.

    Raises:
        CliError: It is not there, or it is not clear which one is meant.
    """
    named = [path for path in given if path is not None]
    if len(named) > 1:
        raise CliError("name the ledger once: as an argument or with --ledger")
    if named:
        return _named(named[0], may_be_new=may_be_new)
    found = ledgers_here()
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise CliError(f"there are several ledgers here, name one of them: {names}")
    raise CliError(f"there is no ledger (*{SUFFIX}) here: name one, or the list it belongs to")


def ledgers_here() -> Sequence[Path]:
    """Return the ledgers in this directory, by name."""
    return sorted(Path().glob(f"*{SUFFIX}"))


def beside(ledger: Path, ending: str) -> Path:
    """Return a name for a file about a ledger: `contacts.csv` and an ending."""
    return ledger.with_name(ledger.name.removesuffix(SUFFIX) + ending)


def _named(path: Path, *, may_be_new: bool) -> Path:
    if "://" in str(path) or str(path).startswith(("postgres:", "postgresql:", "postgresql+")):
        # Not repeated: an address may hold a password.
        raise CliError("a ledger in PostgreSQL is not in this version: name a file")
    if path.is_dir():
        raise CliError(f"{path} is a directory: name the ledger in it")
    of_list = path.with_name(path.name + SUFFIX)
    if of_list.exists():
        return of_list
    is_ledger = path.suffix.lower() not in (".csv", ".xlsx", ".jsonl", ".ndjson")
    if is_ledger and (may_be_new or path.is_file()):
        return path
    if may_be_new:
        return of_list
    if path.is_file():
        raise CliError(f"{path} has no ledger yet: talkstack dial {path} makes one beside it")
    raise CliError(f"there is no ledger {path}")


@asynccontextmanager
async def opened(path: Path, *, create: bool = False) -> AsyncIterator[Ledger]:
    """Open a ledger beside whoever runs it.

    Raises:
        LedgerError: It cannot be used.
        MissingExtraError: What ledgers need is not installed.
    """
    from ..campaign.ledger import open_ledger

    async with open_ledger(path, create=create) as ledger:
        yield ledger


def on_ledger(work: OnLedger, path: Path, *, create: bool = False) -> int:
    """Do some work on a ledger; return the exit code it gives."""

    async def run() -> int:
        async with opened(path, create=create) as ledger:
            return await work(ledger, path)

    return asyncio.run(run())


def on_campaign(work: OnCampaign, path: Path, *, name: str | None) -> int:
    """Do some work on a campaign of a ledger; return the exit code it gives."""

    async def run(ledger: Ledger, path: Path) -> int:
        return await work(await _chosen(ledger, path, name=name), path)

    return on_ledger(run, path)


async def _chosen(ledger: Ledger, path: Path, *, name: str | None) -> Campaign:
    from ..campaign.campaign import Campaign

    names = [record.name for record in await ledger.campaigns()]
    if name is None and len(names) == 1:
        name = names[0]
    if name in names:
        return await Campaign.open(ledger, name)
    if not names:
        raise CliError(f"{path} holds no campaign yet")
    known = ", ".join(names)
    if name is None:
        raise CliError(f"{path} holds several campaigns, say --campaign NAME: {known}")
    raise CliError(f"{path} holds no campaign {name!r}, but: {known}")
