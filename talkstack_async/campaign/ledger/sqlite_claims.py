"""Claiming on SQLite: look at due contacts, decide on each, take those to be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from sqlite3 import Connection
from typing import Any, NamedTuple, assert_never

import attrs

from ...wire.quick_json import decode_text
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
from .sqlite_transaction import SqliteTransaction
from .stored import words_of
from .transaction import to_json

__all__ = ["claim"]

# The rules look back a week; a little more does no harm.
_LOOK_BACK = timedelta(days=7, hours=1)
# The number is being called by another campaign; a call takes about that long to be placed.
_ELSEWHERE = timedelta(minutes=1)

_DUE = (
    "SELECT contact_id, number, variables, zones, regions, attempts, tries, next_at, reason, "
    "detail FROM contact WHERE campaign_id = ? AND shard = 0 AND state = 0 AND next_at <= ? "
    "ORDER BY next_at, contact_id LIMIT ?"
)
_NEXT_DUE = (
    "SELECT next_at FROM contact WHERE campaign_id = ? AND shard = 0 AND state = 0 "
    "ORDER BY next_at LIMIT 1"
)
_SUPPRESSED = (
    "SELECT number, reason FROM suppression WHERE number IN (SELECT value FROM json_each(?))"
)
# Released and rejected attempts certainly did not ring.
_EARLIER = (
    "SELECT c.number, a.sent_at, a.campaign_id FROM json_each(?) j "
    "CROSS JOIN contact c ON c.number = j.value "
    "CROSS JOIN attempt a ON a.contact_id = c.contact_id "
    "WHERE a.sent_at > ? AND a.state NOT IN (4, 5) ORDER BY a.sent_at"
)
_OPEN = (
    "SELECT number FROM attempt "
    "WHERE number IN (SELECT value FROM json_each(?)) AND state IN (1, 6)"
)
_OTHER_CAMPAIGN = "SELECT 1 FROM campaign WHERE campaign_id <> ? LIMIT 1"

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


@attrs.frozen(kw_only=True)
class _Facts:
    """What else the rules ask for, of all numbers of a batch."""

    suppressed: dict[str, str]
    earlier: dict[str, list[Earlier]]
    open: set[str]


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
    campaign = transaction.campaign(campaign_id)
    admitted = admit(campaign) if campaign.state is CampaignState.RUNNING else 0
    due_at = to_ms(due_by or now)
    taking = _Taking(transaction, campaign, worker=worker, now=now, due_at=due_at)
    considered = 0
    if admitted > 0 and limit > 0:
        found = transaction.connection.execute(_DUE, (campaign_id, due_at, limit))
        due = list(map(_Due._make, found))
        facts = _facts(transaction.connection, campaign_id, due=due, now=now)
        for contact in due:
            taking.act(contact, facts=facts, decide=decide)
            considered += 1
            if len(taking.claims) >= admitted:
                break
        taking.write()
    next_at = None
    if considered < limit:
        row = transaction.connection.execute(_NEXT_DUE, (campaign_id,)).fetchone()
        next_at = None if row is None else from_ms(row[0])
    return Claimed(
        claims=tuple(taking.claims),
        considered=considered,
        campaign=attrs.evolve(campaign, unpriced=campaign.unpriced + len(taking.claims)),
        next_due_at=next_at,
    )


def _facts(
    connection: Connection, campaign_id: int, *, due: Sequence[_Due], now: datetime
) -> _Facts:
    numbers = to_json([contact.number for contact in due])
    suppressed: dict[str, str] = dict(connection.execute(_SUPPRESSED, (numbers,)).fetchall())
    # Where there is but one campaign, a contact that was never tried has no history.
    if not connection.execute(_OTHER_CAMPAIGN, (campaign_id,)).fetchone():
        numbers = to_json([contact.number for contact in due if contact.tries])
    earlier: dict[str, list[Earlier]] = {}
    found_open: set[str] = set()
    if numbers != "[]":
        since = to_ms(now - _LOOK_BACK)
        for number, at, campaign in connection.execute(_EARLIER, (numbers, since)):
            attempt = Earlier(at=from_ms(at), campaign_id=campaign)
            earlier.setdefault(number, []).append(attempt)
        found_open = {number for (number,) in connection.execute(_OPEN, (numbers,))}
    return _Facts(suppressed=suppressed, earlier=earlier, open=found_open)


class _Taking:
    """The rows of one claim, gathered first and written with one statement per table."""

    def __init__(
        self,
        transaction: SqliteTransaction,
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
        self._waits: list[tuple[Any, ...]] = []
        self._stops: list[tuple[Any, ...]] = []
        # What is said of a dial, and of whom: the rules hand out the same words for many.
        self._dials: dict[tuple[int, int], tuple[Mapping[str, Any], list[tuple[int, int]]]] = {}
        # No attempt is ever deleted, and the transaction holds the write lock.
        (last,) = transaction.connection.execute(_LAST_ATTEMPT).fetchone()
        self._last_attempt = last or 0

    def act(self, contact: _Due, *, facts: _Facts, decide: Decide) -> None:
        """Decide on a contact, and note what is to be written."""
        candidate = _candidate(contact, facts)
        decision = decide(candidate, self._now)
        match decision:
            case CallNow() if candidate.has_open:
                # Whatever the rules say: two open attempts of a number could not be told apart.
                self._wait(
                    contact, Wait(until=self._now + _ELSEWHERE, reason=Reason.OPEN_ELSEWHERE)
                )
            case CallNow(because=because):
                self._take(contact, candidate, because)
            case Wait():
                self._wait(contact, decision)
            case Stop():
                self._stop(contact, decision)
            case _:
                assert_never(decision)

    def write(self) -> None:
        """Write everything that was noted."""
        connection = self._transaction.connection
        if self.claims:
            ids = to_json([taken.contact_id for taken in self.claims])
            first = self.claims[0].attempt_id
            connection.execute(_ADD_ATTEMPTS, (first, self._worker, self._at, ids))
            connection.execute(_TAKE, (ids,))
            connection.execute(_RESERVE, (len(self.claims), self._campaign_id))
            for (_, tried), (because, dials) in self._dials.items():
                why = to_json({"n": tried, **because})
                self._transaction.audit_all(
                    self._at, "dial", why, dials, campaign_id=self._campaign_id
                )
        if self._waits:
            connection.executemany(_WAIT, self._waits)
        if self._stops:
            connection.executemany(_STOP, self._stops)

    def _take(self, contact: _Due, candidate: Candidate, because: Mapping[str, Any]) -> None:
        self._last_attempt += 1
        attempt_id, contact_id, number = self._last_attempt, contact.contact_id, contact.number
        tried = contact.tries + 1
        self.claims.append(
            Claim(
                attempt_id=attempt_id,
                contact_id=contact_id,
                campaign_id=self._campaign_id,
                phone=number,
                variables=candidate.variables,
                attempts=contact.attempts + 1,
                worker=self._worker,
                claimed_at=self._now,
            )
        )
        key = (id(because), tried)
        dials = self._dials.get(key)
        if dials is None:
            # The words are kept, so that nothing else can get their id meanwhile.
            dials = self._dials[key] = (because, [])
        dials[1].append((contact_id, attempt_id))

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

    def _audit(
        self,
        what: str,
        detail: dict[str, Any],
        contact: _Due,
    ) -> None:
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
        variables=decode_text(contact.variables),
        attempts=contact.attempts,
        suppressed=facts.suppressed.get(number),
        earlier=tuple(facts.earlier.get(number, ())),
        has_open=number in facts.open,
    )
