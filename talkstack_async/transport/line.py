"""A leased connection of the fast lane: it splits plain replies, and hands all others to aiohttp.

What comes in belongs to the request that was written last, to nobody, or to aiohttp's own parser.
Whatever does not fit ends the connection.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import TypeAlias, cast

import aiohttp
from aiohttp import ClientOSError, ClientPayloadError, ServerDisconnectedError
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from ..errors import WriteTimeoutError
from .plain_reply import find_plain_head

__all__ = ["Answer", "BufferedLine", "Line", "StreamLine", "Waiter"]

# Head, body and status of a plain reply; None for anything else.
Answer: TypeAlias = tuple[bytes, bytes, int] | None
Waiter: TypeAlias = asyncio.Future[Answer]

# A plain head, the status in it, and the length of its body. Nothing begins like this one.
_NOTHING_KNOWN = (b"\0", 0, 0)


class Line(asyncio.BaseProtocol):
    """A leased connection: the protocol between its transport and whoever waits for a reply.

    It stands in front of aiohttp's own protocol, `handler`, and passes the end of the connection
    on to it; the connector keeps its books by that. A reply that is not plain is passed on, too.
    """

    def __init__(
        self,
        connection: Connection,
        handler: ResponseHandler,
        *,
        limit: int,
        phases: aiohttp.ClientTimeout,
        buffer: memoryview,
    ) -> None:
        self.handler = handler
        self.transport = cast("asyncio.Transport", handler.transport)
        self.was_used = False
        self.waiter: Waiter | None = None  # for the reply
        self.has_left = False  # a byte of the request whose reply is waited for
        self.is_spent = False  # there must not be another request
        self.is_backed_up = False
        self.failure: Exception | None = None
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.idle_since = self._loop.time()
        self._limit = limit
        self._buffer = buffer
        self._read_seconds = phases.sock_read
        self._is_lost = False
        self._held: tuple[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._part: bytearray | None = None
        self._wanted = 0
        self._known = _NOTHING_KNOWN
        self._is_odd = False  # the handler reads this reply
        self._poll = select.poll()
        self._poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        # With no room to buffer, whatever is left unsent shows at once. Over TLS, a limit of 0
        # is reached even when nothing is left.
        is_tls = self.transport.get_extra_info("sslcontext") is not None
        self.transport.set_write_buffer_limits(high=1 if is_tls else 0, low=0)
        self.transport.set_protocol(self)

    # --- For the lane.

    def has_news(self) -> bool:
        """Ask the operating system for what the loop has not read yet, without waiting."""
        # A number of a closed socket may belong to another one by now.
        return not self.transport.is_closing() and bool(self._poll.poll(0))

    def is_quiet(self) -> bool:
        """Say whether the connection is open, in order, and nothing came in behind our back."""
        return not (self.is_spent or self.transport.is_closing() or self._poll.poll(0))

    def give_way(self) -> None:
        """Tell whoever waits that the connection cannot be used."""
        self.is_spent = True
        self._wake(None)

    def refuse(self, reason: Exception) -> None:
        """Tell whoever waits why the request does not leave; nothing has been written."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(reason)

    def fail(self, failure: Exception) -> None:
        """Tell whoever waits for a reply what went wrong."""
        self.failure = failure
        self.is_spent = True
        self._wake(None)

    def watch(self, write_seconds: float) -> None:
        """Watch what was just written: that it is taken in time, and then that it is answered."""
        if self.is_backed_up:
            self._set_timer(write_seconds, self._fail_to_write)
        elif self._read_seconds is not None:
            self._set_timer(self._read_seconds, self._fall_silent)

    def end_odd_reply(self) -> None:
        """Read plain replies again, unless aiohttp says that the connection is spent."""
        self._is_odd = False
        self.is_spent = self._is_lost or self.handler.should_close

    def close(self) -> None:
        """Give the connection up; nothing that still comes in reaches anybody."""
        self.is_spent = True
        self.waiter = self._part = self._held = None
        self._stop_timer()
        self._connection.close()

    # --- For the transport.

    def take(self, data: bytes) -> None:
        """Take what came in."""
        waiter = self.waiter
        if waiter is None or not self.has_left or self._held is not None or self._is_odd:
            self._take_unexpected(data)
            return
        if self._part is not None:
            self._take_part(self._part, data)
            return
        head, status, length = self._known
        # Most replies begin as the one before, to the byte. A close look takes ten times as long.
        if not data.startswith(head):
            found = find_plain_head(data)
            if found is None:
                self._hand_over(data)
                return
            head, status, length = data[: found.end()], int(found[1]), int(found[2])
            self._known = head, status, length
        start = len(head)
        end = start + length
        if length > self._limit or end < len(data):
            self._hand_over(data)
        elif end == len(data):
            answer = head, data[start:], status
            if self.is_backed_up or self._timer is not None or waiter.done():
                self._wake(answer)
            else:  # the same, in most cases
                self.waiter = None
                waiter.set_result(answer)
        else:
            self._part, self._wanted = bytearray(data), end
            self._put_off_silence()

    def eof_received(self) -> None:
        if self._is_odd:
            self.handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.handler.connection_lost(exc)
        self._is_lost = True
        if self._is_odd and not self.is_backed_up:
            return  # the handler knows whether the reply was whole
        if not self.has_left:
            self.give_way()
        elif self._part is not None:
            self.fail(ClientPayloadError("the reply is not complete"))
        elif isinstance(exc, OSError):
            self.fail(ClientOSError(*exc.args))
        else:
            self.fail(exc or ServerDisconnectedError())

    def pause_writing(self) -> None:
        self.is_backed_up = True

    def resume_writing(self) -> None:
        self.is_backed_up = False
        if self.waiter is None:
            return
        self._stop_timer()
        if self._held is not None:
            self._wake(self._held[0])
        elif self._read_seconds is not None:
            self._set_timer(self._read_seconds, self._fall_silent)

    # --- Ourselves.

    def _wake(self, answer: Answer) -> None:
        if self.is_backed_up and self.failure is None:
            # A reply to a request that is not yet taken whole waits for that, as aiohttp does it.
            self._held = (answer,)
            return
        waiter, self.waiter = self.waiter, None
        self._part = self._held = None
        if self._timer is not None:
            self._stop_timer()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _take_part(self, part: bytearray, data: bytes) -> None:
        part += data
        if len(part) < self._wanted:
            self._put_off_silence()
            return
        whole = bytes(part)
        if len(whole) > self._wanted:
            self._part = None
            self._hand_over(whole)
        else:
            head, status, _ = self._known
            self._wake((head, whole[len(head) :], status))

    def _take_unexpected(self, data: bytes) -> None:
        if self._is_odd:
            self.handler.data_received(data)
            return
        # A reply to nobody, or more than one to somebody: this connection is out of step.
        self.is_spent = True
        self.transport.close()

    def _hand_over(self, data: bytes) -> None:
        """Let aiohttp read this reply, from its first byte on."""
        self._is_odd = self.is_spent = True
        self.handler.set_response_params(
            read_until_eof=True,
            read_timeout=self._read_seconds,
            timeout_ceil_threshold=float("inf"),
        )
        self.handler.data_received(data)
        self._wake(None)

    def _fall_silent(self) -> None:
        self.fail(aiohttp.SocketTimeoutError("the service stayed silent too long"))

    def _fail_to_write(self) -> None:
        self.fail(WriteTimeoutError("the service did not take the whole request"))

    def _put_off_silence(self) -> None:
        if self._read_seconds is not None and not self.is_backed_up:
            self._set_timer(self._read_seconds, self._fall_silent)

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BufferedLine(Line, asyncio.BufferedProtocol):
    """A line that brings its own buffer.

    For every read asyncio asks the allocator for 256 KiB and gives back what was too much.
    Measured alone, such a read took 15 microseconds, and 1 into a buffer that is there. Reads are
    taken apart in the step in which they happen, so all lines of a lane, which live on one loop,
    share one buffer.
    """

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.take(bytes(self._buffer[:nbytes]))


class StreamLine(Line, asyncio.Protocol):
    """A line for uvloop, which reads into a buffer of its own anyway."""

    data_received = Line.take  # pyright: ignore[reportAssignmentType] # it is a Line, too
