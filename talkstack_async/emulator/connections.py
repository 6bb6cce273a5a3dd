"""TCP connections of the emulator: counted, numbered, and known to be gone."""

import asyncio
import socket
import struct
from typing import Any

from aiohttp import web

_LINGER_ZERO = struct.pack("ii", 1, 0)
# aiohttp's own limit of 1 MiB would refuse the sheet of a large batch.
_LARGEST_BODY = 64 * 1024 * 1024


class Connection:
    """One TCP connection. Its number is its place in the order of arrival."""

    __slots__ = ("_gone", "number", "transport")

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.number = number
        self.transport = transport
        self._gone: asyncio.Event | None = None

    async def gone(self) -> None:
        """Wait until the connection is closed, by whichever side."""
        if self._gone is None:
            self._gone = asyncio.Event()
        await self._gone.wait()

    def close(self) -> None:
        """Close after everything written so far has left."""
        self.transport.close()

    def reset(self) -> None:
        """Close with RST instead of FIN; the client sees "connection reset by peer"."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    def mark_gone(self) -> None:
        """Wake whoever waits in `gone`."""
        if self._gone is None:
            self._gone = asyncio.Event()
        self._gone.set()


class CountingServer(web.Server):
    """aiohttp's server, with a register of connections.

    A handler is not cancelled when its client leaves: the real service would
    not stop dialling either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, request_factory=_new_request, **kwargs)
        self.opened = 0
        self._open: dict[web.RequestHandler, Connection] = {}

    @property
    def open_connections(self) -> int:
        """Say how many connections are open now."""
        return len(self._open)

    def connection_of(self, request: web.BaseRequest) -> Connection | None:
        """Return the connection of a request, None if the client has left already."""
        return self._open.get(request.protocol)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Register a connection. Called by aiohttp."""
        super().connection_made(handler, transport)
        self.opened += 1
        self._open[handler] = Connection(self.opened, transport)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Forget a connection. Called by aiohttp."""
        super().connection_lost(handler, exc)
        connection = self._open.pop(handler, None)
        if connection is not None:
            connection.mark_gone()

    def abort_all(self) -> None:
        """Cut every open connection without waiting for anything."""
        for connection in self._open.values():
            connection.transport.abort()


def _new_request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
) -> web.BaseRequest:
    loop = task.get_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY
    )
