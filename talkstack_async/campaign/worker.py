"""A worker: one of any number of processes, on any hosts, that dial the campaigns of a ledger.

Workers can be started, stopped, killed and frozen at any time. What one holds is in the ledger,
which lets nobody else claim there; the queue sees to it that the shards of a dead one find
another; and what had left is looked for, never dialled again unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from datetime import datetime
from os import getpid
from typing import cast

import attrs

from ..client import Client
from ..errors import CampaignError, LedgerError
from ..telemetry import Observer, logger
from .beats import SILENT_SECONDS, Beat
from .holdings import Holdings, Learnt
from .ledger.base import Ledger, SharedLedger
from .part import Part, Slice
from .progress import RunProgress
from .records import CampaignRecord
from .regions import RegionRules
from .run_state import name_of_worker
from .runner import PartRunner
from .runs import Run, Runs
from .shared_pace import SharedPace
from .slices import End, Slices

__all__ = ["Worker", "WorkerResult", "WorkerStanding", "run_worker"]

_BEAT_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class WorkerResult:
    """How a worker ended.

    Attributes:
        is_done: Nothing was left to do in any campaign it works for; else it was stopped.
    """

    name: str
    is_done: bool
    progress: RunProgress


@attrs.frozen(kw_only=True)
class WorkerStanding:
    """How a worker stands, for health checks.

    Attributes:
        state: `starting`, `working`, `draining` or `ended`.
        held: Campaign and shard of what it holds.
        in_flight: Calls it is placing or following.
        last_beat_seconds_ago: Since the ledger last took its sign of life; None before the first.
        is_healthy: It is working, and the ledger knows it.
    """

    name: str
    state: str
    held: tuple[tuple[int, int], ...]
    in_flight: int
    last_beat_seconds_ago: float | None
    is_healthy: bool


class Worker:
    """Dials whatever campaigns of a shared ledger need dialling, together with other workers.

    Args:
        client: An open client.
        ledger: Open, on PostgreSQL.
        dsn: Address of the ledger's database for queue and pace; the ledger's own by default.
        campaign: Work for the campaign of this name only.
        name: Under which it claims; made up by default. Never use one twice.
        heartbeat_seconds: Silent for so long, it loses its shards to others.
        grace_seconds: How long a stop waits for the answers to what has left.
        regions: Calling rules of regions, instead of those the campaigns name.
        observer: Told of every attempt: `AttemptChanged`.

    Raises:
        MissingExtraError: The extra `distributed` is not installed.
        LedgerError: The ledger is not one that can be shared.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        *,
        dsn: str | None = None,
        campaign: str | None = None,
        name: str | None = None,
        heartbeat_seconds: float = 10.0,
        grace_seconds: float = 30.0,
        regions: RegionRules | None = None,
        observer: Observer | None = None,
    ) -> None:
        from .engine import Engine
        from .permits import PermitStore

        if not ledger.is_shared:
            raise LedgerError(
                "workers share a ledger on PostgreSQL; one in a file is run by CampaignRunner"
            )
        self.name = name or name_of_worker()
        self._client = client
        self._ledger = shared = cast("SharedLedger", ledger)
        self._clock = client.clock
        self._only = campaign
        self._grace_seconds = grace_seconds
        self._regions = regions
        self._observer = observer
        self._holdings = Holdings()
        self._over = asyncio.Event()
        self._haste = asyncio.Event()
        self._runs = Runs(self._make_run, when_over=self._broke_off, when_failing=self._fail)
        address = dsn or shared.address.dsn
        self._permits = PermitStore(address)
        self._engine = Engine(
            address,
            work=self._work,
            when_lost=self._cast_adrift,
            when_ready=self._haste.set,
            heartbeat_seconds=heartbeat_seconds,
            clock=self._clock,
        )
        self._slices = Slices(
            self.name,
            shared,
            self._holdings,
            join=self._runs.join,
            changed=self._share_out,
            taken=self._haste.set,
            rest=self._engine.rest,
            clock=self._clock,
        )
        self._failure: BaseException | None = None
        self._is_done = self._is_draining = False
        self._began_at: datetime | None = None
        self._beat_at: float | None = None
        self._ended = False

    @property
    def progress(self) -> RunProgress:
        """How far this worker has come, all its campaigns together."""
        return self._runs.progress

    @property
    def standing(self) -> WorkerStanding:
        """How it stands now."""
        ago = None if self._beat_at is None else self._clock.since_boot() - self._beat_at
        state = self._state
        return WorkerStanding(
            name=self.name,
            state=state,
            held=tuple(sorted((one.campaign_id, one.shard) for one in self._holdings.held)),
            in_flight=self._runs.busy,
            last_beat_seconds_ago=ago,
            is_healthy=state == "working" and ago is not None and ago < SILENT_SECONDS,
        )

    @property
    def _state(self) -> str:
        if self._ended:
            return "ended"
        if self._is_draining:
            return "draining"
        return "starting" if self._beat_at is None else "working"

    def stop(self) -> None:
        """Take and dial nothing more; `run` returns when what has left is answered."""
        self._over.set()

    async def run(self, *, until_done: bool = False) -> WorkerResult:
        """Work until it is stopped. Once per worker; cancelling it waits for no answers.

        Args:
            until_done: Or until nothing is left to do in any campaign it works for, now or
                later.

        Raises:
            LedgerError: The ledger cannot be reached at the start. Later it is waited for.
            AuthenticationError: The service refuses the credential.
            ClockJumpError: This host's clock is wrong, or was set.
            CampaignError: There is no campaign of the name it works for.
        """
        self._began_at = self._clock.now()
        await self._announce()
        async with self._permits:
            queue = asyncio.create_task(self._engine.run())
            steward = asyncio.create_task(self._steward(until_done=until_done))
            for task in (queue, steward):
                task.add_done_callback(self._dismiss)
            try:
                await self._over.wait()
            except asyncio.CancelledError:
                self._runs.hurry()
                raise
            finally:
                await self._wind_up(queue, steward)
        if self._failure is not None:
            raise self._failure
        return WorkerResult(name=self.name, is_done=self._is_done, progress=self.progress)

    async def _announce(self) -> None:
        """Let the others know that there is one more, if there is anything to do for it."""
        try:
            await self._look_round()
        except CampaignError:
            await self._ledger.retire(self.name)
            raise

    async def _wind_up(self, queue: asyncio.Task[None], steward: asyncio.Task[None]) -> None:
        """Drain to the end in any case; who cancels that meanwhile has no patience for answers."""
        draining = asyncio.create_task(self._drain(queue, steward))
        is_cancelled = False
        while not draining.done():
            try:
                await asyncio.wait((draining,))
            except asyncio.CancelledError:
                self._runs.hurry()
                is_cancelled = True
        draining.result()
        if is_cancelled:
            raise asyncio.CancelledError

    async def _drain(self, queue: asyncio.Task[None], steward: asyncio.Task[None]) -> None:
        """Let others have what is held, and wait for what has left."""
        self._is_draining = True
        self._runs.stop()
        self._slices.drain()
        self._engine.stop()
        await asyncio.wait((queue,))
        # What was held without a job: offered, or adrift.
        await self._slices.give_back(*self._holdings.held)
        await self._runs.finish()
        steward.cancel()
        await asyncio.wait((steward,))
        self._ended = True
        with contextlib.suppress(LedgerError):
            await self._ledger.retire(self.name)

    # --- The steward: what is done every two seconds.

    async def _steward(self, *, until_done: bool) -> None:
        while True:
            self._haste.clear()  # first: what happens during the round is seen in the next
            await self._tick(until_done=until_done)
            await self._rest()

    async def _tick(self, *, until_done: bool) -> None:
        try:
            learnt = await self._look_round()
            await self._obey(learnt)
            await self._leave_calls()
        except LedgerError as error:
            logger.warning("the worker cannot reach its ledger: %s", error)
            return
        if not self._is_draining:
            self._hand_on()
            self._rest_runs()
            pieces = self._holdings.everything
            self._engine.serve(piece.campaign_id for piece in pieces)
            await self._engine.queue(pieces)
            if until_done and not pieces and not self._runs.busy:
                self._is_done = True
                self._over.set()

    async def _look_round(self) -> Learnt:
        """Say that this worker lives, and learn how things stand."""
        held = frozenset(self._holdings.held)
        standing = await self._ledger.beat(
            Beat(
                worker=self.name,
                host=socket.gethostname(),
                pid=getpid(),
                began_at=self._began_at or self._clock.now(),
                state="draining" if self._is_draining else "working",
                in_flight=self._runs.busy,
            )
        )
        self._beat_at = self._clock.since_boot()
        pieces = [Slice(*each) for each in await self._ledger.open_shards()]
        if self._only is not None:
            campaign = await self._ledger.campaign(self._only)
            if campaign is None:
                raise CampaignError(f"there is no campaign {self._only!r} in the ledger")
            pieces = [each for each in pieces if each.campaign_id == campaign.campaign_id]
        return self._holdings.learn(standing, pieces, now=self._clock.monotonic(), held=held)

    async def _obey(self, learnt: Learnt) -> None:
        """Do what follows from what the ledger says."""
        for piece in learnt.lost:
            self._slices.end(piece, End.LOST)
        for piece in learnt.done | learnt.strays:
            if self._slices.is_worked(piece):
                self._slices.end(piece, End.DONE)
            else:
                await self._slices.give_back(piece)
        for campaign_id, run in self._runs.all:
            self._holdings.limits[campaign_id] = run.runner.campaign.settings.max_concurrency
            self._share_out(campaign_id)

    async def _leave_calls(self) -> None:
        """Let others follow the calls of runs that are over, as if this worker was gone."""
        for campaign_id in tuple(self._runs.ended):
            if self._runs.get(campaign_id) is None:
                await self._ledger.leave_calls(campaign_id, worker=self.name)
            self._runs.ended.discard(campaign_id)

    def _hand_on(self) -> None:
        """Offer what is more than a fair share to workers that have less."""
        for campaign_id, run in self._runs.all:
            now = self._clock.monotonic()
            for piece in self._holdings.offer(campaign_id, busy=run.runner.busy, now=now):
                self._slices.end(piece, End.OFFERED)
            self._share_out(campaign_id)

    def _rest_runs(self) -> None:
        """Stop the runs of campaigns of which nothing is held any more."""
        held = {piece.campaign_id for piece in self._holdings.held}
        for campaign_id, run in self._runs.all:
            if campaign_id not in held and not run.runner.busy:
                run.stop()

    def _share_out(self, campaign_id: int) -> None:
        """Tell a run what it has now."""
        if (run := self._runs.get(campaign_id)) is not None:
            run.part.change(
                self._holdings.known_shards_of(campaign_id),
                open_shards=self._holdings.open.get(campaign_id, ()),
                foreign=self._holdings.foreign(campaign_id),
                elsewhere=self._holdings.elsewhere(campaign_id),
                earlier=self._holdings.open_before(campaign_id),
            )

    async def _rest(self) -> None:
        """Wait for the next round; less if something has happened."""
        haste = asyncio.create_task(self._haste.wait())
        seconds = _BEAT_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
        sleep = asyncio.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait((haste, sleep), return_when=asyncio.FIRST_COMPLETED)
        finally:
            haste.cancel()
            sleep.cancel()

    # --- Runs.

    async def _work(self, piece: Slice) -> float | None:
        return await self._slices.work(piece)

    def _cast_adrift(self) -> None:
        self._slices.end_all(End.ADRIFT)

    async def _make_run(self, campaign_id: int) -> Run:
        campaign = await self._read(campaign_id)
        part = Part(worker=self.name)
        pace = SharedPace(
            self._clock,
            self._permits.of(campaign_id),
            campaign.settings.calls_per_second,
            part=part.of_pace,
        )
        runner = PartRunner(
            self._client,
            self._ledger,
            campaign,
            part=part,
            pace=pace,
            regions=self._regions,
            grace_seconds=self._grace_seconds,
            observer=self._observer,
        )
        self._holdings.limits[campaign_id] = campaign.settings.max_concurrency
        return Run(runner, part, pace)

    async def _read(self, campaign_id: int) -> CampaignRecord:
        for campaign in await self._ledger.campaigns():
            if campaign.campaign_id == campaign_id:
                return campaign
        raise LedgerError("a campaign that is being worked is gone from the ledger")

    def _broke_off(self, campaign_id: int) -> None:
        self._slices.end_all(End.TROUBLE, campaign_id=campaign_id)
        self._haste.set()  # its calls are to be left before others come to look for them

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            logger.warning("the worker stops: %s", error)
            self._failure = error
        self._over.set()

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)


async def run_worker(
    client: Client,
    ledger: Ledger,
    *,
    dsn: str | None = None,
    campaign: str | None = None,
    name: str | None = None,
    heartbeat_seconds: float = 10.0,
    grace_seconds: float = 30.0,
    regions: RegionRules | None = None,
    observer: Observer | None = None,
) -> WorkerResult:
    """Work for a shared ledger until cancelled: to be a task of one's own service.

    It installs no signal handlers. Cancelled, it drains without waiting for answers; for a
    gentle end make a `Worker` and call its `stop`. The arguments are those of `Worker`.
    """
    worker = Worker(
        client,
        ledger,
        dsn=dsn,
        campaign=campaign,
        name=name,
        heartbeat_seconds=heartbeat_seconds,
        grace_seconds=grace_seconds,
        regions=regions,
        observer=observer,
    )
    return await worker.run()
