"""The session manager: one pool of connections per host, opened on first use.

Waiting for a free connection happens in slots of our own and not inside aiohttp: the wait has
its own timeout, can be counted, and never sits between the last check before dialling and the
first byte.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, DummyCookieJar

from ..clock import Clock, SystemClock
from ..config import ClientConfig
from ..errors import ClosedError, ConfigurationError, WrongEventLoopError
from ..telemetry import Observer
from ..wire.endpoints import Host
from .connector import make_connector
from .fast_lane import why_not
from .lane import WholeRequest
from .origin import Origin, Proxy, origins
from .pool import HostPool, PoolStatistics

__all__ = ["PoolStatistics", "SessionManager"]

DEFAULT_CONNECTIONS = 100


class SessionManager:
    """Pooled aiohttp sessions for the two hosts of the service.

    Opens on first use, on the event loop that runs then, and refuses any other loop: a pooled
    connection belongs to the loop it was made on. The dialling host and the API host have
    separate pools, unless they are the same address.

    A borrowed `session` lends its connector (connections, TLS, limits), its trace configs and
    its `trust_env`. Its default headers, cookies and auth are not used: they belong to other
    services and must not reach this one. It is not closed.
    """

    def __init__(
        self,
        config: ClientConfig | None = None,
        *,
        session: ClientSession | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._config = config or ClientConfig()
        self._borrowed = session
        self._clock = clock or SystemClock()
        self._observer = observer
        self._origins = origins(self._config)
        self._proxy = Proxy.parse(self._config.proxy.reveal()) if self._config.proxy else None
        self._pools: dict[str, HostPool] = {}
        self._pools_by_host: dict[Host, HostPool] = {}  # two, of one address or of two
        self._wanted = DEFAULT_CONNECTIONS
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    async def pool(self, host: Host) -> HostPool:
        """Return the pool of a host, opening it if this is its first use.

        Raises:
            ClosedError: The manager, or the borrowed session, was closed.
            WrongEventLoopError: It was opened on another event loop.
        """
        self._check_usable()
        known = self._pools.get(self._origins[host].key)
        pool = known if known is not None else await self._open(self._origins[host])
        self._pools_by_host[host] = pool
        return pool

    def ready_pool(self, host: Host) -> HostPool | None:
        """Return the pool of a host if it is open already, at the cost of no coroutine.

        Raises:
            ClosedError, WrongEventLoopError: As `pool` does.
        """
        if (
            self._closed
            or self._borrowed is not None
            or self._loop is not asyncio.get_running_loop()
        ):
            self._check_usable()
        return self._pools_by_host.get(host)

    def reserve(self, connections: int) -> None:
        """Make room for a number of requests at once; never makes a pool smaller.

        Raises:
            ConfigurationError: A hard cap, or the borrowed session, allows fewer.
        """
        cap, source = self._cap()
        if cap is not None and connections > cap:
            raise ConfigurationError(
                f"{connections} calls at once need as many connections, but {source} allows "
                f"{cap}: raise it, or lower max_concurrency"
            )
        self._wanted = max(self._wanted, connections)
        for pool in self._pools.values():
            pool.slots.resize(max(pool.slots.limit, self._limit()))

    async def warm_up(self, connections: int, *, host: Host = Host.CALLS) -> int:
        """Open connections ahead of need, so that the first calls find them ready.

        Nothing is sent over them. They are retired after `PoolSettings.idle_seconds` like
        any other, so call this right before the rush. Returns how many are open.

        Raises:
            ConnectError: Not one connection could be made.
        """
        if connections < 1:
            raise ConfigurationError("warm_up needs a number of connections above 0")
        pool = await self.pool(host)
        return await pool.warm_up(min(connections, pool.slots.limit))

    def statistics(self) -> tuple[PoolStatistics, ...]:
        """Return what each opened pool is doing."""
        return tuple(pool.statistics() for pool in self._pools.values())

    async def aclose(self, *, grace_seconds: float | None = None) -> None:
        """Refuse new requests, let those in flight finish within the grace period, and close.

        What is still in flight then loses its connection, and its caller is told that the
        outcome is uncertain. Closing twice does nothing.
        """
        if self._closed:
            return
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise WrongEventLoopError(_OTHER_LOOP)
        self._closed = True
        grace = self._config.pool.close_grace_seconds if grace_seconds is None else grace_seconds
        await asyncio.gather(*(pool.aclose(grace) for pool in self._pools.values()))

    async def __aenter__(self) -> Self:
        self._check_usable()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _check_usable(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed: make a new one, or close it later")
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise WrongEventLoopError(_OTHER_LOOP)
        if self._borrowed is not None and self._borrowed.closed:
            raise ClosedError("the borrowed aiohttp session was closed")

    async def _open(self, origin: Origin) -> HostPool:
        async with self._opening:
            if origin.key not in self._pools:
                is_fast = self._takes_fast_lane()
                session = ClientSession(
                    request_class=WholeRequest,
                    cookie_jar=DummyCookieJar(),
                    **await self._connection_options(),
                )
                # aiohttp repeats a lost GET, PUT or DELETE by itself, going by the verb; here
                # the effect decides: /user/generate-apikey is a GET that replaces the key.
                session._retry_connection = False  # noqa: SLF001 # there is no public switch
                self._pools[origin.key] = HostPool(
                    session,
                    origin,
                    config=self._config,
                    proxy=self._proxy,
                    limit=self._limit(),
                    clock=self._clock,
                    observer=self._observer,
                    is_fast=is_fast,
                )
        return self._pools[origin.key]

    def _takes_fast_lane(self) -> bool:
        wanted = self._config.pool.lane
        if wanted == "public":
            return False
        obstacle = why_not(self._config, is_borrowed=self._borrowed is not None)
        if obstacle is not None and wanted == "fast":
            raise ConfigurationError(
                f"PoolSettings(lane='fast') cannot be had here: {obstacle}; use 'auto'"
            )
        return obstacle is None

    async def _connection_options(self) -> dict[str, Any]:
        if self._borrowed is None:
            connector = await make_connector(self._config)
            return {"connector": connector, "trust_env": self._config.trust_env}
        return {
            "connector": self._borrowed.connector,
            "connector_owner": False,
            "trace_configs": self._borrowed.trace_configs,
            "trust_env": self._borrowed.trust_env,
        }

    def _limit(self) -> int:
        cap, _ = self._cap()
        if self._config.pool.max_connections is not None:
            return self._config.pool.max_connections
        return self._wanted if cap is None else min(self._wanted, cap)

    def _cap(self) -> tuple[int | None, str]:
        if self._config.pool.max_connections is not None:
            return self._config.pool.max_connections, "PoolSettings.max_connections"
        connector = self._borrowed.connector if self._borrowed is not None else None
        if connector is None:
            return None, ""
        limits = [limit for limit in (connector.limit, connector.limit_per_host) if limit]
        return min(limits, default=None), "the borrowed session's connector"


_OTHER_LOOP = (
    "this client was opened on another event loop. Connections belong to the loop they were made "
    "on: make one client per loop (per asyncio.run), inside it"
)
