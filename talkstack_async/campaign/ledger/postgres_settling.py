"""Settling on PostgreSQL: each settlement a compare-and-set, many of them in one transaction.

The rows of a batch are locked in the order of their ids before they are looked at, so what is
read cannot change until it is written, with one statement per table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ..records import Settlement
from .moments import to_ms
from .postgres_text import as_array
from .postgres_transaction import PostgresTransaction
from .settling import AFTER_PLACING, Batch, audit_placed, is_everyday

__all__ = ["settle"]

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


def settle(transaction: PostgresTransaction, settlements: Sequence[Settlement]) -> Sequence[bool]:
    """See `Ledger.settle`."""
    placed = _place(transaction, settlements)
    if len(placed) == len(settlements):
        return [True] * len(settlements)
    rest = [one for one in settlements if one.attempt_id not in placed]
    batch = Batch(transaction, rest, may_repeat=True)
    answers = {id(one): batch.accepts(one) for one in rest}
    _write(transaction, batch)
    return [answers.get(id(one), True) for one in settlements]


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
        if is_everyday(one) and attempts[one.attempt_id] == calls[one.call_id] == 1
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
    for state in AFTER_PLACING:
        contacts = sorted(one.contact_id for one in placed if one.contact is state)
        if contacts:
            transaction.connection.execute(_CONTACTS_PLACED, (int(state), as_array(contacts)))
    audit_placed(transaction, placed, [to_ms(one.at) for one in placed])
    return accepted


def _write(transaction: PostgresTransaction, batch: Batch) -> None:
    change = transaction.change_together
    change(_ATTEMPT, batch.attempts())
    change(_CONTACT, batch.contacts())
    change(_COUNT, batch.counts())
    change(_SUPPRESS, sorted(batch.suppressed, key=lambda row: str(row[0])))
    for campaign_id, (unpriced, micros) in batch.money.items():
        transaction.spend(campaign_id, unpriced=unpriced, micros=micros)
