"""What claiming does alike on both databases: ask, decide on each contact, say so in the audit.

How contacts are found and written is the matter of each database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, assert_never

import attrs

from ..decisions import CallNow, Candidate, Decide, Earlier, Reason, Stop, Wait
from ..records import CampaignRecord, Claim, Claimed
from ..states import ContactState
from .moments import from_ms, to_ms
from .stored import words_of
from .transaction import Transaction, to_json

__all__ = ["Due", "Taking"]

# The rules look back a week; a little more does no harm.
_LOOK_BACK = timedelta(days=7, hours=1)
# The number is being called by another campaign; a call takes about that long to be placed.
_ELSEWHERE = timedelta(minutes=1)

# Released and rejected attempts certainly did not ring.
_EARLIER = (
    "SELECT c.number, a.sent_at, a.campaign_id "
    "FROM contact c {then} attempt a ON a.contact_id = c.contact_id "
    "WHERE c.number {among} AND a.sent_at > ? AND a.state NOT IN (4, 5) ORDER BY a.sent_at"
)
_OPEN = "SELECT number FROM attempt WHERE number {among} AND state IN (1, 6)"
_OTHER_CAMPAIGN = "SELECT 1 FROM campaign WHERE campaign_id <> ? LIMIT 1"


class Due(NamedTuple):
    """A contact that is due, as columns; `suppressed` is why its number must not be called."""

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
    suppressed: str | None


@attrs.frozen(kw_only=True)
class _Facts:
    """What else the rules ask for, of all numbers of a batch.

    Attributes:
        is_alone: There is no other campaign.
    """

    is_alone: bool
    earlier: dict[str, list[Earlier]]
    open: set[str]


class Taking:
    """One claim: gathers what is to be written, so that it takes one statement per table.

    Args:
        transaction: In which it is claimed.
        campaign: As it stands there.
        worker: Who claims.
        now: The moment.
        due_at: Who is due by then is looked at.

    A batch is made in one go, and whatever it keeps alive the garbage collector looks at, again
    and again: so it keeps two objects of each contact, and the rest as text or in common.

    Attributes:
        wanted: Who is to be called.
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
        self._campaign_id = campaign.campaign_id
        self._now = now
        self._due_at = due_at
        self._considered = 0
        self._is_alone = True
        self.at = to_ms(now)
        self.worker = worker
        self.wanted: deque[Due] = deque()
        # Of each of them: why it is called, and how many earlier attempts were known.
        self._because: list[Mapping[str, Any]] = []
        self._known: list[int] = []
        self.claims: list[Claim] = []
        self.waits: list[tuple[Any, ...]] = []
        self.stops: list[tuple[Any, ...]] = []

    def decide_on(self, due: Sequence[Due], *, decide: Decide, admitted: int) -> None:
        """Decide on one after the other, until enough are to be called."""
        facts = _facts(self._transaction, self._campaign_id, due=due, now=self._now)
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
        tried = [
            (contact, known)
            for contact, known in zip(self.wanted, self._known, strict=True)
            if contact.contact_id in added
        ]
        numbers = [contact.number for contact, _ in tried]
        earlier = _earlier(self._transaction, numbers, now=self._now)
        return [
            contact.contact_id
            for contact, known in tried
            if len(earlier.get(contact.number, ())) - 1 > known
        ]

    def take(self, attempts: Sequence[int | None]) -> None:
        """Claim those that are wanted, each with its new attempt.

        None means that somebody else began to call the number meanwhile.
        """
        # What is said of a dial, and of whom: the rules hand out the same words for many.
        dials: dict[tuple[int, int], tuple[Mapping[str, Any], list[str]]] = {}
        for because, attempt_id in zip(self._because, attempts, strict=True):
            contact = self.wanted.popleft()
            if attempt_id is None:
                self._wait_for_other(contact)
                continue
            self.claims.append(self._claim_of(contact, attempt_id))
            key = (id(because), contact.tries)
            said = dials.get(key)
            if said is None:
                said = dials[key] = (because, [])
            said[1].append(f"[{contact.contact_id},{attempt_id}]")
        for (_, tries), (because, of) in dials.items():
            why = to_json({"n": tries + 1, **because})
            self._transaction.audit_all(self.at, "dial", why, of, campaign_id=self._campaign_id)

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
            case CallNow(because=because):
                if candidate.has_open:
                    # Whatever the rules say: two open attempts could not be told apart.
                    self._wait_for_other(contact)
                    return
                self.wanted.append(contact)
                self._because.append(because)
                self._known.append(len(candidate.earlier))
            case Wait():
                self._wait(contact, decision)
            case Stop():
                self._stop(contact, decision)
            case _:
                assert_never(decision)

    def _claim_of(self, contact: Due, attempt_id: int) -> Claim:
        return Claim(  # by position: made for every call
            attempt_id,
            contact.contact_id,
            self._campaign_id,
            contact.number,
            contact.variables,
            contact.attempts + 1,
            self.worker,
            self._now,
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
            campaign_id=self._campaign_id,
            contact_id=contact.contact_id,
        )


def _facts(
    transaction: Transaction, campaign_id: int, *, due: Sequence[Due], now: datetime
) -> _Facts:
    # Where there is but one campaign, a contact that was never tried has no history.
    is_alone = not transaction.rows(_OTHER_CAMPAIGN, (campaign_id,))
    numbers = [contact.number for contact in due if contact.tries or not is_alone]
    earlier: dict[str, list[Earlier]] = {}
    found_open: set[str] = set()
    if numbers:
        earlier = _earlier(transaction, numbers, now=now)
        given = transaction.many(numbers)
        found_open = {number for (number,) in transaction.rows(_OPEN, (given,))}
    return _Facts(is_alone=is_alone, earlier=earlier, open=found_open)


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
    return Candidate(  # by position: made for every call
        contact.contact_id,
        number,
        words_of(contact.zones),
        words_of(contact.regions),
        contact.variables,
        contact.attempts,
        contact.suppressed,
        tuple(facts.earlier.get(number, ())),
        number in facts.open,
    )
