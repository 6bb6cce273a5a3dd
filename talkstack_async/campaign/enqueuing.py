"""Adding contacts from a program, a few at a time, and saying of each what became of it.

They are checked like the rows of a list: whoever hands over rubbish is told so, and nobody is
called because of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from ..phone import mask_number
from .importing import new_contact
from .ledger.base import Ledger
from .places import Places
from .records import CampaignRecord, ImportSummary, NewContact, Verdict
from .rows import BadRow, Contact, Numbers, Row, row_of_object

__all__ = ["RowResult", "enqueue_rows"]

# What may be handed over: a contact, or an object as a line of a JSON lines list would hold it.
Given: TypeAlias = Contact | Mapping[str, Any]

_BATCH = 2000


@attrs.frozen(kw_only=True)
class RowResult:
    """What became of one row that was handed over.

    Attributes:
        row: Its place among what was handed over, from 1.
        number: As the ledger has it; of a rejected row what stood in its place.
        verdict: `added`; `updated` (never tried, and its row says something else now);
            `unchanged` (it was there: nobody is called again for it); `duplicate` (it stands
            further up); None if it was rejected.
        reason: Why nobody will be called from this row; None if somebody may be.
    """

    row: int
    number: str = attrs.field(repr=mask_number)
    verdict: Verdict | None
    reason: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether somebody will be called who would not have been without this row."""
        return self.verdict is Verdict.ADDED and self.reason is None


async def enqueue_rows(
    ledger: Ledger,
    campaign: CampaignRecord,
    given: Iterable[Given],
    *,
    source: str,
    region: str | None,
    now: Callable[[], datetime],
) -> list[RowResult]:
    """Add rows to a campaign; a new one may run then, unless its list is still being read.

    Raises:
        ConfigurationError: There is no such region.
        LedgerError: The ledger cannot be written. What was added before stays.
    """
    places = Places()
    numbers = Numbers.of(region=region, places=places)
    rows = list(enumerate(given, start=1))
    import_id = await ledger.begin_import(campaign.campaign_id, source=source, now=now())
    results: list[RowResult] = []
    for start in range(0, len(rows), _BATCH):
        # Reading a number and looking up where it is takes its time, and the loop has other work.
        batch, contacts = await asyncio.to_thread(
            _checked, rows[start : start + _BATCH], numbers, places, campaign.placeholders
        )
        verdicts = await ledger.add_contacts(
            campaign.campaign_id, import_id=import_id, contacts=contacts, now=now()
        )
        results += _results(batch, contacts, verdicts)
    counts = attrs.asdict(_summary(results))
    await ledger.finish_import(import_id, counts=counts, digest=None, now=now(), is_list=False)
    return results


def _row_of(row: int, given: Given, numbers: Numbers) -> Row:
    if isinstance(given, Contact):
        checked: Row = attrs.evolve(given, row=row)
    else:
        checked = row_of_object(row, given, numbers)
    if isinstance(checked, Contact) and not _is_json(checked.variables):
        return BadRow(row=row, number=checked.number, reason="a variable is nothing JSON can hold")
    return checked


def _is_json(variables: Mapping[str, Any]) -> bool:
    try:
        json.dumps(variables, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return all(isinstance(name, str) for name in variables)


def _checked(
    given: Sequence[tuple[int, Given]],
    numbers: Numbers,
    places: Places,
    placeholders: Sequence[str],
) -> tuple[list[Row], list[NewContact]]:
    rows = [_row_of(row, each, numbers) for row, each in given]
    return rows, [
        new_contact(row, places=places, placeholders=placeholders)
        for row in rows
        if isinstance(row, Contact)
    ]


def _results(
    batch: Sequence[Row],
    contacts: Sequence[NewContact],
    verdicts: Sequence[tuple[Verdict, int | None]],
) -> list[RowResult]:
    known = {
        contact.row: _result(contact, *verdict)
        for contact, verdict in zip(contacts, verdicts, strict=True)
    }
    return [
        RowResult(row=row.row, number=row.number, verdict=None, reason=row.reason)
        if isinstance(row, BadRow)
        else known[row.row]
        for row in batch
    ]


def _result(contact: NewContact, verdict: Verdict, first: int | None) -> RowResult:
    reason = None
    if verdict is Verdict.DUPLICATE:
        reason = f"the number stands in row {first} already"
    elif contact.excluded is not None and verdict is not Verdict.UNCHANGED:
        reason = contact.excluded[1]
    return RowResult(row=contact.row, number=contact.number, verdict=verdict, reason=reason)


def _summary(results: Sequence[RowResult]) -> ImportSummary:
    def count(verdict: Verdict | None) -> int:
        return sum(each.verdict is verdict for each in results)

    return ImportSummary(
        rows=len(results),
        added=count(Verdict.ADDED),
        updated=count(Verdict.UPDATED),
        unchanged=count(Verdict.UNCHANGED),
        duplicates=count(Verdict.DUPLICATE),
        rejected=count(None),
        excluded=sum(
            each.reason is not None and each.verdict in (Verdict.ADDED, Verdict.UPDATED)
            for each in results
        ),
    )
