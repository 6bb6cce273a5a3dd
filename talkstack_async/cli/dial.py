"""`talkstack dial`: a campaign from a list, begun or gone on with; nobody is rung twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..campaign.settings import CampaignSettings
from ..campaign.states import CampaignState
from ..client import Client
from ..errors import ContactListError
from .connecting import client_with_timeout
from .exits import CliError, ExitCode
from .extras import refuse_missing_extras, refuse_missing_worker_extras
from .ledgers import SUFFIX, Place, find_ledger, ledger_option, named_in_env, what_opens
from .output import Screen
from .running import Running
from .settings import SettingsChange
from .stopping import Stop, StopRequestedError

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.ledger.base import Ledger
    from ..campaign.records import ImportSummary

__all__ = ["DialOptions", "dial", "settings_for"]

_TOLD = (
    "stopping: nobody else is called; calls that have left are finished, and the same command "
    "goes on later (once more to give up waiting for answers)"
)
_WORKBOOKS = (".xlsx", ".xlsm")


@attrs.frozen(kw_only=True)
class DialOptions:
    """What `talkstack dial` was told.

    Attributes:
        ledger: None for that of the environment, or else the file beside the list.
        campaign: None for the list's file name.
        change: Of the stored settings, or of the defaults.
        report: Where a report is written at the end, if anywhere.
    """

    file: Path
    change: SettingsChange
    ledger: str | None = None
    campaign: str | None = None
    region: str | None = None
    wait: bool = True
    dry_run: bool = False
    report: Path | None = None
    timeout_seconds: float = 60.0

    @property
    def name(self) -> str:
        return self.campaign or self.file.name

    @property
    def place(self) -> Place:
        """Where the ledger is or will be."""
        if self.ledger is not None:
            return find_ledger(self.ledger, may_be_new=True)
        if named_in_env() is None:
            return self.beside_list
        place = find_ledger(may_be_new=True)
        if place != self.beside_list and self.beside_list.exists():
            raise CliError(
                f"TALKSTACK_LEDGER names a ledger, and {self.beside_list} is another: say which "
                "one is meant with --ledger, so that nobody is rung from both"
            )
        return place

    @property
    def beside_list(self) -> Path:
        return self.file.with_name(f"{self.file.name}{SUFFIX}")

    @property
    def rejects(self) -> Path:
        return self.file.with_name(f"{self.file.name}.rejected.csv")


async def dial(options: DialOptions, *, screen: Screen) -> int:
    """Dial a list, or say what would happen; return the exit code.

    What can be known beforehand is checked before there is a ledger.

    Raises:
        CliError: The options or the list cannot work.
        TalkstackError: The ledger or the service cannot be used.
    """
    refuse_missing_extras()
    if not isinstance(options.place, Path):
        refuse_missing_worker_extras()
    client, options = _connect(options, screen=screen)
    stop = Stop(tell=screen.note, told=_TOLD)
    with stop.on_signals():
        async with client:
            try:
                await stop.unless_requested(_check_beforehand(options))
                if options.dry_run:
                    return await stop.unless_requested(_forecast(options, client, screen=screen))
                # A service that cannot be reached concerns all rows: it is said once, now.
                await stop.unless_requested(client.warm_up(1))
                return await _run(options, client, stop=stop, screen=screen)
            except StopRequestedError:
                screen.fail("stopped before anybody was called", code=ExitCode.INTERRUPTED)
                return ExitCode.INTERRUPTED


def _connect(options: DialOptions, *, screen: Screen) -> tuple[Client, DialOptions]:
    """Make the client; project and agent of the environment count as options."""
    client = client_with_timeout(options.timeout_seconds, tell=screen.note)
    change = attrs.evolve(
        options.change,
        project_id=options.change.project_id or client.config.project_id,
        agent_id=options.change.agent_id or client.config.agent_id,
    )
    return client, attrs.evolve(options, change=change)


async def _check_beforehand(options: DialOptions) -> None:
    """Complain about a new campaign's settings and list before a ledger is made for them."""
    if options.report is not None and not options.report.resolve().parent.is_dir():
        raise CliError(f"{options.report}: there is no such directory for the report")
    if not options.file.is_file():
        raise ContactListError(f"{options.file}: there is no such file")
    place = options.place
    if isinstance(place, Path):
        if place.exists():
            return
        options.change.new()
    if options.file.suffix.lower() not in _WORKBOOKS:  # those are loaded whole, so only once
        from ..campaign.contacts import read_contacts

        contacts = await asyncio.to_thread(read_contacts, options.file, region=options.region)
        contacts.close()


