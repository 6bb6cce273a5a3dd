"""What settling does alike on both databases: compare, count the money, say so in the audit.

How attempts and contacts are written is the matter of each database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from ...wire.quick_json import quote_text
from ..decisions import Reason
from ..records import Settlement
from ..states import AttemptState, ContactState, may_follow
from .moments import to_ms
from .transaction import Transaction, to_json

__all__ = ["AFTER_PLACING", "Batch", "audit_placed", "is_everyday"]

# Where a contact may go when its call was placed.
AFTER_PLACING = (ContactState.ACTIVE, ContactState.DONE)

# Locked in the order of their ids, so that two workers do not wait for each other.
_ATTEMPTS = (
    "SELECT a.attempt_id, a.contact_id, a.campaign_id, a.state, a.worker, a.number, "
    "a.cost_micros, a.call_id, a.settled_at, a.n = c.tries, c.state "
    "FROM attempt a {then} contact c ON c.contact_id = a.contact_id "
    "WHERE a.attempt_id {among} ORDER BY a.attempt_id {lock}"
)
_KNOWN_CALLS = "SELECT call_id, attempt_id FROM attempt WHERE call_id {among}"

# These did not ring, so they cost nothing.
_FREE = (AttemptState.REJECTED, AttemptState.RELEASED)

_CLOSED = (ContactState.DONE, ContactState.EXCLUDED)

_WORDS = {state: state.name.lower() for state in AttemptState}
_CONTACT_WORDS = {state: state.name.lower() for state in ContactState}


# --- The everyday case: calls that were simply placed.


def is_everyday(settlement: Settlement) -> bool:
    """Say whether a call was simply placed: nothing else about it has to be weighed."""
    return (
        settlement.after is AttemptState.PLACED
        and AttemptState.DISPATCHING in settlement.before
        and settlement.call_id is not None
        and settlement.counts
        and settlement.cost_micros is None
        and settlement.suppress is None
        and settlement.error is None
        and settlement.reason is Reason.PLACED
        and settlement.contact in AFTER_PLACING
    )


def audit_placed(
    transaction: Transaction, settlements: Sequence[Settlement], moments: Sequence[int]
) -> None:
    """Say of a whole batch that it was placed, in one line for each way it goes on."""
    groups: dict[tuple[int, ContactState, str], list[str]] = {}
    latest = max(moments, default=0)
    for one, at in zip(settlements, moments, strict=True):
        key = (one.campaign_id, one.contact, one.detail)
        call_id = quote_text(one.call_id or "")
        groups.setdefault(key, []).append(f"[{one.contact_id},{one.attempt_id},{call_id},{at}]")
    for (campaign_id, contact, detail), placed in groups.items():
        words = {"contact": _CONTACT_WORDS[contact], "reason": Reason.PLACED.value}
        if detail:
            words["detail"] = detail
        said_of_all = to_json(words)
        transaction.audit_all(latest, "placed", said_of_all, placed, campaign_id=campaign_id)


# --- All others.


@attrs.define
class _Standing:
    """An attempt as it stands, moved along while a batch is gone through."""

    contact_id: int
    campaign_id: int
    state: AttemptState
    worker: str
    number: str
    cost: int | None
    call_id: str | None
    settled_at: int | None
    is_last: bool  # of its contact's attempts
    contact: ContactState

    @property
    def is_unpriced(self) -> bool:
        return self.state not in _FREE and self.cost is None

    def moves_contact(self, to: ContactState) -> bool:
        """Whether the contact goes where the attempt's end would have it.

        It does not if it has moved on to another attempt, nor if it is done with: late news
        does not undo what a person decided meanwhile.
        """
        return self.is_last and (self.contact not in _CLOSED or to in _CLOSED)

    def is_result_of(self, settlement: Settlement) -> bool:
        """Whether this very settlement was written before, and the answer was lost."""
        return (
            self.worker == settlement.worker
            and self.contact_id == settlement.contact_id
            and self.state is settlement.after
            and self.call_id == settlement.call_id
            and self.settled_at == _settled_at(settlement)
        )


class Batch:
    """Settlements that are gone through in their order: gathers what is to be written.

    Args:
        transaction: In which they are settled.
        settlements: All of them.
        may_repeat: What was written before is accepted once more: the answer may have been lost.

    Attributes:
        money: What attempts that may still cost something, and what others have cost, changed by
            in each campaign.
        suppressed: Rows of `number`, `reason`, `source` and `added_at`.
    """

    def __init__(
        self, transaction: Transaction, settlements: Sequence[Settlement], *, may_repeat: bool
    ) -> None:
        self._transaction = transaction
        self._may_repeat = may_repeat
        ids = transaction.many([settlement.attempt_id for settlement in settlements])
        self._standing = {
            attempt_id: _Standing(contact_id, campaign_id, AttemptState(state), *rest)
            for attempt_id, contact_id, campaign_id, state, *rest in transaction.rows(
                _ATTEMPTS, (ids,)
            )
        }
        calls = [settlement.call_id for settlement in settlements if settlement.call_id]
        self._owner_of_call: dict[str, int] = (
            dict(transaction.rows(_KNOWN_CALLS, (transaction.many(calls),))) if calls else {}
        )
        # By attempt and by contact: a statement may change each row only once.
        self._attempts: dict[int, tuple[Any, ...]] = {}
        self._contacts: dict[int, tuple[Any, ...]] = {}
        self._given_back: Counter[int] = Counter()
        self.money: dict[int, tuple[int, int]] = {}
        self.suppressed: list[tuple[Any, ...]] = []

    def accepts(self, settlement: Settlement) -> bool:
        """Compare, and if the attempt is as the settlement believes, note what to write."""
        attempt = self._standing.get(settlement.attempt_id)
        if attempt is None:
            return False
        if not self._matches(attempt, settlement):
            return self._may_repeat and attempt.is_result_of(settlement)
        if settlement.call_id:
            self._owner_of_call[settlement.call_id] = settlement.attempt_id
        self._account(attempt, settlement)
        self._note(attempt, settlement)
        _audit(self._transaction, settlement)
        return True

    def attempts(self) -> list[tuple[Any, ...]]:
        """Return rows as `_attempt_row` makes them.

        None leaves what is there, except in `settled_at`.
        """
        return list(self._attempts.values())

    def contacts(self) -> list[tuple[Any, ...]]:
        """Return rows of `state`, `next_at`, `reason`, `detail`, `given_back`, `contact_id`."""
        given_back = self._given_back.get
        return [
            (*row, given_back(contact_id, 0), contact_id)
            for contact_id, row in self._contacts.items()
        ]

    def counts(self) -> list[tuple[int, int]]:
        """Return rows of `given_back` and `contact_id` for contacts that otherwise stay."""
        return [
            (count, contact_id)
            for contact_id, count in self._given_back.items()
            if contact_id not in self._contacts
        ]

    def _matches(self, attempt: _Standing, settlement: Settlement) -> bool:
        owner = settlement.attempt_id
        if settlement.call_id:
            # The history may show one call twice; it belongs to whom it was given first.
            owner = self._owner_of_call.get(settlement.call_id, owner)
        return (
            attempt.worker == settlement.worker
            and attempt.contact_id == settlement.contact_id
            and attempt.state in settlement.before
            and may_follow(attempt.state, settlement.after)
            and owner == settlement.attempt_id
        )

    def _account(self, attempt: _Standing, settlement: Settlement) -> None:
        """Move the attempt on, and the campaign's money with it."""
        before = attempt.is_unpriced
        attempt.state = settlement.after
        attempt.call_id = settlement.call_id or attempt.call_id
        attempt.settled_at = _settled_at(settlement)
        spent = 0
        if settlement.cost_micros is not None:
            spent = settlement.cost_micros - (attempt.cost or 0)
            attempt.cost = settlement.cost_micros
        unpriced = attempt.is_unpriced - before
        if unpriced or spent:
            old = self.money.get(attempt.campaign_id, (0, 0))
            self.money[attempt.campaign_id] = (old[0] + unpriced, old[1] + spent)

    def _note(self, attempt: _Standing, settlement: Settlement) -> None:
        row = _attempt_row(settlement, attempt.settled_at)
        before = self._attempts.get(settlement.attempt_id)
        if before is not None:
            # What was said of it before stays, where nothing new is said.
            kept = (old if new is None else new for old, new in zip(before, row, strict=True))
            row = (*tuple(kept)[:-2], *row[-2:])
        self._attempts[settlement.attempt_id] = row
        if not settlement.counts:
            self._given_back[attempt.contact_id] += 1
        if attempt.moves_contact(settlement.contact):
            attempt.contact = settlement.contact
            self._contacts[attempt.contact_id] = _contact_row(settlement)
        if settlement.suppress:
            at = to_ms(settlement.at)
            self.suppressed.append((attempt.number, settlement.suppress, "call", at))


