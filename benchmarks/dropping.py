"""Rings after a lost answer: whose phone rings twice?

The server accepts each call and counts the ring. Then it closes the connection without a word
(a proxy that restarts, a network that breaks), or a proxy answers 502 in its place. A second
request for the same number is answered, so whoever repeats is told that all went well. In this
API, and in most, there is nothing by which a service could know the second for the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import attrs

from .machine import progress
from .solo import solo
from .target import running_target

__all__ = ["Dropping", "measure_dropping"]


@attrs.frozen(kw_only=True)
class Dropping:
    """What became of calls whose answer was lost after they were accepted.

    Attributes:
        lost: The "connection" was, or the "reply".
        calls: How many were asked for.
        rings: How often a phone rang.
        rung_again: How many phones rang more than once.
        keyed: Requests that carried an idempotency key.
        told: What callers heard, and how often.
    """

    client: str
    lost: str
    calls: int
    rings: int
    rung_again: int
    keyed: int
    told: dict[str, int]


def measure_dropping(
    names: Sequence[str], *, core: int | None, calls: int = 100
) -> dict[str, Any]:
    """Let each place some calls, 20 at a time, and lose the answer to each."""
    results: list[Dropping] = []
    failed: dict[str, str] = {}
    for name, lost in product(names, ("connection", "reply")):
        if name in failed:
            continue
        with running_target(core=core, loses=lost) as target:
            found = solo(name, target, concurrency=20, calls=calls, expects_failures=True)
            server = target.statistics()
        if "failed" in found:
            failed[name] = found["failed"]
            continue
        results.append(
            Dropping(
                client=name,
                lost=lost,
                calls=calls,
                rings=server["rings"],
                rung_again=server["rung_again"],
                keyed=server["keyed"],
                told=found["told"],
            )
        )
        progress(f"{lost} lost: {name}, {server['rung_again']} of {calls} rung again")
    return {"results": [attrs.asdict(result) for result in results], "failed": failed}
