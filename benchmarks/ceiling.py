"""Is the server the bottleneck? What it can do at most, against the fastest client measured.

The drill that asks this is no client: every connection sends constant bytes and counts the bytes
that come back. With one request at a time per connection it works the server as a client does;
with sixteen it shows what is left when neither side waits for the other.
"""

from __future__ import annotations

import asyncio
import time

import attrs

from .target import Target
from .workload import KEY

__all__ = ["Ceiling", "measure_ceilings"]

_SHAPES = ((1, 1), (10, 1), (100, 1), (1000, 1), (100, 16))

_BODY = (
    b'{"number":"+14155550123","projectId":"65f0c0ffee65f0c0ffee0001",'
    b'"agentId":"65f0c0ffee65f0c0ffee0002","dynamicVariables":{"first_name":"Ada",'
    b'"company":"Analytical Engines Ltd","appointment":"2026-01-02 10:30","city":"London",'
    b'"plan":"premium"}}'
)
_REQUEST = (
    f"POST /call/makeCall HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: {KEY}\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
).encode() + _BODY


@attrs.frozen(kw_only=True)
class Ceiling:
    """What the server did under one drill.

    Attributes:
        depth: Requests on their way per connection.
        server_us: The server's processor time per request.
        most_per_second: What the server alone could do at that price with all of its core.
    """

    connections: int
    depth: int
    requests_per_second: float
    server_us: float
    server_share: float
    drill_share: float
    most_per_second: float


class _Drill(asyncio.Protocol):
    """Sends a batch, waits for as many bytes as it must bring, and sends the next."""

    def __init__(self, depth: int) -> None:
        self._batch = _REQUEST * depth
        self._depth = depth
        self._expected = 0
        self._missing = 0
        self._goes_on = True
        self.answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_REQUEST)  # the first reply tells how long they all are

    def data_received(self, data: bytes) -> None:
        if not self._expected:
            self._expected = len(data) * self._depth
        else:
            self._missing -= len(data)
            if self._missing > 0:
                return
            self.answered += self._depth
        if self._goes_on:
            self._missing = self._expected
            self._transport.write(self._batch)

    def stop(self) -> None:
        self._goes_on = False
        self._transport.close()


def measure_ceilings(target: Target, *, seconds: float) -> list[Ceiling]:
    """Drill the server in each shape for some seconds."""
    return [
        asyncio.run(_measure(target, connections=connections, depth=depth, seconds=seconds))
        for connections, depth in _SHAPES
    ]


async def _measure(target: Target, *, connections: int, depth: int, seconds: float) -> Ceiling:
    loop = asyncio.get_running_loop()
    drills = []
    for _ in range(connections):
        _, drill = await loop.create_connection(lambda: _Drill(depth), "127.0.0.1", target.port)
        drills.append(drill)
    await asyncio.sleep(0.2)
    server, answered = target.cpu_seconds(), sum(drill.answered for drill in drills)
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    answered = sum(drill.answered for drill in drills) - answered
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    server = target.cpu_seconds() - server
    for drill in drills:
        drill.stop()
    await asyncio.sleep(0.1)
    return Ceiling(
        connections=connections,
        depth=depth,
        requests_per_second=answered / wall,
        server_us=server / answered * 1e6,
        server_share=server / wall,
        drill_share=cpu / wall,
        most_per_second=answered / server,
    )
