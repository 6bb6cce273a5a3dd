"""`talkstack ledger`: what concerns the record itself, not who is in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ..exits import CliError, ExitCode
from ..ledgers import LedgerFile, LedgerOrList, Place, find_ledger, ledger_option, what_opens
from ..options import Json, Yes, group
from ..output import Screen
from ..prompts import confirm
from ..tables import show_done

__all__ = ["app", "upgrade"]

app = group(
    "ledger",
    "Ledgers: bring them up to date, back them up, and move them to PostgreSQL.",
    exit_codes="Exit codes: 0 done · 2 usage, not confirmed, or a ledger cannot be used · "
    "130 interrupted.",
)


@app.command()
def upgrade(place: LedgerOrList = None, *, ledger: LedgerFile = None, json: Json = False) -> int:
    """Bring a ledger of an older version up to date. Make a backup first.

    A file must not be in use. Workers on a database may go on meanwhile.
    """
    from ...campaign.ledger.opening import upgrade_ledger

    screen, found = Screen(json=json), find_ledger(place, ledger)
    asyncio.run(upgrade_ledger(what_opens(found)))
    show_done(f"{found} is up to date", screen=screen, ledger=str(found))
    return ExitCode.ALL_PLACED


@app.command()
def copy(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The ledger: its file, or its list.")
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="A new file, or the address of an empty database."),
    ],
    *,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="An earlier move elsewhere was cut short, and you made sure that nothing "
            "arrived there.",
        ),
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Move a ledger to PostgreSQL, or back it up into another file. Nobody is called by it.

    To a database everything is moved, once: the file is kept, for looking, and dials no more.
    Calls under way go along, and a worker looks for what became of them. If the move is cut
    short, run the same command again.
    """
    screen, found = Screen(json=json), find_ledger(source)
    if not isinstance(found, Path):
        raise CliError("a ledger in PostgreSQL is copied with pg_dump")
    there = find_ledger(target, may_be_new=True)
    if isinstance(there, Path):
        return _back_up(found, Path(target), screen=screen)
    confirm(f"Move {found} to {there} and dial no more from the file?", yes=yes, screen=screen)
    return _move(found, there, forget=forget, screen=screen)


def _back_up(source: Path, target: Path, *, screen: Screen) -> int:
    from ...campaign.ledger.opening import copy_ledger

    if target.exists():
        raise CliError(f"{target} is there already: name a new file")
    asyncio.run(copy_ledger(source, target))
    show_done(
        f"{target} is {source} as it stood now. Dial from one of them only: both would call the "
        "same people",
        screen=screen,
        source=str(source),
        ledger=str(target),
        moved=False,
    )
    return ExitCode.ALL_PLACED


def _move(source: Path, target: Place, *, forget: bool, screen: Screen) -> int:
    from ...campaign.ledger.moving import move_ledger_here
    from ...clock import SystemClock

    # In this thread, so that Ctrl-C ends it: then nothing arrived, and the file goes on.
    moved = move_ledger_here(source, str(what_opens(target)), clock=SystemClock(), forget=forget)
    text = ", ".join(_counted(moved.rows[name], name) for name in _TOLD if name in moved.rows)
    show_done(
        f"{source} was moved to {target}: {text or 'it had arrived there before'}. To call whom "
        f"it holds: {' '.join(('talkstack worker', ledger_option(target))).strip()}",
        screen=screen,
        source=str(source),
        ledger=str(target),
        moved=True,
        rows=moved.rows,
        unknown=moved.unknown,
    )
    if moved.unknown:
        screen.note(f"{moved.unknown:,} calls were under way; a worker looks for their ends")
    return ExitCode.ALL_PLACED


_TOLD = ("campaign", "contact", "attempt")


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"
