"""Connections and memory: what a client opens, and what it holds, for some hundred calls.

Each contestant in a fresh process, 100 in flight. A connection that is opened anew costs a
handshake each time, which loopback hides and the internet does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from .machine import progress
from .solo import solo
from .target import Target

__all__ = ["Footprint", "measure_footprints"]

CONCURRENCY = 100


@attrs.frozen(kw_only=True)
class Footprint:
    """What one client took.

    Attributes:
        connections: Opened for all calls, of which `CONCURRENCY` were to warm up.
        ready_mib: Resident memory of the process when its client was ready for the first call.
        full_mib: The same after all calls.
    """

    client: str
    calls: int
    connections: int
    ready_mib: float
    full_mib: float


def measure_footprints(
    names: Sequence[str], target: Target, *, core: int | None, calls: int = 500
) -> dict[str, Any]:
    """Let each place some calls alone, and count what the server saw."""
    results: list[Footprint] = []
    failed: dict[str, str] = {}
    for name in names:
        before = target.statistics()["connections"]
        found = solo(name, target, concurrency=CONCURRENCY, calls=calls, core=core)
        opened = target.statistics()["connections"] - before - 1  # that of the question itself
        if "failed" in found:
            failed[name] = found["failed"]
            continue
        results.append(
            Footprint(
                client=name,
                calls=calls + CONCURRENCY,
                connections=opened,
                ready_mib=found["ready_mib"],
                full_mib=found["full_mib"],
            )
        )
        progress(f"footprints: {name}, {opened} connections")
    return {"results": [attrs.asdict(result) for result in results], "failed": failed}
