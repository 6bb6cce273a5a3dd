"""The pool of one host: slots in front, a lane behind, and an orderly end."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import attrs
from aiohttp import ClientSession
from aiohttp.connector import Connection

from ..clock import Clock
from ..config import ClientConfig
from ..errors import (
    ClosedError,
    ConnectError,
    ConnectTimeoutError,
    PoolTimeoutError,
)
from ..telemetry import Observer, PoolWaited, notify
from ..wire.replies import Reply
from .connector import connect, phases
from .fast_lane import FastLane
from .lane import PublicLane
from .origin import Origin, Proxy
from .outgoing import Outgoing
from .slots import Slots
from .translate import translate

__all__ = ["HostPool", "PoolStatistics"]


@attrs.frozen(kw_only=True)
class PoolStatistics:
    """What the connections to one host are doing.

    Attributes:
        host: Scheme, name and port.
        lane: Which way requests take: "public" goes through `aiohttp.ClientSession`, "fast"
            over connections of our own; see `PoolSettings.lane`.
        limit: The most connections at once.
        in_use: Requests that hold a connection, or are making one.
        waiting: Requests that wait for a connection.
        opened: Connections that carried their first request.
        reused: Requests that went over a connection used before.
    """

    host: str
    lane: str
    limit: int
    in_use: int
    waiting: int
    opened: int
    reused: int


class HostPool:
    """Connections to one host. Owned by the session manager."""

    def __init__(
        self,
        session: ClientSession,
        origin: Origin,
        *,
        config: ClientConfig,
        proxy: Proxy | None,
        limit: int,
        clock: Clock,
        observer: Observer | None,
        is_fast: bool,
    ) -> None:
        self.slots = Slots(limit)
        self.loop = asyncio.get_running_loop()
        self._session = session
        self._origin = origin
        self._config = config
        self._proxy = proxy
        self._clock = clock
        self._observer = observer
        self._lane: PublicLane | FastLane
        if is_fast:
            self._lane = FastLane(session, origin, config)
        else:
            self._lane = PublicLane(session, origin, config, proxy)
        self._closing: asyncio.Event | None = None

    async def exchange(self, outgoing: Outgoing) -> Reply:
        """Send one request over a pooled connection and read its reply."""
        if not self.slots.try_acquire():
            await self._wait_for_slot(outgoing)
        try:
            if self._closing is not None:
                self._refuse()
            return await self._lane.exchange(outgoing)
        except Exception as failure:
            error = translate(failure, outgoing)
            if error is failure:
                raise
            raise error from failure
        finally:
            self.slots.release()
            if self._closing is not None and not self.slots.taken:
                self._closing.set()

    async def warm_up(self, count: int) -> int:
        """Open connections up to a number and leave them idle. Returns how many are open.

        Raises:
            ConnectError: Not one connection could be made.
        """
        ready = self._lane.count_idle()
        limits = phases(self._config, self._origin)
        connecting = [
            asyncio.create_task(connect(self._session, self._origin, limits, self._proxy))
            for _ in range(count - ready)
        ]
        if not connecting:
            return ready
        try:
            # All are held until the last is there: a released one would be handed out again.
            await asyncio.wait(connecting)
        finally:
            for task in connecting:
                task.cancel()
            results = await asyncio.gather(*connecting, return_exceptions=True)
            made = [result for result in results if isinstance(result, Connection)]
            for connection in made:
                self._lane.adopt(connection)
        if not made and not ready:
            raise self._warm_up_error(results[0])
        return ready + len(made)

    def statistics(self) -> PoolStatistics:
        """Count what there is now."""
        return PoolStatistics(
            host=self._origin.key,
            lane=self._lane.name,
            limit=self.slots.limit,
            in_use=self.slots.taken,
            waiting=self.slots.waiting,
            opened=self._lane.opened,
            reused=self._lane.reused,
        )

    async def aclose(self, grace_seconds: float) -> None:
        """Let requests in flight finish within a grace period, then close everything."""
        self._closing = asyncio.Event()
        try:
            if self.slots.taken and grace_seconds > 0:
                async with asyncio.timeout(grace_seconds):
                    await self._closing.wait()
        except TimeoutError:
            pass  # whoever is left finds its connection closed, and says so truthfully
        finally:
            self._lane.close()
            await self._session.close()

    def _refuse(self) -> NoReturn:
        raise ClosedError("the client was closed")

    async def _wait_for_slot(self, outgoing: Outgoing) -> None:
        since = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._config.timeouts.pool):
                await self.slots.acquire()
        except TimeoutError:
            raise PoolTimeoutError(
                f"{outgoing.request.endpoint.name}: no free connection within "
                f"{self._config.timeouts.pool:g} s ({self.slots.limit} in use); raise "
                "PoolSettings.max_connections or ask for fewer calls at once",
                request_id=outgoing.request_id,
            ) from None
        waited = self._clock.monotonic() - since
        notify(self._observer, PoolWaited(host=self._origin.key, wait_seconds=waited))

    def _warm_up_error(self, failure: object) -> ConnectError:
        if isinstance(failure, TimeoutError):
            return ConnectTimeoutError(f"no connection to {self._origin.key} in time")
        return ConnectError(f"no connection to {self._origin.key}: {type(failure).__name__}")
