"""The chart: processor time per call, one bar per client, and whose phones ring twice.

Plain SVG, readable on light and dark pages, with its content as text for those who cannot see
it. The scale is logarithmic, or ours could not be seen beside the dearest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import attrs

from .contestants import DIAL, FLOOR_EXTRA, MAKE, MAKE_EXTRA, MAKE_PUBLIC, NAIVE, OURS, SDKS

__all__ = ["draw"]

_SHOWN = (FLOOR_EXTRA, MAKE_EXTRA, MAKE, DIAL, MAKE_PUBLIC, NAIVE, *SDKS)

_WIDTH, _LEFT, _RIGHT = 860, 290, 170  # of the latter two: names, and what is said beside the bars
_TOP, _STEP, _BAR = 92, 26, 16

_WORDS = (
    ("title", 30, "Processor time per call, 100 calls in flight"),
    ("small", 52, "Microseconds on a logarithmic scale, and times that of plain aiohttp."),
    ("small", 70, "“rings twice”: repeats a call that was accepted, but whose answer was lost."),
)

_STYLE = """
  text { font: 13px -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .small { font-size: 12px; fill: #59636e; }
  .line { stroke: #d1d9e0; stroke-width: 1; }
  .ours { fill: #1a7f64; } .theirs { fill: #8c959f; } .twice { fill: #b42318; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .line { stroke: #3d444d; }
    .ours { fill: #3fb68b; } .theirs { fill: #7d8590; } .twice { fill: #ff8f85; }
  }
"""


@attrs.frozen
class _Bar:
    name: str
    cpu_us: float
    times: float
    rings_twice: bool | None

    @property
    def is_ours(self) -> bool:
        return self.name in OURS

    @property
    def label(self) -> str:
        times = f"{self.times:.2f}" if self.times < 10 else f"{self.times:.0f}"
        return f"{self.cpu_us:,.0f} µs, {times} x"

    @property
    def said(self) -> str:
        if self.rings_twice is None:
            return f"{self.name}: {self.label}."
        word = "rings twice" if self.rings_twice else "never rings twice"
        return f"{self.name}: {self.label}; after a lost answer it {word}."


def draw(sections: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Draw what was measured at 100 in flight; None if that is not there."""
    bars = _bars(sections)
    if not bars:
        return None
    low = 10.0 ** math.floor(math.log10(min(bar.cpu_us for bar in bars)))
    high = 10.0 ** math.ceil(math.log10(max(bar.cpu_us for bar in bars)))
    height = _TOP + _STEP * len(bars) + 34
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        '<title id="title">Processor time per call at 100 calls in flight</title>',
        f'<desc id="desc">{escape(" ".join(bar.said for bar in bars))}</desc>',
        f"<style>{_STYLE}</style>",
        *(f'<text class="{kind}" x="16" y="{y}">{said}</text>' for kind, y, said in _WORDS),
        *_grid(low, high, bottom=height - 30),
        *(part for nth, bar in enumerate(bars) for part in _row(bar, nth, low, high)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bars(sections: Mapping[str, Mapping[str, Any]]) -> list[_Bar]:
    comparisons = sections.get("calls", {}).get("comparisons", ())
    at_100 = next((one for one in comparisons if one["concurrency"] == 100), None)
    if at_100 is None:
        return []
    twice = _twice(sections.get("dropping", {}).get("results", ()))
    found = {one["client"]: one for one in at_100["results"]}
    return [
        _Bar(name, found[name]["cpu_us"], found[name]["ratio"], twice.get(name))
        for name in _SHOWN
        if name in found
    ]


def _twice(results: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    twice: dict[str, bool] = {}
    for one in results:
        twice[one["client"]] = twice.get(one["client"], False) or one["rung_again"] > 0
    return twice


def _grid(low: float, high: float, *, bottom: int) -> list[str]:
    parts, mark = [], low
    while mark <= high * 1.01:
        x = _x(mark, low, high)
        parts.append(f'<line class="line" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}"/>')
        parts.append(
            f'<text class="small" x="{x}" y="{bottom + 18}" text-anchor="middle">'
            f"{mark:,.0f} µs</text>"
        )
        mark *= 10
    return parts


def _row(bar: _Bar, nth: int, low: float, high: float) -> list[str]:
    y = _TOP + nth * _STEP
    end, kind = _x(bar.cpu_us, low, high), "ours" if bar.is_ours else "theirs"
    base = y + _BAR - 3
    twice = '<tspan class="twice" dx="8">rings twice</tspan>' if bar.rings_twice else ""
    size = f'width="{max(2.0, round(end - _LEFT, 1))}" height="{_BAR}"'
    return [
        f'<text x="{_LEFT - 12}" y="{base}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect class="{kind}" x="{_LEFT}" y="{y}" {size} rx="2"/>',
        f'<text x="{round(end + 8, 1)}" y="{base}">{escape(bar.label)}{twice}</text>',
    ]


def _x(value: float, low: float, high: float) -> float:
    width = _WIDTH - _LEFT - _RIGHT
    return round(_LEFT + width * math.log(value / low) / math.log(high / low), 1)
