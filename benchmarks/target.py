"""The load server as its clients see it: a process, a port, and how busy it is."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

__all__ = ["Target", "running_target", "running_tls_target"]

_ROOT = Path(__file__).parent.parent


@attrs.frozen
class Target:
    """A running load server.

    Attributes:
        ca_file: The authority to trust, if it serves https.
    """

    port: int
    ca_file: str | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self.ca_file is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """A context that trusts the server, and nobody else; None without https."""
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None

    def statistics(self) -> dict[str, Any]:
        """Ask the server what it has done so far; its count of rings begins anew."""
        return self._ask("/statistics")

    def spans(self) -> dict[str, float]:
        """Ask how long it kept each number since the last time, from reading to answering."""
        return self._ask("/spans")

    def _ask(self, path: str) -> dict[str, Any]:
        if self.ca_file is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls)
        try:
            connection.request("GET", path)
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        """Return how much processor time the server has used so far."""
        return float(self.statistics()["cpu_seconds"])


@contextlib.contextmanager
def running_target(
    *,
    core: int | None,
    delay_ms: float = 0.0,
    awake: bool = False,
    loses: str | None = None,
    certificate: str | None = None,
    ca_file: str | None = None,
) -> Iterator[Target]:
    """Run the load server in its own process for the length of a block."""
    command = [sys.executable, "-m", "benchmarks.server", "--delay-ms", str(delay_ms)]
    command += ["--awake"] * awake
    if loses is not None:
        command += ["--loses", loses]
    if certificate is not None:
        command += ["--certificate", certificate]
    if core is not None:
        command += ["--core", str(core)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None  # asked for above
        assert process.stdout is not None
        try:
            yield Target(int(process.stdout.readline()), ca_file)
        finally:
            process.stdin.close()  # its sign to end


@contextlib.contextmanager
def running_tls_target(*, core: int | None) -> Iterator[Target]:
    """Run the load server with https, under an authority made for the occasion."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    with tempfile.TemporaryDirectory() as directory:
        ca_file, key_file = Path(directory) / "ca.pem", Path(directory) / "server.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        certificate.private_key_and_cert_chain_pem.write_to_path(str(key_file))
        with running_target(core=core, certificate=str(key_file), ca_file=str(ca_file)) as target:
            yield target
