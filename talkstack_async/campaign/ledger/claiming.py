"""What claiming does alike on both databases: ask, decide on each contact, say so in the audit.

How contacts are found and written is the matter of each database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, assert_never

import attrs

from ...wire.quick_json import decode_text
from ..records import (
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
from ..states import ContactState
from .moments import from_ms, to_ms
from .stored import words_of
from .transaction import Transaction, to_json

__all__ = ["Due", "Taking"]

# The rules look back a week; a little more does no harm.
_LOOK_BACK = timedelta(days=7, hours=1)
# The number is being called by another campaign; a call takes about that long to be placed.
_ELSEWHERE = timedelta(minutes=1)

_SUPPRESSED = "SELECT number, reason FROM suppression WHERE number {among}"
# Released and rejected attempts certainly did not ring.
_EARLIER = (
    "SELECT c.number, a.sent_at, a.campaign_id "
    "FROM contact c {then} attempt a ON a.contact_id = c.contact_id "
    "WHERE c.number {among} AND a.sent_at > ? AND a.state NOT IN (4, 5) ORDER BY a.sent_at"
)
_OPEN = "SELECT number FROM attempt WHERE number {among} AND state IN (1, 6)"
_OTHER_CAMPAIGN = "SELECT 1 FROM campaign WHERE campaign_id <> ? LIMIT 1"


class Due(NamedTuple):
    """A contact that is due, as columns."""

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
    """What else the rules ask for, of all numbers of a batch.

    Attributes:
        is_alone: There is no other campaign.
    """

    is_alone: bool
    suppressed: dict[str, str]
    earlier: dict[str, list[Earlier]]
    open: set[str]


# Contact, its variables, why it is called, and how many earlier attempts were known. Many wait
# at once: whatever else they kept alive, the garbage collector would look at.
_Wanted: TypeAlias = tuple[Due, Mapping[str, Any], Mapping[str, Any], int]


class Taking:
    """One claim: gathers what is to be written, so that it takes one statement per table.

    Args:
        transaction: In which it is claimed.
        campaign: As it stands there.
        worker: Who claims.
        now: The moment.
        due_at: Who is due by then is looked at.

    Attributes:
        wanted: Who is to be called: contact, variables, why, and how many attempts were known.
        claims: Those of them who got an attempt.
        waits: Rows of `next_at`, `reason`, `detail` and `contact_id`.
        stops: Rows of `state`, `reason`, `detail` and `contact_id`.
    """

    def __init__(
        self,
        transaction: Transaction,
        campaign: CampaignRecord,
        *,
        worker: str,
        now: datetime,
        due_at: int,
    ) -> None:
        self._transaction = transaction
        self._campaign = campaign
        self._now = now
        self._due_at = due_at
        self._considered = 0
        self._is_alone = True
        self.at = to_ms(now)
        self.worker = worker
        self.wanted: list[_Wanted] = []
        self.claims: list[Claim] = []
        self.waits: list[tuple[Any, ...]] = []
        self.stops: list[tuple[Any, ...]] = []

    def decide_on(self, due: Sequence[Due], *, decide: Decide, admitted: int) -> None:
        """Decide on one after the other, until enough are to be called."""
        facts = _facts(self._transaction, self._campaign.campaign_id, due=due, now=self._now)
        self._is_alone = facts.is_alone
        for contact in due:
            self._decide(contact, facts=facts, decide=decide)
            self._considered += 1
            if len(self.wanted) >= admitted:
                break

    def rung_meanwhile(self, added: Collection[int]) -> list[int]:
        """Return who was rung by others since it was decided on, of contacts with a new attempt.

        That attempt is among the earlier ones by now.
        """
        if self._is_alone or not added:
            return []
        wanted = [each for each in self.wanted if each[0].contact_id in added]
        numbers = [contact.number for contact, *_ in wanted]
        known = _earlier(self._transaction, numbers, now=self._now)
        return [
            contact.contact_id
            for contact, _, _, seen in wanted
            if len(known.get(contact.number, ())) - 1 > seen
        ]

    def take(self, attempts: Iterable[int | None]) -> None:
        """Claim those that are wanted, each with its new attempt.

        None means that somebody else began to call the number meanwhile.
        """
        # What is said of a dial, and of whom: the rules hand out the same words for many. They
        # are kept among `wanted`, so that nothing else can get their id meanwhile.
        dials: dict[tuple[int, int], tuple[Mapping[str, Any], list[tuple[int, int]]]] = {}
        for wanted, attempt_id in zip(self.wanted, attempts, strict=True):
            contact, variables, because, _ = wanted
            if attempt_id is None:
                self._wait_for_other(contact)
                continue
            self.claims.append(self._claim_of(contact, variables, attempt_id=attempt_id))
            key = (id(because), contact.tries + 1)
            said = dials.get(key)
            if said is None:
                said = dials[key] = (because, [])
            said[1].append((contact.contact_id, attempt_id))
        campaign_id = self._campaign.campaign_id
        for (_, tried), (because, of) in dials.items():
            why = to_json({"n": tried, **because})
            self._transaction.audit_all(self.at, "dial", why, of, campaign_id=campaign_id)

    def saw_all(self, limit: int) -> bool:
        """Whether fewer were looked at than might have been: nobody else is due."""
        return self._considered < limit

    def answer(self, *, next_due: int | None) -> Claimed:
        """Return what came of it."""
        unpriced = self._campaign.unpriced + len(self.claims)
        return Claimed(
            claims=tuple(self.claims),
            considered=self._considered,
            campaign=attrs.evolve(self._campaign, unpriced=unpriced),
            next_due_at=None if next_due is None else from_ms(next_due),
        )

    def _decide(self, contact: Due, *, facts: _Facts, decide: Decide) -> None:
        candidate = _candidate(contact, facts)
        decision = decide(candidate, self._now)
        match decision:
            case CallNow() if candidate.has_open:
                # Whatever the rules say: two open attempts of a number could not be told apart.
                self._wait_for_other(contact)
            case CallNow(because=because):
                known = len(candidate.earlier)
                self.wanted.append((contact, candidate.variables, because, known))
            case Wait():
                self._wait(contact, decision)
            case Stop():
                self._stop(contact, decision)
            case _:
                assert_never(decision)

    def _claim_of(self, contact: Due, variables: Mapping[str, Any], *, attempt_id: int) -> Claim:
        return Claim(
            attempt_id=attempt_id,
            contact_id=contact.contact_id,
            campaign_id=self._campaign.campaign_id,
            phone=contact.number,
            variables=variables,
            attempts=contact.attempts + 1,
            worker=self.worker,
            claimed_at=self._now,
        )

    def _wait_for_other(self, contact: Due) -> None:
        self._wait(contact, Wait(until=self._now + _ELSEWHERE, reason=Reason.OPEN_ELSEWHERE))

    def _wait(self, contact: Due, decision: Wait) -> None:
        # Not due at once again, whatever the rules say: that would turn in circles.
        until = max(to_ms(decision.until), self._due_at + 1)
        reason, detail = decision.reason.value, decision.detail
        self.waits.append((until, reason, detail, contact.contact_id))
        if (contact.next_at, contact.reason, contact.detail) != (until, reason, detail):
            said = {"until": until, "reason": reason, "detail": detail}
            self._audit("wait", said, contact)

    def _stop(self, contact: Due, decision: Stop) -> None:
        used = decision.reason is Reason.ATTEMPTS_USED
        state = ContactState.DONE if used else ContactState.EXCLUDED
        reason, detail = decision.reason.value, decision.detail
        self.stops.append((int(state), reason, detail, contact.contact_id))
        self._audit("stop", {"reason": reason, "detail": detail}, contact)

    def _audit(self, what: str, detail: dict[str, Any], contact: Due) -> None:
        self._transaction.audit(
            self.at,
            what,
            detail,
            campaign_id=self._campaign.campaign_id,
            contact_id=contact.contact_id,
        )


def _facts(
    transaction: Transaction, campaign_id: int, *, due: Sequence[Due], now: datetime
) -> _Facts:
    numbers = [contact.number for contact in due]
    suppressed = dict(transaction.rows(_SUPPRESSED, (transaction.many(numbers),)))
    # Where there is but one campaign, a contact that was never tried has no history.
    is_alone = not transaction.rows(_OTHER_CAMPAIGN, (campaign_id,))
    if is_alone:
        numbers = [contact.number for contact in due if contact.tries]
    earlier: dict[str, list[Earlier]] = {}
    found_open: set[str] = set()
    if numbers:
        earlier = _earlier(transaction, numbers, now=now)
        given = transaction.many(numbers)
        found_open = {number for (number,) in transaction.rows(_OPEN, (given,))}
    return _Facts(is_alone=is_alone, suppressed=suppressed, earlier=earlier, open=found_open)


def _earlier(
    transaction: Transaction, numbers: Sequence[str], *, now: datetime
) -> dict[str, list[Earlier]]:
    given, since = transaction.many(numbers), to_ms(now - _LOOK_BACK)
    earlier: dict[str, list[Earlier]] = {}
    for number, at, campaign in transaction.rows(_EARLIER, (given, since)):
        attempt = Earlier(at=from_ms(at), campaign_id=campaign)
        earlier.setdefault(number, []).append(attempt)
    return earlier


def _candidate(contact: Due, facts: _Facts) -> Candidate:
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
