"""The audit's hash chain: each entry's hash covers the entry and the hash before it.

Whoever changes, removes or inserts an entry has to recompute every hash after it, and then no
longer agrees with a head that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["GENESIS", "Entry", "check", "next_hash"]

# Stands before the first entry of a chain.
GENESIS = "0" * 64


class Entry(NamedTuple):
    """A line of the audit, in the order of the table's columns; `detail` is JSON text."""

    seq: int
    chain: int
    at: int
    what: str
    campaign_id: int | None
    contact_id: int | None
    attempt_id: int | None
    detail: str
    hash: str


def next_hash(
    before: str,
    chain: int,
    at: int,
    what: str,
    campaign_id: int | None,
    contact_id: int | None,
    attempt_id: int | None,
    detail: str,
) -> str:
    """Return the hash of an entry that follows one with the hash `before`.

    Positional, because it is computed twice per call.
    """
    # The length in front of `what` makes the line unambiguous; `detail` comes last.
    ids = f"{campaign_id}|{contact_id}|{attempt_id}"
    line = f"{before}|{chain}|{at}|{ids}|{len(what)}|{what}|{detail}"
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def check(entries: Iterable[Entry]) -> dict[int, int]:
    """Return, of each chain that is broken, the `seq` of the first entry that does not follow.

    The entries come in the order of `seq`; several chains may be mixed. Empty if all is well.
    """
    heads: dict[int, str] = {}
    broken: dict[int, int] = {}
    for entry in entries:
        if entry.chain in broken:
            continue
        expected = next_hash(heads.get(entry.chain, GENESIS), *entry[1:8])
        if entry.hash != expected:
            broken[entry.chain] = entry.seq
        heads[entry.chain] = expected
    return broken
