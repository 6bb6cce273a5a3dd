"""Acting out a fault on a real connection.

Every function gets the answer that a well-behaved service would have given and
does something worse with it. Whether the phone rang was decided before.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from .connections import Connection
from .faults import Fault, FaultKind
from .replies import error_reply, json_reply

REDIRECT_TARGET = "/call/makeCall/moved"
OVERSIZE_BYTES = 64 * 1024 * 1024

_CHUNK = b" " * 65536
_GARBAGE = b'\x00\xff{"message": "call made", "call": {"call_id'
_HTML = (
    "<html><head><title>{status}</title></head>"
    "<body><center><h1>{status} Bad Gateway</h1></center></body></html>\n"
)


async def act_out(
    fault: Fault, *, request: web.BaseRequest, connection: Connection, good: web.Response
) -> web.StreamResponse:
    """Answer a request the way a fault wants it.

    The returned answer does not arrive when the connection was cut; aiohttp
    notices that and stays quiet.
    """
    plain = _PLAIN.get(fault.kind)
    if plain is not None:
        return plain(fault)
    if fault.kind == "oversize":
        return await _pour(request, good)
    await _CUTS[fault.kind](connection, good)
    return web.Response()


def _status(fault: Fault) -> web.Response:
    return error_reply(fault.status, retry_after=fault.retry_after)


def _html(fault: Fault) -> web.Response:
    headers = None if fault.retry_after is None else {"Retry-After": fault.retry_after}
    page = _HTML.format(status=fault.status)
    return web.Response(text=page, status=fault.status, content_type="text/html", headers=headers)


def _redirect(fault: Fault) -> web.Response:
    return json_reply(
        {"message": "moved", "status": "error"},
        status=fault.status,
        headers={"Location": REDIRECT_TARGET},
    )


def _garbage(_: Fault) -> web.Response:
    return web.Response(body=_GARBAGE, content_type="application/json")


def _no_call_id(_: Fault) -> web.Response:
    return json_reply({"message": "call made", "status": "success", "call": {}})


async def _drop(connection: Connection, _: web.Response) -> None:
    connection.close()
    await connection.gone()


async def _reset(connection: Connection, _: web.Response) -> None:
    connection.reset()
    await connection.gone()


async def _stall(connection: Connection, _: web.Response) -> None:
    await connection.gone()


async def _half_reply(connection: Connection, good: web.Response) -> None:
    body = good.body if isinstance(good.body, bytes) else b"{}"
    head = (
        f"HTTP/1.1 {good.status} OK\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.transport.write(head.encode() + body[: len(body) // 2])
    connection.close()
    await connection.gone()


async def _pour(request: web.BaseRequest, good: web.Response) -> web.StreamResponse:
    """Send the good answer behind 64 MiB of blanks, so that only a limit on size stops it."""
    reply = web.StreamResponse(headers={"Content-Type": "application/json"})
    reply.enable_chunked_encoding()
    try:
        await reply.prepare(request)
        for _ in range(OVERSIZE_BYTES // len(_CHUNK)):
            await reply.write(_CHUNK)
        await reply.write(good.body if isinstance(good.body, bytes) else b"{}")
    except ConnectionError:
        # The client has seen enough. That is the behaviour we hope for.
        pass
    return reply


_PLAIN: dict[FaultKind, Callable[[Fault], web.Response]] = {
    "status": _status,
    "throttle": _status,
    "html": _html,
    "redirect": _redirect,
    "garbage": _garbage,
    "no_call_id": _no_call_id,
}
_CUTS: dict[FaultKind, Callable[[Connection, web.Response], Awaitable[None]]] = {
    "drop": _drop,
    "reset": _reset,
    "stall": _stall,
    "half_reply": _half_reply,
}
