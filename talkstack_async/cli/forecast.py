"""`talkstack dial --dry-run`: what would happen, told before anybody is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..campaign.regions import RegionRules
from ..campaign.settings import CampaignSettings
from ..campaign.standing import money
from ..campaign.words import reason_words
from ..client import Client
from .exits import CliError
from .ledgers import what_opens
from .moments import local, local_and_utc, span
from .output import Screen
from .reading import import_words
from .tables import record_of

if TYPE_CHECKING:
    from ..campaign.plan import PlaceForecast, Plan
    from ..campaign.records import Suppression
    from ..campaign.rehearsal import DryRun
    from .dial import DialOptions

__all__ = ["show_forecast"]

_ZONES_SHOWN = 3


async def show_forecast(options: DialOptions, client: Client, *, screen: Screen) -> None:
    """Decide on everybody as a run would, in a copy of the ledger, and show what came of it.

    Raises:
        CliError: The options cannot work.
        TalkstackError: The list, the agent or the ledger cannot be read.
    """
    place = options.place
    if isinstance(place, Path):
        settings, done = await _in_copy_of(place, options, client)
    else:
        settings, done = await _beside_database(options, client)
        screen.note(
            "what other campaigns of this ledger have called is left out: their gaps and caps may "
            "put somebody off"
        )
    plan = done.plan
    if done.imported is not None:
        screen.note(import_words(done.imported, file=options.file, rejects=options.rejects))
    _show(plan, settings, screen=screen)
    screen.document(
        {
            "campaign": options.name,
            "dry_run": True,
            "import": done.imported and attrs.asdict(done.imported),
            **record_of(plan),
            "lasts_seconds": plan.lasts_seconds,
            "cost_at_most": _cost(plan),
            "exit_code": 0,
        }
    )


async def _in_copy_of(
    file: Path, options: DialOptions, client: Client
) -> tuple[CampaignSettings, DryRun]:
    """Rehearse in a copy of a ledger, if there is one."""
    from ..campaign.ledger.opening import open_ledger
    from .dial import settings_for

    if await asyncio.to_thread(file.exists):
        async with open_ledger(file, create=False, clock=client.clock) as ledger:
            settings = await settings_for(options, ledger)
    else:
        settings = options.change.new()
    return settings, await _rehearse(options, settings, client, ledger=file)


async def _beside_database(
    options: DialOptions, client: Client
) -> tuple[CampaignSettings, DryRun]:
    """Rehearse a campaign that a database does not hold yet; nothing is written to it.

    Raises:
        CliError: It holds the campaign. A database is not copied to rehearse in the copy.
    """
    from ..campaign.ledger.opening import open_ledger
    from .dial import settings_for

    place = options.place
    async with open_ledger(what_opens(place), create=False, clock=client.clock) as ledger:
        if await ledger.campaign(options.name) is not None:
            raise CliError(
                f"{place} holds the campaign {options.name!r} already, and only what is new there "
                "can be rehearsed: talkstack campaign status says how it stands"
            )
        settings = await settings_for(options, ledger)
        done = await _rehearse(options, settings, client, suppressed=ledger.suppressions())
    return settings, done


async def _rehearse(
    options: DialOptions,
    settings: CampaignSettings,
    client: Client,
    *,
    ledger: Path | None = None,
    suppressed: AsyncIterable[Suppression] | None = None,
) -> DryRun:
    from ..campaign.rehearsal import dry_run

    rules = settings.rules_file
    return await dry_run(
        options.file,
        ledger=ledger,
        name=options.name,
        settings=settings,
        client=client,
        region=options.region,
        rejects=options.rejects,
        regions=RegionRules.load(Path(rules)) if rules else None,
        suppressed=suppressed,
        clock=client.clock,
    )


def _show(plan: Plan, settings: CampaignSettings, *, screen: Screen) -> None:
    screen.say("Nobody was called. If the campaign ran now:")
    screen.table(
        "Never called",
        [(reason_words(reason), f"{count:,}") for reason, count in plan.out.items()],
    )
    screen.table(
        "Called later",
        [(reason_words(reason), f"{count:,}") for reason, count in plan.waiting.items()],
    )
    screen.table("When each place may be called", _places(plan))
    screen.table("The campaign", _facts(plan, settings))


def _places(plan: Plan) -> list[tuple[str, str, str]]:
    rows = [(_place(one), f"{one.contacts:,}", _hours(one, at=plan.at)) for one in plan.places]
    if plan.further_places:
        rows.append((f"{plan.further_places} more", f"{plan.further_contacts:,}", ""))
    return rows


def _place(place: PlaceForecast) -> str:
    return _short(place.zones or ("unknown zone",)) + (
        f" ({_short(place.regions)})" if place.regions else ""
    )


def _short(names: Sequence[str]) -> str:
    hidden = len(names) - _ZONES_SHOWN
    return ", ".join(names[:_ZONES_SHOWN]) + (f" and {hidden} more" if hidden > 0 else "")


def _hours(place: PlaceForecast, *, at: datetime) -> str:
    if place.opens_at > at:
        return f"from {local(place.opens_at, now=at)}"
    return f"now, until {local(place.closes_at, now=at)}" if place.closes_at else "now"


def _facts(plan: Plan, settings: CampaignSettings) -> list[tuple[str, str]]:
    cost = _cost(plan)
    return [
        ("contacts", f"{plan.contacts:,}"),
        ("may be called now", f"{plan.callable_now:,}"),
        ("calling window", f"{settings.window} local time"),
        ("pace", _pace(plan, settings)),
        ("first call", local_and_utc(plan.first_at) if plan.first_at else "none"),
        ("last first attempt", local_and_utc(plan.last_at) if plan.last_at else "not known"),
        ("takes", span(plan.lasts_seconds) if plan.lasts_seconds is not None else "not known"),
        ("attempts at most", f"{plan.attempts_at_most:,}"),
        ("cost at most", "no budget is set" if cost is None else f"{cost:,.2f}"),
    ]


def _pace(plan: Plan, settings: CampaignSettings) -> str:
    text = f"{plan.calls_per_second:.3g} calls per second at most"
    return f"{text}, if a call takes a minute" if settings.follow else text


def _cost(plan: Plan) -> float | None:
    micros = plan.cost_at_most_micros
    return None if micros is None else money(micros)
