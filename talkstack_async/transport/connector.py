"""The connector behind an owned session: aiohttp's own, with a bound on the TLS handshake."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiohttp import TCPConnector
from aiohttp.client_proto import ResponseHandler

from ..config import ClientConfig

__all__ = ["make_connector"]


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
