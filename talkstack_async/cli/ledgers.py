"""Which ledger a verb works on, and which campaign in it.

A ledger is named by its file, by the list it was made from, or by the address of a database,
which may also stand in TALKSTACK_LEDGER. All these verbs open it beside runners that may be at
work: they look, and change what the runners then notice.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .exits import CliError

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.ledger import Ledger
    from ..campaign.ledger.addresses import ServerAddress

__all__ = [
    "SUFFIX",
    "CampaignName",
    "LedgerFile",
    "LedgerOrList",
    "Place",
    "beside",
    "find_ledger",
    "ledger_option",
    "ledgers_here",
    "named_in_env",
    "on_campaign",
    "on_ledger",
    "opened",
    "what_opens",
]

SUFFIX = ".talkstack.db"

# Not a Path, which would make one slash of the two in an address.
LedgerOrList = Annotated[
    str | None,
    typer.Argument(
        metavar="LEDGER", help="The ledger: its file, its list, or postgresql://host/database."
    ),
]
LedgerFile = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="LEDGER",
        help="The ledger: its file, its list, or postgresql://host/database; else "
        "TALKSTACK_LEDGER, else the one here.",
    ),
]
CampaignName = Annotated[
    str | None, typer.Option("--campaign", help="Which one, if the ledger holds several.")
]

# Its text holds no user and no password.
Place: TypeAlias = "Path | ServerAddress"
OnLedger: TypeAlias = "Callable[[Ledger, Place], Awaitable[int]]"
OnCampaign: TypeAlias = "Callable[[Campaign, Place], Awaitable[int]]"

_VARIABLE = "TALKSTACK_LEDGER"


def find_ledger(*given: str | None, may_be_new: bool = False) -> Place:
    """Return the ledger that was named, here or in the environment, or the only one here.

    Args:
        given: The ways to name it; one of them at most may be used.
        may_be_new: Whether a ledger that was named need not be there.

    Raises:
        CliError: It is not there, or it is not clear which one is meant.
        LedgerError: It is an address, and cannot be one.
    """
    named = [name for name in given if name is not None]
    if len(named) > 1:
        raise CliError("name the ledger once: as an argument or with --ledger")
    if not named and (in_env := named_in_env()):
        named = [in_env]
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


def named_in_env() -> str | None:
    """Return how the environment names the ledger, which may hold a password."""
    return os.environ.get(_VARIABLE, "").strip() or None


def ledger_option(place: Place) -> str:
    """Return the option that names a ledger in another command, without a password.

    Empty if the environment names it: then no option is needed.
    """
    in_env = named_in_env()
    if in_env is not None and what_opens(_named(in_env, may_be_new=True)) == what_opens(place):
        return ""
    return f"--ledger {quote(str(place))}"


def what_opens(place: Place) -> str | Path:
    """Return what `open_ledger` takes; of a database the address as it was given."""
    return place if isinstance(place, Path) else place.dsn


def beside(ledger: Path, ending: str) -> Path:
    """Return a name for a file about a ledger: `contacts.csv` and an ending."""
    return ledger.with_name(ledger.name.removesuffix(SUFFIX) + ending)


def _named(name: str, *, may_be_new: bool) -> Place:
    from ..campaign.ledger.addresses import ServerAddress, is_server

    if is_server(name):
        return ServerAddress.read(name)
    if "://" in name:
        # Not repeated: an address may hold a password.
        raise CliError("a ledger is a file, or a database: postgresql://host/database")
    return _file(Path(name), may_be_new=may_be_new)


def _file(path: Path, *, may_be_new: bool) -> Path:
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
    raise CliError(f"there is no ledger {path}: talkstack dial creates one beside its list")


@asynccontextmanager
async def opened(place: Place, *, create: bool = False) -> AsyncIterator[Ledger]:
    """Open a ledger beside whoever runs it.

    Raises:
        LedgerError: It cannot be used.
        MissingExtraError: What ledgers need is not installed.
    """
    from ..campaign.ledger import open_ledger

    async with open_ledger(what_opens(place), create=create) as ledger:
        yield ledger


def on_ledger(work: OnLedger, place: Place, *, create: bool = False) -> int:
    """Do some work on a ledger; return the exit code it gives."""

    async def run() -> int:
        async with opened(place, create=create) as ledger:
            return await work(ledger, place)

    return asyncio.run(run())


def on_campaign(work: OnCampaign, place: Place, *, name: str | None) -> int:
    """Do some work on a campaign of a ledger; return the exit code it gives."""

    async def run(ledger: Ledger, place: Place) -> int:
        return await work(await _chosen(ledger, place, name=name), place)

    return on_ledger(run, place)


async def _chosen(ledger: Ledger, place: Place, *, name: str | None) -> Campaign:
    from ..campaign.campaign import Campaign

    names = [record.name for record in await ledger.campaigns()]
    if name is None and len(names) == 1:
        name = names[0]
    if name in names:
        return await Campaign.open(ledger, name)
    if not names:
        raise CliError(f"{place} holds no campaign yet")
    known = ", ".join(names)
    if name is None:
        raise CliError(f"{place} holds several campaigns, say --campaign NAME: {known}")
    raise CliError(f"{place} holds no campaign {name!r}, but: {known}")
