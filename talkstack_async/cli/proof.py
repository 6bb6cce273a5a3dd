"""Our record held against the emulator's ledger of rings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs

__all__ = ["Proof", "proof_of"]


@attrs.frozen(kw_only=True)
class Proof:
    """How many numbers of each outcome there are, and how many of those rang.

    A number that stands in the list twice counts with the row it was called for.
    """

    placed: int
    placed_rang: int
    not_placed: int
    not_placed_rang: int
    uncertain: int
    uncertain_rang: int
    others_rang: int
    rings: int
    numbers: int
    rang_twice: int

    @property
    def holds(self) -> bool:
        """Whether what we said is what happened, and nobody rang twice."""
        return (
            self.placed == self.placed_rang
            and not self.not_placed_rang
            and not self.others_rang
            and not self.rang_twice
        )


def proof_of(results: Path, *, rang: Iterable[str]) -> Proof:
    """Hold the results against the numbers that rang, in the ledger's order."""
    rings = Counter(rang)
    numbers: dict[str, set[str]] = {"placed": set(), "not_placed": set(), "uncertain": set()}
    with results.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            numbers[record["outcome"]].add(record["number"])
    called = numbers["placed"] | numbers["uncertain"]
    not_placed = numbers["not_placed"] - called
    return Proof(
        placed=len(numbers["placed"]),
        placed_rang=len(numbers["placed"] & rings.keys()),
        not_placed=len(not_placed),
        not_placed_rang=len(not_placed & rings.keys()),
        uncertain=len(numbers["uncertain"]),
        uncertain_rang=len(numbers["uncertain"] & rings.keys()),
        others_rang=len(rings.keys() - called - not_placed),
        rings=rings.total(),
        numbers=len(rings),
        rang_twice=sum(count > 1 for count in rings.values()),
    )
