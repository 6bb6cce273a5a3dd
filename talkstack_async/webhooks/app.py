"""The webhook address for aiohttp: on its own, or mounted in an application there is."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncIterator

from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.abc import AbstractAccessLogger

from ..telemetry import redacted
from .answering import TIMEOUT_SECONDS, Desk
from .events import Handle
from .gate import PREFIX, Answer, Asked, Gate
from .receive import LIMIT

__all__ = ["MaskedAccessLogger", "application", "serve"]

_DESK = web.AppKey("talkstack_webhooks", Desk)

_LOOKS_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,}", re.ASCII)

# A reply is lost if the socket is closed while somebody still sends; so much is waited for that.
_LINGERING_SECONDS = 2.0
_CLOSING_SECONDS = 5.0


def application(
    handle: Handle,
    *,
    token: str,
    prefix: str = PREFIX,
    limit: int = LIMIT,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> web.Application:
    """Make an application that answers `POST /{prefix}/{token}`, and 404 to all else.

    Run it with `web.run_app(application, access_log=None)`, or mount it:
    `app.add_subapp("/hooks", application(...))`. The access log of aiohttp prints addresses, and
    with them the token: turn it off, or use `MaskedAccessLogger`.

    Args:
        handle: Awaited for each event before the sender gets its 200. If it raises or takes too
            long, the sender gets a 500 and may send the event again.
        token: From `new_token()`; the same one as long as the address is registered.
        prefix: What stands before the token.
        limit: How many bytes a body may have; no more are read.
        timeout_seconds: For reading the body, and once more for handling its events.

    Raises:
        ConfigurationError: The token can be guessed, or another setting cannot work.
    """
    gate = Gate.of(token, prefix=prefix, limit=limit)
    app = web.Application()
    app[_DESK] = Desk(gate=gate, handle=handle, timeout_seconds=timeout_seconds)
    # One route for everything: the router does not compare in constant time.
    app.router.add_route("*", "/{path:.*}", _answer)
    return app


@contextlib.asynccontextmanager
async def serve(app: web.Application, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve an application on a port, 0 for any, and yield where: `http://127.0.0.1:8080`.

    Leaving waits a few seconds for requests that are being answered. Nothing is logged about
    requests, not even broken ones: the token stands in them.

    Raises:
        OSError: The port cannot be opened.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_silent(),
        auto_decompress=False,
        lingering_time=_LINGERING_SECONDS,
        shutdown_timeout=_CLOSING_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        yield f"http://{shown}:{address[1]}"
    finally:
        await runner.cleanup()


class MaskedAccessLogger(AbstractAccessLogger):
    """An access log without tokens and phone numbers: `run_app(app, access_log_class=...)`."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write one line about a request."""
        self.logger.info(
            "%s %s %s %d in %.3f s",
            request.remote,
            request.method,
            redacted(_LOOKS_LIKE_A_TOKEN.sub("***", request.path_qs)),
            response.status,
            time,
        )


async def _answer(request: web.Request) -> web.StreamResponse:
    headers = request.headers
    asked = Asked(
        method=request.method,
        path=request.match_info["path"],
        length=headers.get(hdrs.CONTENT_LENGTH),
        encoding=headers.get(hdrs.CONTENT_ENCODING),
        content_type=headers.get(hdrs.CONTENT_TYPE),
    )
    try:
        answer = await request.app[_DESK].answer(asked, request.content.readany)
    except (OSError, ClientPayloadError, web.RequestPayloadError):
        # The sender went away, or sent no proper body. Nobody is there to be answered.
        answer = Answer(400)
    return web.Response(status=answer.status, text=answer.text, headers=dict(answer.headers))


def _silent() -> logging.Logger:
    logger = logging.Logger("silent")  # noqa: LOG001  # outside the tree: nobody turns it on
    logger.addHandler(logging.NullHandler())
    return logger
