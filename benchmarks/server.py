"""The load server: as little HTTP as it takes to answer a request to dial, as fast as it can.

Not the emulator: that one is faithful and slow, and a client measured against a slow server is
not measured at all. This one is a bare selector loop with nothing between it and the
sockets. It answers `POST /call/makeCall` and the like of other services (`services.py`).
Every reply echoes the number and carries a call id of its own, so that a client can be shown to
give each request its own answer.

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
import ssl
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from .machine import allow_many_sockets, pin
from .precise import PreciseTimer
from .services import SERVICES

__all__ = ["serve"]

_find_length = re.compile(rb"content-length:[ ]*([0-9]+)", re.IGNORECASE).search
_END_OF_HEAD = b"\r\n\r\n"
_LOOK_AROUND = 0.25

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n%b"
)
_BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


class _Later(NamedTuple):
    due: float
    received: float
    number: bytes
    connection: socket.socket
    reply: bytes


class _CutOffError(Exception):
    """The call was accepted, and its connection is to be closed without a word."""


class _Server:
    def __init__(
        self,
        listener: socket.socket,
        *,
        delay_seconds: float,
        awake: bool,
        loses: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listener = listener
        self._delay = delay_seconds
        self._loses = loses
        self._tls = tls
        self._connections = 0
        self._rings: Counter[bytes] = Counter()
        self._keyed = 0
        self._longest_sleep = 0.0 if awake else _LOOK_AROUND
        self._selector = selectors.DefaultSelector()
        self._later: deque[_Later] = deque()
        self._asked = b""  # the number in the request read last
        self._spans: dict[str, float] = {}
        self._timer = _make_timer() if delay_seconds else None
        self._ids = itertools.count(1)
        self._answered = 0
        self._is_over = False

    def run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._stop)
        if self._timer is not None:
            self._selector.register(self._timer, selectors.EVENT_READ, self._timer.read)
        while not self._is_over:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._answer_what_is_due()

    def _patience(self) -> float:
        if not self._later or self._timer is not None:
            return self._longest_sleep
        until_due = max(0.0, self._later[0].due - time.monotonic())
        return min(self._longest_sleep, until_due)

    def _stop(self) -> None:
        self._is_over = not os.read(sys.stdin.fileno(), 64)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        self._connections += 1
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        handler = self._handler(connection)
        self._selector.register(connection, selectors.EVENT_READ, handler)

    def _handler(self, connection: socket.socket) -> Callable[[], None]:
        receive, rest = connection.recv, b""

        def handle() -> None:
            nonlocal rest
            try:
                # Small enough requests come in one TLS record each, so nothing stays behind.
                data = receive(262_144)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                data = b""
            received = time.monotonic() if self._delay else 0.0
            try:
                reply, rest = self._replies(rest + data if rest else data)
                is_over = not data
            except _CutOffError:
                reply, is_over = b"", True
            if is_over:
                self._selector.unregister(connection)
                connection.close()
                return
            if reply and self._delay:
                self._answer_later(received, connection, reply)
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
        service = SERVICES.get(data[start + 5 : data.find(b" ", start + 5, stop)])
        number = service and service.find(data, start, stop)
        if service and number:
            if self._loses and self._is_first_ring(number[1], data[start:stop]):
                return _BAD_GATEWAY
            self._answered += 1
            self._asked = number[1]
            body = service.body % {b"id": next(self._ids), b"number": number[1]}
        elif data.startswith(b"GET /statistics ", start):
            body = self._statistics()
        elif data.startswith(b"GET /spans ", start):
            body = json.dumps(self._spans).encode()
            self._spans.clear()
        else:
            return _BAD_REQUEST
        return _HEAD % (len(body), body)

    def _is_first_ring(self, number: bytes, request: bytes) -> bool:
        """Count a ring; at a number's first, say so or close the connection."""
        self._rings[number] += 1
        self._keyed += b"idempotency-key:" in request.lower()
        if self._rings[number] == 1 and self._loses == "connection":
            raise _CutOffError
        return self._rings[number] == 1

    def _statistics(self) -> bytes:
        told = {
            "cpu_seconds": time.process_time(),
            "answered": self._answered,
            "connections": self._connections,
            "numbers": len(self._rings),
            "rings": self._rings.total(),
            "rung_again": sum(count > 1 for count in self._rings.values()),
            "keyed": self._keyed,
        }
        self._rings.clear()
        self._keyed = 0
        return json.dumps(told).encode()

    def _answer_later(self, received: float, connection: socket.socket, reply: bytes) -> None:
        later = _Later(received + self._delay, received, self._asked, connection, reply)
        self._later.append(later)
        if self._timer is not None and len(self._later) == 1:
            self._timer.set(later.due)

    def _answer_what_is_due(self) -> None:
        if not self._later or self._later[0].due > time.monotonic():
            return
        while self._later and self._later[0].due <= (now := time.monotonic()):
            later = self._later.popleft()
            self._spans[f"+{later.number.decode()}"] = now - later.received
            _send(later.connection, later.reply)
        if self._timer is not None and self._later:
            self._timer.set(self._later[0].due)


def _make_timer() -> PreciseTimer | None:
    try:
        return PreciseTimer()
    except OSError:
        return None  # late by up to a millisecond, then


def _send(connection: socket.socket, reply: bytes) -> None:
    try:
        sent = connection.send(reply)
        if sent < len(reply):
            connection.setblocking(True)
            connection.sendall(reply[sent:])
            connection.setblocking(False)
    except OSError:
        pass  # a client that left; the next read sees it


def serve(
    *,
    delay_seconds: float,
    core: int | None,
    awake: bool = False,
    loses: str | None = None,
    certificate: str | None = None,
) -> None:
    """Serve on a free port of this machine, print the port, and go on until stdin is closed.

    Args:
        delay_seconds: How late replies are.
        core: The core to stay on.
        awake: Never sleep. On loopback the sender pays for waking the receiver, which no
            client across a network does; this takes that cost, and much noise, away.
        loses: Accept the first call to each number, and then lose what there is to say: the
            whole "connection", or the "reply", instead of which a proxy says 502.
        certificate: A PEM file with a key and its certificates, to serve https.
    """
    pin(core)
    allow_many_sockets()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    _Server(listener, delay_seconds=delay_seconds, awake=awake, loses=loses, tls=tls).run()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--core", type=int)
    parser.add_argument("--awake", action="store_true")
    parser.add_argument("--loses", choices=["connection", "reply"])
    parser.add_argument("--certificate")
    chosen = parser.parse_args()
    serve(
        delay_seconds=chosen.delay_ms / 1000,
        core=chosen.core,
        awake=chosen.awake,
        loses=chosen.loses,
        certificate=chosen.certificate,
    )


if __name__ == "__main__":
    _main()
