"""Attempts without an end, and events about them, on SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..records import EventRecord, OpenAttempt
from ..states import AttemptState
from .moments import from_ms, to_ms
from .stored import OPEN_ATTEMPT_COLUMNS, open_attempt_of
from .writer import Transaction, to_json

__all__ = [
    "apply_events",
    "claimed_calls",
    "count_live",
    "followed",
    "note_looks",
    "receive",
    "recover",
    "take_events",
    "take_stale",
]

_UNKNOWN = AttemptState.UNKNOWN

# The condition on two states is the one of the partial index, which holds nothing else.
_DISPATCHING = (
    "SELECT attempt_id, contact_id, campaign_id, worker FROM attempt INDEXED BY attempt_open "
    "WHERE state IN (1, 6) AND state = 1 ORDER BY attempt_id"
)
# Those that were not looked at for longest come first, so that no limit starves the rest.
_STALE = (
    f"SELECT {OPEN_ATTEMPT_COLUMNS} FROM attempt a "  # noqa: S608  # columns
    "JOIN contact c ON c.contact_id = a.contact_id "
    "WHERE a.state IN (1, 6) AND a.campaign_id = ? AND a.sent_at < ? "
    # Its own dispatching ones a worker settles itself, however old a clock makes them look.
    "AND (a.state = 6 OR a.worker <> ?) "
    "ORDER BY coalesce(a.looked_at, 0), a.sent_at, a.attempt_id LIMIT ?"
)
_TAKE_OVER = "UPDATE attempt SET state = ?, worker = ? WHERE attempt_id = ?"
_LOOKED = (
    "UPDATE attempt SET looks = looks + 1, looked_at = ? "
    "WHERE attempt_id = ? AND worker = ? AND state = 6"
)
_FOLLOWED = (
    f"SELECT {OPEN_ATTEMPT_COLUMNS} FROM contact c "  # noqa: S608  # columns
    "CROSS JOIN attempt a ON a.contact_id = c.contact_id AND a.n = c.tries "
    "WHERE c.campaign_id = ? AND c.state IN (1, 3) AND c.state = 1 "
    "AND a.state = 2 AND a.attempt_id > ? ORDER BY a.attempt_id LIMIT ?"
)
_LIVE = "SELECT count(*) FROM contact WHERE campaign_id = ? AND state IN (1, 3) AND state = 1"
_KNOWN_CALLS = "SELECT call_id FROM attempt WHERE call_id IN (SELECT value FROM json_each(?))"
_RECEIVE = "INSERT OR IGNORE INTO event (call_id, digest, status, received_at) VALUES (?, ?, ?, ?)"
# Events about calls nobody knows may stay for long; they must not stand in front of the others.
_WAITING_EVENTS = (
    f"SELECT e.event_id, e.call_id, e.digest, e.status, e.received_at, {OPEN_ATTEMPT_COLUMNS} "  # noqa: S608  # columns
    "FROM event e "
    "LEFT JOIN attempt a ON a.call_id = e.call_id "
    "LEFT JOIN contact c ON c.contact_id = a.contact_id "
    "WHERE e.applied_at IS NULL ORDER BY a.attempt_id IS NULL, e.event_id LIMIT ?"
)
_APPLIED = "UPDATE event SET applied_at = ? WHERE event_id = ?"


def recover(transaction: Transaction, *, worker: str, now: datetime) -> int:
    """See `Ledger.recover`."""
    found = transaction.connection.execute(_DISPATCHING).fetchall()
    for attempt_id, contact_id, campaign_id, before in found:
        ids = (attempt_id, contact_id, campaign_id)
        _take_over(transaction, ids, worker, before=before, why="recovered", now=now)
    return len(found)


def take_stale(
    transaction: Transaction,
    campaign_id: int,
    *,
    worker: str,
    before: datetime,
    limit: int,
    now: datetime,
) -> Sequence[OpenAttempt]:
    """See `Ledger.take_stale`."""
    rows = transaction.connection.execute(
        _STALE, (campaign_id, to_ms(before), worker, limit)
    ).fetchall()
    taken = []
    for row in rows:
        attempt = open_attempt_of(row, state=_UNKNOWN, worker=worker)
        if row[4] != _UNKNOWN or row[5] != worker:
            ids = (attempt.attempt_id, attempt.contact_id, campaign_id)
            _take_over(transaction, ids, worker, before=row[5], why="stale", now=now)
        taken.append(attempt)
    return taken


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
    rows = transaction.connection.execute(_FOLLOWED, (campaign_id, after_id, limit)).fetchall()
    taken = []
    for row in rows:
        attempt = open_attempt_of(row, worker=worker)
        if row[5] != worker:
            ids = (attempt.attempt_id, attempt.contact_id, campaign_id)
            _take_over(
                transaction,
                ids,
                worker,
                before=row[5],
                why="followed",
                now=now,
                state=AttemptState.PLACED,
            )
        taken.append(attempt)
    return taken


def _take_over(
    transaction: Transaction,
    ids: tuple[int, int, int],
    worker: str,
    *,
    before: str,
    why: str,
    now: datetime,
    state: AttemptState = _UNKNOWN,
) -> None:
    attempt_id, contact_id, campaign_id = ids
    transaction.connection.execute(_TAKE_OVER, (int(state), worker, attempt_id))
    transaction.audit(
        to_ms(now),
        "taken_over",
        {"why": why, "state": state.name.lower(), "from": before, "by": worker},
        campaign_id=campaign_id,
        contact_id=contact_id,
        attempt_id=attempt_id,
    )


def note_looks(
    transaction: Transaction, attempt_ids: Sequence[int], *, worker: str, at: datetime
) -> None:
    """See `Ledger.note_looks`."""
    rows = [(to_ms(at), attempt_id, worker) for attempt_id in attempt_ids]
    transaction.connection.executemany(_LOOKED, rows)


def count_live(transaction: Transaction, campaign_id: int) -> int:
    """See `Ledger.count_live`."""
    count: int = transaction.connection.execute(_LIVE, (campaign_id,)).fetchone()[0]
    return count


def claimed_calls(transaction: Transaction, call_ids: Sequence[str]) -> set[str]:
    """See `Ledger.claimed_calls`."""
    found = transaction.connection.execute(_KNOWN_CALLS, (to_json(list(call_ids)),))
    return {call_id for (call_id,) in found}


# --- Events.


def receive(transaction: Transaction, event: EventRecord) -> bool:
    """See `Ledger.receive`."""
    row = (event.call_id, event.digest, event.status, to_ms(event.received_at))
    return transaction.connection.execute(_RECEIVE, row).rowcount == 1


def take_events(
    transaction: Transaction, *, limit: int
) -> Sequence[tuple[EventRecord, OpenAttempt | None]]:
    """See `Ledger.take_events`."""
    rows = transaction.connection.execute(_WAITING_EVENTS, (limit,))
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
    transaction.connection.executemany(_APPLIED, rows)
