"""Settling on PostgreSQL: each settlement a compare-and-set, many of them in one transaction.

The rows of a batch are locked in the order of their ids before they are looked at, so what is
read cannot change until it is written, with one statement per table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import attrs

from ..records import Reason, Settlement
from ..states import AttemptState, ContactState, may_follow
from .moments import to_ms
from .postgres_text import as_array
from .postgres_transaction import PostgresTransaction
from .transaction import to_json

__all__ = ["settle"]

_ATTEMPTS = (
    "SELECT a.attempt_id, a.contact_id, a.campaign_id, a.state, a.worker, a.number, "
    "a.cost_micros, a.call_id, a.settled_at, a.n = c.tries, c.state "
    "FROM attempt a JOIN contact c ON c.contact_id = a.contact_id "
    "WHERE a.attempt_id = ANY(%s::bigint[]) ORDER BY a.attempt_id FOR UPDATE"
)
_KNOWN_CALLS = "SELECT call_id, attempt_id FROM attempt WHERE call_id = ANY(%s::text[])"
_ATTEMPT = (
    "UPDATE attempt a SET state = v.state, call_id = coalesce(v.call_id, a.call_id), "
    "disposition = coalesce(v.disposition, a.disposition), "
    "seconds = coalesce(v.seconds, a.seconds), "
    "cost_micros = coalesce(v.cost_micros, a.cost_micros), error = coalesce(v.error, a.error), "
    "settled_at = v.settled_at "
    "FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::float8[], %s::bigint[], %s::text[], "
    "%s::bigint[], %s::bigint[]) AS v (state, call_id, disposition, seconds, cost_micros, error, "
    "settled_at, attempt_id) WHERE a.attempt_id = v.attempt_id"
)
# Two steps and not one: the rows are locked in the order of their ids.
_PLACED = (
    "WITH mine AS MATERIALIZED (SELECT a.attempt_id, v.call_id, v.at "
    "FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[]) "
    "AS v (attempt_id, contact_id, worker, call_id, at) "
    "JOIN attempt a ON a.attempt_id = v.attempt_id AND a.contact_id = v.contact_id "
    "AND a.worker = v.worker WHERE a.state = 1 "
    "AND NOT EXISTS (SELECT 1 FROM attempt o WHERE o.call_id = v.call_id) "
    "ORDER BY a.attempt_id FOR UPDATE OF a) "
    "UPDATE attempt a SET state = 2, call_id = mine.call_id, settled_at = mine.at "
    "FROM mine WHERE a.attempt_id = mine.attempt_id RETURNING a.attempt_id"
)
_CONTACTS_PLACED = (
    "UPDATE contact SET state = %s, next_at = 0, reason = 'placed', detail = '' "
    "WHERE contact_id = ANY(%s::bigint[]) AND state = 1"
)
_CONTACT = (
    "UPDATE contact c SET state = v.state, next_at = v.next_at, reason = v.reason, "
    "detail = v.detail, attempts = c.attempts - v.given_back "
    "FROM unnest(%s::smallint[], %s::bigint[], %s::text[], %s::text[], %s::smallint[], "
    "%s::bigint[]) AS v (state, next_at, reason, detail, given_back, contact_id) "
    "WHERE c.contact_id = v.contact_id"
)
_COUNT = (
    "UPDATE contact c SET attempts = c.attempts - v.given_back "
    "FROM unnest(%s::smallint[], %s::bigint[]) AS v (given_back, contact_id) "
    "WHERE c.contact_id = v.contact_id"
)
_SUPPRESS = (
    "INSERT INTO suppression (number, reason, source, added_at) "
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) "
    "ON CONFLICT DO NOTHING"
)

# These did not ring, so they cost nothing.
_FREE = (AttemptState.REJECTED, AttemptState.RELEASED)

_CLOSED = (ContactState.DONE, ContactState.EXCLUDED)
_AFTER_PLACING = (ContactState.ACTIVE, ContactState.DONE)

_WORDS = {state: state.name.lower() for state in AttemptState}
_CONTACT_WORDS = {state: state.name.lower() for state in ContactState}


def settle(transaction: PostgresTransaction, settlements: Sequence[Settlement]) -> Sequence[bool]:
    """See `Ledger.settle`."""
    placed = _place(transaction, settlements)
    if len(placed) == len(settlements):
        return [True] * len(settlements)
    rest = [one for one in settlements if one.attempt_id not in placed]
    batch = _Batch(transaction, rest)
    answers = {id(one): batch.accepts(one) for one in rest}
    batch.write()
    return [answers.get(id(one), True) for one in settlements]


# --- The everyday case: calls that were simply placed.


def _place(transaction: PostgresTransaction, settlements: Sequence[Settlement]) -> Collection[int]:
    """Settle the placed calls of a batch that are as they believe; return their attempts.

    The compare-and-set is in the statement. Of a contact whose attempt is dispatching that
    attempt is the last, so nothing else can have moved it.
    """
    attempts = Counter(one.attempt_id for one in settlements)
    calls = Counter(one.call_id for one in settlements)
    everyday = {
        one.attempt_id: one
        for one in settlements
        if _is_everyday(one) and attempts[one.attempt_id] == calls[one.call_id] == 1
    }
    if not everyday:
        return ()
    given = everyday.values()
    found = transaction.connection.execute(
        _PLACED,
        (
            as_array(everyday),
            as_array(one.contact_id for one in given),
            as_array(one.worker for one in given),
            as_array(one.call_id for one in given),
            as_array(to_ms(one.at) for one in given),
        ),
    )
    accepted = {attempt_id for (attempt_id,) in found}
    placed = [one for one in given if one.attempt_id in accepted]
    for state in _AFTER_PLACING:
        contacts = sorted(one.contact_id for one in placed if one.contact is state)
        if contacts:
            transaction.connection.execute(_CONTACTS_PLACED, (int(state), as_array(contacts)))
    _audit_placed(transaction, placed)
    return accepted


def _is_everyday(settlement: Settlement) -> bool:
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
        and settlement.contact in _AFTER_PLACING
    )


def _audit_placed(transaction: PostgresTransaction, settlements: Sequence[Settlement]) -> None:
    """Say of a whole batch that it was placed, in one line for each way it goes on."""
    groups: dict[tuple[int, ContactState, str], list[tuple[int, int, str | None, int]]] = {}
    for one in settlements:
        key = (one.campaign_id, one.contact, one.detail)
        groups.setdefault(key, []).append(
            (one.contact_id, one.attempt_id, one.call_id, to_ms(one.at))
        )
    for (campaign_id, contact, detail), placed in groups.items():
        words = {"contact": _CONTACT_WORDS[contact], "reason": Reason.PLACED.value}
        if detail:
            words["detail"] = detail
        at = max(moment for *_, moment in placed)
        transaction.audit_all(at, "placed", to_json(words), placed, campaign_id=campaign_id)


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


class _Batch:
    """The rows of one settling, gathered first and written with one statement per table."""

    def __init__(
        self, transaction: PostgresTransaction, settlements: Sequence[Settlement]
    ) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        ids = as_array(settlement.attempt_id for settlement in settlements)
        self._standing = {
            attempt_id: _Standing(contact_id, campaign_id, AttemptState(state), *rest)
            for attempt_id, contact_id, campaign_id, state, *rest in self._connection.execute(
                _ATTEMPTS, (ids,)
            )
        }
        calls = [settlement.call_id for settlement in settlements if settlement.call_id]
        self._owner_of_call = dict(
            self._connection.execute(_KNOWN_CALLS, (as_array(calls),)).fetchall() if calls else ()
        )
        # By attempt and by contact: a statement changes each row once.
        self._attempts: dict[int, list[Any]] = {}
        self._contacts: dict[int, tuple[Any, ...]] = {}
        self._given_back: Counter[int] = Counter()
        self._suppressed: list[tuple[Any, ...]] = []

    def accepts(self, settlement: Settlement) -> bool:
        """Compare, and if the attempt is as the settlement believes, note what to write."""
        attempt = self._standing.get(settlement.attempt_id)
        if attempt is None:
            return False
        if not self._matches(attempt, settlement):
            return attempt.is_result_of(settlement)
        if settlement.call_id:
            self._owner_of_call[settlement.call_id] = settlement.attempt_id
        self._account(attempt, settlement)
        self._note(attempt, settlement)
        _audit(self._transaction, settlement)
        return True

    def write(self) -> None:
        """Write everything that was noted."""
        given_back = self._given_back
        contacts = [
            (*row, given_back.pop(contact_id, 0), contact_id)
            for contact_id, row in self._contacts.items()
        ]
        attempts = [(*row, attempt_id) for attempt_id, row in self._attempts.items()]
        counts = [(count, contact_id) for contact_id, count in given_back.items()]
        change = self._transaction.change_together
        change(_ATTEMPT, attempts)
        change(_CONTACT, contacts)
        change(_COUNT, counts)
        change(_SUPPRESS, sorted(self._suppressed, key=lambda row: str(row[0])))

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
            self._transaction.spend(attempt.campaign_id, unpriced=unpriced, micros=spent)

    def _note(self, attempt: _Standing, settlement: Settlement) -> None:
        disposition = settlement.disposition
        row = [
            int(settlement.after),
            settlement.call_id,
            None if disposition is None else disposition.value,
            settlement.seconds,
            settlement.cost_micros,
            settlement.error,
        ]
        # What was said of it before stays, where nothing new is said.
        before = self._attempts.get(settlement.attempt_id, row)
        merged = [old if new is None else new for old, new in zip(before, row, strict=False)]
        self._attempts[settlement.attempt_id] = [*merged, _settled_at(settlement)]
        if not settlement.counts:
            self._given_back[attempt.contact_id] += 1
        if attempt.moves_contact(settlement.contact):
            attempt.contact = settlement.contact
            self._contacts[attempt.contact_id] = _contact_row(settlement)
        if settlement.suppress:
            at = to_ms(settlement.at)
            self._suppressed.append((attempt.number, settlement.suppress, "call", at))


def _settled_at(settlement: Settlement) -> int | None:
    return None if settlement.after is AttemptState.UNKNOWN else to_ms(settlement.at)


def _contact_row(settlement: Settlement) -> tuple[Any, ...]:
    next_at = 0
    if settlement.contact is ContactState.READY:
        next_at = to_ms(settlement.next_at or settlement.at)
    return int(settlement.contact), next_at, settlement.reason.value, settlement.detail


def _audit(transaction: PostgresTransaction, settlement: Settlement) -> None:
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
