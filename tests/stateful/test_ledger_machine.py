"""Any order of claims, ends, crashes, take-overs and decisions keeps a ledger consistent.

The machine does what a runner, its successor, an operator and the service may do, in any order,
also late and twice. After each step the ledger is compared with a model, and its own `verify`
must find nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.files import create_file
from talkstack_async.campaign.records import (
    CallNow,
    Candidate,
    Claim,
    Decision,
    EventRecord,
    NewContact,
    OpenAttempt,
    Reason,
    Settlement,
    Stop,
    Suppression,
    Wait,
)
from talkstack_async.campaign.states import OPEN, AttemptState, CampaignState, ContactState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import CampaignError
from tests.support.ledgers import NOW, SETTINGS, number, settlement

T = TypeVar("T")

numbers = st.integers(0, 5)
campaigns = st.sampled_from(["one", "two"])
# What a request may become, and what may become known of it later.
ends = st.sampled_from([each for each in AttemptState if each is not AttemptState.DISPATCHING])
late_ends = st.sampled_from([AttemptState.PLACED, AttemptState.FINAL, AttemptState.LOST])
costs = st.none() | st.integers(0, 1000)


class LedgerMachine(RuleBasedStateMachine):
    """A ledger with two campaigns over the same few numbers, and two workers."""

    attempts: Bundle[Claim | OpenAttempt] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock(NOW)
        self.now = NOW
        self.generation = 0
        self.suppressed: set[str] = set()
        self.calls = 0
        self.has_news = False  # since the last crash
        # How often each attempt was handed out to be sent.
        self.sent: Counter[int] = Counter()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @property
    def worker(self) -> str:
        return f"worker-{self.generation}"

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "ledger.db"
        shutil.copyfile(template(), self.path)
        self.ledger = self.run(self._opened())
        self.ids = {}
        for name in ("one", "two"):
            record = self.run(self.ledger.create_campaign(name, SETTINGS, now=self.now))
            self.ids[name] = record.campaign_id
            self.bring(name, [(n, False) for n in range(4)])

    async def _opened(self) -> Any:
        return await open_ledger(self.path, exclusive=True, clock=self.clock).__aenter__()

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.run(self.ledger.aclose())
            self.directory.cleanup()
        self.runner.close()

    # --- Lists and people.

    @rule(
        name=campaigns, given=st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=6)
    )
    def bring(self, name: str, given: list[tuple[int, bool]]) -> None:
        campaign_id = self.ids[name]
        contacts = [
            NewContact(
                row=place,
                number=number(n),
                variables="{}",
                excluded=(Reason.PLACEHOLDER, "no name") if is_out else None,
            )
            for place, (n, is_out) in enumerate(given, 1)
        ]

        async def bring() -> None:
            import_id = await self.ledger.begin_import(campaign_id, source="l", now=self.now)
            verdicts = await self.ledger.add_contacts(
                campaign_id, import_id=import_id, contacts=contacts, now=self.now
            )
            counts = Counter(verdict.value for verdict, _ in verdicts)
            assert counts["duplicate"] == len(given) - len({n for n, _ in given})
            await self.ledger.finish_import(
                import_id, counts={"added": counts["added"]}, digest=None, now=self.now
            )

        self.run(bring())

    @rule(n=numbers)
    def suppress(self, n: int) -> None:
        entry = Suppression(number=number(n), reason="asked", source="api", added_at=self.now)
        new = self.run(self.ledger.suppress([entry]))
        assert new == (number(n) not in self.suppressed)
        self.suppressed.add(number(n))

    @rule(n=numbers)
    def unsuppress(self, n: int) -> None:
        removed = self.run(self.ledger.unsuppress([number(n)], now=self.now))
        assert removed == (number(n) in self.suppressed)
        self.suppressed.discard(number(n))

    @rule(name=campaigns, state=st.sampled_from([CampaignState.RUNNING, CampaignState.PAUSED]))
    def turn(self, name: str, state: CampaignState) -> None:
        change = self.ledger.change_campaign(self.ids[name], now=self.now, state=state)
        with contextlib.suppress(CampaignError):  # it was canceled
            self.run(change)

    @precondition(lambda self: len(self.sent) > 10)
    @rule(name=campaigns)
    def cancel(self, name: str) -> None:
        self.run(
            self.ledger.change_campaign(self.ids[name], now=self.now, state=CampaignState.CANCELED)
        )

    @rule(name=campaigns, again=st.booleans())
    def resolve(self, name: str, again: bool) -> None:
        reviews = self.run(self.ledger.reviews(self.ids[name]))
        resolved = self.run(
            self.ledger.resolve(
                [contact.contact_id for contact, _ in reviews],
                state=ContactState.READY if again else ContactState.DONE,
                reason=Reason.RESOLVED,
                detail="",
                next_at=None,
                now=self.now,
            )
        )
        assert resolved == len(reviews)

    @rule(seconds=st.sampled_from([1, 60, 3600]))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.run(self.clock.advance(seconds))

    # --- A runner.

    @rule(target=attempts, name=campaigns)
    def dial(self, name: str) -> Any:
        return self._claim(name, limit=2, admitted=2, mood="call")

    @rule(
        target=attempts,
        name=campaigns,
        limit=st.integers(1, 4),
        admitted=st.integers(0, 3),
        mood=st.sampled_from(["call", "call", "call", "wait", "stop"]),
    )
    def claim(self, name: str, limit: int, admitted: int, mood: str) -> Any:
        return self._claim(name, limit=limit, admitted=admitted, mood=mood)

    def _claim(self, name: str, *, limit: int, admitted: int, mood: str) -> Any:
        def decide(candidate: Candidate, now: datetime) -> Decision:
            assert (candidate.suppressed is not None) == (candidate.number in self.suppressed)
            if candidate.suppressed or mood == "stop":
                return Stop(reason=Reason.SUPPRESSED)
            if mood == "wait":
                return Wait(until=now + timedelta(seconds=60), reason=Reason.GAP)
            return CallNow()

        claimed = self.run(
            self.ledger.claim(
                self.ids[name],
                worker=self.worker,
                limit=limit,
                now=self.now,
                decide=decide,
                admit=lambda _: admitted,
            )
        )
        assert len(claimed.claims) <= min(limit, admitted)
        for taken in claimed.claims:
            self.sent[taken.attempt_id] += 1
            self.has_news = True
        return multiple(*claimed.claims)

    @rule(
        target=attempts,
        attempt=consumes(attempts),
        after=ends,
        again=st.booleans(),
        cost=costs,
        suppress=st.booleans(),
    )
    def settle(
        self,
        attempt: Claim | OpenAttempt,
        after: AttemptState,
        again: bool,
        cost: int | None,
        suppress: bool,
    ) -> Claim | OpenAttempt:
        self._settle(attempt, after, again=again, cost=cost, suppress=suppress)
        return attempt  # the same may be settled again, later, by whoever forgot

    @rule(attempt=attempts, after=late_ends, again=st.booleans(), cost=costs)
    def settle_late(
        self, attempt: Claim | OpenAttempt, after: AttemptState, again: bool, cost: int | None
    ) -> None:
        self._settle(attempt, after, again=again, cost=cost, suppress=False)

    def _settle(
        self,
        attempt: Claim | OpenAttempt,
        after: AttemptState,
        *,
        again: bool,
        cost: int | None,
        suppress: bool,
    ) -> None:
        changes: dict[str, Any] = {"at": self.now, "before": tuple(AttemptState)}
        if after in (AttemptState.PLACED, AttemptState.FINAL):
            self.calls += 1
            # Now and then a call that belongs to another attempt already.
            changes["call_id"] = f"call-{self.calls // 2}"
        if after is AttemptState.FINAL:
            changes["cost_micros"] = cost
        if again and after in (AttemptState.FINAL, AttemptState.LOST, AttemptState.REJECTED):
            changes.update(contact=ContactState.READY, next_at=self.now)
        if suppress and after is AttemptState.FINAL:
            changes["suppress"] = "asked"
        told: Settlement = settlement(attempt, after, **changes)
        before = self._attempt(attempt.attempt_id)
        (written,) = self.run(self.ledger.settle([told]))
        if written:
            assert before["worker"] == attempt.worker, "only its owner settles an attempt"
            if told.suppress:
                self.suppressed.add(attempt.phone)
        else:
            assert self._attempt(attempt.attempt_id) == before

    @rule(target=attempts, name=campaigns, age=st.sampled_from([0, 30]), limit=st.integers(1, 3))
    def take_stale(self, name: str, age: int, limit: int) -> Any:
        stale = self.run(
            self.ledger.take_stale(
                self.ids[name],
                worker=self.worker,
                before=self.now - timedelta(seconds=age),
                limit=limit,
            )
        )
        self.run(
            self.ledger.note_looks(
                [each.attempt_id for each in stale], worker=self.worker, at=self.now
            )
        )
        return multiple(*stale)

    @rule(target=attempts, name=campaigns)
    def follow(self, name: str) -> Any:
        return multiple(
            *self.run(
                self.ledger.followed(self.ids[name], worker=self.worker, after_id=0, limit=10)
            )
        )

    @precondition(lambda self: self.has_news)
    @rule()
    def crash(self) -> None:
        """Let the runner die without a word, and its successor find what it left."""
        self.run(self.ledger.aclose())
        self.has_news = False
        self.generation += 1
        self.ledger = self.run(self._opened())
        self.run(self.ledger.recover(worker=self.worker))
        assert not self._rows("SELECT 1 FROM attempt WHERE state = 1")

    # --- The service.

    @rule(n=st.integers(0, 6))
    def hear(self, n: int) -> None:
        event = EventRecord(
            event_id=0, call_id=f"call-{n}", digest="d", status="completed", received_at=self.now
        )
        self.run(self.ledger.receive(event))

    @rule(target=attempts)
    def act_on_events(self) -> Any:
        waiting = self.run(self.ledger.take_events(limit=10))
        known = [(event, attempt) for event, attempt in waiting if attempt is not None]
        self.run(self.ledger.apply_events([event.event_id for event, _ in known], at=self.now))
        return multiple(*(attempt for _, attempt in known))

    # --- What must hold.

    @invariant()
    def a_number_is_open_once(self) -> None:
        if hasattr(self, "ledger"):
            states = ",".join(str(int(state)) for state in OPEN)
            query = f"SELECT number, count(*) FROM attempt WHERE state IN ({states}) GROUP BY 1"
            assert all(count == 1 for _, count in self._rows(query))

    @invariant()
    def every_claim_was_told_once(self) -> None:
        if hasattr(self, "ledger"):
            assert all(count == 1 for count in self.sent.values())
            assert {key for (key,) in self._rows("SELECT attempt_id FROM attempt")} == set(
                self.sent
            )

    @invariant()
    def who_is_done_or_ready_has_nothing_open(self) -> None:
        if hasattr(self, "ledger"):
            assert not self._rows(
                "SELECT 1 FROM contact c JOIN attempt a USING (contact_id) "
                "WHERE a.state IN (1, 6) AND c.state <> 1"
            )

    @invariant()
    def the_ledger_finds_nothing_wrong_with_itself(self) -> None:
        if hasattr(self, "ledger"):
            assert self.run(self.ledger.verify()) == []

    def _rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, args).fetchall()

    def _attempt(self, attempt_id: int) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            query = "SELECT * FROM attempt WHERE attempt_id = ?"
            return dict(connection.execute(query, (attempt_id,)).fetchone())


_made: list[Path] = []


def template() -> Path:
    """Return an empty ledger to be copied: making one afresh for each example is slow."""
    if not _made:
        path = Path(tempfile.mkdtemp()) / "empty.db"
        create_file(path)
        _made.append(path)
    return _made[0]


def search(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_order_of_events_keeps_the_ledger_consistent() -> None:
    search(30, 40)


@pytest.mark.deep
def test_any_order_of_events_keeps_the_ledger_consistent_for_long() -> None:
    search(1500, 60)
