"""The fast lane: connections of aiohttp's connector, requests and everyday replies of our own.

aiohttp still resolves names, connects and does TLS. A connection is then leased for good: it
waits on a stack of ours between two requests, so it is in hand before the first byte, and whether
a byte has left is a fact. We write head and body in one go. A plain reply is split by us; as soon
as a reply is anything else, aiohttp's own protocol gets every byte of it and reads it as it does
in the public lane, with the same outcome.

What must never happen is that a caller gets another caller's answer. So a connection goes back on
the stack in one place only: after a reply that was read to its end with nothing behind it.
Whoever leaves earlier, by an error, a timeout or a cancellation, closes it.

This file knows inner parts of aiohttp. `why_not` says where it must not be used.
"""

from __future__ import annotations

import asyncio
import platform
import re
import select
import sys
from typing import Any

import aiohttp
from aiohttp import ClientSession
from aiohttp.connector import Connection

from ..config import ClientConfig
from ..errors import StaleConnectionError
from ..wire.replies import Reply
from .connector import connect, phases
from .lane import let_news_in, read_body, stale
from .line import BufferedLine, Line, StreamLine, Waiter
from .origin import Origin
from .outgoing import Outgoing
from .plain_reply import Headers

__all__ = ["FastLane", "why_not"]

# The versions of aiohttp this was tested with: the first, and the first that is not.
TESTED = ((3, 12), (3, 15))

_HEADS_KEPT = 64
_BUFFER_BYTES = 64 * 1024


def why_not(config: ClientConfig, *, is_borrowed: bool) -> str | None:
    """Say what keeps a client from the fast lane; None if nothing does.

    A session that was borrowed belongs to somebody who may count on its traces and limits.
    """
    if is_borrowed:
        return "the aiohttp session is borrowed"
    if config.proxy is not None or config.trust_env:
        return "there may be a proxy"
    version = re.match(r"(\d+)\.(\d+)", aiohttp.__version__)
    found = (int(version[1]), int(version[2])) if version else (0, 0)
    if not TESTED[0] <= found < TESTED[1]:
        return f"aiohttp {aiohttp.__version__} was not tested with it"
    if platform.python_implementation() != "CPython" or not hasattr(select, "poll"):
        return "this Python was not tested with it"
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.SelectorEventLoop) and not _is_uvloop(loop):
        return f"the event loop {type(loop).__name__} was not tested with it"
    return None


