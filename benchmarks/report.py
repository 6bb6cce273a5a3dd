"""Results as text: `results.json` for machines, `RESULTS.md` and a chart made from it for people.

Each section carries its own date and machine, so that one may be taken again without the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .chart import draw
from .demands import losses, requirements
from .tables import SHOW, origin, table, titled

__all__ = ["render", "save"]

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results.json"
_TEXT = _HERE / "RESULTS.md"
_CHART = _HERE / "chart.svg"

_HEAD = """# Results

Written by `make bench`; do not edit. Who takes part, and how: [README.md](README.md).
Absolute figures belong to the machine of the day; the ratios inside one run are the result.

![Processor time per call](chart.svg)
"""

Section = Mapping[str, Any]


def save(sections: Mapping[str, Section]) -> None:
    """Put sections into `results.json`, beside those that were not measured now, and write all
    that is made of it.

    A section that broke does not take the place of one that did not.
    """
    known: dict[str, Any] = json.loads(_RESULTS.read_text()) if _RESULTS.exists() else {}
    known.update(
        {
            name: section
            for name, section in sections.items()
            if "broken" not in section or name not in known
        }
    )
    _RESULTS.write_text(json.dumps(known, indent=2, sort_keys=True, allow_nan=False) + "\n")
    _TEXT.write_text(f"{_HEAD}\n{render(known)}")
    if chart := draw(known):
        _CHART.write_text(chart)


def render(sections: Mapping[str, Section]) -> str:
    """Write sections as Markdown: what was demanded, what is lost, and the tables."""
    origins = {name: origin(section) for name, section in sections.items()}
    common = next(iter(origins.values()), "") if len(set(origins.values())) == 1 else ""
    parts = [common, _requirements(sections), _losses(sections)]
    for name, show in SHOW.items():
        section = sections.get(name)
        if section is None:
            continue
        if "broken" in section:
            text = titled(name, f"Not measured: {section['broken']}\n")
        else:
            text = show(section)
        parts.append(text if common else f"{text}\n{origins[name]}")
    return "\n".join(part for part in parts if part)


def _requirements(sections: Mapping[str, Section]) -> str:
    rows = [
        (demand.what, demand.bound, demand.measured, "met" if demand.is_met else "**not met**")
        for demand in requirements(sections)
    ]
    if not rows:
        return ""
    return titled("Requirements", table(("what", "required", "measured", ""), rows))


def _losses(sections: Mapping[str, Section]) -> str:
    found = losses(sections)
    if not found:
        return ""
    return titled("Where ours loses", "".join(f"- {line}\n" for line in found))
