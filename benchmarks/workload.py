"""What every client has to do: the same rows, the same bound, the same proof.

A row is what a contact list holds. Each client turns it into its own kind of request inside the
measured part, because a program has to do that too.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

__all__ = [
    "AGENT",
    "KEY",
    "PROJECT",
    "Answer",
    "Burst",
    "Row",
    "Witness",
    "bounded_by_workers",
    "endless_rows",
    "rows",
]

PROJECT = "65f0c0ffee65f0c0ffee0001"
AGENT = "65f0c0ffee65f0c0ffee0002"
KEY = "sk_test_0123456789abcdef0123456789abcdef"

Row: TypeAlias = tuple[str, dict[str, str]]
Answer: TypeAlias = tuple[str | None, str]


def endless_rows() -> Iterator[Row]:
    """Make rows one at a time: a number and five variables."""
    for number in itertools.count():
        yield (
            f"+1415{number % 10_000_000:07d}",
            {
                "first_name": "Ada",
                "company": "Analytical Engines Ltd",
                "appointment": "2026-01-02 10:30",
                "city": "London",
                "plan": "premium",
            },
        )


def rows(count: int) -> list[Row]:
    return list(itertools.islice(endless_rows(), count))


class Witness:
    """Sees each answer during the warm-up, and objects if it belongs to another request."""

    def __init__(self) -> None:
        self._call_ids: set[str] = set()

    def __call__(self, number: str, answer: Answer) -> None:
        to, call_id = answer
        if to != number:
            raise AssertionError(f"the answer to {number} is about {to}")
        if call_id in self._call_ids:
            raise AssertionError(f"two calls got the id {call_id}")
        self._call_ids.add(call_id)


class Burst(Protocol):
    """Places one call per row, a bounded number at a time; returns how many were placed."""

    def __call__(self, rows: Sequence[Row], witness: Witness | None) -> Awaitable[int]: ...


async def bounded_by_workers(
    rows: Sequence[Row],
    witness: Witness | None,
    *,
    call: Callable[[Row], Awaitable[Any]],
    concurrency: int,
    read: Callable[[Any], Answer],
) -> int:
    """Let as many workers as there may be calls at once pull rows from one iterator.

    The cheapest bound there is (under 0.2 us per call), so that a client is measured and not
    the harness around it.
    """
    source = iter(rows)

    async def work() -> int:
        placed = 0
        for row in source:
            answer = await call(row)
            placed += 1
            if witness is not None:
                witness(row[0], read(answer))
        return placed

    return sum(await asyncio.gather(*(work() for _ in range(concurrency))))
