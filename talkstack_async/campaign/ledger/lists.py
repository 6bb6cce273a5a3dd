"""Lists of contacts, and the suppression list, in either database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from ...errors import CampaignError
from ..decisions import Reason
from ..records import NewContact, Suppression, Verdict
from ..states import CampaignState, ContactState
from .campaigns import change_campaign
from .moments import to_ms
from .transaction import Transaction, to_json

__all__ = [
    "add_contacts",
    "begin_import",
    "exclude",
    "finish_import",
    "suppress",
    "suppressed_among",
    "unsuppress",
]

_BEGIN = "INSERT INTO import (campaign_id, source, begun_at) VALUES (?, ?, ?)"
_FINISH = "UPDATE import SET finished_at = ?, counts = ?, digest = ? WHERE import_id = ?"
_CAMPAIGN_OF = "SELECT campaign_id, source FROM import WHERE import_id = ?"
_BEING_READ = "SELECT 1 FROM import WHERE campaign_id = ? AND finished_at IS NULL LIMIT 1"
_DIGEST = "UPDATE campaign SET list_digest = ? WHERE campaign_id = ?"

_KNOWN = (
    'SELECT number, contact_id, "row", import_id, tries, state, variables, zones, regions, '
    "reason, detail FROM contact WHERE campaign_id = ? AND number {among} "
    "ORDER BY contact_id {lock}"
)
_NEW = (
    "contact_id",
    "campaign_id",
    "shard",
    '"row"',
    "number",
    "variables",
    "zones",
    "regions",
    "state",
    "reason",
    "detail",
    "import_id",
)
_SEEN = 'UPDATE contact SET "row" = ?, import_id = ? WHERE contact_id = ?'
_UPDATE = (
    'UPDATE contact SET "row" = ?, import_id = ?, variables = ?, zones = ?, regions = ?, '
    "state = ?, next_at = 0, reason = ?, detail = ? WHERE contact_id = ?"
)
_READY = (
    "SELECT contact_id, campaign_id FROM contact WHERE contact_id {among} AND state = 0 "
    "ORDER BY contact_id {lock}"
)
_EXCLUDE = "UPDATE contact SET state = 4, reason = ?, detail = ? WHERE contact_id = ?"
_SUPPRESS = (
    "INSERT INTO suppression (number, reason, source, added_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
_UNSUPPRESS = "DELETE FROM suppression WHERE number = ?"
_SUPPRESSED = "SELECT number FROM suppression WHERE number {among}"

# What a list, or a check of the list, excluded may come back with another list.
_MAY_RETURN = (Reason.INVALID_NUMBER, Reason.PLACEHOLDER, Reason.UNKNOWN_ZONE)

_Answer: TypeAlias = tuple[Verdict, int | None]


class _Known(NamedTuple):
    number: str
    contact_id: int
    row: int
    import_id: int
    tries: int
    state: int
    variables: str
    zones: str
    regions: str
    reason: str | None
    detail: str | None


# --- Lists.


def begin_import(transaction: Transaction, campaign_id: int, *, source: str, now: datetime) -> int:
    """See `Ledger.begin_import`."""
    transaction.campaign(campaign_id)
    row = (campaign_id, source, to_ms(now))
    import_id = transaction.add(_BEGIN, row, key="import_id") or 0
    detail = {"import": import_id, "source": source}
    transaction.audit(to_ms(now), "import_begun", detail, campaign_id=campaign_id)
    return import_id


def finish_import(
    transaction: Transaction,
    import_id: int,
    *,
    counts: Mapping[str, int],
    digest: str | None,
    now: datetime,
    is_list: bool = True,
) -> None:
    """See `Ledger.finish_import`."""
    at = to_ms(now)
    found = transaction.rows(_CAMPAIGN_OF, (import_id,))
    if not found:
        raise CampaignError(f"the ledger holds no import of id {import_id}")
    campaign_id, source = found[0]
    transaction.change(_FINISH, (at, to_json(dict(counts)), digest, import_id))
    transaction.change(_DIGEST, (digest, campaign_id))
    detail = {"import": import_id, "source": source, "counts": dict(counts), "digest": digest}
    transaction.audit(at, "import_finished", detail, campaign_id=campaign_id)
    may_start = is_list or not transaction.rows(_BEING_READ, (campaign_id,))
    state = transaction.campaign(campaign_id, lock=True).state
    if may_start and state is CampaignState.IMPORTING:
        change_campaign(
            transaction,
            campaign_id,
            now=now,
            state=CampaignState.RUNNING,
            settings=None,
            placeholders=None,
        )


def add_contacts(
    transaction: Transaction,
    campaign_id: int,
    *,
    import_id: int,
    contacts: Sequence[NewContact],
    now: datetime,
) -> Sequence[_Answer]:
    """See `Ledger.add_contacts`."""
    adding = _Adding(transaction, campaign_id, import_id=import_id, at=to_ms(now))
    adding.look_up(contacts)
    answers = [adding.add(contact) for contact in contacts]
    adding.write()
    return answers


class _Adding:
    """The rows of one batch, gathered first and written with one statement per kind."""

    def __init__(
        self, transaction: Transaction, campaign_id: int, *, import_id: int, at: int
    ) -> None:
        self._transaction = transaction
        self._campaign_id = campaign_id
        self._shards = transaction.campaign(campaign_id).shards
        self._import_id = import_id
        self._at = at
        self._known: dict[str, _Known] = {}
        # Where a number of this import stands in its list.
        self._rows: dict[str, int] = {}
        self._added: list[tuple[Any, ...]] = []
        self._updated: list[tuple[Any, ...]] = []
        self._seen: list[tuple[Any, ...]] = []
        self._ids: Iterator[int] = iter(())

    def look_up(self, contacts: Sequence[NewContact]) -> None:
        """Read what is known of these numbers already."""
        self._transaction.import_alone(self._campaign_id)
        numbers = {contact.number for contact in contacts}
        given = self._transaction.many(numbers)
        for row in self._transaction.rows(_KNOWN, (self._campaign_id, given)):
            known = _Known(*row)
            self._known[known.number] = known
            if known.import_id == self._import_id:
                self._rows[known.number] = known.row
        self._ids = self._transaction.contact_ids(len(numbers) - len(self._known))

    def add(self, contact: NewContact) -> _Answer:
        """Say what is to be done with a row, and note it."""
        first = self._rows.setdefault(contact.number, contact.row)
        known = self._known.get(contact.number)
        if first != contact.row:
            return Verdict.DUPLICATE, first
        if known is None:
            return self._insert(contact)
        if known.import_id == self._import_id:
            return Verdict.UNCHANGED, None  # the very same row, handed over a second time
        if _says_something_else(contact, known):
            return self._update(contact, known)
        # Marked as seen in this import, or a second row of its number would look like a change.
        self._seen.append((contact.row, self._import_id, known.contact_id))
        return Verdict.UNCHANGED, None

    def write(self) -> None:
        """Write everything that was noted."""
        self._transaction.add_contacts(_NEW, self._added)
        self._transaction.change_all(_UPDATE, self._updated)
        self._transaction.change_all(_SEEN, self._seen)

    def _insert(self, contact: NewContact) -> _Answer:
        contact_id = next(self._ids)
        state, reason, detail = _standing(contact)
        self._added.append(
            (
                contact_id,
                self._campaign_id,
                contact_id % self._shards,
                contact.row,
                contact.number,
                contact.variables,
                ",".join(contact.zones),
                ",".join(contact.regions),
                state,
                reason,
                detail,
                self._import_id,
            )
        )
        if reason is not None:
            self._audit("excluded", contact_id, {"reason": reason, "detail": detail})
        return Verdict.ADDED, None

    def _update(self, contact: NewContact, known: _Known) -> _Answer:
        state, reason, detail = _standing(contact)
        self._updated.append(
            (
                contact.row,
                self._import_id,
                contact.variables,
                ",".join(contact.zones),
                ",".join(contact.regions),
                state,
                reason,
                detail,
                known.contact_id,
            )
        )
        what = "updated" if reason is None else "excluded"
        said = {"row": contact.row, "reason": reason, "detail": detail}
        self._audit(what, known.contact_id, said)
        return Verdict.UPDATED, None

    def _audit(self, what: str, contact_id: int, detail: Mapping[str, Any]) -> None:
        self._transaction.audit(
            self._at, what, detail, campaign_id=self._campaign_id, contact_id=contact_id
        )


def _standing(contact: NewContact) -> tuple[int, str | None, str | None]:
    if contact.excluded is None:
        return int(ContactState.READY), None, None
    reason, detail = contact.excluded
    return int(ContactState.EXCLUDED), reason.value, detail


def _says_something_else(contact: NewContact, known: _Known) -> bool:
    """Whether a row differs from what is known of a contact that was never tried."""
    if known.tries or known.state not in (ContactState.READY, ContactState.EXCLUDED):
        return False
    given = (contact.variables, ",".join(contact.zones), ",".join(contact.regions))
    if given != (known.variables, known.zones, known.regions):
        return True
    is_out = known.state == ContactState.EXCLUDED
    if contact.excluded is None:
        return is_out and known.reason in _MAY_RETURN
    return not is_out or contact.excluded != (known.reason, known.detail)


def exclude(
    transaction: Transaction,
    contact_ids: Sequence[int],
    *,
    reason: str,
    detail: Sequence[str],
    now: datetime,
) -> None:
    """See `Ledger.exclude`."""
    texts = dict(zip(contact_ids, detail, strict=True))
    ready = transaction.rows(_READY, (transaction.many(texts),))
    rows = [(reason, texts[contact_id], contact_id) for contact_id, _ in ready]
    transaction.change_all(_EXCLUDE, rows)
    for contact_id, campaign_id in ready:
        transaction.audit(
            to_ms(now),
            "excluded",
            {"reason": reason, "detail": texts[contact_id]},
            campaign_id=campaign_id,
            contact_id=contact_id,
        )


# --- Suppression.


def suppress(transaction: Transaction, entries: Sequence[Suppression]) -> int:
    """See `Ledger.suppress`."""
    if not entries:
        return 0
    # In an order, so that two who bring the same list do not wait for each other; but what is
    # said of a number first stays in front.
    rows = sorted(
        ((entry.number, entry.reason, entry.source, to_ms(entry.added_at)) for entry in entries),
        key=lambda row: row[0],
    )
    new = transaction.change_all(_SUPPRESS, rows)
    sources = sorted({entry.source for entry in entries})
    at = max(row[3] for row in rows)
    transaction.audit(at, "suppressed", {"new": new, "given": len(rows), "sources": sources})
    return new


def unsuppress(transaction: Transaction, numbers: Sequence[str], *, now: datetime) -> int:
    """See `Ledger.unsuppress`."""
    rows = [(number,) for number in sorted(numbers)]
    removed = transaction.change_all(_UNSUPPRESS, rows)
    transaction.audit(to_ms(now), "unsuppressed", {"removed": removed, "given": len(rows)})
    return removed


def suppressed_among(transaction: Transaction, numbers: Sequence[str]) -> set[str]:
    """See `Ledger.suppressed_among`."""
    found = transaction.rows(_SUPPRESSED, (transaction.many(numbers),))
    return {number for (number,) in found}
