"""A server that sends exact bytes in exact pieces, and reads as much as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Self, cast

import attrs

from .raw_server import id_for


def answer_to(request: bytes, *, style: str = "plain") -> bytes:
    """Make the reply to one request, saying the same in different ways."""
    number = json.loads(request.partition(b"\r\n\r\n")[2])["number"]
    call = {"call_id": id_for(number), "to": number, "from": "+12025550100"}
    body = json.dumps({"call": call}).encode()
    if style == "chunked":
        half = len(body) // 2
        chunks = b"".join(
            b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:])
        )
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" if style == "hinted" else b""
    return early + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@attrs.define(kw_only=True)
class Script:
    """How one request is answered.

    Attributes:
        reply: The bytes; None for a proper answer.
        cuts: Where the reply is cut; each piece arrives by itself.
        style: How a proper answer is written.
        after: Answer after so many bytes, whatever is still missing.
        reads_on: Go on reading after an early answer.
        then_close: Close after the reply.
    """

    reply: bytes | None = None
    cuts: Sequence[int] = ()
    style: str = "plain"
    after: int | None = None
    reads_on: bool = True
    then_close: bool = False


class ScriptedServer:
    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.connections = 0
        self.requests: list[bytes] = []
        self.closed = 0
        self._transports: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Desk(self), "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for transport in tuple(self._transports):
            transport.abort()
        await asyncio.sleep(0)


class _Desk(asyncio.Protocol):
    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.buffer = bytearray()
        self.is_early = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self.server.connections += 1
        self.server._transports.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.closed += 1
        self.server._transports.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        script = self.server.script
        if script.after is not None and not self.is_early and len(self.buffer) >= script.after:
            self.is_early = True
            if not script.reads_on:
                self.transport.pause_reading()
            self.send(script, b"")
        head, found, body = bytes(self.buffer).partition(b"\r\n\r\n")
        if not found or self.is_early:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            request = bytes(self.buffer)
            self.buffer.clear()
            self.server.requests.append(request)
            self.send(script, request)

    def send(self, script: Script, request: bytes) -> None:
        reply = script.reply
        if reply is None:
            reply = answer_to(request, style=script.style)
        edges = [0, *script.cuts, len(reply)]
        pieces = [reply[a:b] for a, b in pairwise(edges)]
        self.send_next([piece for piece in pieces if piece], script)

    def send_next(self, pieces: list[bytes], script: Script) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(pieces.pop(0))
        if not pieces:
            if script.then_close:
                self.transport.close()
            return
        loop = asyncio.get_running_loop()
        # In the turn after the next, the other end has read this piece.
        loop.call_soon(loop.call_soon, self.send_next, pieces, script)
