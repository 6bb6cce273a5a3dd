"""`talkstack campaign set`: other settings for a campaign, also while it runs."""

from __future__ import annotations

import json as text_json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from ..exits import CliError, ExitCode
from ..ledgers import CampaignName, LedgerFile, LedgerOrList, Place, find_ledger, on_campaign
from ..options import Json
from ..output import Screen
from ..tables import cell

if TYPE_CHECKING:
    from ...campaign.campaign import Campaign
    from ...campaign.settings import CampaignSettings
    from ..settings import SettingsChange

__all__ = ["set_settings"]


def set_settings(
    place: LedgerOrList = None,
    *,
    ledger: LedgerFile = None,
    campaign: CampaignName = None,
    max_concurrency: Annotated[
        int | None, typer.Option(min=1, help="Calls being placed, or followed, at once.")
    ] = None,
    calls_per_second: Annotated[float | None, typer.Option(help="Pace of new calls.")] = None,
    no_pace: Annotated[bool, typer.Option("--no-pace", help="No limit to the pace.")] = False,
    max_attempts: Annotated[
        int | None, typer.Option(min=1, help="Attempts per contact that may have rung.")
    ] = None,
    max_per_day: Annotated[
        int | None, typer.Option(min=1, help="Attempts per person within 24 hours.")
    ] = None,
    redial: Annotated[
        list[str] | None, typer.Option(help="busy=15m, voicemail=never, ...; repeatable.")
    ] = None,
    calling_window: Annotated[
        str | None, typer.Option(help="Local hours: 08:00-21:00; 00:00-24:00 is any hour.")
    ] = None,
    budget: Annotated[float | None, typer.Option(help="What all calls may cost together.")] = None,
    worst_call: Annotated[float | None, typer.Option(help="The most one call can cost.")] = None,
    no_budget: Annotated[bool, typer.Option("--no-budget", help="No limit to the cost.")] = False,
    follow: Annotated[
        bool | None, typer.Option("--follow/--no-follow", help="Follow calls to their end.")
    ] = None,
    lost: Annotated[
        str | None, typer.Option(metavar="review|redial", help="What becomes of lost calls.")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Calling rules of regions.")] = None,
    json: Json = False,
) -> int:
    """Change what is given, the rest stays; without any option, show the settings.

    A running campaign notices the change within a second or two.
    """
    from ..settings import SettingsChange

    screen = Screen(json=json)
    if (no_pace and calls_per_second is not None) or (no_budget and budget is not None):
        raise CliError("give a limit, or say that there is none, and not both")
    change = SettingsChange.of_options(
        max_concurrency=max_concurrency,
        calls_per_second=calls_per_second,
        max_attempts=max_attempts,
        max_per_day=max_per_day,
        redial=redial,
        calling_window=calling_window,
        budget=budget,
        worst_call=worst_call,
        follow=follow,
        lost=lost,
        rules=rules,
    )

    async def work(campaign: Campaign, _: Place) -> int:
        before = campaign.record.settings
        after = _changed(before, change, no_pace=no_pace, no_budget=no_budget)
        if after != before:
            await campaign.change(after)
        is_question = change == SettingsChange() and not no_pace and not no_budget
        _show(before, after, is_question=is_question, screen=screen)
        return ExitCode.ALL_PLACED

    return on_campaign(work, find_ledger(place, ledger), name=campaign)


def _changed(
    before: CampaignSettings, change: SettingsChange, *, no_pace: bool, no_budget: bool
) -> CampaignSettings:
    after = change.applied_to(before)
    if no_pace:
        after = attrs.evolve(after, calls_per_second=None)
    return attrs.evolve(after, budget=None) if no_budget else after


def _show(
    before: CampaignSettings, after: CampaignSettings, *, is_question: bool, screen: Screen
) -> None:
    new = text_json.loads(after.to_json())
    screen.document(new)
    if screen.json:
        return
    was, now = dict(_flat(text_json.loads(before.to_json()))), dict(_flat(new))
    if was == now:
        if is_question:
            screen.facts([(name, cell(value)) for name, value in now.items()])
        else:
            screen.say("nothing has changed")
        return
    screen.facts(
        [
            (name, f"{cell(was.get(name))} -> {cell(now.get(name))}")
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name)
        ]
    )


def _flat(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings with the names of their groups in front: `caps per day`."""
    for name, value in values.items():
        words = f"{within}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _flat(value, f"{words} ")
        else:
            yield words, ", ".join(map(str, value)) if isinstance(value, list) else value
