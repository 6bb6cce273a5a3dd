"""The queue that hands shards to workers. Only here: pgqueuer.

A job is a lease on a shard: "work shard 3 of campaign 7". It lives as long as its worker says so;
if a worker is silent for the heartbeat's time, pgqueuer gives the job to another. What a lease is
worth is for the ledger to say: this only sees to it that somebody looks after each shard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeAlias, cast

from ..clock import Clock
from ..errors import MissingExtraError
from ..telemetry import logger
from .part import KEPT_ALIVE, Slice

try:
    import psycopg
    from pgqueuer import Job, PsycopgDriver, Queries, QueueManager, RetryRequested
    from pgqueuer.adapters.persistence import qb
    from pgqueuer.domain.settings import DBSettings
    from pgqueuer.domain.types import JobId, QueueEntrypoint
except ImportError as error:
    raise MissingExtraError(
        "workers need psycopg and pgqueuer: pip install 'talkstack-async[distributed]'"
    ) from error

__all__ = ["Engine"]

# Tables, channel and trigger are named with this, so that a user's own pgqueuer is left alone.
_PREFIX = "talkstack_"
_POLL = timedelta(seconds=1)
_BATCH = 16
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
# Any number, the same for all: who installs the tables locks out the others meanwhile.
_INSTALL_LOCK = 7_155_301_866
_FORGET = "DELETE FROM {log} WHERE created < now() - interval '1 day'"
_OURS = """
    SELECT job.id FROM {queue} job
    JOIN unnest($1::bigint[], $2::uuid[]) AS mine(id, manager) ON mine.id = job.id
    WHERE job.queue_manager_id = mine.manager