class FastLane:
    """Sends requests to one origin over connections it keeps, and counts them."""

    name = "fast"

    def __init__(self, session: ClientSession, origin: Origin, config: ClientConfig) -> None:
        self.opened = 0
        self.reused = 0
        self._session = session
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._limit = config.max_reply_bytes
        self._write_seconds = config.timeouts.write
        self._phases = phases(config, origin)
        self._is_watched = self._phases.sock_read is not None
        self._idle_seconds = config.pool.idle_seconds
        self._idle: list[Line] = []  # the one used last is at the end
        self._leaving: list[tuple[Line, Waiter, Outgoing]] = []
        self._retiring: asyncio.TimerHandle | None = None
        self._heads: dict[tuple[str, bytes], bytes] = {}
        self._make = StreamLine if _is_uvloop(self._loop) else BufferedLine
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    async def exchange(self, outgoing: Outgoing) -> Reply:
        """Send one request and read the whole reply, up to the limit.

        `outgoing.mark` tells afterwards, however this ends, whether a byte may have left.
        """
        while True:
            line = self._take_idle() if self._idle else None
            is_fresh = line is None
            if line is None:
                line = await self._open(outgoing)
            waiter = line.waiter = self._loop.create_future()
            line.has_left = False
            try:
                if is_fresh:  # from the look in `_open` to the write: no await
                    self._send(line, outgoing)
                else:
                    if not self._leaving:
                        self._loop.call_soon(self._send_all)
                    self._leaving.append((line, waiter, outgoing))
                answer = await waiter
                if answer is not None:
                    head, body, status = answer
                    reply = Reply(status, Headers(head), body)
                elif line.has_left or line.failure is not None:
                    reply = await self._read_odd(line, outgoing)
                else:
                    line.close()
                    continue  # it was closed before anything left: take the next
            except BaseException:
                self._give_up(line)
                raise
            if line.is_spent:
                line.close()
            else:
                line.idle_since = self._loop.time()
                self._idle.append(line)
                if self._retiring is None:
                    self._keep_watch()
            return reply

    def adopt(self, connection: Connection) -> None:
        """Take a connection that was made ahead of need."""
        self._keep(self._line(connection))

    def count_idle(self) -> int:
        """Count the connections that are ready for the next requests."""
        self._retire()
        return len(self._idle)

    def close(self) -> None:
        """Close what is idle, and keep nothing from now on."""
        self._idle_seconds = 0.0
        self._retire()

    # --- Connections.

    def _take_idle(self) -> Line | None:
        """Take the connection that was used last."""
        idle = self._idle
        oldest = self._loop.time() - self._idle_seconds
        while idle:
            line = idle.pop()
            if line.idle_since >= oldest and not line.is_spent:
                return line
            line.close()
        return None

    async def _open(self, outgoing: Outgoing) -> Line:
        line = self._line(await connect(self._session, self._origin, self._phases))
        try:
            if line.has_news():  # of TLS, most likely
                await let_news_in()
        except BaseException:
            line.close()
            raise
        if line.is_spent or line.transport.is_closing():
            line.close()
            raise stale(outgoing)
        return line

    def _line(self, connection: Connection) -> Line:
        protocol = connection.protocol
        if protocol is None or protocol.transport is None or protocol.should_close:
            connection.close()
            raise StaleConnectionError("the connection was closed as soon as it was made")
        return self._make(
            connection, protocol, limit=self._limit, phases=self._phases, buffer=self._buffer
        )

    def _keep(self, line: Line) -> None:
        self._idle.append(line)
        if self._retiring is None:
            self._keep_watch()

    def _keep_watch(self) -> None:
        self._retiring = self._loop.call_later(self._idle_seconds, self._retire)

    def _retire(self) -> None:
        """Close what was idle for too long, and come back for the rest."""
        if self._retiring is not None:
            self._retiring.cancel()
            self._retiring = None
        oldest = self._loop.time() - self._idle_seconds
        before, self._idle = self._idle, []
        for line in before:
            if line.idle_since > oldest:
                self._idle.append(line)
            else:
                line.close()
        if self._idle:
            when = min(line.idle_since for line in self._idle) + self._idle_seconds
            self._retiring = self._loop.call_at(when, self._retire)

    # --- What goes over them.

    def _send_all(self) -> None:
        """Send the requests that became ready in this turn of the loop.

        They leave one right after the other, so the other end is woken once for many. Measured:
        an eighth of the whole cost of a call.
        """
        leaving, self._leaving = self._leaving, []
        for line, waiter, outgoing in leaving:
            if waiter.done():
                continue  # cancelled meanwhile; the line may be somebody else's by now
            # From this look at the connection to the write: no await, nothing in between.
            if line.is_quiet():
                self._send(line, outgoing)
            else:
                line.give_way()

    def _send(self, line: Line, outgoing: Outgoing) -> None:
        try:
            data = self._serialise(outgoing)
            outgoing.mark.leave()
        except Exception as refusal:  # of this request alone; the line is as good as before
            line.refuse(refusal)
            return
        try:
            line.has_left = True
            if line.was_used:
                self.reused += 1
            else:
                line.was_used = True
                self.opened += 1
            line.transport.write(data)
            del data  # tools that show the variables of every frame would show the credential
            if line.is_backed_up or self._is_watched:
                line.watch(self._write_seconds)
        except Exception as failure:
            line.fail(failure)

    def _give_up(self, line: Line) -> None:
        """Close a connection over which something left; keep one that was only to be used."""
        if line.has_left or line.is_spent:
            line.close()
        else:
            line.waiter = None
            self._keep(line)

    def _serialise(self, outgoing: Outgoing) -> bytes:
        request = outgoing.request
        endpoint = request.endpoint
        if request.target != endpoint.path or request.content_type != "application/json":
            target = self._origin.target(request.target).encode()
            return outgoing.serialise(target=target, headers=self._origin.headers)
        key = (endpoint.name, outgoing.credential)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _HEADS_KEPT:  # tokens come and go
                self._heads.clear()
            target = self._origin.target(request.target).encode()
            head = self._heads[key] = outgoing.head(target=target, headers=self._origin.headers)
        return b"%b%d\r\n\r\n%b" % (head, len(request.body), request.body)

    async def _read_odd(self, line: Line, outgoing: Outgoing) -> Reply:
        """Let aiohttp read a reply that is not plain, the way `ClientResponse` does."""
        if line.failure is not None:
            raise line.failure
        while True:
            message, payload = await line.handler.read()
            if not 100 <= message.code <= 199 or message.code == 101:
                break
        body, is_whole = await read_body(payload, self._limit)
        if is_whole:
            line.end_odd_reply()
        return Reply(
            status=message.code,
            headers=message.headers,
            body=body,
            is_whole=is_whole,
        )


def _is_uvloop(loop: asyncio.AbstractEventLoop) -> bool:
    uvloop: Any = sys.modules.get("uvloop")  # a loop of it runs, so it was imported
    return uvloop is not None and isinstance(loop, uvloop.Loop)
