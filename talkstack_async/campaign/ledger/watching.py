"""Attempts without an end, and events about them, in either database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import attrs

from ..records import EventRecord, OpenAttempt
from ..states import AttemptState
from .moments import from_ms, to_ms
from .stored import OPEN_ATTEMPT_COLUMNS, open_attempt_of
from .transaction import Transaction

__all__ = [
    "apply_events",
    "claimed_calls",
    "count_live",
    "followed",
    "note_looks",
    "receive",
    "take_events",
    "take_over",
    "take_stale",
]

_UNKNOWN = AttemptState.UNKNOWN

# Those that were not looked at for longest come first, so that no limit starves the rest.
_STALE = (
    f"SELECT {OPEN_ATTEMPT_COLUMNS} FROM attempt a "  # noqa: S608  # columns
    "JOIN contact c ON c.contact_id = a.contact_id "
    "WHERE a.state IN (1, 6) AND a.campaign_id = ? AND a.sent_at < ? AND c.shard {not_among} "
    # Its own dispatching ones a worker settles itself, however old a clock makes them look; but
    # those of an earlier run of its nobody settles any more.
    "AND (a.state = 6 OR a.worker <> ? OR a.sent_at < ?) "
    "ORDER BY coalesce(a.looked_at, 0), a.sent_at, a.attempt_id LIMIT ? {take_a}"
)
_TAKE_OVER = "UPDATE attempt SET state = ?, worker = ? WHERE attempt_id = ?"
_LOOKED = (
    "UPDATE attempt SET looks = looks + 1, looked_at = ? "
    "WHERE attempt_id = ? AND worker = ? AND state = 6"
)
_FOLLOWED = (
    f"SELECT {OPEN_ATTEMPT_COLUMNS} FROM contact c "  # noqa: S608  # columns
    "{then} attempt a ON a.contact_id = c.contact_id AND a.n = c.tries "
    "WHERE c.campaign_id = ? AND c.state IN (1, 3) AND c.state = 1 AND a.state = 2 "
    # Whoever lives goes on following its own calls, also in shards that it has handed on.
    "AND (a.worker = ? OR c.shard {not_among} AND a.worker {not_among}) "
    "AND a.attempt_id > ? ORDER BY a.attempt_id LIMIT ? {take_a}"
)
_LIVE = (
    "SELECT count(*) FROM contact "
    "WHERE campaign_id = ? AND state IN (1, 3) AND state = 1 AND shard {not_among}"
)
_KNOWN_CALLS = "SELECT call_id FROM attempt WHERE call_id {among}"
_RECEIVE = (
    "INSERT INTO event (call_id, digest, status, received_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
# Events about calls nobody knows may stay for long; they must not stand in front of the others.
_WAITING_EVENTS = (
    f"SELECT e.event_id, e.call_id, e.digest, e.status, e.received_at, {OPEN_ATTEMPT_COLUMNS} "  # noqa: S608  # columns
    "FROM event e "
    "LEFT JOIN attempt a ON a.call_id = e.call_id "
    "LEFT JOIN contact c ON c.contact_id = a.contact_id "
    "WHERE e.applied_at IS NULL ORDER BY a.attempt_id IS NULL, e.event_id LIMIT ?"
)
_APPLIED = "UPDATE event SET applied_at = ? WHERE event_id = ?"


def take_stale(
    transaction: Transaction,
    campaign_id: int,
    *,
    worker: str,
    before: datetime,
    limit: int,
    own_before: datetime | None,
    now: datetime,
) -> Sequence[OpenAttempt]:
    """See `Ledger.take_stale`."""
    own_at = 0 if own_before is None else to_ms(own_before)
    others = transaction.many(transaction.shards_of_others(campaign_id, (worker,)))
    rows = transaction.rows(_STALE, (campaign_id, to_ms(before), others, worker, own_at, limit))
    attempts = [open_attempt_of(row) for row in rows]
    changing = [each for each in attempts if each.state != _UNKNOWN or each.worker != worker]
    take_over(transaction, changing, worker, why="stale", now=now)
    return [attrs.evolve(each, state=_UNKNOWN, worker=worker) for each in attempts]


def followed(
    transaction: Transaction,
    campaign_id: int,
    *,
    worker: str,
    after_id: int,
    limit: int,
    now: datetime,
) -> Sequence[OpenAttempt]:
    """See `Ledger.followed`."""
    others = transaction.many(transaction.shards_of_others(campaign_id, (worker,)))
    living = transaction.many(transaction.living_besides(worker))
    rows = transaction.rows(_FOLLOWED, (campaign_id, worker, others, living, after_id, limit))
    attempts = [open_attempt_of(row) for row in rows]
    changing = [each for each in attempts if each.worker != worker]
    take_over(transaction, changing, worker, why="followed", now=now, state=AttemptState.PLACED)
    return [attrs.evolve(each, worker=worker) for each in attempts]


def take_over(
    transaction: Transaction,
    attempts: Sequence[OpenAttempt],
    worker: str,
    *,
    why: str,
    now: datetime,
    state: AttemptState = _UNKNOWN,
) -> None:
    """Make attempts this worker's, and have them in a state."""
    transaction.change_all(_TAKE_OVER, [(int(state), worker, one.attempt_id) for one in attempts])
    for one in attempts:
        transaction.audit(
            to_ms(now),
            "taken_over",
            {"why": why, "state": state.name.lower(), "from": one.worker, "by": worker},
            campaign_id=one.campaign_id,
            contact_id=one.contact_id,
            attempt_id=one.attempt_id,
        )


