"""The webhook address for any ASGI server or framework on asyncio; needs nothing else.

FastAPI and Starlette mount it: `app.mount("/hooks", asgi_app(handle, token=...))`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import attrs

from .answering import TIMEOUT_SECONDS, Desk
from .events import Handle
from .gate import PREFIX, Answer, Asked, Gate
from .receive import LIMIT

__all__ = ["AsgiApp", "asgi_app"]

_Scope: TypeAlias = MutableMapping[str, Any]
_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]


class _GoneError(Exception):
    """The sender went away before its body was whole."""


@attrs.frozen
class AsgiApp:
    """An ASGI 3 application; made by `asgi_app`."""

    _desk: Desk

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        match scope["type"]:
            case "http":
                await _serve(self._desk, scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                # Before it is accepted, this is a plain refusal.
                await send({"type": "websocket.close", "code": 1000})
            case kind:
                raise NotImplementedError(f"an ASGI scope of type {kind!r} is not served")


def asgi_app(
    handle: Handle,
    *,
    token: str,
    prefix: str = PREFIX,
    limit: int = LIMIT,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> AsgiApp:
    """Make an ASGI application that answers `POST /{prefix}/{token}`, and 404 to all else.

    It does the same as `application`, with the same arguments. The access log of most servers
    prints addresses, and with them the token: turn it off (`uvicorn --no-access-log`).

    Raises:
        ConfigurationError: The token can be guessed, or another setting cannot work.
    """
    gate = Gate.of(token, prefix=prefix, limit=limit)
    return AsgiApp(Desk(gate=gate, handle=handle, timeout_seconds=timeout_seconds))


async def _serve(desk: Desk, scope: _Scope, receive: _Receive, send: _Send) -> None:
    try:
        answer = await desk.answer(_asked(scope), _Body(receive).read)
    except _GoneError:
        return
    # Servers raise it when nobody is there any more; what was handled stays handled.
    with contextlib.suppress(OSError):
        await _send(answer, send)


def _asked(scope: _Scope) -> Asked:
    headers: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(bytes(name).lower(), bytes(value).decode("latin-1"))
    return Asked(
        method=scope["method"],
        path=_path_of(scope),
        length=headers.get(b"content-length"),
        encoding=headers.get(b"content-encoding"),
        content_type=headers.get(b"content-type"),
    )


def _path_of(scope: _Scope) -> str:
    # Whether the path still holds the place an app is mounted at depends on the framework.
    path, mounted_at = str(scope["path"]), str(scope.get("root_path") or "").rstrip("/")
    return path.removeprefix(mounted_at) if path.startswith(f"{mounted_at}/") else path


class _Body:
    """The body of a request, piece by piece."""

    def __init__(self, receive: _Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def read(self) -> bytes:
        """Return the next piece that is not empty, and nothing at the end."""
        while not self._is_over:
            message = await self._receive()
            if message["type"] != "http.request":
                raise _GoneError
            self._is_over = not message.get("more_body", False)
            if piece := bytes(message.get("body", b"")):
                return piece
        return b""


async def _send(answer: Answer, send: _Send) -> None:
    body = answer.text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
