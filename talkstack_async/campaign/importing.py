"""Bringing a list into a ledger, a batch at a time.

Rows are read and checked in a thread while the ledger writes the batch before, so the event
loop stays free and no more than two batches are in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias, assert_never

import attrs

from ..errors import ContactListError
from .decisions import Reason
from .ledger.base import Ledger
from .placeholders import told
from .places import Places
from .records import CampaignRecord, ImportSummary, NewContact, Verdict
from .rejects import Rejects
from .rows import BadRow, Contact, Row
from .rules import missing

__all__ = ["digest_of", "import_contacts", "new_contact"]

# Sorted, so that a list whose columns change places says nothing new; and in ASCII, because JSON
# may hold half a character, which no database takes.
_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_FIELD = {
    Verdict.ADDED: "added",
    Verdict.UPDATED: "updated",
    Verdict.UNCHANGED: "unchanged",
    Verdict.DUPLICATE: "duplicates",
}


@attrs.frozen(kw_only=True)
class _Batch:
    contacts: Sequence[NewContact]
    bad: Sequence[BadRow]

    @property
    def rows(self) -> int:
        return len(self.contacts) + len(self.bad)


_Verdicts: TypeAlias = Sequence[tuple[Verdict, int | None]]


async def import_contacts(
    ledger: Ledger,
    campaign: CampaignRecord,
    rows: Iterable[Row],
    *,
    source: str,
    places: Places,
    placeholders: Sequence[str],
    rejects: Rejects | None,
    digest: str | None,
    now: Callable[[], datetime],
    on_progress: Callable[[int], None] | None = None,
    batch: int = 2000,
) -> ImportSummary:
    """Read a list to its end, and let an importing campaign run.

    Every row is accounted for: it is a contact (excluded, if the agent lacks a value), it was
    one before, or it is in `rejects` with a reason. If this fails, the campaign stays as it
    was, and reading the list again adds nobody twice.

    Args:
        ledger: Where the contacts go.
        campaign: Whose contacts they are.
        rows: What `read_contacts` hands out. Read in a thread; leave it alone meanwhile.
        source: Name of the list, as the report shows it.
        places: Where numbers are.
        placeholders: Names the agent's instruction asks values for.
        rejects: Where rows that are not taken are written; it is left open.
        digest: SHA-256 of the list, from `digest_of`.
        now: Tells the time.
        on_progress: Is told after each batch how many rows were read so far.
        batch: How many rows go into the ledger at a time.

    Raises:
        ContactListError: The list cannot be read to its end.
        CampaignError: `rejects` cannot be written.
        LedgerError: The ledger cannot be written.
    """
    campaign_id = campaign.campaign_id
    import_id = await ledger.begin_import(campaign_id, source=source, now=now())
    tally: Counter[str] = Counter()
    source_rows = iter(rows)
    ahead = _Ahead(
        lambda: _build(source_rows, batch=batch, places=places, placeholders=placeholders)
    )
    try:
        while (built := await ahead.next()).rows:
            verdicts = await ledger.add_contacts(
                campaign_id, import_id=import_id, contacts=built.contacts, now=now()
            )
            tally += _count(built, verdicts)
            if rejects is not None:
                await asyncio.to_thread(_reject, rejects, built, verdicts)
            if on_progress is not None:
                on_progress(tally["rows"])
    finally:
        await ahead.aclose()
    summary = ImportSummary(**tally)
    await ledger.finish_import(import_id, counts=attrs.asdict(summary), digest=digest, now=now())
    return summary


async def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, to tell whether a list has changed.

    Raises:
        ContactListError: The file cannot be read.
    """
    try:
        return await asyncio.to_thread(_digest, path)
    except OSError as error:
        raise ContactListError(f"{path}: {error.strerror}") from error


class _Ahead:
    """Builds the next batch in a thread while the last one is written."""

    def __init__(self, build: Callable[[], _Batch]) -> None:
        self._build = build
        self._task: asyncio.Task[_Batch] | None = None

    async def next(self) -> _Batch:
        task = self._task or self._start()
        # Shielded: the thread goes on whether or not we wait, and `aclose` must know its end.
        built = await asyncio.shield(task)
        self._task = self._start() if built.rows else None
        return built

    async def aclose(self) -> None:
        """Wait until the thread is done with the rows, whatever came of it."""
        if self._task is not None:
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()

    def _start(self) -> asyncio.Task[_Batch]:
        self._task = asyncio.create_task(asyncio.to_thread(self._build))
        return self._task


def _build(
    rows: Iterator[Row], *, batch: int, places: Places, placeholders: Sequence[str]
) -> _Batch:
    contacts: list[NewContact] = []
    bad: list[BadRow] = []
    for row in itertools.islice(rows, batch):
        match row:
            case Contact():
                contacts.append(new_contact(row, places=places, placeholders=placeholders))
            case BadRow():
                bad.append(row)
            case _:
                assert_never(row)
    return _Batch(contacts=contacts, bad=bad)


def new_contact(contact: Contact, *, places: Places, placeholders: Sequence[str]) -> NewContact:
    """Say of a contact where it is, and whether the agent's placeholders have values."""
    place = places.of(contact.number)
    names = missing(contact.variables, placeholders)
    return NewContact(
        row=contact.row,
        number=contact.number.e164,
        variables=_ENCODE(contact.variables),
        zones=(contact.timezone,) if contact.timezone else place.zones,
        regions=(contact.region,) if contact.region else place.regions,
        excluded=(Reason.PLACEHOLDER, told(names)) if names else None,
    )


def _count(built: _Batch, verdicts: _Verdicts) -> Counter[str]:
    tally: Counter[str] = Counter(_FIELD[verdict] for verdict, _ in verdicts)
    tally["rows"] = built.rows
    tally["rejected"] = len(built.bad)
    tally["excluded"] = sum(
        contact.excluded is not None and verdict in (Verdict.ADDED, Verdict.UPDATED)
        for contact, (verdict, _) in zip(built.contacts, verdicts, strict=True)
    )
    return tally


def _reject(rejects: Rejects, built: _Batch, verdicts: _Verdicts) -> None:
    lines = [(bad.row, bad.number, bad.reason) for bad in built.bad]
    for contact, (verdict, first) in zip(built.contacts, verdicts, strict=True):
        if verdict is Verdict.DUPLICATE:
            where = "further up" if first is None else f"in row {first}"
            lines.append((contact.row, contact.number, f"the number stands {where} already"))
    for row, number, reason in sorted(lines):
        rejects.write(row, number, reason=reason)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