def note_looks(
    transaction: Transaction, attempt_ids: Sequence[int], *, worker: str, at: datetime
) -> None:
    """See `Ledger.note_looks`."""
    rows = [(to_ms(at), attempt_id, worker) for attempt_id in attempt_ids]
    transaction.change_all(_LOOKED, rows)


def count_live(transaction: Transaction, campaign_id: int, *, workers: Collection[str]) -> int:
    """See `Ledger.count_live`; shards that others than these workers hold are left out."""
    others = transaction.many(transaction.shards_of_others(campaign_id, workers))
    count: int = transaction.rows(_LIVE, (campaign_id, others))[0][0]
    return count


def claimed_calls(transaction: Transaction, call_ids: Sequence[str]) -> set[str]:
    """See `Ledger.claimed_calls`."""
    found = transaction.rows(_KNOWN_CALLS, (transaction.many(call_ids),))
    return {call_id for (call_id,) in found}


# --- Events.


def receive(transaction: Transaction, event: EventRecord) -> bool:
    """See `Ledger.receive`."""
    row = (event.call_id, event.digest, event.status, to_ms(event.received_at))
    return transaction.change(_RECEIVE, row) == 1


def take_events(
    transaction: Transaction, *, limit: int
) -> Sequence[tuple[EventRecord, OpenAttempt | None]]:
    """See `Ledger.take_events`."""
    rows = transaction.rows(_WAITING_EVENTS, (limit,))
    return [(_event_of(row[:5]), _attempt_of(row[5:])) for row in rows]


def _event_of(row: Sequence[Any]) -> EventRecord:
    event_id, call_id, digest, status, received_at = row
    return EventRecord(
        event_id=event_id,
        call_id=call_id,
        digest=digest,
        status=status,
        received_at=from_ms(received_at),
    )


def _attempt_of(row: Sequence[Any]) -> OpenAttempt | None:
    return None if row[0] is None else open_attempt_of(row)


def apply_events(transaction: Transaction, event_ids: Sequence[int], *, at: datetime) -> None:
    """See `Ledger.apply_events`."""
    rows = [(to_ms(at), event_id) for event_id in event_ids]
    transaction.change_all(_APPLIED, rows)
