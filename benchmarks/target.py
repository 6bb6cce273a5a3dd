"""The load server as its clients see it: a process, a port, and how busy it is."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

__all__ = ["Target", "running_target"]

_ROOT = Path(__file__).parent.parent


@attrs.frozen
class Target:
    """A running load server."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Return how much processor time the server has used so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/statistics")
            return float(json.loads(connection.getresponse().read())["cpu_seconds"])
        finally:
            connection.close()


@contextlib.contextmanager
def running_target(
    *, core: int | None, delay_ms: float = 0.0, awake: bool = False
) -> Iterator[Target]:
    """Run the load server in its own process for the length of a block."""
    command = [sys.executable, "-m", "benchmarks.server", "--delay-ms", str(delay_ms)]
    if awake:
        command.append("--awake")
    if core is not None:
        command += ["--core", str(core)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # asked for above
        assert process.stdout is not None
        try:
            yield Target(int(process.stdout.readline()))
        finally:
            process.stdin.close()  # its sign to end
