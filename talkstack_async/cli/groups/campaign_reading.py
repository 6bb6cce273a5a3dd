"""The verbs of `talkstack campaign` that only look: they may run beside a runner at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ...errors import LedgerError
from ..exits import CliError, ExitCode
from ..ledgers import (
    CampaignName,
    LedgerFile,
    LedgerOrList,
    Place,
    beside,
    find_ledger,
    ledgers_here,
    named_in_env,
    on_campaign,
    on_ledger,
    opened,
)
from ..options import Json
from ..output import Screen
from ..tables import cell, show_done

if TYPE_CHECKING:
    from ...campaign.campaign import Campaign
    from ...campaign.ledger import Ledger

__all__ = ["ShowNumbers", "explain", "export", "list_campaigns", "report", "status", "verify"]
__all__ += ["watch"]

ShowNumbers = Annotated[bool, typer.Option("--show-numbers", help="Do not mask phone numbers.")]
Region = Annotated[
    str | None, typer.Option(help="Like US or DE, for numbers in the form they have there.")
]


def list_campaigns(
    place: LedgerOrList = None, *, ledger: LedgerFile = None, json: Json = False
) -> int:
    """List the campaigns of a ledger, or of all ledgers in this directory."""
    screen = Screen(json=json)
    named = place is not None or ledger is not None or named_in_env() is not None
    here = () if named else ledgers_here()
    places: Sequence[Place] = here or [find_ledger(place, ledger)]
    found, code = asyncio.run(_campaigns_of(places, screen=screen))
    for standing in found:
        screen.document(standing)
    if not json and found:
        screen.columns(_HEADINGS, [_summary(standing) for standing in found])
    elif not found:
        screen.note("no campaigns")
    return code


_HEADINGS = ("campaign", "ledger", "state", "contacts", "left", "to look at", "created")


def _summary(standing: Mapping[str, Any]) -> tuple[str, ...]:
    contacts = standing["contacts"]
    return (
        cell(standing["campaign"]),
        standing["ledger"],
        "finished" if standing["finished"] else standing["state"],
        f"{standing['total']:,}",
        f"{contacts['ready'] + contacts['active']:,}",
        f"{contacts['review']:,}",
        standing["created_at"][:10],
    )


async def _campaigns_of(
    places: Sequence[Place], *, screen: Screen
) -> tuple[list[dict[str, Any]], ExitCode]:
    """Read all campaigns; a ledger that cannot be read does not hide the others."""
    from ...campaign.standing import standing
    from ...clock import SystemClock

    found, code, now = [], ExitCode.ALL_PLACED, SystemClock().now()
    for place in places:
        try:
            async with opened(place) as ledger:
                for record in await ledger.campaigns():
                    counts = await ledger.counts(record.campaign_id, now=now)
                    found.append({**standing(record, counts), "ledger": str(place)})
        except LedgerError as error:
            if len(places) == 1:
                raise
            screen.note(f"talkstack: {error}")
            code = ExitCode.USAGE
    return found, code


def status(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    json: Json = False,
) -> int:
    """Say how a campaign stands: contacts, attempts, how calls ended, what is waited for."""
    screen = Screen(json=json)

    async def work(campaign: Campaign, path: Place) -> int:
        from ...campaign.standing import standing
        from ...clock import SystemClock
        from ..status import show_standing

        found = {**standing(campaign.record, await campaign.counts()), "ledger": str(path)}
        show_standing(found, now=SystemClock().now(), screen=screen)
        return ExitCode.ALL_PLACED

    return on_campaign(work, find_ledger(place, ledger), name=campaign)


def watch(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    json: Json = False,
) -> int:
    """Show how a campaign stands until it is over, or until Ctrl-C; it goes on all the same."""
    screen = Screen(json=json)

    async def work(campaign: Campaign, path: Place) -> int:
        from ...clock import SystemClock
        from ..watching import watch as keep_watching

        await keep_watching(
            campaign, path=path, every_seconds=every, screen=screen, clock=SystemClock()
        )
        return ExitCode.ALL_PLACED

    try:
        return on_campaign(work, find_ledger(place, ledger), name=campaign)
    except KeyboardInterrupt:
        # The ordinary end of watching.
        return ExitCode.ALL_PLACED


def explain(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom it is about.")],
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    region: Region = None,
    show_numbers: ShowNumbers = False,
    json: Json = False,
) -> int:
    """Tell the whole story of a number: every decision, attempt, event and reason.

    Over all campaigns of the ledger. Exit code 1 if nothing is known of it.
    """
    screen = Screen(json=json)

    async def work(ledger: Ledger, path: Place) -> int:
        from ...campaign.explaining import lines_of, story_as_data
        from ..numbers import read_number

        story = await ledger.story(read_number(number, region=region))
        screen.document(story_as_data(story, show_numbers=show_numbers))
        if not json:
            for line in lines_of(story, show_numbers=show_numbers):
                screen.say(line)
        is_known = bool(story.contacts or story.suppression)
        return ExitCode.ALL_PLACED if is_known else ExitCode.FAILURES

    return on_ledger(work, find_ledger(place, ledger))


def report(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    out: Annotated[
        Path | None, typer.Option(help="An .html file; beside the ledger unless given.")
    ] = None,
    show_numbers: ShowNumbers = False,
    json: Json = False,
) -> int:
    """Write one HTML page about a campaign, and print where it is. It replaces an older one."""
    screen = Screen(json=json)
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        # It replaces what is there, which must not be a list or a ledger.
        raise CliError(f"--out {out}: a report ends in .html")

    async def work(campaign: Campaign, path: Place) -> int:
        from ...campaign.report import write_report
        from ...clock import SystemClock

        written = await write_report(
            campaign.ledger,
            campaign.record,
            out or _report_beside(path, campaign.name),
            show_numbers=show_numbers,
            now=SystemClock().now(),
        )
        show_done(str(written), screen=screen, report=str(written))
        return ExitCode.ALL_PLACED

    return on_campaign(work, find_ledger(place, ledger), name=campaign)


def _report_beside(place: Place, campaign: str) -> Path:
    name = "".join(mark if mark.isalnum() or mark in "-._ " else "-" for mark in campaign)[:100]
    path = place if isinstance(place, Path) else Path(name)
    report = beside(path, ".report.html")
    is_of_list = report.name == f"{name}.report.html"
    return report if is_of_list else beside(path, f".{name}.report.html")


def export(
    place: LedgerOrList = None,
    *,
    out: Annotated[Path, typer.Option(help="A file that ends in .csv, .xlsx or .jsonl.")],
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there.")
    ] = False,
    json: Json = False,
) -> int:
    """Write all contacts of a campaign, with what became of them, to a file only you can read.

    The numbers in it are whole.
    """
    screen = Screen(json=json)

    async def work(campaign: Campaign, _: Place) -> int:
        from ...campaign.exporting import Format
        from ...campaign.exporting import export as write

        for kind in get_args(Format):
            if out.suffix.lower() == f".{kind}":
                count = await write(
                    campaign.ledger, campaign.record, out, format=kind, overwrite=overwrite
                )
                text = f"{count:,} contacts: {out}"
                show_done(text, screen=screen, contacts=count, file=str(out))
                return ExitCode.ALL_PLACED
        raise CliError(f"--out {out}: the file must end in .csv, .xlsx or .jsonl")

    return on_campaign(work, find_ledger(place, ledger), name=campaign)


def verify(place: LedgerOrList = None, *, ledger: LedgerFile = None, json: Json = False) -> int:
    """Check the chain of the audit and what must be true of a ledger. Exit code 1 if not clean.

    Number and hash of the last audit entry prove, if you keep them elsewhere, that nothing
    before it was changed later.
    """
    screen = Screen(json=json)

    async def work(ledger: Ledger, path: Place) -> int:
        # Read first, so that the check reaches at least this far.
        number, digest = await ledger.head()
        findings = await ledger.verify()
        screen.document(
            {
                "ledger": str(path),
                "clean": not findings,
                "findings": [{"rule": each.rule, "detail": each.detail} for each in findings],
                "entries": number,
                "hash": digest,
            }
        )
        if not json:
            for each in findings:
                screen.say(f"broken: {each.rule}: {each.detail}")
            clean = "not clean" if findings else "clean"
            screen.say(f"{path} is {clean}; last audit entry {number:,}: {digest}")
        return ExitCode.FAILURES if findings else ExitCode.ALL_PLACED

    return on_ledger(work, find_ledger(place, ledger))