"""


# Works a slice; returns after how many seconds somebody is to take it up again, or None.
Work: TypeAlias = Callable[[Slice], Awaitable[float | None]]


class Engine:
    """Queues slices, and has those worked that this worker gets.

    The database may be gone for a while: it comes back by itself. Nothing that is being worked
    stops for that; only the jobs are over, and `when_lost` is told.

    Args:
        dsn: Of the ledger's database.
        work: Works a slice.
        when_lost: Told that the queue knows nothing any more of what is being worked. Every
            `work` must end soon.
        when_ready: Told that slices can be queued.
        heartbeat_seconds: Silent for so long, a worker loses its slices.
        clock: For waiting.
    """

    def __init__(
        self,
        dsn: str,
        *,
        work: Work,
        when_lost: Callable[[], None],
        when_ready: Callable[[], None],
        heartbeat_seconds: float,
        clock: Clock,
    ) -> None:
        self._dsn = dsn
        self._work = work
        self._when_lost = when_lost
        self._when_ready = when_ready
        self._heartbeat = timedelta(seconds=heartbeat_seconds)
        self._clock = clock
        self._queries: _Leases | None = None
        self._manager: _Manager | None = None
        self._entries: set[str] = set()
        self._resting: dict[str, float] = {}
        self._alarm = asyncio.Event()
        self._is_stopping = False

    def serve(self, campaign_ids: Iterable[int]) -> None:
        """Take slices of these campaigns, too, from now on."""
        self._entries.update(map(_entry, campaign_ids))
        self._register()

    async def queue(self, slices: Iterable[Slice]) -> None:
        """Queue slices; those that are queued or being worked stay as they are."""
        new = list(slices)
        if not new or self._queries is None:
            return
        with contextlib.suppress(psycopg.Error):  # `run` sees to it, and there is a next time
            await self._queries.enqueue(
                [_entry(each.campaign_id) for each in new],
                [json.dumps([each.campaign_id, each.shard]).encode() for each in new],
                [0] * len(new),
                dedupe_key=[f"slice:{each.campaign_id}:{each.shard}" for each in new],
                on_conflict="skip",
            )

    def rest(self, campaign_id: int, seconds: float) -> None:
        """Take no slices of a campaign for a while, so that somebody else does."""
        self._resting[_entry(campaign_id)] = self._clock.monotonic() + seconds

    def stop(self) -> None:
        """Take nothing more; `run` returns once everything that is being worked has ended."""
        self._is_stopping = True
        self._alarm.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    async def run(self) -> None:
        """Have slices worked until it is stopped."""
        wait = _FIRST_WAIT
        while not self._is_stopping:
            began = self._clock.monotonic()
            try:
                await self._serve()
            except Exception as error:
                # Its words may tell more of the address than a log should hold.
                logger.warning("the queue cannot be reached (%s)", type(error).__name__)
                if self._clock.monotonic() - began > _LONGEST_WAIT:
                    wait = _FIRST_WAIT
                await self._rest(wait)
                wait = min(_LONGEST_WAIT, 2 * wait)

    async def _serve(self) -> None:
        """Connect, and have slices worked until the connection is lost or it is to stop."""
        connection = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, application_name="talkstack-queue", **KEPT_ALIVE
        )
        async with connection:
            queries = _Leases.over(_Driver(connection, self._when_lost))
            await queries.prepare()
            self._manager = _Manager(queries, queries.settings.channel)
            self._manager.is_resting = self._is_resting
            self._queries = queries
            self._register()
            if self._is_stopping:
                return
            self._when_ready()
            try:
                await self._manager.run(
                    dequeue_timeout=_POLL,
                    batch_size=_BATCH,
                    heartbeat_timeout=self._heartbeat,
                    log_aggregation_interval=timedelta(0),
                )
            finally:
                self._queries = self._manager = None

    def _register(self) -> None:
        if self._manager is not None:
            for entry in self._entries:
                if entry not in self._manager.entrypoint_registry:
                    self._manager.entrypoint(entry, accepts_context=False)(self._take)

    def _is_resting(self, entry: str) -> bool:
        return self._resting.get(entry, 0.0) > self._clock.monotonic()

    async def _take(self, job: Job) -> None:
        campaign_id, shard = json.loads(job.payload or b"")
        again = await self._work(Slice(campaign_id, shard))
        if again is not None:
            raise RetryRequested(timedelta(seconds=again))

    async def _rest(self, seconds: float) -> None:
        alarm = asyncio.create_task(self._alarm.wait())
        sleep = asyncio.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait((alarm, sleep), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            sleep.cancel()


class _Manager(QueueManager):
    """A manager that can leave the jobs of some entry points to others."""

    is_resting: Callable[[str], bool]

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        return {entry for entry in self.entrypoint_registry if not self.is_resting(entry)}


class _Driver(PsycopgDriver):
    """One connection, which tells when it fails, and is not listened on.

    A worker looks for jobs every second anyway. Listening would make each statement wait for
    the listener's turn on the connection.
    """

    def __init__(
        self, connection: psycopg.AsyncConnection[Any], when_lost: Callable[[], None]
    ) -> None:
        super().__init__(connection)
        self._when_lost = when_lost

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        with self._telling():
            return await super().fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        with self._telling():
            return await super().execute(query, *args)

    async def add_listener(self, channel: str, callback: Any) -> None:
        del channel, callback

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except psycopg.IntegrityError:
            raise  # a race that pgqueuer deals with
        except Exception:
            # pgqueuer gives up, and waits for every job to end before it says so.
            self._when_lost()
            raise


class _Leases(Queries):
    """Jobs as leases: whose job was given to another has no say in it any more.

    A process that was frozen, and finds its jobs taken over, would otherwise finish them while
    the other works at them.
    """

    settings: DBSettings

    @classmethod
    def over(cls, driver: _Driver) -> _Leases:
        """Return the queries on tables of our own."""
        settings = DBSettings(prefix=_PREFIX)
        queries = cls(
            driver,
            qbe=qb.QueryBuilderEnvironment(settings),
            qbq=qb.QueryQueueBuilder(settings),
            qbs=qb.QuerySchedulerBuilder(settings),
        )
        queries.settings = settings
        return queries

    async def prepare(self) -> None:
        """Make the tables, or bring those of an older pgqueuer up to date."""
        await self.driver.execute("SELECT pg_advisory_lock($1)", _INSTALL_LOCK)
        try:
            if await self.schema_is_installed():
                await self.upgrade()
            else:
                await self.install()
            # What became of earlier leases is nobody's business, and would only grow.
            await self.driver.execute(_FORGET.format(log=self.settings.qualified.queue_table_log))
        finally:
            await self.driver.execute("SELECT pg_advisory_unlock($1)", _INSTALL_LOCK)

    async def log_jobs(self, job_status: list[Any]) -> None:
        ours = await self._ours([job for job, _, _ in job_status])
        if kept := [each for each in job_status if each[0].id in ours]:
            await super().log_jobs(kept)

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: Any) -> None:
        if await self._ours([job]):
            await super().retry_job(job, delay, None)

    async def _ours(self, jobs: list[Job]) -> set[JobId]:
        rows = await self.driver.fetch(
            _OURS.format(queue=self.settings.qualified.queue_table),
            [job.id for job in jobs],
            [job.queue_manager_id for job in jobs],
        )
        return {JobId(cast("int", row["id"])) for row in rows}


def _entry(campaign_id: int) -> str:
    return f"talkstack_slice_{campaign_id}"
