"""Each section of the results as a table, or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .contestants import DIAL, NAIVE_GATHER
from .demands import result_of

__all__ = ["SHOW", "origin", "table", "titled"]

Section = Mapping[str, Any]


def _calls(section: Section) -> str:
    return "\n".join(
        _comparison(comparison, f"{comparison['concurrency']:,} in flight")
        for comparison in section["comparisons"]
    )


def _https(section: Section) -> str:
    return "\n".join(
        _comparison(comparison, f"{comparison['concurrency']:,} in flight over https")
        for comparison in section["comparisons"]
    )


def _comparison(comparison: Section, title: str) -> str:
    rows = [
        (
            result["client"],
            f"{result['calls_per_second']:,.0f}",
            f"{result['cpu_us']:,.1f}",
            f"**{_ratio(result['ratio'])}**",
            " to ".join(map(_ratio, result["ratio_quartiles"])),
            f"{result['speed_ratio']:.2f}",
            f"{result['server_share']:.0%}",
            f"{result['turns']} / {result['disturbed']} / {result['discarded']}",
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
        "turns counted / of them disturbed / discarded",
    )
    gather, dial = result_of(comparison, NAIVE_GATHER), result_of(comparison, DIAL)
    note = ""
    if gather and dial:
        note = (
            "\n`dispatcher.dial` against aiohttp as people bound it, with a semaphore and "
            f"`gather`: {dial['ratio'] / gather['ratio']:.2f} times the CPU per call.\n"
        )
    if comparison["missing"]:
        note += f"\nNever had enough of the core: {', '.join(comparison['missing'])}.\n"
    text = f"{comparison['rounds']} rounds of {comparison['calls']:,} calls per client.\n\n"
    return titled(title, text + table(head, rows) + note + _failed(comparison))


def _latency(section: Section) -> str:
    parts = []
    for rate in section["rates"]:
        rows = [
            (
                one["client"],
                f"{one['p50_us']:,.0f}",
                f"**{one['p50_ratio']:.2f}**",
                f"{one['p99_us']:,.0f}",
                f"**{one['p99_ratio']:.2f}**",
            )
            for one in rate["results"]
        ]
        head = ("client", "p50, µs", "p50 / naive", "p99, µs", "p99 / naive")
        text = (
            f"{rate['rounds']} rounds of {rate['seconds']:g} s; the service answers after "
            f"{rate['delay_ms']:g} ms, which is not counted.\n\n"
        )
        title = f"Added by the client at {rate['rate']:,} calls/s"
        parts.append(titled(title, text + table(head, rows) + _failed(rate)))
    return "\n".join(parts)


def _dropping(section: Section) -> str:
    rows = [
        (
            one["client"],
            one["lost"],
            f"{one['calls']}",
            f"{one['rings']}",
            f"**{one['rung_again']}**",
            ", ".join(f"{what}: {count}" for what, count in sorted(one["told"].items())),
        )
        for one in section["results"]
    ]
    head = ("client", "lost", "calls", "rings", "rang twice", "what callers were told")
    keyed = sum(one["keyed"] for one in section["results"])
    note = f"\nRequests that carried an idempotency key: {keyed}.\n"
    return titled(
        "Rings after a lost answer",
        "The service accepts the call; then the connection is cut, or a proxy answers 502.\n\n"
        + table(head, rows)
        + note
        + _failed(section),
    )


def _footprint(section: Section) -> str:
    rows = [
        (
            one["client"],
            f"{one['calls']:,}",
            f"{one['connections']:,}",
            f"{one['ready_mib']:.1f}",
            f"{one['full_mib']:.1f}",
        )
        for one in section["results"]
    ]
    head = ("client", "calls", "connections", "MiB when ready", "MiB after the calls")
    note = (
        "\n100 in flight, a fresh process each. The benchmark itself, with aiohttp and our "
        "package, is in the memory of all.\n"
    )
    return titled("Connections and memory", table(head, rows) + note + _failed(section))


def _far(section: Section) -> str:
    rows = [
        (
            one["client"],
            f"{one['calls_per_second']:,.0f}",
            f"**{one['share']:.0%}**",
            f"{one['cpu_us']:.1f}",
        )
        for one in section["results"]
    ]
    title = f"{section['concurrency']:,} in flight, {section['delay_ms']:g} ms away"
    text = f"Ideal: {section['ideal']:,.0f} calls/s. {section['rounds']} rounds.\n\n"
    head = ("client", "calls/s", "share of the ideal", "CPU µs per call")
    return titled(title, text + table(head, rows) + _failed(section))


def _curves(section: Section) -> str:
    names: list[str] = []
    for cell in section["cells"]:
        names += [one["client"] for one in cell["results"] if one["client"] not in names]
    rows: list[Sequence[str]] = []
    failed: dict[str, str] = {}
    for cell in section["cells"]:
        found = [result_of(cell, name) for name in names]
        where = f"{cell['concurrency']:,}, {cell['delay_ms']:g} ms"
        rows.append(
            (
                f"{cell['delay_ms']:g} ms",
                f"{cell['concurrency']:,}",
                *(f"{one['cpu_us']:.0f} ({one['ratio']:.2f})" if one else "" for one in found),
                *(f"{one['calls_per_second']:,.0f}" if one else "" for one in found),
            )
        )
        failed |= {f"{name} at {where}": why for name, why in cell["failed"].items()}
        failed |= {
            f"{name} at {where}": "too little of the core" for name in cell.get("missing", ())
        }
    head = (
        "service answers after",
        "in flight",
        *(f"CPU µs: {name}" for name in names),
        *(f"calls/s: {name}" for name in names),
    )
    text = "In brackets: against plain aiohttp.\n\n"
    return titled("Cost curves", text + table(head, rows) + _failed({"failed": failed}))


def _processes(section: Section) -> str:
    speeds = {(one["client"], one["processes"]): one for one in section["results"]}
    rows = []
    for name in dict.fromkeys(client for client, _ in speeds):
        if (name, 1) in speeds and (name, 2) in speeds:
            one, two = (speeds[name, count]["calls_per_second"] for count in (1, 2))
            rows.append((name, f"{one:,.0f}", f"{two:,.0f}", f"**{two / one:.2f}**"))
    head = ("client", "calls/s, one process", "calls/s, two", "gain")
    note = "\n100 in flight in all. The second process shares its core with the server.\n"
    return titled("Processes", table(head, rows) + note + _failed(section))


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
    return titled(
        f"Memory while streaming {section['requests']:,} requests",
        table(("what", "measured"), rows),
    )


def _campaign(section: Section) -> str:
    slow = section["slow_disk_per_second"]
    rows = [
        *(
            (
                f"CPU per call, {lane} lane: campaign / bare dispatcher",
                (
                    f"{section[lane]['campaign_us']:.1f} / "
                    f"{section[lane]['dispatcher_us']:.1f} µs, **{section[lane]['ratio']:.2f}**"
                ),
            )
            for lane in ("public", "fast")
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
    sizes = [
        (
            f"{size['contacts']:,}",
            f"{size['import_us']:.1f}",
            f"{size['import_seconds']:.2f} s",
            f"{size['import_mib']:.0f} MiB",
            f"{size['dial_us']:.1f}",
            f"{size['dial_seconds']:.2f} s",
            f"{size['whole_mib']:.0f} MiB",
        )
        for size in section["sizes"]
    ]
    head = (
        "contacts",
        "read: CPU µs each",
        "read in",
        "memory at most",
        "dial: CPU µs each",
        "dialled in",
        "memory at most",
    )
    text = table(("what", "measured"), rows) + "\n" + table(head, sizes)
    return titled("A campaign, its ledger on disk", text)


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
    text = titled("Import", table(("what", "ms", "CPU ms"), rows) + text)
    if ready := section.get("ready"):
        found = [(one["client"], f"{one['ms']:.0f}") for one in ready["results"]]
        ready_text = table(("from nothing to a client that can call", "ms"), found)
        text += f"\n{ready_text}{_failed(ready)}"
    return text


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
    return titled("The load server's ceiling", table(head, rows) + _headroom(section))


def _headroom(section: Section) -> str:
    if "fastest" not in section:
        return ""
    return (
        f"\nThe fastest client at 100 in flight was {section['fastest']} with "
        f"{section['fastest_per_second']:,.0f} calls/s; the server alone could do "
        f"{section['headroom']:.1f} times that.\n"
    )


SHOW: dict[str, Callable[[Section], str]] = {
    "calls": _calls,
    "https": _https,
    "latency": _latency,
    "dropping": _dropping,
    "footprint": _footprint,
    "far": _far,
    "curves": _curves,
    "processes": _processes,
    "campaign": _campaign,
    "memory": _memory,
    "imports": _imports,
    "server": _server,
}


def origin(section: Section) -> str:
    """Say when, where and with what a section was taken."""
    machine = section["machine"]
    said = {"python", "system", "cores"}
    versions = ", ".join(f"{name} {found}" for name, found in machine.items() if name not in said)
    return (
        f"*{section['date']}; {machine['python']}, {versions}; {machine['system']}, "
        f"cores: {machine['cores']}.*\n"
    )


def titled(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # Everything but the first column is a figure.
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _failed(section: Section) -> str:
    """Name whoever did not work, and why; nobody is left out in silence."""
    lines = [f"- {name}: {why}\n" for name, why in section["failed"].items()]
    return "".join(["\nNot measured:\n\n", *lines]) if lines else ""


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
