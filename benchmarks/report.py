"""Results as text: tables for people, `results.json` for machines, `README.md` made from it.

Each section carries its own date and machine, so that one may be taken again without the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .clients import DIAL, MAKE, NAIVE_GATHER

__all__ = ["render", "save"]

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results.json"
_README = _HERE / "README.md"
_BEGIN = "<!-- results: written by `python -m benchmarks --write`, do not edit -->"
_END = "<!-- end of results -->"

Section = Mapping[str, Any]


def save(sections: Mapping[str, Section]) -> None:
    """Put sections into `results.json`, beside those that were not measured now, and into the
    README."""
    known: dict[str, Any] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    known.update(sections)
    _RESULTS.write_text(json.dumps(known, indent=2, sort_keys=True, allow_nan=False) + "\n")
    before, _, rest = _README.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _README.write_text(f"{before}{_BEGIN}\n\n{render(known)}\n{_END}{after}")


def render(sections: Mapping[str, Section]) -> str:
    """Write sections as Markdown, the requirements first."""
    parts = [_requirements(sections)]
    for name, show in _SHOW.items():
        if name in sections:
            parts.append(f"{show(sections[name])}\n{_origin(sections[name])}")
    return "\n".join(part for part in parts if part)


def _requirements(sections: Mapping[str, Section]) -> str:
    lines = []
    for comparison in sections.get("calls", {}).get("comparisons", ()):
        if comparison["concurrency"] == 100:
            for client in (DIAL, MAKE):
                ratio = _of(comparison, client).get("ratio", math.nan)
                lines.append((f"CPU per call at 100 in flight, {client} / naive", 0.5, ratio, ""))
    if memory := sections.get("memory_full") or sections.get("memory"):
        what = f"Memory growth after the first 10,000 of {memory['requests']:,} requests"
        lines.append((what, 20, memory["growth_mib"], " MiB"))
    if campaign := sections.get("campaign"):
        what = "CPU per call, campaign / bare dispatcher, public lane"
        lines.append((what, 1.5, campaign["public"]["ratio"], ""))
        what = f"{campaign['imported']:,} contacts imported"
        lines.append((what, 60, campaign["import_seconds"], " s"))
        lines.append((f"{what}, memory", 300, campaign["import_mib"], " MiB"))
    if imports := sections.get("imports"):
        what = "`import talkstack_async` beyond `import aiohttp`"
        lines.append((what, 120, imports["difference_ms"], " ms"))
        lines.append(("Optional modules imported", 0, len(imports["optional"]), ""))
    rows = [
        (what, f"at most {most}{unit}", f"{_short(value)}{unit}", _verdict(value, most))
        for what, most, value, unit in lines
    ]
    if not rows:
        return ""
    return _titled("Requirements", _table(("what", "required", "measured", ""), rows))


def _calls(section: Section) -> str:
    return "\n".join(_comparison(comparison) for comparison in section["comparisons"])


def _comparison(comparison: Mapping[str, Any]) -> str:
    title = f"{comparison['concurrency']:,} in flight"
    rows = [
        (
            result["client"],
            f"{result['calls_per_second']:,.0f}",
            f"{result['cpu_us']:.1f}",
            f"**{result['ratio']:.2f}**",
            "{:.2f} to {:.2f}".format(*result["ratio_quartiles"]),
            f"{result['speed_ratio']:.2f}",
            f"{result['server_share']:.0%}",
            f"{result['turns']} / {result['discarded']}",
        )
        for result in comparison["results"]
    ]
    head = (
        "client",
        "calls/s",
        "CPU µs per call",
        "CPU / naive",
        "quartiles",
        "speed / naive",
        "server's core",
        "turns counted / discarded",
    )
    gather, dial = _of(comparison, NAIVE_GATHER), _of(comparison, DIAL)
    note = ""
    if gather and dial:
        note = (
            "\n`dispatcher.dial` against aiohttp as people bound it, with a semaphore and "
            f"`gather`: {dial['ratio'] / gather['ratio']:.2f} times the CPU per call.\n"
        )
    if comparison["missing"]:
        note += f"\nNever had enough of the core: {', '.join(comparison['missing'])}.\n"
    text = f"{comparison['rounds']} rounds of {comparison['calls']:,} calls per client.\n\n"
    return _titled(title, text + _table(head, rows) + note)


def _memory(section: Section) -> str:
    rows = [
        ("requests streamed", f"{section['requests']:,}"),
        ("in flight", f"{section['concurrency']}"),
        ("resident after 10,000", f"{section['settled_mib']:.1f} MiB"),
        ("highest after that", f"{section['highest_mib']:.1f} MiB"),
        ("growth", f"**{section['growth_mib']:.2f} MiB**"),
        ("samples", f"{section['samples']}"),
        ("calls/s", f"{section['calls_per_second']:,.0f}"),
    ]
    return _titled(
        f"Memory while streaming {section['requests']:,} requests",
        _table(("what", "measured"), rows),
    )


def _campaign(section: Section) -> str:
    slow = section["slow_disk_per_second"]
    rows = [
        *(
            (
                f"CPU per call, {lane} lane: campaign / bare dispatcher",
                (
                    f"{section[lane]['campaign_us']:.1f} / "
                    f"{section[lane]['dispatcher_us']:.1f} us, **{section[lane]['ratio']:.2f}**"
                ),
            )
            for lane in ("public", "fast")
        ),
        (
            f"{section['imported']:,} contacts read from a CSV file",
            f"{section['import_seconds']:.1f} s, {section['import_mib']:.0f} MiB at most",
        ),
        (
            f"memory, from the 10,000th of {section['dialled']:,} contacts on",
            f"{section['growth_mib']:+.2f} MiB",
        ),
        (
            "calls/s with an fsync of 10 ms",
            "not measured" if slow is None else f"{slow:,.0f}",
        ),
    ]
    return _titled("A campaign, its ledger on disk", _table(("what", "measured"), rows))


def _imports(section: Section) -> str:
    rows = [
        ("`import aiohttp`", f"{section['aiohttp_ms']:.0f}", f"{section['aiohttp_cpu_ms']:.0f}"),
        (
            "`import talkstack_async`, aiohttp included",
            f"{section['ours_ms']:.0f}",
            f"{section['ours_cpu_ms']:.0f}",
        ),
        (
            "difference inside a round",
            f"**{section['difference_ms']:.0f}**",
            f"{section['difference_cpu_ms']:.0f}",
        ),
    ]
    came = ", ".join(section["optional"]) or "none"
    text = (
        f"\nMedians of {section['rounds']} rounds. {section['modules_beyond_aiohttp']} modules "
        f"beyond aiohttp's. Optional modules that came along: {came}.\n"
    )
    return _titled("Import", _table(("what", "ms", "CPU ms"), rows) + text)


def _server(section: Section) -> str:
    rows = [
        (
            f"{drill['connections']:,}",
            f"{drill['depth']}",
            f"{drill['requests_per_second']:,.0f}",
            f"{drill['server_us']:.1f}",
            f"{drill['server_share']:.0%}",
            f"{drill['drill_share']:.0%}",
            f"{drill['most_per_second']:,.0f}",
        )
        for drill in section["ceilings"]
    ]
    head = (
        "connections",
        "requests on their way on each",
        "requests/s",
        "server CPU µs",
        "server's core",
        "drill's core",
        "server alone could do",
    )
    return _titled("The load server's ceiling", _table(head, rows) + _headroom(section))


def _headroom(section: Section) -> str:
    if "fastest" not in section:
        return ""
    return (
        f"\nThe fastest client at 100 in flight was {section['fastest']} with "
        f"{section['fastest_per_second']:,.0f} calls/s; the server alone could do "
        f"{section['headroom']:.1f} times that.\n"
    )


_SHOW: dict[str, Callable[[Section], str]] = {
    "calls": _calls,
    "server": _server,
    "memory": _memory,
    "memory_full": _memory,
    "imports": _imports,
    "campaign": _campaign,
}


def _origin(section: Section) -> str:
    machine = section["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("aiohttp", "attrs", "cattrs"))
    return (
        f"*{section['date']}; {machine['python']}, {versions}; {machine['system']}, "
        f"cores: {machine['cores']}.*\n"
    )


def _of(comparison: Mapping[str, Any], client: str) -> Mapping[str, Any]:
    return next((one for one in comparison["results"] if one["client"] == client), {})


def _verdict(value: float, most: float) -> str:
    return "met" if value <= most else "**not met**"


def _short(value: float) -> str:
    return f"{value}" if isinstance(value, int) else f"{value:.3f}"


def _titled(title: str, text: str) -> str:
    return f"### {title}\n\n{text}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # Everything but the first column is a figure.
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
