"""The load server: as little HTTP as it takes to answer `POST /call/makeCall`, as fast as it can.

Not the emulator: that one is faithful and slow, and a client measured against a slow server is
not measured at all. This one is a bare selector loop with nothing between it and the
sockets. Every reply echoes the number and carries a call id of its own, so
that a client can be shown to give each request its own answer.

It runs in a process of its own and ends when its standard input does, that is, with its parent.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

from .machine import allow_many_sockets, pin

__all__ = ["serve"]

_find_length = re.compile(rb"content-length:[ ]*([0-9]+)", re.IGNORECASE).search
_find_number = re.compile(rb'"number":[ ]?"([^"]*)"').search
_END_OF_HEAD = b"\r\n\r\n"
_LOOK_AROUND = 0.25

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n%b"
)
_BODY = (
    b'{"message":"call made successfully.","status":"success","call":'
    b'{"call_id":"CA%018d","to":"%b","from":"+12025550100"}}'
)
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


class _Server:
    def __init__(self, listener: socket.socket, *, delay_seconds: float, awake: bool) -> None:
        self._listener = listener
        self._delay = delay_seconds
        self._longest_sleep = 0.0 if awake else _LOOK_AROUND
        self._selector = selectors.DefaultSelector()
        self._later: deque[tuple[float, socket.socket, bytes]] = deque()
        self._ids = itertools.count(1)
        self._answered = 0
        self._is_over = False

    def run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._stop)
        while not self._is_over:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._answer_what_is_due()

    def _patience(self) -> float:
        if not self._later:
            return self._longest_sleep
        until_due = max(0.0, self._later[0][0] - time.monotonic())
        return min(self._longest_sleep, until_due)

    def _stop(self) -> None:
        self._is_over = not os.read(sys.stdin.fileno(), 64)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handler = self._handler(connection)
        self._selector.register(connection, selectors.EVENT_READ, handler)

    def _handler(self, connection: socket.socket) -> Callable[[], None]:
        receive, rest = connection.recv, b""

        def handle() -> None:
            nonlocal rest
            try:
                data = receive(262_144)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._selector.unregister(connection)
                connection.close()
                return
            reply, rest = self._replies(rest + data if rest else data)
            if reply and self._delay:
                self._later.append((time.monotonic() + self._delay, connection, reply))
            elif reply:
                _send(connection, reply)

        return handle

    def _replies(self, data: bytes) -> tuple[bytes, bytes]:
        """Answer every whole request in some bytes; return the replies and what is left."""
        replies, start = b"", 0
        while (end := data.find(_END_OF_HEAD, start)) >= 0:
            length = _find_length(data, start, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if stop > len(data):
                break
            replies += self._reply(data, start, stop)
            start = stop
        return replies, data[start:]

    def _reply(self, data: bytes, start: int, stop: int) -> bytes:
        number = _find_number(data, start, stop)
        if number is not None and data.startswith(b"POST /call/makeCall ", start):
            self._answered += 1
            body = _BODY % (next(self._ids), number[1])
        elif data.startswith(b"GET /statistics ", start):
            body = self._statistics()
        else:
            return _BAD_REQUEST
        return _HEAD % (len(body), body)

    def _statistics(self) -> bytes:
        return json.dumps(
            {"cpu_seconds": time.process_time(), "answered": self._answered}
        ).encode()

    def _answer_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            _, connection, reply = self._later.popleft()
            _send(connection, reply)


def _send(connection: socket.socket, reply: bytes) -> None:
    try:
        sent = connection.send(reply)
        if sent < len(reply):
            connection.setblocking(True)
            connection.sendall(reply[sent:])
            connection.setblocking(False)
    except OSError:
        pass  # a client that left; the next read sees it


def serve(*, delay_seconds: float, core: int | None, awake: bool) -> None:
    """Serve on a free port of this machine, print the port, and go on until stdin is closed.

    Args:
        delay_seconds: How late replies are.
        core: The core to stay on.
        awake: Never sleep. On loopback the sender pays for waking the receiver, which no
            client across a network does; this takes that cost, and much noise, away.
    """
    pin(core)
    allow_many_sockets()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    _Server(listener, delay_seconds=delay_seconds, awake=awake).run()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    parser.add_argument("--awake", action="store_true")
    chosen = parser.parse_args()
    serve(delay_seconds=chosen.delay_ms / 1000, core=chosen.core, awake=chosen.awake)


if __name__ == "__main__":
    _main()
