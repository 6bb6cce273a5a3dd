"""Drawings as values: which box stands where, and what it says. The template only draws them.

A chart is as wide as its columns are many and a hundred high, in units of its own: the page
stretches it. So it holds no text, which would be stretched, too; labels stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ..words import call_words

__all__ = [
    "ORDER",
    "Box",
    "Chart",
    "Column",
    "Part",
    "Tick",
    "chart_of",
    "parts_of",
    "percent",
    "tone_of",
]

# From the bottom of a column upwards: the best end first.
ORDER = (
    "answered",
    "voicemail",
    "silence",
    "no_answer",
    "busy",
    "canceled",
    "failed",
    "rejected",
    "unknown",
    "uncertain",
    "lost",
    "placed",
    "dispatching",
)
# Ends that mean much the same to a reader share a colour.
_TONES = {
    "answered": "good",
    "voicemail": "blue",
    "silence": "violet",
    "no_answer": "sand",
    "busy": "amber",
    "failed": "bad",
    "rejected": "bad",
    "unknown": "odd",
    "uncertain": "odd",
    "lost": "odd",
}
_MOST_TICKS = 6
_TOPS = (12, 16, 20, 24, 30, 40, 50, 60, 80, 100)
_LEAST_WIDTH = 24


@attrs.frozen(kw_only=True)
class Part:
    """A part of a whole, with its share in percent."""

    label: str
    count: int
    share: float
    tone: str = "grey"


@attrs.frozen(kw_only=True)
class Box:
    """A piece of a column: from the top edge of the chart downwards."""

    x: float
    y: float
    height: float
    tone: str


@attrs.frozen(kw_only=True)
class Column:
    """A column of a chart; `says` is what it shows, in words."""

    label: str
    total: int
    counts: tuple[int, ...]
    says: str
    boxes: tuple[Box, ...]


@attrs.frozen(kw_only=True)
class Tick:
    """A label under a chart, at a share of its width in percent."""

    label: str
    left: float


@attrs.frozen(kw_only=True)
class Chart:
    """Stacked columns.

    Attributes:
        parts: What the colours mean, with totals, in the order of `Column.counts`.
        width: In columns; a chart of few columns is not filled by them.
        top: The number at the upper edge.
    """

    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    ticks: tuple[Tick, ...]
    width: int
    top: int


def tone_of(word: str) -> str:
    """Return the colour an end has throughout the page."""
    return _TONES.get(word, "grey")


def percent(part: int, whole: int) -> str:
    """Say a share; what is not quite all, or not quite nothing, does not look like it."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "over 99 %"
    return f"{share:.0f} %"


def parts_of(counts: Mapping[str, int]) -> tuple[Part, ...]:
    """Return how calls ended as parts of the whole, the best end first."""
    whole = sum(counts.values())
    return tuple(
        Part(
            label=call_words(word),
            count=counts[word],
            share=100 * counts[word] / whole,
            tone=tone_of(word),
        )
        for word in _words_of(counts)
    )


def _words_of(counts: Mapping[str, int]) -> list[str]:
    """Return the ends there are, in their order; new words of the service come last."""
    return [
        *(word for word in ORDER if counts.get(word)),
        *(word for word in sorted(counts) if counts[word] and word not in ORDER),
    ]


def chart_of(columns: Sequence[tuple[str, Mapping[str, int]]]) -> Chart:
    """Stack columns, each with its label and its numbers by end."""
    totals: dict[str, int] = {}
    for _, counts in columns:
        for word, count in counts.items():
            totals[word] = totals.get(word, 0) + count
    words = _words_of(totals)
    width = max(len(columns), _LEAST_WIDTH)
    top = _round_up(max((sum(counts.values()) for _, counts in columns), default=0))
    return Chart(
        columns=tuple(
            _column(x, label, [counts.get(word, 0) for word in words], words, top)
            for x, (label, counts) in enumerate(columns)
        ),
        parts=parts_of(totals),
        ticks=_ticks([label for label, _ in columns], width=width),
        width=width,
        top=top,
    )


def _column(x: int, label: str, counts: Sequence[int], words: Sequence[str], top: int) -> Column:
    boxes, y = [], 100.0
    for word, count in zip(words, counts, strict=True):
        if count:
            height = 100 * count / top
            y -= height
            boxes.append(Box(x=x, y=round(y, 3), height=round(height, 3), tone=tone_of(word)))
    total = sum(counts)
    said = ", ".join(
        f"{call_words(word)} {count:,}" for word, count in zip(words, counts, strict=True) if count
    )
    return Column(
        label=label,
        total=total,
        counts=tuple(counts),
        says=f"{label}: {total:,} ({said})" if total else f"{label}: 0",
        boxes=tuple(boxes),
    )


def _round_up(number: int) -> int:
    """Return the next number that is good to read at an edge, and so is its half."""
    if number <= 10:
        return max(2, number + number % 2)
    scale = 1
    while number > 100 * scale:
        scale *= 10
    return next(step * scale for step in _TOPS if step * scale >= number)


def _ticks(labels: Sequence[str], *, width: int) -> tuple[Tick, ...]:
    every = max(1, -(-width // _MOST_TICKS))
    return tuple(
        Tick(label=labels[x], left=round(100 * x / width, 2)) for x in range(0, len(labels), every)
    )
