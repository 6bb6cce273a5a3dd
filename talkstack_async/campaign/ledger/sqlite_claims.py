"""Claiming on SQLite: which contacts are due, and how those to be called are taken."""

from __future__ import annotations

from datetime import datetime

from ..decisions import Decide
from ..records import Admit, Claimed
from ..states import CampaignState
from .claiming import Due, Taking
from .moments import to_ms
from .sqlite_transaction import SqliteTransaction
from .transaction import to_json

__all__ = ["claim"]

_DUE = (
    "SELECT contact_id, number, variables, zones, regions, attempts, tries, next_at, reason, "
    "detail, (SELECT s.reason FROM suppression s WHERE s.number = contact.number) FROM contact "
    "WHERE campaign_id = ? AND shard = 0 AND state = 0 AND next_at <= ? "
    "ORDER BY next_at, contact_id LIMIT ?"
)
_NEXT_DUE = (
    "SELECT next_at FROM contact WHERE campaign_id = ? AND shard = 0 AND state = 0 "
    "ORDER BY next_at LIMIT 1"
)

_LAST_ATTEMPT = "SELECT max(attempt_id) FROM attempt"
_ADD_ATTEMPTS = (
    "INSERT INTO attempt (attempt_id, contact_id, campaign_id, n, number, state, worker, sent_at) "
    "SELECT ? + j.key, c.contact_id, c.campaign_id, c.tries + 1, c.number, 1, ?, ? "
    "FROM json_each(?) j CROSS JOIN contact c ON c.contact_id = j.value"
)
_TAKE = (
    "UPDATE contact SET state = 1, attempts = attempts + 1, tries = tries + 1, reason = NULL, "
    "detail = NULL WHERE contact_id IN (SELECT value FROM json_each(?))"
)
_WAIT = "UPDATE contact SET next_at = ?, reason = ?, detail = ? WHERE contact_id = ?"
_STOP = "UPDATE contact SET state = ?, reason = ?, detail = ? WHERE contact_id = ?"
_RESERVE = "UPDATE campaign SET unpriced = unpriced + ? WHERE campaign_id = ?"


def claim(
    transaction: SqliteTransaction,
    campaign_id: int,
    *,
    worker: str,
    limit: int,
    now: datetime,
    decide: Decide,
    admit: Admit,
    due_by: datetime | None = None,
) -> Claimed:
    """See `Ledger.claim`."""
    connection = transaction.connection
    campaign = transaction.campaign(campaign_id)
    admitted = admit(campaign) if campaign.state is CampaignState.RUNNING else 0
    due_at = to_ms(due_by or now)
    taking = Taking(transaction, campaign, worker=worker, now=now, due_at=due_at)
    if admitted > 0 and limit > 0:
        found = connection.execute(_DUE, (campaign_id, due_at, limit))
        taking.decide_on(list(map(Due._make, found)), decide=decide, admitted=admitted)
        _write(transaction, campaign_id, taking)
    next_due = None
    if taking.saw_all(limit):
        row = connection.execute(_NEXT_DUE, (campaign_id,)).fetchone()
        next_due = None if row is None else row[0]
    return taking.answer(next_due=next_due)


def _write(transaction: SqliteTransaction, campaign_id: int, taking: Taking) -> None:
    connection = transaction.connection
    if taking.wanted:
        # No attempt is ever deleted, and the transaction holds the write lock.
        (last,) = connection.execute(_LAST_ATTEMPT).fetchone()
        first, count = (last or 0) + 1, len(taking.wanted)
        ids = to_json([contact.contact_id for contact in taking.wanted])
        connection.execute(_ADD_ATTEMPTS, (first, taking.worker, taking.at, ids))
        connection.execute(_TAKE, (ids,))
        connection.execute(_RESERVE, (count, campaign_id))
        taking.take(range(first, first + count))
    if taking.waits:
        connection.executemany(_WAIT, taking.waits)
    if taking.stops:
        connection.executemany(_STOP, taking.stops)
