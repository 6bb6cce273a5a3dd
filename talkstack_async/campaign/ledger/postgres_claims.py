"""Claiming on PostgreSQL: which contacts are due, and how those to be called are taken.

Several workers may claim at once. Rows that another one is about to change are left out, and of
two who take the same number in two campaigns the database lets one win.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from ..decisions import Decide
from ..records import Admit, CampaignRecord, Claimed
from ..states import CampaignState
from .claiming import Due, Taking
from .moments import to_ms
from .postgres_text import as_array
from .postgres_transaction import PostgresTransaction

__all__ = ["claim"]

# From each shard its share, so that the index hands them out in their order and no more rows are
# locked than are looked at, or one per shard more.
_DUE = (
    "SELECT d.* FROM unnest(%s::smallint[]) AS s (shard) CROSS JOIN LATERAL ("
    "SELECT contact_id, number, variables, zones, regions, attempts, tries, next_at, reason, "
    "detail, (SELECT p.reason FROM suppression p WHERE p.number = c.number), shard "
    "FROM contact c WHERE c.campaign_id = %s AND c.shard = s.shard "
    "AND c.state = 0 AND c.next_at <= %s ORDER BY c.next_at, c.contact_id LIMIT %s "
    "FOR UPDATE OF c SKIP LOCKED) d"
)
_NEXT_DUE = (
    "SELECT min(d.next_at) FROM unnest(%s::smallint[]) AS s (shard) CROSS JOIN LATERAL ("
    "SELECT c.next_at FROM contact c WHERE c.campaign_id = %s AND c.shard = s.shard "
    "AND c.state = 0 ORDER BY c.next_at LIMIT 1) d"
)

# Waits for whoever is inserting the same number, and then leaves it to them.
_ADD_ATTEMPTS = (
    "INSERT INTO attempt (contact_id, campaign_id, n, number, state, worker, sent_at) "
    "SELECT v.contact_id, %s, v.n, v.number, 1, %s, %s "
    "FROM unnest(%s::bigint[], %s::smallint[], %s::text[]) AS v (contact_id, n, number) "
    "ON CONFLICT (number) WHERE state IN (1, 6) DO NOTHING RETURNING contact_id, attempt_id"
)
_WITHDRAW = "DELETE FROM attempt WHERE attempt_id = ANY(%s::bigint[])"
_TAKE = (
    "UPDATE contact SET state = 1, attempts = attempts + 1, tries = tries + 1, reason = NULL, "
    "detail = NULL WHERE contact_id = ANY(%s::bigint[])"
)
_WAIT = (
    "UPDATE contact c SET next_at = v.next_at, reason = v.reason, detail = v.detail "
    "FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) "
    "AS v (next_at, reason, detail, contact_id) WHERE c.contact_id = v.contact_id"
)
_STOP = (
    "UPDATE contact c SET state = v.state, reason = v.reason, detail = v.detail "
    "FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::bigint[]) "
    "AS v (state, reason, detail, contact_id) WHERE c.contact_id = v.contact_id"
)


def claim(
    transaction: PostgresTransaction,
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
    transaction.check_time()
    campaign = transaction.campaign(campaign_id)
    if campaign.settings.budget is not None:
        # What is reserved must be exact over all workers, so they take turns.
        campaign = transaction.campaign(campaign_id, lock=True)
    admitted = admit(campaign) if campaign.state is CampaignState.RUNNING else 0
    shards = _shards(transaction, campaign, worker=worker)
    due_at = to_ms(due_by or now)
    taking = Taking(transaction, campaign, worker=worker, now=now, due_at=due_at)
    if admitted > 0 and limit > 0:
        due = _due(transaction, campaign_id, shards=shards, due_at=due_at, limit=limit)
        taking.decide_on(due, decide=decide, admitted=admitted)
        _write(transaction, campaign_id, taking)
        if taking.claims and campaign.settings.budget is None:
            transaction.keep(campaign)
    next_due = None
    if taking.saw_all(limit):
        ((next_due,),) = transaction.connection.execute(_NEXT_DUE, (shards, campaign_id))
    return taking.answer(next_due=next_due)


def _shards(
    transaction: PostgresTransaction, campaign: CampaignRecord, *, worker: str
) -> list[int]:
    """Return the shards of a campaign that a worker may claim from."""
    others = set(transaction.shards_of_others(campaign.campaign_id, (worker,)))
    return [shard for shard in range(campaign.shards) if shard not in others]


def _due(
    transaction: PostgresTransaction,
    campaign_id: int,
    *,
    shards: Sequence[int],
    due_at: int,
    limit: int,
) -> list[Due]:
    """Lock and return contacts that are due, those that wait longest first.

    Most often each shard has its share to give. If some have less, the others are asked again.
    """
    found: dict[int, Due] = {}
    asked, share = shards, 0
    while asked and len(found) < limit:
        share += -(-(limit - len(found)) // len(asked))
        # Those a shard gave before come again: what is locked by ourselves is not left out.
        rows = transaction.connection.execute(_DUE, (asked, campaign_id, due_at, share))
        counts: Counter[int] = Counter()
        for *columns, shard in rows:
            contact = Due._make(columns)
            found[contact.contact_id] = contact
            counts[shard] += 1
        asked = [shard for shard, count in counts.items() if count == share]
    return sorted(found.values(), key=lambda each: (each.next_at, each.contact_id))[:limit]


def _write(transaction: PostgresTransaction, campaign_id: int, taking: Taking) -> None:
    if taking.wanted:
        attempts = _add_attempts(transaction, campaign_id, taking)
        # From the moment the attempts were added nobody else can begin one on these numbers, and
        # what was begun before is seen now.
        if late := taking.rung_meanwhile(attempts):
            withdrawn = as_array(attempts.pop(contact_id) for contact_id in late)
            transaction.connection.execute(_WITHDRAW, (withdrawn,))
        taking.take([attempts.get(contact.contact_id) for contact in taking.wanted])
    if taking.claims:
        taken = as_array(claim.contact_id for claim in taking.claims)
        transaction.connection.execute(_TAKE, (taken,))
        transaction.spend(campaign_id, unpriced=len(taking.claims))
    transaction.change_together(_WAIT, taking.waits)
    transaction.change_together(_STOP, taking.stops)


def _add_attempts(
    transaction: PostgresTransaction, campaign_id: int, taking: Taking
) -> dict[int, int]:
    """Insert the attempts; return those that could be, by their contacts."""
    # Two workers that insert the same numbers wait for each other only in the same order.
    contacts = sorted(taking.wanted, key=lambda each: each.number)
    added = transaction.connection.execute(
        _ADD_ATTEMPTS,
        (
            campaign_id,
            taking.worker,
            taking.at,
            as_array(contact.contact_id for contact in contacts),
            as_array(contact.tries + 1 for contact in contacts),
            as_array(contact.number for contact in contacts),
        ),
    )
    return dict(added.fetchall())
