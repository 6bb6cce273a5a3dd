"""What every client has to do: the same rows, the same bound, the same proof.

A row is what a contact list holds. Each client turns it into its own kind of request inside the
measured part, because a program has to do that too.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import attrs

__all__ = [
    "AGENT",
    "KEY",
    "PROJECT",
    "Answer",
    "Burst",
    "Player",
    "Row",
    "Tally",
    "Until",
    "Witness",
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

    def failed(self, error: Exception) -> None:
        """Hear of a call that failed; none may during the warm-up."""
        raise error


class Tally(Witness):
    """A witness that expects failures, and counts what callers are told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Counter[str] = Counter()

    def __call__(self, number: str, answer: Answer) -> None:
        super().__call__(number, answer)
        self.told["placed"] += 1

    def failed(self, error: Exception) -> None:
        self.told[type(error).__name__] += 1


class Burst(Protocol):
    """Places one call per row, a bounded number at a time; returns how many were placed."""

    def __call__(self, rows: Iterable[Row], witness: Witness | None) -> Awaitable[int]: ...


@attrs.frozen
class Player:
    """What a contestant brings to the game.

    Attributes:
        burst: Places many calls.
        call: Places one, where the contestant has a way to do that by itself.
    """

    burst: Burst
    call: Callable[[Row], Awaitable[Any]] | None = None

    @classmethod
    def of(
        cls,
        call: Callable[[Row], Awaitable[Any]],
        *,
        concurrency: int,
        read: Callable[[Any], Answer],
    ) -> Player:
        """Make many calls out of one, with as many workers as there may be calls at once."""
        burst = partial(bounded_by_workers, call=call, concurrency=concurrency, read=read)
        return cls(burst, call)


async def bounded_by_workers(
    rows: Iterable[Row],
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
            await call(row)
            placed += 1
        return placed

    async def work_watched(witness: Witness) -> int:
        placed = 0
        for row in source:
            try:
                answer = await call(row)
            except Exception as error:
                witness.failed(error)
            else:
                witness(row[0], read(answer))
                placed += 1
        return placed

    workers = (work() if witness is None else work_watched(witness) for _ in range(concurrency))
    return sum(await asyncio.gather(*workers))


class Until:
    """Rows until some moment: for turns that are measured by the clock."""

    def __init__(self, work: Sequence[Row], *, seconds: float) -> None:
        self._work = work
        self._seconds = seconds

    def __iter__(self) -> Iterator[Row]:
        over = time.perf_counter() + self._seconds
        for row in itertools.cycle(self._work):
            if time.perf_counter() >= over:
                return
            yield row
