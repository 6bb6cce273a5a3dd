"""Connecting: aiohttp's own connector, with a bound on the TLS handshake."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiohttp import ClientRequest, ClientSession, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from ..config import ClientConfig
from ..errors import ClosedError
from .origin import Origin, Proxy

__all__ = ["connect", "make_connector", "phases"]


class _Connector(TCPConnector):
    """Ends a handshake that stalls; aiohttp alone bounds it only together with the connect."""

    tls_seconds = 0.0

    async def _wrap_create_connection(
        self, *args: Any, **options: Any
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        if options.get("ssl"):
            options.setdefault("ssl_handshake_timeout", self.tls_seconds)
        return await super()._wrap_create_connection(*args, **options)


async def make_connector(config: ClientConfig) -> TCPConnector:
    """Make a connector whose size is not limited: the pool in front of it counts."""
    connector = _Connector(
        limit=0,
        keepalive_timeout=config.pool.idle_seconds,
        ssl=await _tls_context(config),
    )
    connector.tls_seconds = config.timeouts.tls
    return connector


async def _tls_context(config: ClientConfig) -> ssl.SSLContext | bool:
    if config.ssl_context is not None:
        return config.ssl_context
    if config.ca_file is None:
        return True
    # Reading the file and parsing hundreds of certificates would hold up the loop.
    return await asyncio.to_thread(ssl.create_default_context, cafile=str(config.ca_file))


async def connect(
    session: ClientSession, origin: Origin, limits: ClientTimeout, proxy: Proxy | None = None
) -> Connection:
    """Get a connection without sending anything over it."""
    connector = session.connector
    if connector is None:
        raise ClosedError("the client was closed")
    request = ClientRequest(
        "GET",
        origin.root,
        loop=asyncio.get_running_loop(),
        session=session,
        **(proxy.options() if proxy else {}),
    )
    return await connector.connect(request, [], limits)


def phases(config: ClientConfig, origin: Origin) -> ClientTimeout:
    """Return the bounds of connecting and of silence, as aiohttp wants them."""
    limits = config.timeouts
    reach = limits.connect + (limits.tls if origin.is_tls else 0.0)
    return ClientTimeout(
        total=None,
        connect=reach,
        sock_connect=reach,
        # A silence as long as the total deadline is that deadline's business.
        sock_read=limits.read if limits.read < limits.total else None,
        ceil_threshold=float("inf"),  # aiohttp rounds longer timeouts up to full seconds
    )
