"""The options of `talkstack worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from .asking import perform
from .options import Json, Timeout
from .output import Screen

__all__ = ["EXIT_CODES", "run_worker"]

EXIT_CODES = (
    "Exit codes: 0 drained, or nothing is left with --until-done · 2 usage or configuration, or "
    "the ledger or the service cannot be used · 130 did not wait for answers. "
    "The credential comes from TALKSTACK_API_KEY (or TALKSTACK_TOKEN), or talkstack auth login."
)


def run_worker(
    *,
    ledger: Annotated[
        str | None,
        typer.Option(
            help="postgresql://host/database; else TALKSTACK_LEDGER, where a password is not "
            "seen in the list of processes."
        ),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Work on this one only; else on all of the ledger.")
    ] = None,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="End when nobody is left to be called.")
    ] = False,
    health_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Answer /livez, /readyz and /metrics; 0: any port."),
    ] = None,
    health_host: Annotated[str, typer.Option(help="Where to answer those.")] = "127.0.0.1",
    traces: Annotated[
        bool,
        typer.Option("--traces", help="A span per attempt, for opentelemetry-instrument."),
    ] = False,
    heartbeat: Annotated[
        float,
        typer.Option(min=1.0, help="Seconds after which others take over from a dead worker."),
    ] = 10.0,
    grace: Annotated[
        float, typer.Option(min=0.0, help="Seconds a drain waits for answers.")
    ] = 30.0,
    timeout: Timeout = 60.0,
    json: Json = False,
) -> int:
    """Work on the campaigns of a ledger in PostgreSQL, beside any number of others.

    Start as many as you like, on as many hosts; stop, kill and replace them at any time. Limits
    and pace of a campaign hold for all of them together. talkstack dial makes campaigns, and
    talkstack campaign steers them.

    SIGTERM and Ctrl-C drain it: nobody else is called, others take over, calls that have left
    are answered. A second Ctrl-C gives up waiting, and those calls are looked for by others.
    """
    from .worker import WorkerOptions, work

    options = WorkerOptions(
        ledger=ledger,
        campaign=campaign,
        until_done=until_done,
        health_host=health_host,
        health_port=health_port,
        traces=traces,
        heartbeat_seconds=heartbeat,
        grace_seconds=grace,
        timeout_seconds=timeout,
    )
    screen = Screen(json=json)
    return perform(work(options, screen=screen), screen=screen)
