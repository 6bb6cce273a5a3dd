"""A server that misbehaves at an exact byte, and knows the truth about who was rung.

It speaks just enough HTTP/1.1, over plain TCP or TLS. A phone "rings" the moment the last byte
of a request to dial was read, unless the plan says that the service refuses: the worst service
there can be for a client that repeats things.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from typing import Literal, Self, cast

import attrs

Then = Literal["keep", "close", "reset", "stall"]


def ok(number: str, call_id: str | None = None) -> bytes:
    call = {"call_id": call_id or id_for(number), "to": number, "from": "+12025550100"}
    return http(200, json.dumps({"message": "m", "status": "success", "call": call}).encode())


def id_for(number: str) -> str:
    return f"CA{number.removeprefix('+')}"


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@attrs.frozen(kw_only=True)
class Plan:
    """What happens to one request.

    `request_bytes`: act after so many bytes of the request (as a fraction), None for all of it.
    `reply_bytes`: send this fraction of the reply. Then `then`. `extra` follows the reply.
    """

    request_bytes: float | None = None
    reply: bytes | None = None
    reply_bytes: float = 1.0
    then: Then = "keep"
    extra: bytes = b""
    extra_later: bool = False
    refuses: bool = False
    delay: float = 0.0


Planner = Callable[[int, int], Plan]


class RawServer:
    def __init__(
        self,
        planner: Planner | None = None,
        *,
        on_connect: Then = "keep",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.planner: Planner = planner or (lambda connection, request: Plan())
        self.on_connect = on_connect
        self.rings: Counter[str] = Counter()
        self.requests = 0
        self.connections = 0
        self.heads: list[bytes] = []
        self.bytes_seen = 0
        self.lines: set[Line] = set()
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._tls else 'http'}://localhost:{port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Line(self), "127.0.0.1", 0, ssl=self._tls, backlog=1024
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for line in tuple(self.lines):
            line.transport.abort()
        await asyncio.sleep(0)


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.buffer = bytearray()
        self.served = 0
        self.number = 0
        self.stalled = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self.server.connections += 1
        self.number = self.server.connections
        self.server.lines.add(self)
        self.then(self.server.on_connect)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.lines.discard(self)

    def data_received(self, data: bytes) -> None:
        self.server.bytes_seen += len(data)
        if self.stalled:
            return
        self.buffer += data
        while self.buffer and not self.stalled and not self.transport.is_closing():
            if not self.take_one():
                return

    def take_one(self) -> bool:
        plan = self.server.planner(self.number, self.served)
        head, separator, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        length = _content_length(head) if separator else None
        whole = None if length is None else len(head) + 4 + length
        if plan.request_bytes is not None:
            needed = (whole or 400) * plan.request_bytes
            if len(self.buffer) >= needed:
                self.stalled = True  # nothing more is read: this phone cannot ring
                self.then(plan.then)
            return False
        if whole is None or len(self.buffer) < whole:
            return False
        del self.buffer[:whole]
        self.served += 1
        self.server.requests += 1
        self.server.heads.append(head)
        self.answer(plan, rest[:length])
        return True

    def answer(self, plan: Plan, body: bytes) -> None:
        number = json.loads(body).get("number", "") if body else ""
        if not plan.refuses:
            self.server.rings[number] += 1
        reply = ok(number) if plan.reply is None else plan.reply
        data = reply[: round(len(reply) * plan.reply_bytes)]
        if plan.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(plan.delay, self.send, data, plan)
        else:
            self.send(data, plan)

    def send(self, data: bytes, plan: Plan) -> None:
        if self.transport.is_closing():
            return
        if data:
            self.transport.write(data + (b"" if plan.extra_later else plan.extra))
        if plan.extra and plan.extra_later:
            asyncio.get_running_loop().call_soon(self.transport.write, plan.extra)
        self.then(plan.then)

    def then(self, what: Then) -> None:
        match what:
            case "keep":
                pass
            case "close":
                self.transport.close()
            case "reset":
                reset(self.transport)
            case "stall":
                self.stalled = True


def reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
