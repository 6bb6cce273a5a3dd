"""A server that notes every request and answers as it is told: for what goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import parse_qsl

import attrs
from aiohttp import web
from aiohttp.test_utils import TestServer

LOST = 0  # as a status: the connection is closed without an answer


@attrs.frozen
class Note:
    """One request as it arrived."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Note], tuple[int, bytes]]


class Desk:
    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.answer: Answer = lambda _: (200, b"{}")
        self._server = TestServer(self._app())

    def says(self, content: Any, status: int = 200) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answer = lambda _: (status, body)

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    @property
    def note(self) -> Note:
        (only,) = self.notes
        return only

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{any:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        note = Note(request.method, request.raw_path, dict(request.headers), body)
        self.notes.append(note)
        status, answer = self.answer(note)
        if status == LOST:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=status or 200, body=answer, content_type="application/json")

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()
