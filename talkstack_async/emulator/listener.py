"""The listening socket in front of the emulated service, and all that runs behind it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from .clock import let_others_run
from .connections import CountingServer
from .control import control
from .control_actions import CONTROL_PREFIX
from .courier import Courier
from .service import answer
from .state import ServiceState, Statistics

_logger = logging.getLogger("talkstack_async.emulator")

_BACKLOG = 4096


class Listener:
    """Owns the port, the tasks that handle requests, and the courier of webhooks."""

    def __init__(self, state: ServiceState, *, statistics: Callable[[], Statistics]) -> None:
        self._state = state
        self._statistics = statistics
        self._server: CountingServer | None = None
        self._socket: asyncio.Server | None = None
        self._courier: asyncio.Task[None] | None = None
        self._handling: set[asyncio.Task[Any]] = set()

    @property
    def is_started(self) -> bool:
        """Say whether it was started, even if it was closed since."""
        return self._server is not None

    @property
    def opened(self) -> int:
        """Say how many connections were ever opened."""
        return 0 if self._server is None else self._server.opened

    @property
    def open_connections(self) -> int:
        """Say how many connections are open now."""
        return 0 if self._server is None else self._server.open_connections

    async def start(self, host: str, port: int) -> int:
        """Open the port and return its number.

        Raises:
            RuntimeError: It was started before.
            OSError: The port is taken.
        """
        if self._server is not None:
            raise RuntimeError("an emulator starts once; make a new one")
        self._server = CountingServer(self._handle, access_log=None, logger=_logger)
        loop = asyncio.get_running_loop()
        self._socket = await loop.create_server(self._server, host, port, backlog=_BACKLOG)
        self._courier = loop.create_task(Courier(self._state).run())
        return int(self._socket.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Cut every connection, stop every task, and leave nothing running."""
        listening, self._socket = self._socket, None
        if listening is None or self._server is None:
            return
        listening.close()
        # aiohttp keeps a connection in its own register until the task that served
        # it has ended, so an empty register means that no task is left behind.
        while self._server.open_connections or self._server.connections:
            for task in self._handling:
                task.cancel()
            self._server.abort_all()
            await let_others_run()
        await self._dismiss_courier()

    async def _dismiss_courier(self) -> None:
        courier, self._courier = self._courier, None
        if courier is not None:
            courier.cancel()
            with suppress(asyncio.CancelledError):
                await courier

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = request.task
        self._handling.add(task)
        try:
            return await self._route(request)
        finally:
            self._handling.discard(task)

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith(CONTROL_PREFIX):
            return await control(request, state=self._state, statistics=self._statistics)
        connection = None if self._server is None else self._server.connection_of(request)
        if connection is None:
            # The client left before we looked: nothing arrived, nothing rings.
            return web.Response()
        return await answer(request, connection=connection, state=self._state)
