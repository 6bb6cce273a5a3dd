"""`talkstack worker`: one of many that work on the campaigns of a ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..campaign.states import AttemptState
from ..client import Client
from ..errors import TalkstackError
from ..telemetry import Observer, several
from .connecting import client_with_timeout
from .exits import CliError, ExitCode
from .extras import is_installed, refuse_missing_worker_extras
from .ledgers import Place, find_ledger, what_opens
from .output import Screen
from .stopping import Stop, StopRequestedError
from .worker_log import log_standing

if TYPE_CHECKING:
    from ..campaign.ledger.base import Ledger
    from ..campaign.worker import Worker
    from ..integrations.ledger_metrics import LedgerMetrics
    from ..integrations.prometheus import Metrics

__all__ = ["WorkerOptions", "work"]

_TOLD = (
    "draining: nobody else is called, and others take over the shards; calls that have left are "
    "answered (once more to give up waiting)"
)


@attrs.frozen(kw_only=True)
class WorkerOptions:
    """What `talkstack worker` was told.

    Attributes:
        ledger: None for that of the environment.
        campaign: None for all campaigns of the ledger.
        health_port: None for no health endpoint, 0 for any port.
    """

    ledger: str | None = None
    campaign: str | None = None
    until_done: bool = False
    health_host: str = "127.0.0.1"
    health_port: int | None = None
    traces: bool = False
    heartbeat_seconds: float = 10.0
    grace_seconds: float = 30.0
    timeout_seconds: float = 60.0


async def work(options: WorkerOptions, *, screen: Screen) -> int:
    """Work until there is a signal or, if that was wanted, nothing left; return the exit code.

    Raises:
        CliError: The options cannot work.
        TalkstackError: The ledger or the service cannot be used.
    """
    place = _shared_ledger(options)
    refuse_missing_worker_extras()
    watching = _Watching.of(options)
    client = client_with_timeout(
        options.timeout_seconds, tell=screen.note, observer=watching.observer
    )
    stop = Stop(tell=screen.note, told=_TOLD)
    with stop.on_signals():
        async with client:
            try:
                return await _work(place, options, client, watching, stop=stop, screen=screen)
            except StopRequestedError:
                screen.note("stopped before anybody was called")
                return ExitCode.ALL_PLACED


def _shared_ledger(options: WorkerOptions) -> Place:
    place = find_ledger(options.ledger)
    if isinstance(place, Path):
        raise CliError(
            f"{place} is a file, which one process works on: talkstack dial. Workers share a "
            "ledger in PostgreSQL: --ledger postgresql://host/database"
        )
    return place


async def _work(
    place: Place,
    options: WorkerOptions,
    client: Client,
    watching: _Watching,
    *,
    stop: Stop,
    screen: Screen,
) -> int:
    from ..campaign.ledger import open_ledger
    from ..campaign.worker import Worker

    async with AsyncExitStack() as stack:
        # Told last, so that whoever asks meanwhile is told that the worker ends.
        stack.callback(watching.close)
        opening = open_ledger(what_opens(place), create=False, clock=client.clock)
        ledger: Ledger = await stop.unless_requested(stack.enter_async_context(opening))
        if options.campaign is not None:
            await stop.unless_requested(_refuse_unknown(ledger, place, options.campaign))
        worker = Worker(
            client,
            ledger,
            campaign=options.campaign,
            heartbeat_seconds=options.heartbeat_seconds,
            grace_seconds=options.grace_seconds,
            observer=client.observer,
        )
        await watching.start(worker, ledger, options, stack=stack, screen=screen)
        screen.note(f"worker {worker.standing.name} on {place}; Ctrl-C drains it")
        stack.enter_context(log_standing(worker, screen=screen, clock=client.clock))
        is_done = await _run(worker, until_done=options.until_done, stop=stop)
    return _conclude(worker, place, is_done=is_done, stop=stop, screen=screen)


async def _refuse_unknown(ledger: Ledger, place: Place, name: str) -> None:
    if await ledger.campaign(name) is None:
        raise CliError(f"{place} holds no campaign {name!r}: talkstack dial makes one")


async def _run(worker: Worker, *, until_done: bool, stop: Stop) -> bool:
    """Let a worker work; say whether it came to an orderly end."""
    working = asyncio.create_task(worker.run(until_done=until_done))

    def hurry() -> None:
        working.cancel()

    stop.when_requested(worker.stop)
    stop.when_hurried(hurry)
    try:
        await asyncio.wait((working,))
    finally:
        working.cancel()
        await asyncio.wait((working,))
    if working.cancelled():
        return False
    working.result()
    return True


def _conclude(
    worker: Worker, place: Place, *, is_done: bool, stop: Stop, screen: Screen
) -> ExitCode:
    attempts = worker.progress.attempts
    counts = {state.name.lower(): attempts.get(state, 0) for state in AttemptState}
    is_hurried = stop.hurried.is_set() or not is_done
    code = ExitCode.INTERRUPTED if is_hurried else ExitCode.ALL_PLACED
    how = "gave up waiting for answers" if is_hurried else "ended in order"
    told = f"{how}; placed {counts['placed']:,}, ended {counts['final']:,}"
    if counts["unknown"]:
        told += f", uncertain {counts['unknown']:,}, which are looked for by whoever works next"
    screen.note(told)
    screen.document(
        {
            "worker": worker.standing.name,
            "ledger": str(place),
            "attempts": counts,
            "exit_code": int(code),
        }
    )
    return code


@attrs.define
class _Watching:
    """What others get to see of a worker: health, metrics, traces."""

    metrics: Metrics | None = None
    traces: Any = None
    _ledger_metrics: LedgerMetrics | None = None

    @classmethod
    def of(cls, options: WorkerOptions) -> _Watching:
        """Make what the options ask for; metrics are there if their library is.

        Raises:
            MissingExtraError: Traces are asked for, and their library is not installed.
        """
        watching = cls()
        if options.health_port is not None and is_installed("prometheus_client"):
            from ..integrations.prometheus import Metrics, new_registry

            watching.metrics = Metrics(registry=new_registry())
        if options.traces:
            from ..integrations.otel import Traces

            watching.traces = Traces()
        return watching

    @property
    def observer(self) -> Observer | None:
        return several(self.metrics, self.traces)

    async def start(
        self,
        worker: Worker,
        ledger: Ledger,
        options: WorkerOptions,
        *,
        stack: AsyncExitStack,
        screen: Screen,
    ) -> None:
        """Listen for probes for as long as the stack lasts.

        Raises:
            CliError: The port cannot be opened.
        """
        if options.health_port is None:
            return
        from ..integrations import health

        scrape = None
        if self.metrics is not None:
            from ..integrations.ledger_metrics import LedgerMetrics

            self.metrics.show(lambda: worker.progress)
            scrape = LedgerMetrics(ledger, registry=self.metrics.registry).scrape
        app = health.application(health.Health(ledger, worker), scrape=scrape)
        serving = health.serve(app, host=options.health_host, port=options.health_port)
        try:
            url = await stack.enter_async_context(serving)
        except OSError as error:
            raise CliError(
                f"{options.health_host}, port {options.health_port} cannot be opened "
                f"({error.strerror})"
            ) from error
        told = " and /metrics" if scrape else "; /metrics needs the extra prometheus"
        screen.note(f"health: {url}/livez, /readyz{told}")

    def close(self) -> None:
        """End the spans of attempts whose end is not known."""
        if self.traces is not None:
            with contextlib.suppress(TalkstackError):
                self.traces.close()
