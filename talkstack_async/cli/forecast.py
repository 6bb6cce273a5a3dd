"""`talkstack dial --dry-run`: what would happen, told before anybody is called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..campaign.regions import RegionRules
from ..campaign.settings import CampaignSettings
from ..campaign.standing import money
from ..campaign.words import reason_words
from ..client import Client
from .moments import local, local_and_utc, span
from .output import Screen
from .reading import import_words
from .tables import record_of

if TYPE_CHECKING:
    from ..campaign.plan import PlaceForecast, Plan
    from .dial import DialOptions

__all__ = ["show_forecast"]

_ZONES_SHOWN = 3


async def show_forecast(options: DialOptions, client: Client, *, screen: Screen) -> None:
    """Decide on everybody as a run would, in a copy of the ledger, and show what came of it.

    Raises:
        CliError: The options cannot work.
        TalkstackError: The list, the agent or the ledger cannot be read.
    """
    from ..campaign.rehearsal import dry_run

    settings = await _settings(options, client)
    rules = settings.rules_file
    done = await dry_run(
        options.file,
        ledger=options.ledger_path,
        name=options.name,
        settings=settings,
        client=client,
        region=options.region,
        rejects=options.rejects,
        regions=RegionRules.load(Path(rules)) if rules else None,
        clock=client.clock,
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


async def _settings(options: DialOptions, client: Client) -> CampaignSettings:
    from ..campaign.ledger.opening import open_ledger
    from .dial import settings_for

    if not options.ledger_path.exists():
        return options.change.new()
    async with open_ledger(options.ledger_path, create=False, clock=client.clock) as ledger:
        return await settings_for(options, ledger)


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
