"""`python -m benchmarks`: measure, print, and with `--write` put it into RESULTS.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .campaign import measure_campaign
from .ceiling import measure_ceilings
from .contestants import (
    DIAL,
    DIAL_EXTRA,
    FLOOR,
    FLOOR_EXTRA,
    MAKE,
    MAKE_EXTRA,
    MAKE_PUBLIC,
    NAIVE,
    OURS,
    OURS_AND_AIOHTTP,
    SDKS,
)
from .dropping import measure_dropping
from .footprint import measure_footprints
from .guard import guard
from .imports import measure_imports, measure_readiness
from .lane import reason_for
from .latency import measure_latency
from .machine import Cores, allow_many_sockets, describe, pin, progress, today
from .memory import measure_memory
from .paired import compare
from .report import render, save
from .scale import measure_curves, measure_far, measure_processes
from .target import Target, running_target, running_tls_target

# In flight, and calls per turn: long enough to measure, short enough that neighbours hit all.
_SHAPES = {1: 300, 10: 800, 100: 1500, 1000: 4000}
_CURVES = (1, 10, 100, 1000, 5000)
_SIZES = (1_000, 10_000, 100_000, 1_000_000)

_LATE_MS = 20.0
_LATENCY = (NAIVE, MAKE_PUBLIC, MAKE, MAKE_EXTRA, FLOOR, FLOOR_EXTRA, SDKS[0])

Section = dict[str, Any]
Chosen = argparse.Namespace


def _calls(target: Target, chosen: Chosen, _: Cores) -> Section:
    shapes = {
        number: chosen.calls or _SHAPES.get(number) or 10 * number for number in chosen.concurrency
    }
    comparisons = [
        compare(
            # The SDKs of others once: some of them need a second for what we do in a moment.
            [*OURS_AND_AIOHTTP, *(SDKS if concurrency == 100 else ())],
            target=target,
            concurrency=concurrency,
            rounds=chosen.rounds,
            calls=calls,
            delay_ms=chosen.delay_ms,
        )
        for concurrency, calls in shapes.items()
    ]
    return {"comparisons": [attrs.asdict(comparison) for comparison in comparisons]}


def _https(_: Target, chosen: Chosen, cores: Cores) -> Section:
    names = [NAIVE, MAKE_PUBLIC, MAKE, DIAL, FLOOR, MAKE_EXTRA, DIAL_EXTRA, FLOOR_EXTRA]
    with running_tls_target(core=cores.server) as target:
        calls = chosen.calls or _SHAPES[100]
        found = compare(names, target=target, concurrency=100, rounds=chosen.rounds, calls=calls)
    return {"comparisons": [attrs.asdict(found)]}


def _latency(_: Target, chosen: Chosen, cores: Cores) -> Section:
    with running_target(core=cores.server, delay_ms=_LATE_MS) as target:
        fast = measure_latency(
            _LATENCY,
            target=target,
            delay_ms=_LATE_MS,
            rate=1000,
            seconds=0.5 if chosen.quick else 2.0,
            rounds=min(chosen.rounds, 5),
        )
        slow = measure_latency(
            (NAIVE, MAKE_PUBLIC, MAKE, MAKE_EXTRA, *SDKS),
            target=target,
            delay_ms=_LATE_MS,
            rate=50,  # what each of them can keep up with
            seconds=0.5 if chosen.quick else 3.0,
            rounds=min(chosen.rounds, 2),
        )
    return {"rates": [fast, slow]}


def _dropping(_: Target, chosen: Chosen, cores: Cores) -> Section:
    return measure_dropping(
        [NAIVE, *OURS, *SDKS], core=cores.server, calls=20 if chosen.quick else 100
    )


def _footprint(target: Target, chosen: Chosen, cores: Cores) -> Section:
    calls = 100 if chosen.quick else 500
    return measure_footprints([NAIVE, *OURS, FLOOR, *SDKS], target, core=cores.client, calls=calls)


def _far(_: Target, chosen: Chosen, cores: Cores) -> Section:
    return measure_far(
        [NAIVE, MAKE_PUBLIC, MAKE, DIAL, FLOOR, MAKE_EXTRA, DIAL_EXTRA, FLOOR_EXTRA],
        core=cores.client,
        server_core=cores.server,
        seconds=0.5 if chosen.quick else 2.0,
        rounds=min(chosen.rounds, 2),
    )


def _curves(_: Target, chosen: Chosen, cores: Cores) -> Section:
    shapes = _CURVES[:3] if chosen.quick else _CURVES
    rounds = min(chosen.rounds, 3)
    return {"cells": measure_curves(server_core=cores.server, shapes=shapes, rounds=rounds)}


def _processes(target: Target, chosen: Chosen, cores: Cores) -> Section:
    seconds, rounds = (0.5, 1) if chosen.quick else (1.5, 2)
    return measure_processes(target, cores=cores, seconds=seconds, rounds=rounds)


def _server(target: Target, chosen: Chosen, _: Cores) -> Section:
    progress("drilling the server")
    ceilings = measure_ceilings(target, seconds=0.5 if chosen.quick else 2.0)
    return {"ceilings": [attrs.asdict(ceiling) for ceiling in ceilings]}


def _memory(target: Target, chosen: Chosen, _: Cores) -> Section:
    return attrs.asdict(measure_memory(target, requests=chosen.requests))


def _imports(_: Target, chosen: Chosen, __: Cores) -> Section:
    ready = measure_readiness(rounds=min(chosen.rounds, 3))
    return attrs.asdict(measure_imports(rounds=chosen.rounds)) | {"ready": ready}


def _campaign(target: Target, chosen: Chosen, _: Cores) -> Section:
    sizes = _SIZES[:2] if chosen.quick else _SIZES
    return attrs.asdict(measure_campaign(target, rounds=chosen.rounds, sizes=sizes))


_MEASURE: dict[str, Callable[[Target, Chosen, Cores], Section]] = {
    "imports": _imports,
    "calls": _calls,
    "https": _https,
    "server": _server,
    "latency": _latency,
    "dropping": _dropping,
    "footprint": _footprint,
    "far": _far,
    "curves": _curves,
    "processes": _processes,
    "memory": _memory,
    "campaign": _campaign,
}


def _measure(name: str, target: Target, chosen: Chosen, cores: Cores) -> Section:
    """Measure a section; one that fails says why, and the others go on."""
    progress(f"--- {name}")
    try:
        return _MEASURE[name](target, chosen, cores)
    except Exception as error:
        return {"broken": reason_for(error)}


def _relate(sections: Mapping[str, Section]) -> None:
    """Note how far the fastest client stayed beneath what the server can do."""
    drills = sections.get("server", {}).get("ceilings", ())
    shapes = {(drill["connections"], drill["depth"]): drill for drill in drills}
    for comparison in sections.get("calls", {}).get("comparisons", ()):
        if comparison["concurrency"] == 100 and comparison["results"] and shapes:
            fastest = max(comparison["results"], key=lambda one: one["calls_per_second"])
            sections["server"].update(
                fastest=fastest["client"],
                fastest_per_second=fastest["calls_per_second"],
                headroom=shapes[100, 1]["most_per_second"] / fastest["calls_per_second"],
            )


def _arguments() -> Chosen:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", default=["all"], help=f"{', '.join(_MEASURE)}, guard")
    parser.add_argument("--rounds", type=int, help="rounds of turns (9)")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument("--write", action="store_true", help="write RESULTS.md and the like")
    parser.add_argument("--render", action="store_true", help="write them anew, measure nothing")
    parser.add_argument("--requests", type=int, help="memory: how many are streamed (1,000,000)")
    parser.add_argument("--calls", type=int, help="calls: how many per turn")
    parser.add_argument(
        "--concurrency", type=int, nargs="+", default=list(_SHAPES), help="calls: how many at once"
    )
    parser.add_argument("--delay-ms", type=float, default=0.0, help="how late the server answers")
    parser.add_argument(
        "--awake", action="store_true", help="a server that never sleeps; see README.md"
    )
    chosen = parser.parse_args()
    if chosen.write and (chosen.quick or chosen.awake or chosen.delay_ms):
        parser.error("--write is for standard runs: no --quick, --awake or --delay-ms")
    if unknown := set(chosen.what) - {*_MEASURE, "all", "guard"}:
        parser.error(f"unknown: {', '.join(unknown)}")
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 9)
    chosen.requests = chosen.requests or (20_000 if chosen.quick else 1_000_000)
    return chosen


def main() -> int:
    chosen, cores = _arguments(), Cores()
    if chosen.render:
        save({})
        return 0
    allow_many_sockets()
    pin(cores.client)
    with running_target(core=cores.server, delay_ms=chosen.delay_ms, awake=chosen.awake) as target:
        if "guard" in chosen.what:
            return 0 if guard(target) else 1
        names = list(_MEASURE) if "all" in chosen.what else chosen.what
        origin = {"date": today(), "machine": describe(cores)}
        sections: dict[str, Section] = {}
        for name in names:
            sections[name] = _measure(name, target, chosen, cores) | origin
            _relate(sections)
            if chosen.write:  # now, in case something ends us before the last section
                save(sections)
    print(render(sections))
    return 1 if any("broken" in section for section in sections.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
