"""What the figures must show, whether they do, and where somebody else is better."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

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
)

__all__ = ["Demand", "losses", "requirements", "result_of"]

Sections = Mapping[str, Mapping[str, Any]]

# The SDKs with the transport they come with, which the demands are about.
_OTHERS = ("retell", "openai", "vapi")


@attrs.frozen
class Demand:
    """Something that was asked for, and what came out."""

    what: str
    bound: str
    measured: str
    is_met: bool

    @classmethod
    def at_least(cls, what: str, bound: float, value: float, unit: str = "") -> Demand:
        return cls(what, f"at least {bound:g}{unit}", _said(value, unit), value >= bound)

    @classmethod
    def at_most(cls, what: str, bound: float, value: float, unit: str = "") -> Demand:
        return cls(what, f"at most {bound:g}{unit}", _said(value, unit), value <= bound)


def requirements(sections: Sections) -> list[Demand]:
    """Judge what was measured; what was not is left out."""
    return [
        *_of_calls(sections),
        *_of_https(sections),
        *_of_latency(sections),
        *_of_far(sections),
        *_of_dropping(sections),
        *_of_footprint(sections),
        *_of_memory(sections),
        *_of_campaign(sections),
        *_of_imports(sections),
    ]


def _of_calls(sections: Sections) -> Iterator[Demand]:
    at_100 = next(
        (c for c in sections.get("calls", {}).get("comparisons", ()) if c["concurrency"] == 100),
        None,
    )
    if at_100 is None:
        return
    ratio = {one["client"]: one["ratio"] for one in at_100["results"]}
    bounds = ((MAKE_PUBLIC, 1.15), (MAKE, 4), (DIAL, 4), (MAKE_EXTRA, 8), (DIAL_EXTRA, 8))
    for name, bound in bounds:
        if name in ratio:
            what = f"{name}: times cheaper per call than plain aiohttp, 100 in flight"
            yield Demand.at_least(what, bound, 1 / ratio[name], " x")
    if {MAKE_EXTRA, FLOOR_EXTRA} <= ratio.keys():
        what = f"{MAKE_EXTRA}: CPU per call, against the floor's"
        yield Demand.at_most(what, 1.5, ratio[MAKE_EXTRA] / ratio[FLOOR_EXTRA], " x")
    for name, bound in ((MAKE, 40), (MAKE_EXTRA, 100)):
        for other in _OTHERS:
            if {name, other} <= ratio.keys():
                what = f"{name}: times cheaper per call than {other}"
                yield Demand.at_least(what, bound, ratio[other] / ratio[name], " x")


def _of_https(sections: Sections) -> Iterator[Demand]:
    for comparison in sections.get("https", {}).get("comparisons", ()):
        for name in (MAKE, DIAL):
            if found := result_of(comparison, name):
                what = f"{name} over https: times cheaper than plain aiohttp over https"
                yield Demand.at_least(what, 2, 1 / found["ratio"], " x")


def _of_latency(sections: Sections) -> Iterator[Demand]:
    for rate in sections.get("latency", {}).get("rates", ()):
        if rate["rate"] != 1000:
            continue
        for name in (MAKE, MAKE_EXTRA):
            if found := result_of(rate, name):
                for point in ("p50", "p99"):
                    what = f"{name}: {point} added at 1,000 calls/s, against plain aiohttp's"
                    yield Demand.at_most(what, 0.5, found[f"{point}_ratio"], " x")


def _of_far(sections: Sections) -> Iterator[Demand]:
    for name in (MAKE, MAKE_EXTRA, DIAL_EXTRA):
        if found := result_of(sections.get("far", {}), name):
            what = f"{name}: share of the ideal, 1,000 in flight, 100 ms away"
            yield Demand.at_least(what, 85, found["share"] * 100, " %")


def _of_dropping(sections: Sections) -> Iterator[Demand]:
    found = sections.get("dropping", {}).get("results", ())
    ours = [one["rung_again"] for one in found if one["client"] in OURS]
    if ours:
        yield Demand.at_most("Ours: phones that rang twice after a lost answer", 0, sum(ours))


def _of_footprint(sections: Sections) -> Iterator[Demand]:
    found = sections.get("footprint", {}).get("results", ())
    ours = [one["connections"] for one in found if one["client"] in OURS]
    if ours:
        what = "Ours: connections opened with 100 in flight, for any number of calls"
        yield Demand.at_most(what, 100, max(ours))


def _of_memory(sections: Sections) -> Iterator[Demand]:
    if memory := _whole(sections, "memory"):
        what = f"Memory growth after the first 10,000 of {memory['requests']:,} requests"
        yield Demand.at_most(what, 2, memory["growth_mib"], " MiB")


def _of_campaign(sections: Sections) -> Iterator[Demand]:
    if campaign := _whole(sections, "campaign"):
        what = "CPU per call, campaign against bare dispatcher, public lane"
        yield Demand.at_most(what, 1.5, campaign["public"]["ratio"], " x")
        for size in campaign["sizes"]:
            if size["contacts"] == 1_000_000:
                what = "1,000,000 contacts read"
                yield Demand.at_most(what, 60, size["import_seconds"], " s")
                yield Demand.at_most(f"{what}, memory", 300, size["import_mib"], " MiB")


def _of_imports(sections: Sections) -> Iterator[Demand]:
    if imports := _whole(sections, "imports"):
        what = "`import talkstack_async` beyond `import aiohttp`"
        yield Demand.at_most(what, 120, imports["difference_ms"], " ms")
        yield Demand.at_most("Optional modules imported", 0, len(imports["optional"]))


# --- where somebody else is better --------------------------------------------------------------


def losses(sections: Sections) -> list[str]:
    """Say in a line each where somebody else is better; nobody is left out for being the floor."""
    return [
        *_lost_calls("over http", sections.get("calls", {})),
        *_lost_calls("over https", sections.get("https", {})),
        *_lost_memory(sections),
        *_lost_starts(sections),
    ]


def _lost_calls(where: str, section: Mapping[str, Any]) -> Iterator[str]:
    # Like with like: whoever has the extra is compared with those who have it.
    pairs = ((MAKE_PUBLIC, NAIVE), (MAKE, FLOOR), (DIAL, FLOOR), (MAKE_EXTRA, FLOOR_EXTRA))
    for comparison in section.get("comparisons", ()):
        for name, other in (*pairs, (DIAL, MAKE), (DIAL_EXTRA, MAKE_EXTRA)):
            ours, theirs = result_of(comparison, name), result_of(comparison, other)
            if ours and theirs and ours["ratio"] > 1.02 * theirs["ratio"]:
                yield (
                    f"{comparison['concurrency']:,} in flight {where}: {name} costs "
                    f"{ours['ratio'] / theirs['ratio']:.2f} times as much as {other}."
                )


def _lost_memory(sections: Sections) -> Iterator[str]:
    found = {one["client"]: one for one in sections.get("footprint", {}).get("results", ())}
    ours = found.get(MAKE)
    for name, one in found.items():
        if ours and name not in OURS and one["full_mib"] < ours["full_mib"] - 0.5:
            yield (
                f"Memory after some hundred calls: {name} holds {one['full_mib']:.1f} MiB, "
                f"{MAKE} {ours['full_mib']:.1f}."
            )


def _lost_starts(sections: Sections) -> Iterator[str]:
    ready = sections.get("imports", {}).get("ready", {}).get("results", ())
    found = {one["client"]: one["ms"] for one in ready}
    for name, took in found.items():
        if "ours" in found and name != "ours" and took < found["ours"]:
            ours = found["ours"]
            yield f"Ready for the first call: {name} after {took:.0f} ms, ours {ours:.0f}."


def result_of(comparison: Mapping[str, Any], client: str) -> Mapping[str, Any]:
    return next((one for one in comparison.get("results", ()) if one["client"] == client), {})


def _whole(sections: Sections, name: str) -> Mapping[str, Any]:
    section = sections.get(name, {})
    return {} if "broken" in section else section


def _said(value: float, unit: str) -> str:
    return f"{value}{unit}" if isinstance(value, int) else f"{value:.2f}{unit}"
