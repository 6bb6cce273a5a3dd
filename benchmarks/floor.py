"""The floor: the same typed work with no HTTP library, for scale.

A plain `asyncio.Protocol` per connection, a LIFO pool, a prebuilt head, one `find` and one regex
per reply. It has no timeouts, no retries, no checks and no clean errors; it shows what the
event loop, the kernel and JSON cost whatever one builds on top.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from talkstack_async import CallRequest, CallResult

from .workload import AGENT, KEY, PROJECT

__all__ = ["FloorClient"]

_find_length = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE).search
_to_text = json.JSONEncoder(separators=(",", ":")).encode


def _encode(value: Any) -> bytes:
    return _to_text(value).encode()


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reply: asyncio.Future[bytes] | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        start = data.find(b"\r\n\r\n") + 4
        length = _find_length(data, 0, start) if start >= 4 else None
        if length is None or start + int(length[1]) > len(data):
            self._rest = data
            return
        reply, self.reply = self.reply, None
        if reply is None or reply.done():
            return
        if data.startswith(b"HTTP/1.1 200 "):
            reply.set_result(data[start:])
        else:
            reply.set_exception(ConnectionError(data[:40]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(exc or ConnectionError("closed"))


class FloorClient:
    """Makes calls over a pool of bare connections. Nothing in it survives a bad day."""

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        encode: Callable[[Any], bytes] | None = None,
        decode: Callable[[bytes], Any] = json.loads,
    ) -> None:
        self._encode = encode or _encode
        self._decode = decode
        self._tls = tls
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._head = (
            f"POST /call/makeCall HTTP/1.1\r\nHost: {parts.netloc}\r\nx-api-key: {KEY}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    async def make(self, call: CallRequest) -> CallResult:
        body = self._encode(
            {
                "number": call.number,
                "projectId": call.project_id or PROJECT,
                "agentId": call.agent_id or AGENT,
                "dynamicVariables": call.dynamic_variables,
            }
        )
        connection = self._idle.pop() if self._idle else await self._connect()
        assert connection.transport is not None
        reply = connection.reply = asyncio.get_running_loop().create_future()
        connection.transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        placed = self._decode(await reply)["call"]
        self._idle.append(connection)
        return CallResult(
            call_id=placed["call_id"], to=placed["to"], from_=placed["from"], raw=placed
        )

    async def aclose(self) -> None:
        for connection in self._all:
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)

    async def _connect(self) -> _Connection:
        host, port = self._address
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, host, port, ssl=self._tls
        )
        self._all.append(connection)
        return connection
