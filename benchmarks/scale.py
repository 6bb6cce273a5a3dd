"""How cost and speed go with the number of calls in flight, a far service, and processes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import attrs

from .contestants import FLOOR_EXTRA, MAKE, MAKE_EXTRA, NAIVE
from .lane import reason_for
from .machine import Cores, progress
from .paired import compare
from .solo import Solo, solo
from .target import Target, running_target

__all__ = ["measure_curves", "measure_far", "measure_processes"]

CURVES = (NAIVE, MAKE, MAKE_EXTRA, FLOOR_EXTRA)
_DELAYS_MS = (0.0, 20.0, 100.0)
_FAR_MS, _FAR_CONCURRENCY = 100.0, 1000


# --- a far service ------------------------------------------------------------------------------


def measure_far(
    names: Sequence[str], *, core: int | None, server_core: int | None, seconds: float, rounds: int
) -> dict[str, Any]:
    """1,000 in flight, a service that takes 100 ms: how near to 10,000 calls a second?"""
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    with running_target(core=server_core, delay_ms=_FAR_MS) as target:
        for number in range(rounds):
            first = number % len(names)
            for name in [*names[first:], *names[:first]]:
                if name in failed:
                    continue
                found = solo(
                    name, target, concurrency=_FAR_CONCURRENCY, seconds=seconds, core=core
                )
                if "failed" in found:
                    failed[name] = found["failed"]
                else:
                    samples[name].append(found)
            progress(f"far service: round {number + 1} of {rounds}")
    ideal = _FAR_CONCURRENCY / (_FAR_MS / 1000)
    results = [
        {
            "client": name,
            "calls_per_second": (speed := _median(found, "calls_per_second")),
            "share": speed / ideal,
            "cpu_us": _median(found, "cpu_us"),
        }
        for name, found in samples.items()
        if name not in failed
    ]
    return {
        "concurrency": _FAR_CONCURRENCY,
        "delay_ms": _FAR_MS,
        "ideal": ideal,
        "rounds": rounds,
        "results": results,
        "failed": failed,
    }


def _median(samples: Sequence[dict[str, Any]], what: str) -> float:
    return statistics.median(float(sample[what]) for sample in samples)


# --- curves -------------------------------------------------------------------------------------


def measure_curves(*, server_core: int | None, shapes: Sequence[int], rounds: int) -> list[Any]:
    """Compare at each number in flight and each lateness of the server; a cell may fail alone."""
    cells: list[Any] = []
    for delay_ms in _DELAYS_MS:
        for concurrency in shapes:
            with running_target(core=server_core, delay_ms=delay_ms) as target:
                # Four times 5,000 connections are more than many machines allow a process.
                names = CURVES if concurrency < 5000 else CURVES[:-1]
                try:
                    found = compare(
                        names,
                        target=target,
                        concurrency=concurrency,
                        rounds=rounds,
                        calls=_calls(concurrency, delay_ms),
                        delay_ms=delay_ms,
                    )
                except Exception as error:
                    cell = {"concurrency": concurrency, "delay_ms": delay_ms, "results": []}
                    cells.append(cell | {"failed": {"all": reason_for(error)}})
                else:
                    cells.append(attrs.asdict(found))
    return cells


def _calls(concurrency: int, delay_ms: float) -> int:
    """Some half a second of calls, or one for each that may be in flight."""
    if not delay_ms:
        return max(concurrency, min(2500, 300 * concurrency))
    return max(concurrency, min(2500, int(concurrency * 500 / delay_ms)))


# --- processes ----------------------------------------------------------------------------------


def measure_processes(
    target: Target, *, cores: Cores, seconds: float, rounds: int
) -> dict[str, Any]:
    """One process, and two with half of the calls in flight each, against the same server.

    With two cores the second process shares one with the server.
    """
    layouts = {1: (cores.client,), 2: (cores.client, cores.server)}
    samples: dict[tuple[str, int], list[float]] = {}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name in (NAIVE, MAKE, MAKE_EXTRA):
            for count, where in layouts.items():
                options: dict[str, Any] = {"concurrency": 100 // count, "seconds": seconds}
                children = [Solo(name, target, core=core, **options) for core in where]
                for child in children:
                    child.wait_until_ready()
                for child in children:
                    child.go()
                found = [child.result() for child in children]
                if reasons := [one["failed"] for one in found if "failed" in one]:
                    failed[name] = reasons[0]
                else:
                    total = sum(one["calls_per_second"] for one in found)
                    samples.setdefault((name, count), []).append(total)
        progress("processes: a round done")
    results = [
        {"client": name, "processes": count, "calls_per_second": statistics.median(speeds)}
        for (name, count), speeds in samples.items()
        if name not in failed
    ]
    return {"in_flight": 100, "rounds": rounds, "results": results, "failed": failed}
