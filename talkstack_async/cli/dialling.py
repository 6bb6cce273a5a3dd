"""The options of `talkstack dial`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .asking import perform
from .options import AgentId, Json, ProjectId, Timeout
from .output import Screen

__all__ = ["EXIT_CODES", "run_dial"]

EXIT_CODES = (
    "Exit codes: 0 everybody is accounted for (those who wait, with --no-wait, too) · 1 some are "
    "not called: rejected rows, excluded, refused, canceled, or the budget is used up · 2 usage "
    "or configuration, or the ledger or the service cannot be used · 3 contacts need a look "
    "(wins over 1) · 130 interrupted (wins over all)."
)

_CALLING, _LIST, _RUN = "How people are called", "The list and the ledger", "This run"


def run_dial(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX with a column `number`, or .jsonl.")],
    *,
    ledger: Annotated[
        str | None,
        typer.Option(
            help="The campaign's ledger: a file, or postgresql://host/database, which many "
            "workers may share; else TALKSTACK_LEDGER, else FILE.talkstack.db.",
            rich_help_panel=_LIST,
        ),
    ] = None,
    campaign: Annotated[
        str | None,
        typer.Option(help="Its name in the ledger; else the file's.", rich_help_panel=_LIST),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Like US or DE, for numbers in the form they have there.", rich_help_panel=_LIST
        ),
    ] = None,
    project_id: ProjectId = None,
    agent_id: AgentId = None,
    max_concurrency: Annotated[
        int | None,
        typer.Option(
            min=1, help="Calls being placed or followed at once; 10.", rich_help_panel=_CALLING
        ),
    ] = None,
    calls_per_second: Annotated[
        float | None,
        typer.Option(help="Pace of new calls; no limit unless given.", rich_help_panel=_CALLING),
    ] = None,
    max_attempts: Annotated[
        int | None,
        typer.Option(min=1, help="Attempts per contact; 3.", rich_help_panel=_CALLING),
    ] = None,
    max_per_day: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Attempts per person in 24 hours, over all campaigns of the ledger; 3.",
            rich_help_panel=_CALLING,
        ),
    ] = None,
    redial: Annotated[
        list[str] | None,
        typer.Option(
            metavar="END=GAP",
            help="busy=15m, no_answer=4h, voicemail=never: when to call again; repeatable.",
            rich_help_panel=_CALLING,
        ),
    ] = None,
    calling_window: Annotated[
        str | None,
        typer.Option(
            metavar="HH:MM-HH:MM",
            help="Local hours in which people are called; 08:00-21:00. 00:00-24:00 is any hour, "
            "without the rules of states.",
            rich_help_panel=_CALLING,
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="Calling rules of regions, instead of those shipped.", rich_help_panel=_CALLING
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="What all calls together may cost; needs --worst-call.", rich_help_panel=_CALLING
        ),
    ] = None,
    worst_call: Annotated[
        float | None,
        typer.Option(help="The most that one call can cost.", rich_help_panel=_CALLING),
    ] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow",
            help="Follow each call to its end, which redials need; on.",
            rich_help_panel=_CALLING,
        ),
    ] = None,
    lost: Annotated[
        str | None,
        typer.Option(
            metavar="review|redial",
            help="What becomes of a contact that may have been rung and left no trace; review.",
            rich_help_panel=_CALLING,
        ),
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait",
            help="Leave when everything left waits for an hour or a redial.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would happen; call nobody, leave no ledger.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a report to this HTML file at the end.", rich_help_panel=_RUN),
    ] = None,
    timeout: Timeout = 60.0,
    json: Json = False,
) -> int:
    """Call everybody on a list, each at most once per attempt. The same command goes on.

    The ledger beside the list remembers who was called. Run it again after a stop, a crash or a
    change of the list: new rows are added, and nobody is rung twice. Options about how people
    are called are kept in the ledger; leave them out to leave them as they are.

    Ctrl-C calls nobody else and finishes the calls that have left; a second Ctrl-C gives up
    waiting for answers, and those calls are looked for next time.
    """
    from .dial import DialOptions, dial
    from .settings import SettingsChange

    change = SettingsChange.of_options(
        project_id=project_id,
        agent_id=agent_id,
        max_concurrency=max_concurrency,
        calls_per_second=calls_per_second,
        max_attempts=max_attempts,
        max_per_day=max_per_day,
        redial=redial,
        calling_window=calling_window,
        budget=budget,
        worst_call=worst_call,
        follow=follow,
        rules=rules,
        lost=lost,
    )
    options = DialOptions(
        file=file,
        change=change,
        ledger=ledger,
        campaign=campaign,
        region=region,
        wait=not no_wait,
        dry_run=dry_run,
        report=report,
        timeout_seconds=timeout,
    )
    screen = Screen(json=json)
    return perform(dial(options, screen=screen), screen=screen)
