"""`talkstack suppression`: numbers that no campaign of a ledger ever calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..exits import CliError, ExitCode
from ..ledgers import LedgerFile, LedgerOrList, Place, find_ledger, on_ledger
from ..numbers import read_number
from ..options import Json, group
from ..output import Screen
from ..tables import cell, free_text, show_done
from .campaign_reading import Region, ShowNumbers

if TYPE_CHECKING:
    from ...campaign.ledger import Ledger
    from ...campaign.records import Suppression

__all__ = ["app"]

app = group(
    "suppression",
    "The do-not-call list of a ledger: numbers that none of its campaigns calls.",
    exit_codes="Exit codes: 0 done, or not on the list · 1 on the list, or some rows could not "
    "be read · 2 usage, or the ledger cannot be used · 130 interrupted.",
)

Numbers = Annotated[
    list[str], typer.Argument(metavar="NUMBER", help="With + and the country code.")
]
Create = Annotated[
    bool, typer.Option("--create", help="Make the ledger if there is none; name it.")
]


@app.command()
def add(
    numbers: Numbers,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept and shown.")] = "asked",
    ledger: LedgerFile = None,
    create: Create = False,
    region: Region = None,
    json: Json = False,
) -> int:
    """Never call these numbers again. A campaign that runs notices it before its next call."""
    screen = Screen(json=json)
    wanted = [read_number(number, region=region) for number in numbers]

    async def work(ledger: Ledger, _: Place) -> int:
        from ...campaign.records import Suppression
        from ...clock import SystemClock

        now = SystemClock().now()
        added = await ledger.suppress(
            [
                Suppression(number=each, reason=reason, source="command line", added_at=now)
                for each in dict.fromkeys(wanted)
            ]
        )
        known = len(set(wanted)) - added
        text = f"{added:,} added, {known:,} were on the list before"
        show_done(text, screen=screen, added=added, known=known)
        return ExitCode.ALL_PLACED

    return on_ledger(work, find_ledger(ledger, may_be_new=create), create=create)


@app.command()
def remove(
    numbers: Numbers,
    *,
    ledger: LedgerFile = None,
    region: Region = None,
    json: Json = False,
) -> int:
    """Take numbers off the list. Contacts that were left out because of it stay left out.

    Exit code 1 if one of them was not on it.
    """
    screen = Screen(json=json)
    wanted = sorted({read_number(number, region=region) for number in numbers})

    async def work(ledger: Ledger, _: Place) -> int:
        from ...clock import SystemClock

        removed = await ledger.unsuppress(wanted, now=SystemClock().now())
        unknown = len(wanted) - removed
        text = f"{removed:,} removed, {unknown:,} were not on the list"
        show_done(text, screen=screen, removed=removed, unknown=unknown)
        return ExitCode.FAILURES if unknown else ExitCode.ALL_PLACED

    return on_ledger(work, find_ledger(ledger))


@app.command("list")
def list_suppressions(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    show_numbers: ShowNumbers = False,
    json: Json = False,
) -> int:
    """Show the list, by number. The whole of it: talkstack suppression export."""
    screen = Screen(json=json)

    async def work(ledger: Ledger, _: Place) -> int:
        found, is_more = await _first(ledger, limit)
        for entry in found:
            screen.document(_record(entry))
        if not json and found:
            screen.columns(_HEADINGS, [_row(one, show_numbers=show_numbers) for one in found])
        elif not found:
            screen.note("nobody is on the list")
        if is_more:
            screen.note("there are more: --limit, or talkstack suppression export")
        return ExitCode.ALL_PLACED

    return on_ledger(work, find_ledger(place, ledger))


async def _first(ledger: Ledger, limit: int) -> tuple[list[Suppression], bool]:
    found: list[Suppression] = []
    # Left in the middle, it still holds a connection.
    async with aclosing(cast("AsyncGenerator[Suppression]", ledger.suppressions())) as entries:
        async for entry in entries:
            if len(found) == limit:
                return found, True
            found.append(entry)
    return found, False


_HEADINGS = ("number", "reason", "source", "added")


def _row(entry: Suppression, *, show_numbers: bool) -> tuple[str, ...]:
    from ...phone import mask_number

    shown = entry.number if show_numbers else mask_number(entry.number)
    return shown, free_text(entry.reason), free_text(entry.source), cell(entry.added_at)


def _record(entry: Suppression) -> dict[str, Any]:
    return {
        "number": entry.number,
        "reason": entry.reason,
        "source": entry.source,
        "added_at": entry.added_at.isoformat(),
    }


@app.command("import")
def import_list(
    file: Annotated[
        Path, typer.Argument(help="CSV with a column `number`, or one number per line.")
    ],
    *,
    ledger: LedgerFile = None,
    create: Create = False,
    region: Region = None,
    reason: Annotated[str, typer.Option(help="Where the file says none.")] = "listed",
    json: Json = False,
) -> int:
    """Put a whole list on it. Whoever is on it stays on it.

    Rows that hold no number are NOT suppressed: they are written to FILE.rejected.csv, and the
    exit code is 1.
    """
    screen = Screen(json=json)
    rejected = file.with_name(f"{file.name}.rejected.csv")

    async def work(ledger: Ledger, _: Place) -> int:
        from ...campaign.rejects import Rejects
        from ...campaign.suppressing import import_suppressions
        from ...clock import SystemClock

        with Rejects(rejected) as rejects:
            counts = await import_suppressions(
                ledger,
                file,
                now=SystemClock().now(),
                region=region,
                reason=reason,
                rejects=rejects,
            )
        where = str(rejected) if counts.rejected else None
        show_done(
            f"{counts.added:,} added, {counts.known:,} were on the list before",
            screen=screen,
            rows=counts.rows,
            added=counts.added,
            known=counts.known,
            rejected=counts.rejected,
            rejects=where,
        )
        if where is None:
            return ExitCode.ALL_PLACED
        screen.note(f"{counts.rejected:,} rows hold no number and are NOT suppressed: {where}")
        return ExitCode.FAILURES

    return on_ledger(work, find_ledger(ledger, may_be_new=create), create=create)


@app.command()
def export(
    place: LedgerOrList = None,
    *,
    out: Annotated[Path, typer.Option(help="A file that ends in .csv.")],
    ledger: LedgerFile = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
    json: Json = False,
) -> int:
    """Write the whole list to a CSV file that only you can read."""
    screen = Screen(json=json)
    if out.suffix.lower() != ".csv":
        raise CliError(f"--out {out}: the file must end in .csv")

    async def work(ledger: Ledger, _: Place) -> int:
        from ...campaign.suppressing import export_suppressions

        count = await export_suppressions(ledger, out, overwrite=overwrite)
        show_done(f"{count:,} numbers: {out}", screen=screen, numbers=count, file=str(out))
        return ExitCode.ALL_PLACED

    return on_ledger(work, find_ledger(place, ledger))


@app.command()
def check(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With + and the country code.")],
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    region: Region = None,
    json: Json = False,
) -> int:
    """Say whether a number is on the list: exit code 1 if it is, 0 if it is not."""
    screen = Screen(json=json)
    wanted = read_number(number, region=region)

    async def work(ledger: Ledger, _: Place) -> int:
        entry = (await ledger.story(wanted)).suppression
        found = None if entry is None else _record(entry)
        screen.document({"number": wanted, "suppressed": found is not None, "entry": found})
        if not json:
            screen.say(f"{wanted.masked}: {_standing(entry)}")
        return ExitCode.ALL_PLACED if entry is None else ExitCode.FAILURES

    return on_ledger(work, find_ledger(place, ledger))


def _standing(entry: Suppression | None) -> str:
    if entry is None:
        return "not on the list"
    why, source = free_text(entry.reason), free_text(entry.source)
    return f"on the list since {cell(entry.added_at)}: {why} ({source})"