def _attempt_row(settlement: Settlement, settled_at: int | None) -> tuple[Any, ...]:
    """Return state, call id, disposition, seconds, cost, error, settled at, and the attempt."""
    disposition = settlement.disposition
    return (
        int(settlement.after),
        settlement.call_id,
        None if disposition is None else disposition.value,
        settlement.seconds,
        settlement.cost_micros,
        settlement.error,
        settled_at,
        settlement.attempt_id,
    )


def _settled_at(settlement: Settlement) -> int | None:
    return None if settlement.after is AttemptState.UNKNOWN else to_ms(settlement.at)


def _contact_row(settlement: Settlement) -> tuple[Any, ...]:
    next_at = 0
    if settlement.contact is ContactState.READY:
        next_at = to_ms(settlement.next_at or settlement.at)
    return int(settlement.contact), next_at, settlement.reason.value, settlement.detail


def _audit(transaction: Transaction, settlement: Settlement) -> None:
    transaction.audit(
        to_ms(settlement.at),
        _WORDS[settlement.after],
        _detail(settlement),
        campaign_id=settlement.campaign_id,
        contact_id=settlement.contact_id,
        attempt_id=settlement.attempt_id,
    )


def _detail(settlement: Settlement) -> str:
    """Return the audit's words as JSON; most calls are placed, and need few of them."""
    contact, reason = _CONTACT_WORDS[settlement.contact], settlement.reason
    parts = [f'{{"contact":"{contact}","reason":"{reason}"']
    for name, value in (
        ("detail", settlement.detail or None),
        ("call_id", settlement.call_id),
        ("disposition", settlement.disposition),
        ("cost_micros", settlement.cost_micros),
        ("error", settlement.error),
        ("next_at", None if settlement.next_at is None else to_ms(settlement.next_at)),
        ("counts", None if settlement.counts else False),
        ("suppress", settlement.suppress),
    ):
        if value is not None:
            parts.append(f'"{name}":{to_json(value)}')
    return ",".join(parts) + "}"
