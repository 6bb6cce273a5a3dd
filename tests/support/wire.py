"""A wire between a ledger and its server that can be cut where it hurts."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from enum import Enum
from typing import Self

# A simple query of that one word.
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Cut(Enum):
    """When the wire is cut: the next time a commit passes, on its way or on its way back."""

    BEFORE_COMMIT = "the server never hears of it"
    AFTER_COMMIT = "the server has done it, and nobody hears of that"
    DURING_COMMIT = "the server is at it"


class Wire:
    """Passes on what is said to a server on 127.0.0.1, and cuts when told to; use it `with`.

    Attributes:
        url: The server's address, by way of the wire.
        is_open: Whether new connections are let through.
    """

    def __init__(self, url: str) -> None:
        found = re.fullmatch(r"(postgresql://.*@127\.0\.0\.1:)(\d+)(/.*)", url)
        assert found is not None
        self._server = ("127.0.0.1", int(found[2]))
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"{found[1]}{self._door.getsockname()[1]}{found[3]}"
        self.is_open = True
        self._cut: Cut | None = None
        self._threads = [threading.Thread(target=self._let_in)]
        self._sockets: list[socket.socket] = []

    def cut(self, when: Cut) -> None:
        """Cut at the next commit, once."""
        self._cut = when

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        _hang_up(self._door)
        self._threads[0].join()
        for each in self._sockets:
            _hang_up(each)
        for thread in self._threads[1:]:
            thread.join()
        for each in (self._door, *self._sockets):
            each.close()

    # --- In threads: one lets in, and two for each connection pass on.

    def _let_in(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._sockets.append(client)
                if not self.is_open:
                    _hang_up(client)
                    continue
                server = socket.create_connection(self._server)
                self._sockets.append(server)
                for work in (self._pass_on, self._pass_back):
                    thread = threading.Thread(target=work, args=(client, server))
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := client.recv(65536):
                cut = self._cut if _COMMIT in said else None
                if cut is not Cut.BEFORE_COMMIT:
                    server.sendall(said)
                if cut in (Cut.BEFORE_COMMIT, Cut.DURING_COMMIT):
                    self._cut = None
                    _hang_up(client)
        _hang_up(server)

    def _pass_back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := server.recv(65536):
                if self._cut is Cut.AFTER_COMMIT and b"COMMIT\x00" in said:
                    self._cut = None
                    break
                client.sendall(said)
        # The server has hung up, or nobody is to hear what it says.
        _hang_up(client)
        _hang_up(server)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
