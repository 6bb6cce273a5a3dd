"""`python -m benchmarks`: measure, print, and with `--write` put it into the README."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .campaign import measure_campaign
from .ceiling import measure_ceilings
from .clients import CONTESTANTS
from .guard import guard
from .imports import measure_imports
from .machine import Cores, allow_many_sockets, describe, pin, progress, today
from .memory import measure_memory
from .paired import compare
from .report import render, save
from .target import Target, running_target

# In flight, and calls per turn: long enough to measure, short enough that neighbours hit all.
_SHAPES = {1: 300, 10: 800, 100: 1500, 1000: 4000}

_FULL_STREAM = 1_000_000

Section = dict[str, Any]


def _calls(target: Target, chosen: argparse.Namespace) -> Section:
    shapes = {number: _SHAPES.get(number, 10 * number) for number in chosen.concurrency}
    comparisons = [
        compare(
            list(CONTESTANTS),
            target=target,
            concurrency=concurrency,
            rounds=chosen.rounds,
            calls=chosen.calls or calls,
        )
        for concurrency, calls in shapes.items()
    ]
    return {"comparisons": [attrs.asdict(comparison) for comparison in comparisons]}


def _server(target: Target, chosen: argparse.Namespace) -> Section:
    progress("drilling the server")
    ceilings = measure_ceilings(target, seconds=0.5 if chosen.quick else 2.0)
    return {"ceilings": [attrs.asdict(ceiling) for ceiling in ceilings]}


def _memory(target: Target, chosen: argparse.Namespace) -> Section:
    return attrs.asdict(measure_memory(target, requests=chosen.requests))


def _imports(_: Target, chosen: argparse.Namespace) -> Section:
    return attrs.asdict(measure_imports(rounds=chosen.rounds))


def _campaign(target: Target, chosen: argparse.Namespace) -> Section:
    contacts = 50_000 if chosen.quick else 1_000_000
    return attrs.asdict(measure_campaign(target, rounds=chosen.rounds, contacts=contacts))


_MEASURE: dict[str, Callable[[Target, argparse.Namespace], Section]] = {
    "imports": _imports,
    "calls": _calls,
    "server": _server,
    "memory": _memory,
    "campaign": _campaign,
}


def _section_name(name: str, chosen: argparse.Namespace) -> str:
    # The full stream is dear; the short one of `make bench` must not take its place.
    return "memory_full" if name == "memory" and chosen.requests >= _FULL_STREAM else name


def _relate(sections: Mapping[str, Section]) -> None:
    """Note how far the fastest client stayed beneath what the server can do."""
    if "server" not in sections or "calls" not in sections:
        return
    for comparison in sections["calls"]["comparisons"]:
        if comparison["concurrency"] == 100 and comparison["results"]:
            fastest = max(comparison["results"], key=lambda one: one["calls_per_second"])
            drills = sections["server"]["ceilings"]
            most = next(
                drill["most_per_second"]
                for drill in drills
                if (drill["connections"], drill["depth"]) == (100, 1)
            )
            sections["server"].update(
                fastest=fastest["client"],
                fastest_per_second=fastest["calls_per_second"],
                headroom=most / fastest["calls_per_second"],
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=[*_MEASURE, "all", "guard"])
    parser.add_argument("--rounds", type=int, help="rounds of turns (15)")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument("--write", action="store_true", help="write README.md and results.json")
    parser.add_argument("--requests", type=int, help="memory: how many are streamed (200,000)")
    parser.add_argument("--calls", type=int, help="calls: how many per turn")
    parser.add_argument(
        "--concurrency", type=int, nargs="+", default=list(_SHAPES), help="calls: how many at once"
    )
    parser.add_argument("--delay-ms", type=float, default=0.0, help="how late the server answers")
    parser.add_argument(
        "--awake",
        action="store_true",
        help="a server that never sleeps; see README.md",
    )
    chosen = parser.parse_args()
    if chosen.write and (chosen.quick or chosen.awake or chosen.delay_ms):
        parser.error("--write is for standard runs: no --quick, --awake or --delay-ms")
    chosen.rounds = chosen.rounds or (3 if chosen.quick else 15)
    chosen.requests = chosen.requests or (20_000 if chosen.quick else 200_000)
    return chosen


def main() -> int:
    chosen, cores = _arguments(), Cores()
    allow_many_sockets()
    with running_target(core=cores.server, delay_ms=chosen.delay_ms, awake=chosen.awake) as target:
        pin(cores.client)
        if chosen.what == "guard":
            return 0 if guard(target, rounds=chosen.rounds) else 1
        names = list(_MEASURE) if chosen.what == "all" else [chosen.what]
        origin = {"date": today(), "machine": describe(cores)}
        sections = {
            _section_name(name, chosen): _MEASURE[name](target, chosen) | origin for name in names
        }
    _relate(sections)
    print(render(sections))
    if chosen.write:
        save(sections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
