"""`talkstack campaign`: see campaigns, and steer them, also while they run.

A change is written to the ledger; whoever runs the campaign notices it within a second or two.
`talkstack dial` creates campaigns and runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ..exits import CliError, ExitCode
from ..ledgers import (
    CampaignName,
    LedgerFile,
    LedgerOrList,
    Place,
    find_ledger,
    on_campaign,
)
from ..options import Json, Yes, group
from ..output import Screen
from ..prompts import confirm
from ..tables import cell, free_text, show_done
from . import campaign_reading as reading
from .campaign_reading import ShowNumbers
from .campaign_setting import set_settings
from .campaign_workers import workers

if TYPE_CHECKING:
    from ...campaign.campaign import Campaign, Resolution
    from ...campaign.records import ContactRecord, OpenAttempt

__all__ = ["app"]

app = group(
    "campaign",
    "Campaigns: see how they stand, and steer them. They are made and run by talkstack dial.",
    exit_codes="Exit codes: 0 done · 1 verify found something, or a number was not in review or "
    "not known · 2 usage, not confirmed, or the ledger cannot be used · 130 interrupted.",
)

app.command("list")(reading.list_campaigns)
app.command()(reading.status)
app.command()(reading.watch)
app.command()(workers)


@app.command()
def pause(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    json: Json = False,
) -> int:
    """Dial nothing more until it is resumed. Calls under way go on to their end."""
    screen = Screen(json=json)

    async def work(campaign: Campaign, _: Place) -> int:
        await campaign.pause()
        return _say_state(campaign, "paused; calls under way go on to their end", screen=screen)

    return on_campaign(work, find_ledger(place, ledger), name=campaign)


@app.command()
def resume(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    json: Json = False,
) -> int:
    """Let a paused campaign go on. If nobody runs it any more, talkstack dial does."""
    screen = Screen(json=json)

    async def work(campaign: Campaign, _: Place) -> int:
        await campaign.resume()
        return _say_state(campaign, "may dial again, if talkstack dial runs it", screen=screen)

    return on_campaign(work, find_ledger(place, ledger), name=campaign)


@app.command()
def cancel(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Dial nothing more, for good. Calls under way go on to their end."""
    screen = Screen(json=json)
    path = find_ledger(place, ledger)
    which = cell(campaign) if campaign else f"the campaign of {path}"
    confirm(f"Cancel {which} for good?", yes=yes, screen=screen)

    async def work(campaign: Campaign, _: Place) -> int:
        await campaign.cancel()
        return _say_state(campaign, "canceled; calls under way go on to their end", screen=screen)

    return on_campaign(work, path, name=campaign)


def _say_state(campaign: Campaign, text: str, *, screen: Screen) -> int:
    state = campaign.record.state.value
    show_done(f"{campaign.name}: {text}", screen=screen, campaign=campaign.name, state=state)
    return ExitCode.ALL_PLACED


@app.command()
def resolve(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LEDGER] NUMBER",
            help="The ledger or its list, and whom it concerns: + and the country code.",
        ),
    ] = None,
    *,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="redial|done|suppress",
            help="redial: call once more; done: leave it; suppress: never call again.",
        ),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All that are in review.")] = False,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    show_numbers: ShowNumbers = False,
    json: Json = False,
) -> int:
    """Decide about contacts that may have been rung; without numbers, show them.

    Look first, in the service's history or by asking the person. What is redialled rings again.
    """
    screen = Screen(json=json)
    place, numbers = _place_and_numbers(words or [])
    path = find_ledger(place, ledger)
    if as_ is None:
        if numbers or everybody:
            raise CliError("say what becomes of them: --as redial, done or suppress")
        return _show_reviews(path, campaign, show_numbers=show_numbers, screen=screen)
    if bool(numbers) == everybody:
        raise CliError("name the numbers, or say --all, and not both")

    async def work(campaign: Campaign, _: Place) -> int:
        chosen = None if everybody else sorted(set(numbers))
        return await _resolve(campaign, as_, chosen, screen=screen)

    return on_campaign(work, path, name=campaign)


def _place_and_numbers(words: list[str]) -> tuple[str | None, list[str]]:
    """Tell a ledger from numbers, which begin with a plus."""
    if words and not words[0].startswith("+"):
        return words[0], words[1:]
    return None, words


async def _resolve(
    campaign: Campaign, word: str, numbers: Sequence[str] | None, *, screen: Screen
) -> int:
    from ...campaign.campaign import Resolution

    if word not in set(Resolution):
        raise CliError(f"--as {word}: it is redial, done or suppress")
    resolution = Resolution(word)
    count = await campaign.resolve(resolution, numbers=numbers)
    missing = 0 if numbers is None else max(0, len(numbers) - count)
    show_done(_resolved(count, resolution), screen=screen, resolved=count, not_in_review=missing)
    if missing:
        screen.note(f"{missing} of the {len(numbers or ())} numbers were not in review")
    return ExitCode.FAILURES if missing else ExitCode.ALL_PLACED


def _resolved(count: int, resolution: Resolution) -> str:
    ends = {
        "redial": "to be called once more, when talkstack dial runs",
        "done": "done",
        "suppress": "done, and never called again",
    }
    return f"{count:,} contacts: {ends[resolution.value]}"


def _show_reviews(path: Place, name: str | None, *, show_numbers: bool, screen: Screen) -> int:
    async def work(campaign: Campaign, _: Place) -> int:
        found = await campaign.ledger.reviews(campaign.record.campaign_id)
        for contact, attempt in found:
            screen.document(_as_record(contact, attempt))
        if not screen.json and found:
            rows = [_as_row(*each, show_numbers=show_numbers) for each in found]
            screen.columns(_HEADINGS, rows)
            screen.say()
            screen.say("To decide: talkstack campaign resolve NUMBER --as redial|done|suppress")
        elif not found:
            screen.note("nobody is in review")
        return ExitCode.ALL_PLACED

    return on_campaign(work, path, name=name)


_HEADINGS = ("row", "number", "why", "attempts", "last attempt", "call")


def _as_row(
    contact: ContactRecord, attempt: OpenAttempt, *, show_numbers: bool
) -> tuple[str, ...]:
    from ...campaign.words import reason_words
    from ...phone import mask_number

    why = reason_words(contact.reason or "")
    return (
        cell(contact.row),
        contact.number if show_numbers else mask_number(contact.number),
        free_text(why),
        cell(contact.attempts),
        cell(attempt.sent_at),
        cell(attempt.call_id),
    )


def _as_record(contact: ContactRecord, attempt: OpenAttempt) -> dict[str, object]:
    return {
        "row": contact.row,
        "number": contact.number,
        "reason": contact.reason,
        "detail": contact.detail,
        "attempts": contact.attempts,
        "attempt_state": attempt.state.name.lower(),
        "attempted_at": attempt.sent_at.isoformat(),
        "call_id": attempt.call_id,
    }


app.command("set")(set_settings)
app.command()(reading.explain)
app.command()(reading.report)
app.command()(reading.export)
app.command()(reading.verify)
