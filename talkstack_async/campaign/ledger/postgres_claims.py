"""Claiming on PostgreSQL: look at due contacts, decide on each, take those to be called.

Several workers may claim at once. Rows that another one is about to change are left out, and of
two who take the same number in two campaigns the database lets one win.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, assert_never

import attrs

from ..records import (
    Admit,
    CallNow,
    CampaignRecord,
    Candidate,
    Claim,
    Claimed,
    Decide,
    Earlier,
    Reason,
    Stop,
    Wait,
)
from ..states import CampaignState, ContactState
from .moments import from_ms, to_ms
from .postgres_text import as_array
from .postgres_transaction import PostgresTransaction
from .stored import words_of
from .writer import to_json

__all__ = ["claim"]

# The rules look back a week; a little more does no harm.
_LOOK_BACK = timedelta(days=7, hours=1)
# The number is being called by another campaign; a call takes about that long to be placed.
_ELSEWHERE = timedelta(minutes=1)

# From each shard its share, so that the index hands them out in their order and no more rows are
# locked than are looked at, or one per shard more.
_DUE = (
    "SELECT d.* FROM unnest(%s::smallint[]) AS s (shard) CROSS JOIN LATERAL ("
    "SELECT contact_id, number, variables, zones, regions, attempts, tries, next_at, reason, "
    "detail, shard FROM contact c WHERE c.campaign_id = %s AND c.shard = s.shard "
    "AND c.state = 0 AND c.next_at <= %s ORDER BY c.next_at, c.contact_id LIMIT %s "
    "FOR UPDATE SKIP LOCKED) d"
)
_NEXT_DUE = (
    "SELECT min(d.next_at) FROM unnest(%s::smallint[]) AS s (shard) CROSS JOIN LATERAL ("
    "SELECT c.next_at FROM contact c WHERE c.campaign_id = %s AND c.shard = s.shard "
    "AND c.state = 0 ORDER BY c.next_at LIMIT 1) d"
)
_SUPPRESSED = "SELECT number, reason FROM suppression WHERE number = ANY(%s::text[])"
# Released and rejected attempts certainly did not ring.
_EARLIER = (
    "SELECT c.number, a.sent_at, a.campaign_id FROM contact c "
    "JOIN attempt a ON a.contact_id = c.contact_id "
    "WHERE c.number = ANY(%s::text[]) AND a.sent_at > %s AND a.state NOT IN (4, 5) "
    "ORDER BY a.sent_at"
)
_OPEN = "SELECT number FROM attempt WHERE number = ANY(%s::text[]) AND state IN (1, 6)"
_OTHER_CAMPAIGN = "SELECT 1 FROM campaign WHERE campaign_id <> %s LIMIT 1"

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


class _Due(NamedTuple):
    contact_id: int
    number: str
    variables: str
    zones: str
    regions: str
    attempts: int
    tries: int
    next_at: int
    reason: str | None
    detail: str | None
    shard: int


@attrs.frozen(kw_only=True)
class _Facts:
    """What else the rules ask for, of all numbers of a batch.

    Attributes:
        is_alone: There is no other campaign.
    """

    is_alone: bool
    suppressed: dict[str, str]
    earlier: dict[str, list[Earlier]]
    open: set[str]


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
    taking = _Taking(transaction, campaign, worker=worker, now=now, due_at=due_at)
    considered = 0
    if admitted > 0 and limit > 0:
        due = _due(transaction, campaign_id, shards=shards, due_at=due_at, limit=limit)
        facts = _facts(transaction, campaign_id, due=due, now=now)
        for contact in due:
            taking.act(contact, facts=facts, decide=decide)
            considered += 1
            if taking.wanted >= admitted:
                break
        taking.write(facts)
        if taking.claims and campaign.settings.budget is None:
            transaction.keep(campaign)
    next_at = None
    if considered < limit:
        ((found,),) = transaction.connection.execute(_NEXT_DUE, (shards, campaign_id)).fetchall()
        next_at = None if found is None else from_ms(found)
    return Claimed(
        claims=tuple(taking.claims),
        considered=considered,
        campaign=attrs.evolve(campaign, unpriced=campaign.unpriced + len(taking.claims)),
        next_due_at=next_at,
    )


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
) -> list[_Due]:
    """Lock and return contacts that are due, those that wait longest first.

    Most often each shard has its share to give. If some have less, the others are asked again.
    """
    found: dict[int, _Due] = {}
    asked, share = shards, 0
    while asked and len(found) < limit:
        share += -(-(limit - len(found)) // len(asked))
        # Those a shard gave before come again: what is locked by ourselves is not left out.
        rows = transaction.connection.execute(_DUE, (asked, campaign_id, due_at, share))
        given = list(map(_Due._make, rows))
        found.update((contact.contact_id, contact) for contact in given)
        counts = Counter(contact.shard for contact in given)
        asked = [shard for shard, count in counts.items() if count == share]
    return sorted(found.values(), key=lambda each: (each.next_at, each.contact_id))[:limit]


def _facts(
    transaction: PostgresTransaction, campaign_id: int, *, due: Sequence[_Due], now: datetime
) -> _Facts:
    connection = transaction.connection
    numbers = [contact.number for contact in due]
    found = connection.execute(_SUPPRESSED, (as_array(numbers),))
    suppressed = dict(found.fetchall())
    # Where there is but one campaign, a contact that was never tried has no history.
    is_alone = not connection.execute(_OTHER_CAMPAIGN, (campaign_id,)).fetchone()
    if is_alone:
        numbers = [contact.number for contact in due if contact.tries]
    earlier: dict[str, list[Earlier]] = {}
    found_open: set[str] = set()
    if numbers:
        earlier = _earlier(transaction, numbers, now=now)
        found_open = {number for (number,) in connection.execute(_OPEN, (as_array(numbers),))}
    return _Facts(is_alone=is_alone, suppressed=suppressed, earlier=earlier, open=found_open)


def _earlier(
    transaction: PostgresTransaction, numbers: Sequence[str], *, now: datetime
) -> dict[str, list[Earlier]]:
    given, since = as_array(numbers), to_ms(now - _LOOK_BACK)
    earlier: dict[str, list[Earlier]] = {}
    for number, at, campaign in transaction.connection.execute(_EARLIER, (given, since)):
        attempt = Earlier(at=from_ms(at), campaign_id=campaign)
        earlier.setdefault(number, []).append(attempt)
    return earlier


class _Taking:
    """The rows of one claim, gathered first and written with one statement per table."""

    def __init__(
        self,
        transaction: PostgresTransaction,
        campaign: CampaignRecord,
        *,
        worker: str,
        now: datetime,
        due_at: int,
    ) -> None:
        self._transaction = transaction
        self._campaign_id = campaign.campaign_id
        self._worker = worker
        self._now = now
        self._at = to_ms(now)
        self._due_at = due_at
        self.claims: list[Claim] = []
        self._wanted: list[tuple[_Due, Candidate, Mapping[str, Any]]] = []
        self._waits: list[tuple[Any, ...]] = []
        self._stops: list[tuple[Any, ...]] = []

    @property
    def wanted(self) -> int:
        """How many are to be called; fewer are if somebody else is calling the same number."""
        return len(self._wanted)

    def act(self, contact: _Due, *, facts: _Facts, decide: Decide) -> None:
        """Decide on a contact, and note what is to be written."""
        candidate = _candidate(contact, facts)
        decision = decide(candidate, self._now)
        match decision:
            case CallNow() if candidate.has_open:
                # Whatever the rules say: two open attempts of a number could not be told apart.
                self._wait_for_other(contact)
            case CallNow(because=because):
                self._wanted.append((contact, candidate, because))
            case Wait():
                self._wait(contact, decision)
            case Stop():
                self._stop(contact, decision)
            case _:
                assert_never(decision)

    def write(self, facts: _Facts) -> None:
        """Write everything that was noted."""
        if self._wanted:
            self._take(facts)
        self._transaction.change_together(_WAIT, self._waits)
        self._transaction.change_together(_STOP, self._stops)

    def _take(self, facts: _Facts) -> None:
        attempts = self._add_attempts()
        if attempts and not facts.is_alone:
            self._withdraw_late(attempts, facts)
        # What is said of a dial, and of whom: the rules hand out the same words for many.
        dials: dict[tuple[int, int], tuple[Mapping[str, Any], list[tuple[int, int]]]] = {}
        for contact, candidate, because in self._wanted:
            attempt_id = attempts.get(contact.contact_id)
            if attempt_id is None:
                self._wait_for_other(contact)
                continue
            self.claims.append(self._claim_of(contact, candidate, attempt_id=attempt_id))
            said = dials.setdefault((id(because), contact.tries + 1), (because, []))
            said[1].append((contact.contact_id, attempt_id))
        if not self.claims:
            return
        taken = as_array(claim.contact_id for claim in self.claims)
        self._transaction.connection.execute(_TAKE, (taken,))
        self._transaction.spend(self._campaign_id, unpriced=len(self.claims))
        for (_, tried), (because, of) in dials.items():
            why = to_json({"n": tried, **because})
            self._transaction.audit_all(self._at, "dial", why, of, campaign_id=self._campaign_id)

    def _add_attempts(self) -> dict[int, int]:
        """Insert the attempts; return those that could be, by their contacts."""
        # Two workers that insert the same numbers wait for each other only in the same order.
        contacts = sorted((contact for contact, *_ in self._wanted), key=lambda each: each.number)
        added = self._transaction.connection.execute(
            _ADD_ATTEMPTS,
            (
                self._campaign_id,
                self._worker,
                self._at,
                as_array(contact.contact_id for contact in contacts),
                as_array(contact.tries + 1 for contact in contacts),
                as_array(contact.number for contact in contacts),
            ),
        )
        return dict(added.fetchall())

    def _withdraw_late(self, attempts: dict[int, int], facts: _Facts) -> None:
        """Take back attempts on numbers that others have rung since the facts were gathered.

        From the moment the attempts were added nobody else can begin one on these numbers, and
        what was begun before is seen now.
        """
        numbers = {
            contact.contact_id: contact.number
            for contact, *_ in self._wanted
            if contact.contact_id in attempts
        }
        known = _earlier(self._transaction, list(numbers.values()), now=self._now)
        late = [
            attempts.pop(contact_id)
            for contact_id, number in numbers.items()
            # One of them is the attempt that was just added.
            if len(known.get(number, ())) - 1 > len(facts.earlier.get(number, ()))
        ]
        if late:
            self._transaction.connection.execute(_WITHDRAW, (as_array(late),))

    def _claim_of(self, contact: _Due, candidate: Candidate, *, attempt_id: int) -> Claim:
        return Claim(
            attempt_id=attempt_id,
            contact_id=contact.contact_id,
            campaign_id=self._campaign_id,
            phone=contact.number,
            variables=candidate.variables,
            attempts=contact.attempts + 1,
            worker=self._worker,
            claimed_at=self._now,
        )

    def _wait_for_other(self, contact: _Due) -> None:
        self._wait(contact, Wait(until=self._now + _ELSEWHERE, reason=Reason.OPEN_ELSEWHERE))

    def _wait(self, contact: _Due, decision: Wait) -> None:
        # Not due at once again, whatever the rules say: that would turn in circles.
        until = max(to_ms(decision.until), self._due_at + 1)
        reason, detail = decision.reason.value, decision.detail
        self._waits.append((until, reason, detail, contact.contact_id))
        if (contact.next_at, contact.reason, contact.detail) != (until, reason, detail):
            said = {"until": until, "reason": reason, "detail": detail}
            self._audit("wait", said, contact)

    def _stop(self, contact: _Due, decision: Stop) -> None:
        used = decision.reason is Reason.ATTEMPTS_USED
        state = ContactState.DONE if used else ContactState.EXCLUDED
        reason, detail = decision.reason.value, decision.detail
        self._stops.append((int(state), reason, detail, contact.contact_id))
        self._audit("stop", {"reason": reason, "detail": detail}, contact)

    def _audit(self, what: str, detail: dict[str, Any], contact: _Due) -> None:
        self._transaction.audit(
            self._at,
            what,
            detail,
            campaign_id=self._campaign_id,
            contact_id=contact.contact_id,
        )


def _candidate(contact: _Due, facts: _Facts) -> Candidate:
    number = contact.number
    return Candidate(
        contact_id=contact.contact_id,
        number=number,
        zones=words_of(contact.zones),
        regions=words_of(contact.regions),
        variables=json.loads(contact.variables),
        attempts=contact.attempts,
        suppressed=facts.suppressed.get(number),
        earlier=tuple(facts.earlier.get(number, ())),
        has_open=number in facts.open,
    )
