"""Our record of a campaign held against the emulator's ledger of rings."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence

import attrs

from ..campaign.records import AttemptRecord, ContactRecord
from ..campaign.states import AttemptState, ContactState

__all__ = ["Proof", "proof_of"]

_CERTAIN = (AttemptState.PLACED, AttemptState.FINAL)
_NEVER_RANG = (AttemptState.REJECTED, AttemptState.RELEASED)
_SETTLED = (ContactState.DONE, ContactState.REVIEW, ContactState.EXCLUDED)


@attrs.frozen(kw_only=True)
class Proof:
    """What was said to have happened, and what did.

    Attributes:
        rows: Rows of the list.
        accounted: Of these: contacts that are done, out or in review, duplicates, rejected rows.
        attempts: Attempts that may have rung.
        rings: Phones that rang, by the emulator.
        certain: Attempts whose call is known.
        certain_rang: Of these: how many rang.
        lost: Attempts that may have rung and left no trace.
        lost_rang: Of these: how many rang.
        beyond: Rings of numbers that rang more often than there were attempts.
        strangers: Rings of numbers that are not in the ledger.
    """

    rows: int
    accounted: int
    attempts: int
    rings: int
    certain: int
    certain_rang: int
    lost: int
    lost_rang: int
    beyond: int
    strangers: int

    @property
    def holds(self) -> bool:
        """Whether no attempt rang twice, what we say rang did, and every row is accounted for."""
        return (
            self.accounted == self.rows
            and self.certain_rang == self.certain
            and not self.beyond
            and not self.strangers
        )


async def proof_of(
    contacts: AsyncIterator[tuple[ContactRecord, Sequence[AttemptRecord]]],
    *,
    rang: Iterable[str],
    rows: int,
    apart: int,
) -> Proof:
    """Hold contacts and their attempts against the numbers that rang.

    Args:
        contacts: What the ledger exports.
        rang: A number for each ring.
        rows: How many rows the list has.
        apart: How many of them are no contacts: duplicates and rejected rows.
    """
    rings = Counter(rang)
    known = settled = attempts = certain = certain_rang = lost = lost_rang = beyond = 0
    total = rings.total()
    async for contact, tries in contacts:
        rang_here = rings.pop(contact.number, 0)
        sure = sum(one.state in _CERTAIN for one in tries)
        unsure = sum(one.state not in (*_CERTAIN, *_NEVER_RANG) for one in tries)
        known += rang_here
        settled += contact.state in _SETTLED
        attempts += sure + unsure
        certain += sure
        certain_rang += min(sure, rang_here)
        lost += unsure
        lost_rang += min(unsure, max(0, rang_here - sure))
        beyond += max(0, rang_here - sure - unsure)
    return Proof(
        rows=rows,
        accounted=settled + apart,
        attempts=attempts,
        rings=total,
        certain=certain,
        certain_rang=certain_rang,
        lost=lost,
        lost_rang=lost_rang,
        beyond=beyond,
        strangers=total - known,
    )
