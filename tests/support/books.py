"""What a ledger must hold, kept a second time in the simplest way there is.

Nothing here is shared with the package but its records: tests move both along by the same steps,
and then both must say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from talkstack_async.campaign.decisions import CallNow, Candidate, Decision, Reason, Stop, Wait
from talkstack_async.campaign.records import Claim, NewContact, OpenAttempt, Settlement, Verdict
from talkstack_async.campaign.states import AttemptState, ContactState

A, C = AttemptState, ContactState
NEVER_RANG = (A.REJECTED, A.RELEASED)
OPEN = (A.DISPATCHING, A.UNKNOWN)
CLOSED = (C.DONE, C.EXCLUDED)
STEPS = {
    A.DISPATCHING: {A.PLACED, A.FINAL, A.REJECTED, A.RELEASED, A.UNKNOWN, A.LOST},
    A.UNKNOWN: {A.PLACED, A.FINAL, A.LOST, A.UNKNOWN},
    A.PLACED: {A.FINAL},
    A.LOST: {A.PLACED, A.FINAL},
}
_BEYOND = timedelta(days=7, hours=1)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@attrs.define(kw_only=True)
class Person:
    """A contact as it must stand."""

    contact_id: int
    campaign_id: int
    number: str
    variables: str
    state: ContactState
    reason: str | None
    attempts: int = 0
    tries: int = 0
    next_at: int = 0


@attrs.define(kw_only=True)
class Try:
    """An attempt as it must stand."""

    attempt_id: int
    person: Person
    n: int
    worker: str
    sent_at: datetime
    state: AttemptState = A.DISPATCHING
    call_id: str | None = None
    cost: int | None = None
    looks: int = 0
    looked_at: datetime | None = None

    @property
    def is_last(self) -> bool:
        return self.n == self.person.tries

    def as_open(self) -> OpenAttempt:
        return OpenAttempt(
            attempt_id=self.attempt_id,
            contact_id=self.person.contact_id,
            campaign_id=self.person.campaign_id,
            phone=self.person.number,
            state=self.state,
            worker=self.worker,
            sent_at=self.sent_at,
            attempts=self.person.attempts,
            call_id=self.call_id,
            looks=self.looks,
            looked_at=self.looked_at,
        )


class Books:
    """Contacts, attempts, suppressed numbers and money of a ledger, in plain dicts."""

    def __init__(self) -> None:
        self.people: dict[int, Person] = {}
        self.tries: dict[int, Try] = {}
        self.suppressed: dict[str, str] = {}
        # What was written and what was refused, and why.
        self.tally: Counter[str] = Counter()

    # --- Questions.

    def due(self, campaign_id: int, now: datetime) -> list[Person]:
        ready = (
            person
            for person in self.people.values()
            if person.campaign_id == campaign_id
            and person.state is C.READY
            and person.next_at <= ms(now)
        )
        return sorted(ready, key=lambda person: (person.next_at, person.contact_id))

    def of_number(self, number: str) -> list[Try]:
        return [one for one in self.tries.values() if one.person.number == number]

    def may_have_rung(self, number: str) -> list[datetime]:
        own = (one for one in self.of_number(number) if one.state not in NEVER_RANG)
        return sorted(one.sent_at for one in own)

    def has_open(self, number: str) -> bool:
        return any(one.state in OPEN for one in self.of_number(number))

    def money(self, campaign_id: int) -> tuple[int, int]:
        """Return how many attempts have no price yet, and what the others cost."""
        own = [one for one in self.tries.values() if one.person.campaign_id == campaign_id]
        unpriced = sum(one.cost is None for one in own if one.state not in NEVER_RANG)
        return unpriced, sum(one.cost or 0 for one in own)

    def facts_of(self, person: Person, now: datetime) -> tuple[object, ...]:
        since = now - _BEYOND
        return (
            person.contact_id,
            person.number,
            person.attempts,
            self.suppressed.get(person.number),
            [at for at in self.may_have_rung(person.number) if at > since],
            self.has_open(person.number),
        )

    # --- Steps.

    def import_row(
        self, campaign_id: int, given: NewContact, verdict: Verdict, seen: set[str]
    ) -> None:
        """Take over what a ledger said it did with a row, unless it must not have."""
        known = {p.number: p for p in self.people.values() if p.campaign_id == campaign_id}
        person = known.get(given.number)
        assert (verdict is Verdict.DUPLICATE) == (given.number in seen)
        assert (verdict is Verdict.ADDED) == (person is None)
        seen.add(given.number)
        state, reason = C.READY, None
        if given.excluded is not None:
            state, reason = C.EXCLUDED, given.excluded[0].value
        if person is None:
            contact_id = len(self.people) + 1
            self.people[contact_id] = Person(
                contact_id=contact_id,
                campaign_id=campaign_id,
                number=given.number,
                variables=given.variables,
                state=state,
                reason=reason,
            )
        elif verdict is Verdict.UPDATED:
            assert not person.tries, "who was tried is not dialled again by a list"
            assert person.state in (C.READY, C.EXCLUDED)
            person.state, person.reason, person.next_at = state, reason, 0
            person.variables = given.variables
        elif verdict is Verdict.UNCHANGED and given.variables != person.variables:
            assert person.tries or person.state not in (C.READY, C.EXCLUDED)
        self.tally[f"row {verdict}"] += 1

    def decided(self, candidate: Candidate, decision: Decision, now: datetime) -> None:
        """Take over a decision that calls nobody."""
        person = self.people[candidate.contact_id]
        if isinstance(decision, Wait):
            person.next_at = max(ms(decision.until), ms(now) + 1)
        elif isinstance(decision, Stop):
            used = decision.reason is Reason.ATTEMPTS_USED
            person.state = C.DONE if used else C.EXCLUDED
        assert not isinstance(decision, CallNow)
        person.reason = decision.reason.value
        self.tally[f"decided {decision.reason}"] += 1

    def claimed(self, claim: Claim) -> None:
        assert claim.attempt_id not in self.tries, "each attempt is handed out once"
        person = self.people[claim.contact_id]
        assert person.number == claim.phone
        person.state, person.reason = C.ACTIVE, None
        person.attempts += 1
        person.tries += 1
        assert claim.attempts == person.attempts
        self.tries[claim.attempt_id] = Try(
            attempt_id=claim.attempt_id,
            person=person,
            n=person.tries,
            worker=claim.worker,
            sent_at=claim.claimed_at,
        )
        self.tally["attempt DISPATCHING"] += 1

    def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        return [self._settle(told) for told in settlements]

    def _settle(self, told: Settlement) -> bool:
        one = self.tries[told.attempt_id]
        refusal = self._refusal(one, told)
        if refusal is not None:
            self.tally[f"refused {told.after.name}"] += 1
            self.tally[f"refused because {refusal}"] += 1
            return False
        self.tally[f"{one.state.name} to {told.after.name}"] += 1
        self.tally[f"attempt {told.after.name}"] += 1
        one.state = told.after
        one.call_id = told.call_id or one.call_id
        one.cost = one.cost if told.cost_micros is None else told.cost_micros
        if not told.counts:
            one.person.attempts -= 1
        if not one.is_last:
            self.tally["news of an earlier attempt"] += 1
        elif one.person.state in CLOSED and told.contact not in CLOSED:
            self.tally["news of somebody done with"] += 1
        else:
            one.person.state = told.contact
            one.person.reason = told.reason.value
            is_ready = told.contact is C.READY
            one.person.next_at = ms(told.next_at or told.at) if is_ready else 0
        if told.suppress:
            self.suppressed.setdefault(one.person.number, told.suppress)
        return True

    def _refusal(self, one: Try, told: Settlement) -> str | None:
        if one.worker != told.worker:
            return "it is somebody else's"
        if one.state not in told.before or told.after not in STEPS.get(one.state, ()):
            return "it stands elsewhere"
        others = (other for other in self.tries.values() if other is not one)
        if told.call_id and any(other.call_id == told.call_id for other in others):
            return "the call is another's"
        return None

    def recovered(self, worker: str) -> int:
        left = [one for one in self.tries.values() if one.state is A.DISPATCHING]
        self._take_over(left, worker, why="recovered")
        return len(left)

    def stale(self, campaign_id: int, worker: str, before: datetime) -> list[Try]:
        found = [
            one
            for one in self.tries.values()
            if one.person.campaign_id == campaign_id
            and one.sent_at < before
            and (one.state is A.UNKNOWN or (one.state is A.DISPATCHING and one.worker != worker))
        ]
        self._take_over(found, worker, why="stale")
        return found

    def _take_over(self, found: Iterable[Try], worker: str, *, why: str) -> None:
        for one in found:
            if one.worker != worker or one.state is not A.UNKNOWN:
                self.tally[f"taken over: {one.state.name}, {why}"] += 1
            if one.state is not A.UNKNOWN:
                self.tally["attempt UNKNOWN"] += 1
            one.state, one.worker = A.UNKNOWN, worker

    def followed(self, campaign_id: int, worker: str) -> list[Try]:
        found = [
            one
            for one in self.tries.values()
            if one.person.campaign_id == campaign_id
            and one.person.state is C.ACTIVE
            and one.is_last
            and one.state is A.PLACED
        ]
        for one in found:
            if one.worker != worker:
                self.tally["taken over: PLACED, followed"] += 1
            one.worker = worker
        return found

    def resolved(
        self, person: Person, state: ContactState, reason: Reason, *, most: int, now: datetime
    ) -> None:
        assert person.state is C.REVIEW
        person.state, person.reason, person.next_at = state, reason.value, 0
        if state is C.READY:
            person.next_at = ms(now)
            person.attempts = min(person.attempts, most - 1)
        self.tally[f"resolved to {state.name}"] += 1

    # --- Comparing.

    def compare(self, connection: Any) -> None:
        """Assert that a ledger, read on a connection of its database, holds just this."""
        people = connection.execute(
            "SELECT contact_id, campaign_id, number, variables, state, reason, attempts, tries, "
            "next_at FROM contact ORDER BY contact_id"
        ).fetchall()
        assert people == [attrs.astuple(person) for person in self.people.values()]
        tries = connection.execute(
            "SELECT attempt_id, contact_id, campaign_id, number, n, worker, sent_at, state, "
            "call_id, cost_micros, looks FROM attempt ORDER BY attempt_id"
        ).fetchall()
        assert tries == [
            (
                one.attempt_id,
                one.person.contact_id,
                one.person.campaign_id,
                one.person.number,
                one.n,
                one.worker,
                ms(one.sent_at),
                one.state,
                one.call_id,
                one.cost,
                one.looks,
            )
            for one in sorted(self.tries.values(), key=lambda one: one.attempt_id)
        ]
        money = connection.execute("SELECT campaign_id, unpriced, spent_micros FROM campaign")
        assert all(self.money(key) == (unpriced, spent) for key, unpriced, spent in money)
        suppressed = connection.execute("SELECT number, reason FROM suppression").fetchall()
        assert dict(suppressed) == self.suppressed
