"""The public lane: one HTTP exchange through `aiohttp.ClientSession`, with an exact mark.

aiohttp calls `ClientRequest.send(connection)` once a connection is in hand, fresh or reused.
`WholeRequest` takes that step over: it looks at the connection, sets the mark, and hands head
and body to the operating system in one write. Between the look and the write there is no await,
so `sent` is a fact and not a guess. And the credential never enters aiohttp's own request
object, whose headers turn up in traces and in the `repr` of its exceptions.
"""

from __future__ import annotations

import asyncio
import inspect
import select
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import ClientRequest, ClientResponse, ClientSession, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_writer import StreamWriter

from ..config import ClientConfig
from ..errors import StaleConnectionError, WriteTimeoutError
from ..wire.replies import Reply
from .connector import phases
from .origin import Origin, Proxy
from .outgoing import Outgoing

__all__ = ["PublicLane"]


class PublicLane:
    """Sends requests to one origin through a session, and counts connections."""

    name = "public"

    def __init__(
        self, session: ClientSession, origin: Origin, config: ClientConfig, proxy: Proxy | None
    ) -> None:
        self.opened = 0
        self.reused = 0
        self._session = session
        self._origin = origin
        self._limit = config.max_reply_bytes
        self._write_seconds = config.timeouts.write
        self._lines: WeakKeyDictionary[ResponseHandler, Line] = WeakKeyDictionary()
        self._proxy = proxy
        self._options: dict[str, Any] = {
            "allow_redirects": False,
            "timeout": phases(config, origin),
            **(proxy.options() if proxy else {}),
        }

    async def exchange(self, outgoing: Outgoing) -> Reply:
        """Send one request and read the whole reply, up to the limit.

        `outgoing.mark` tells afterwards, however this ends, whether a byte may have left.
        """
        _CURRENT.set((outgoing, self))
        endpoint = outgoing.request.endpoint
        response = await self._session.request(
            endpoint.verb, self._origin.url(outgoing.request.target), **self._options
        )
        try:
            body, whole = await read_body(response.content, self._limit)
            if not whole:
                response.close()
        except BaseException:
            response.close()
            raise
        return Reply(
            status=response.status,
            headers=response.headers,
            body=body,
            is_whole=whole,
        )

    def serialise(self, outgoing: Outgoing, request: ClientRequest) -> bytes:
        """Put a request into bytes; a plain-http proxy wants the whole address in it."""
        target = self._origin.target(outgoing.request.target)
        headers = self._origin.headers
        if request.proxy and not self._origin.is_tls:
            target = str(request.url)
            pass_on = request.headers.get("Proxy-Authorization")  # from HTTP_PROXY
            if self._proxy and self._proxy.authorization:
                pass_on = self._proxy.authorization
            if pass_on:
                headers += f"Proxy-Authorization: {pass_on}\r\n".encode()
        return outgoing.serialise(target=target.encode(), headers=headers)

    def adopt(self, connection: Connection) -> None:
        """Take a connection that was made ahead of need; aiohttp keeps it."""
        connection.release()

    def count_idle(self) -> int:
        """Count the connections that are ready: none, for aiohttp hands out its own."""
        return 0

    def close(self) -> None:
        """Do nothing: what is idle belongs to aiohttp, which closes it."""

    def line(self, protocol: ResponseHandler) -> Line:
        """Return what is known of a connection."""
        line = self._lines.get(protocol)
        if line is None:
            line = self._lines[protocol] = Line(protocol)
        return line

    def count(self, line: Line) -> None:
        """Count a connection as opened the first time it is used, as reused afterwards."""
        if line.was_used:
            self.reused += 1
        else:
            line.was_used = True
            self.opened += 1

    async def flush(self, protocol: ResponseHandler, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the operating system took a request that was too large for one go."""
        try:
            async with asyncio.timeout(self._write_seconds):
                await StreamWriter(protocol, loop).drain()
        except TimeoutError as error:
            raise WriteTimeoutError("the service did not take the whole request") from error


# aiohttp builds the request object itself and takes nothing of ours along. The write happens
# in the task that asked for it, so a context variable finds the way.
_CURRENT: ContextVar[tuple[Outgoing, PublicLane]] = ContextVar("talkstack_exchange")

# aiohttp 3.14 wants to see the writer of a response; earlier versions do not know the argument.
_RESPONSE_EXTRAS: dict[str, Any] = (
    {"stream_writer": SimpleNamespace(output_size=0)}
    if "stream_writer" in inspect.signature(ClientResponse.__init__).parameters
    else {}
)


class Line:
    """A connection, watched for news that the loop has not read yet.

    News is a closing by the service, mostly: the everyday way to lose a request is to write
    into a pooled connection whose end is already waiting to be noticed. Or it is a reply that
    nobody asked for, which would be taken for the answer to this request.
    """

    __slots__ = ("_poll", "_transport", "was_used")

    def __init__(self, protocol: ResponseHandler) -> None:
        self.was_used = False
        self._poll: select.poll | None = None
        transport = self._transport = protocol.transport
        if transport is None:
            return
        # With no room to buffer, whatever is left unsent shows at once.
        transport.set_write_buffer_limits(high=0)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0 and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(connection.fileno(), select.POLLIN)

    def has_news(self) -> bool:
        """Ask the operating system, without waiting."""
        if self._poll is None or self._transport is None or self._transport.is_closing():
            return False  # a number of a closed socket may belong to another one by now
        return bool(self._poll.poll(0))


class WholeRequest(ClientRequest):
    """A request whose head and body leave together, at a moment that is noted."""

    # The lane writes the head itself, so aiohttp need not work out headers, cookies and body.

    def update_auto_headers(self, skip_auto_headers: Any) -> None: ...

    def update_cookies(self, cookies: Any) -> None: ...

    def update_auth(self, auth: Any, trust_env: Any = None) -> None: ...

    def update_content_encoding(self, data: Any) -> None: ...

    def update_transfer_encoding(self) -> None: ...

    def update_expect_continue(self, expect: Any = None) -> None: ...

    def update_body_from_data(self, body: Any, _stacklevel: int = 0) -> None: ...

    async def send(self, conn: Connection) -> ClientResponse:
        outgoing, lane = _CURRENT.get()
        protocol = conn.protocol
        if protocol is None:
            raise stale(outgoing)
        # Requests that are ready at the same time leave one right after the other; the other end
        # is woken once for many. Measured: a tenth of the whole cost of a call.
        await asyncio.sleep(0)  # noqa: TID251 # a turn of the loop, not time
        line = lane.line(protocol)
        if line.has_news():
            await let_news_in()
        # From here to the write: no await.
        transport = protocol.transport
        if transport is None or transport.is_closing() or protocol.should_close:
            raise stale(outgoing)
        data = lane.serialise(outgoing, self)
        outgoing.mark.leave()
        lane.count(line)
        transport.write(data)
        del data  # tools that show the variables of every frame would show the credential
        if transport.get_write_buffer_size():
            await lane.flush(protocol, self.loop)
        protocol.start_timeout()
        return self._response()

    def _response(self) -> ClientResponse:
        return self.response_class(
            self.method,
            self.original_url,
            writer=None,
            continue100=None,
            timer=self._timer,
            request_info=self.request_info,
            traces=self._traces,
            loop=self.loop,
            session=self._session,
            **_RESPONSE_EXTRAS,
        )


async def let_news_in() -> None:
    """Give the loop the turns it needs to read what has come in, and to act on it."""
    # One turn puts our continuation behind the reader, the next lets the reader's effects show.
    for _ in range(3):
        await asyncio.sleep(0)  # noqa: TID251 # turns of the loop, not time


def stale(outgoing: Outgoing) -> StaleConnectionError:
    """Make the error for a connection that was closed before anything was sent over it."""
    return StaleConnectionError(
        f"{outgoing.request.endpoint.name}: the connection was closed before the request left",
        request_id=outgoing.request_id,
    )


async def read_body(content: StreamReader, limit: int) -> tuple[bytes, bool]:
    """Read a body. If it is larger than the limit, return its beginning and False."""
    block = await content.readany()
    if content.at_eof() and len(block) <= limit:
        return block, True
    blocks, size = [block], len(block)
    while size <= limit and not content.at_eof():
        blocks.append(await content.readany())
        size += len(blocks[-1])
    body = b"".join(blocks)
    return (body, True) if size <= limit else (body[:limit], False)