async def _forecast(options: DialOptions, client: Client, *, screen: Screen) -> int:
    from .forecast import show_forecast

    await show_forecast(options, client, screen=screen)
    return ExitCode.ALL_PLACED


async def _run(options: DialOptions, client: Client, *, stop: Stop, screen: Screen) -> int:
    from ..campaign.ledger.opening import open_ledger

    place = options.place
    async with AsyncExitStack() as stack:
        opening = open_ledger(what_opens(place), exclusive=True, clock=client.clock)
        ledger: Ledger = await stop.unless_requested(stack.enter_async_context(opening))
        campaign, imported = await stop.unless_requested(
            _prepare(options, client, ledger, screen=screen)
        )
        running = Running(
            client,
            campaign,
            imported=imported,
            ledger=place,
            rejects=options.rejects,
            report=options.report,
            screen=screen,
        )
        conclusion = await running.run(stop, wait=options.wait)
    conclusion.show(screen=screen)
    screen.document(conclusion.document())
    return conclusion.exit_code


async def _prepare(
    options: DialOptions, client: Client, ledger: Ledger, *, screen: Screen
) -> tuple[Campaign, ImportSummary | None]:
    """Open the campaign, check its agent, and read its list."""
    from ..campaign.campaign import Campaign
    from .reading import read_list

    settings = await settings_for(options, ledger)
    campaign = await Campaign.open(ledger, options.name, settings=settings, clock=client.clock)
    if settings.window.is_whole_day:
        screen.note(
            "the calling window is 00:00-24:00: people are called at any hour, and the rules of "
            "states are off"
        )
    if campaign.record.state is CampaignState.PAUSED:
        screen.note(
            "the campaign is paused: nobody is called until talkstack campaign resume "
            + ledger_option(options.place)
        )
    if not isinstance(options.place, Path):
        screen.note(
            "on other hosts, too: talkstack worker "
            + (ledger_option(options.place) or "with the same TALKSTACK_LEDGER")
        )
    excluded = await campaign.check_agent(client)
    if excluded:
        screen.note(f"the agent was changed: {excluded} contacts lack a value it asks for")
    imported = await read_list(
        campaign,
        options.file,
        region=options.region,
        rejects=options.rejects,
        screen=screen,
    )
    return campaign, imported


async def settings_for(options: DialOptions, ledger: Ledger) -> CampaignSettings:
    """Return what the campaign is told: what is stored, changed by the options.

    Raises:
        CliError: Something is missing for a new campaign, or it was canceled.
    """
    stored = await ledger.campaign(options.name)
    if stored is None:
        _refuse_second_ledger(options)
        return options.change.new()
    if stored.state is CampaignState.CANCELED:
        raise CliError(
            f"the campaign {stored.name!r} was canceled, which is for good: begin another one "
            "with --campaign NAME"
        )
    return options.change.applied_to(stored.settings)


def _refuse_second_ledger(options: DialOptions) -> None:
    """Complain about a campaign that would begin anew although a file knows who was called."""
    if not isinstance(options.place, Path) and options.beside_list.exists():
        raise CliError(
            f"{options.beside_list} knows who of this list was called, and {options.place} does "
            "not: talkstack ledger copy takes it there; or move the file away to begin anew"
        )
