"""Permits to call, from a bucket in PostgreSQL that all workers share. Only here: pyrate-limiter.

A bucket is a table of the permits of the last second. Taking some locks it for a moment; whoever
finds it locked, or full, is told when to ask again. It goes by the database's clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import attrs

from ..errors import LedgerBusyError, MissingExtraError
from .part import KEPT_ALIVE

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool
    from pyrate_limiter import PostgresBucket, RateItem
    from pyrate_limiter.abstracts.algorithm import Decision

__all__ = ["CampaignPermits", "PermitStore", "Rate", "rates_for"]

T = TypeVar("T")

# A permit is used up to 50 ms after it was given, so that a second at the service sees the
# permits of 1.05 s.
_SECOND_MS, _TENTH_MS = 1050, 105
# Up to here permits are given one by one; above, several at once, or it would take all day.
_ONE_BY_ONE = 20.0
_TAKES_PER_SECOND = 50.0
_CONTENDED_SECONDS = 0.003
_LEAK_MS = 1000
_WAIT_SECONDS = 2.0
_CONNECTIONS = 2
# A permit that is forgotten when the server crashes costs nothing; the bucket's moments have no
# zone; and a process that is frozen while it holds the bucket must not stop all the others.
_PREPARE = (
    "SET synchronous_commit TO off; SET timezone TO 'UTC'; "
    "SET idle_in_transaction_session_timeout TO '1s'"
)
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


@attrs.frozen
class Rate:
    """So many permits within so many milliseconds."""

    permits: int
    milliseconds: int


def rates_for(calls_per_second: float) -> list[Rate]:
    """Return the limits a bucket keeps for a pace."""
    if calls_per_second <= _ONE_BY_ONE:
        return [Rate(1, ceil(_SECOND_MS / calls_per_second))]
    # The short one makes it smooth: a second's worth at once would be a burst at the service.
    return [
        Rate(max(2, ceil(calls_per_second / 10)), _TENTH_MS),
        Rate(int(calls_per_second), _SECOND_MS),
    ]


def at_once(calls_per_second: float) -> int:
    """Say how many permits to take in one go."""
    if calls_per_second <= _ONE_BY_ONE:
        return 1
    return max(1, int(calls_per_second / _TAKES_PER_SECOND))


class PermitStore:
    """The connections to the buckets, one bucket for each campaign. Use it with `async with`.

    The database may be gone for a while: then there are no permits.

    Raises:
        MissingExtraError: pyrate-limiter or psycopg's pool is not installed.
    """

    def __init__(self, dsn: str) -> None:
        self._limiter, self._psycopg, pool = _drivers()
        self.pool: ConnectionPool = pool.ConnectionPool(
            dsn,
            min_size=1,
            max_size=_CONNECTIONS,
            open=False,
            timeout=_WAIT_SECONDS,
            # It tries less and less often, for so long; asked anew, it tries at once.
            reconnect_timeout=_WAIT_SECONDS,
            name="talkstack-pace",
            configure=_configure,
            kwargs={"application_name": "talkstack-pace", **KEPT_ALIVE},
        )
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="talkstack-pace")

    def of(self, campaign_id: int) -> CampaignPermits:
        """Return the permits of a campaign."""
        return CampaignPermits(self, f"talkstack_pace_{campaign_id}")

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.pool.open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.pool.close)
        self._threads.shutdown(wait=False)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something that talks to the database, in a thread.

        Raises:
            LedgerBusyError: The database cannot be reached, or does not let us.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except self._psycopg.Error as error:
            # Its words may tell more of the address than a log should hold.
            raise LedgerBusyError(
                f"the database gives no permits to call ({type(error).__name__})"
            ) from None

    def bucket(self, name: str, rates: Sequence[Rate]) -> PostgresBucket:
        """Return a bucket with its limits; its table is made if need be. In a thread."""
        limits = [self._limiter.Rate(rate.permits, rate.milliseconds) for rate in rates]
        bucket: PostgresBucket = self._limiter.PostgresBucket(self.pool, name, limits)
        return bucket

    def item(self, name: str, count: int, at: int) -> RateItem:
        """Return what is put into a bucket."""
        item: RateItem = self._limiter.RateItem(name, at, weight=count)
        return item

    def now(self) -> int:
        """Return the database's time in milliseconds. In a thread.

        The bucket's own clock falls back to this host's, which may go by another time.
        """
        with self.pool.connection() as connection:
            row: Any = connection.execute(_NOW).fetchone()
        return int(row[0])


class CampaignPermits:
    """The permits of one campaign."""

    def __init__(self, store: PermitStore, name: str) -> None:
        self._store = store
        self._name = name
        self._bucket: tuple[float, PostgresBucket] | None = None
        self._leaked_at = 0

    def at_once(self, calls_per_second: float) -> int:
        return at_once(calls_per_second)

    async def take(self, count: int, calls_per_second: float) -> float | None:
        return await self._store.run(lambda: self._take(count, calls_per_second))

    def _take(self, count: int, calls_per_second: float) -> float | None:
        bucket = self._bucket_for(calls_per_second)
        now = self._store.now()
        if now - self._leaked_at > _LEAK_MS:
            self._leaked_at = now
            bucket.leak(now)
        decision = cast("Decision", bucket.put_decision(self._store.item(self._name, count, now)))
        if decision.allowed:
            return None
        wait = decision.retry_after_ms
        return _CONTENDED_SECONDS if wait is None else max(1, wait) / 1000

    def _bucket_for(self, calls_per_second: float) -> PostgresBucket:
        if self._bucket is None or self._bucket[0] != calls_per_second:
            bucket = self._store.bucket(self._name, rates_for(calls_per_second))
            self._bucket = calls_per_second, bucket
        return self._bucket[1]


def _configure(connection: Connection[Any]) -> None:
    """Prepare a connection of the pool."""
    connection.execute(_PREPARE)
    connection.commit()


def _drivers() -> tuple[Any, Any, Any]:
    try:
        import psycopg
        import psycopg_pool
        import pyrate_limiter
    except ImportError as error:
        raise MissingExtraError(
            "workers need psycopg and pyrate-limiter: pip install 'talkstack-async[distributed]'"
        ) from error
    # What it has to say of a lost connection is said where permits are asked for.
    logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
    return pyrate_limiter, psycopg, psycopg_pool
