"""What every ledger must do, whatever database it lives in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign.decisions import (
    CallNow,
    Candidate,
    Decide,
    Decision,
    Reason,
    Stop,
    Wait,
)
from talkstack_async.campaign.ledger import Ledger, open_ledger
from talkstack_async.campaign.records import CampaignRecord, EventRecord, Suppression
from talkstack_async.campaign.settings import CampaignSettings
from talkstack_async.campaign.states import AttemptState, CampaignState, ContactState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import CampaignError, ClosedError, NotStartedError
from talkstack_async.models.statuses import Disposition
from tests.support.ledgers import (
    NOW,
    SETTINGS,
    WORKER,
    at,
    bring,
    campaign_of,
    claim,
    claim_one,
    number,
    row,
    settlement,
)
from tests.support.postgres import on_server

DISPATCHING, PLACED, FINAL = AttemptState.DISPATCHING, AttemptState.PLACED, AttemptState.FINAL
REJECTED, RELEASED = AttemptState.REJECTED, AttemptState.RELEASED
UNKNOWN, LOST = AttemptState.UNKNOWN, AttemptState.LOST
READY, ACTIVE, DONE = ContactState.READY, ContactState.ACTIVE, ContactState.DONE
REVIEW, EXCLUDED = ContactState.REVIEW, ContactState.EXCLUDED


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where the ledger is."""
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def ledger(place: Path | str) -> AsyncIterator[Ledger]:
    async with open_ledger(
        place, exclusive=True, clock=ManualClock(NOW), max_clock_skew_seconds=None
    ) as opened:
        yield opened
        assert await opened.verify() == []


@pytest.fixture
def look(place: Path | str) -> Callable[..., list[tuple[Any, ...]]]:
    """Read the database on a connection of one's own: what is seen there is committed."""

    def look(statement: Any, *args: Any) -> list[tuple[Any, ...]]:
        if isinstance(place, str):
            return on_server(place, statement.replace("?", "%s"), *args)
        with contextlib.closing(sqlite3.connect(place)) as connection:
            return connection.execute(statement, args).fetchall()

    return look


async def contacts_of(ledger: Ledger, campaign: CampaignRecord) -> list[Any]:
    return [contact async for contact, _ in ledger.export(campaign.campaign_id)]


async def attempts_of(ledger: Ledger, campaign: CampaignRecord) -> list[Any]:
    return [
        attempt
        async for _, attempts in ledger.export(campaign.campaign_id)
        for attempt in attempts
    ]


async def standing(ledger: Ledger, campaign: CampaignRecord) -> tuple[int, int]:
    found = await ledger.campaign(campaign.name)
    assert found is not None
    return found.unpriced, found.spent_micros


def waiting(*, until: datetime) -> Decide:
    decision = Wait(until=until, reason=Reason.OUTSIDE_WINDOW, detail="opens at 08:00")
    return lambda candidate, now: decision


# --- Claiming.


async def test_what_is_claimed_is_on_disk_before_claim_returns(
    ledger: Ledger, look: Callable[..., Any]
) -> None:
    campaign = await campaign_of(ledger, 1)
    assert look("SELECT count(*) FROM attempt") == [(0,)]

    taken = await claim_one(ledger, campaign)

    assert look("SELECT attempt_id, state, worker FROM attempt") == [
        (taken.attempt_id, DISPATCHING, WORKER)
    ]
    told = look("SELECT detail FROM audit WHERE what = 'dial'")
    assert [json.loads(detail)["of"] for (detail,) in told] == [
        [[taken.contact_id, taken.attempt_id]]
    ]


async def test_a_claim_says_whom_to_call_and_as_what(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 7)
    taken = await claim_one(ledger, campaign)
    assert (taken.phone, taken.attempts, taken.worker) == (number(7), 1, WORKER)
    assert (taken.campaign_id, taken.claimed_at) == (campaign.campaign_id, NOW)
    assert number(7) not in repr(taken)


async def test_nobody_is_claimed_twice(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, *range(1, 31))
    batches = await asyncio.gather(*(claim(ledger, campaign, limit=7) for _ in range(6)))
    phones = [taken.phone for claimed in batches for taken in claimed.claims]
    assert sorted(phones) == [number(n) for n in range(1, 31)]


async def test_those_who_wait_longest_come_first(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    first, second, third = (await claim(ledger, campaign)).claims
    await ledger.settle(
        [
            settlement(first, RELEASED, next_at=at(20)),
            settlement(second, RELEASED, next_at=at(10)),
            settlement(third, RELEASED, next_at=at(30)),
        ]
    )
    claimed = await claim(ledger, campaign, now=at(25))
    assert [taken.phone for taken in claimed.claims] == [number(2), number(1)]
    assert (claimed.considered, claimed.next_due_at) == (2, at(30))


async def test_admit_sees_the_campaign_and_bounds_what_is_taken(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    seen: list[CampaignRecord] = []

    def admit(record: CampaignRecord) -> int:
        seen.append(record)
        return 2 - record.unpriced

    assert len((await claim(ledger, campaign, admit=admit)).claims) == 2
    claimed = await claim(ledger, campaign, admit=admit)
    assert claimed.claims == ()
    assert claimed.next_due_at is not None, "somebody is left, although nobody is admitted"
    assert [record.unpriced for record in seen] == [0, 2]


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.CANCELED])
async def test_a_campaign_that_does_not_run_calls_nobody(
    ledger: Ledger, state: CampaignState
) -> None:
    campaign = await campaign_of(ledger, 1)
    await ledger.change_campaign(campaign.campaign_id, now=NOW, state=state)
    claimed = await claim(ledger, campaign)
    assert (claimed.claims, claimed.campaign.state) == ((), state)


async def test_a_campaign_whose_list_is_not_whole_calls_nobody(ledger: Ledger) -> None:
    campaign = await ledger.create_campaign("spring", SETTINGS, now=NOW)
    import_id = await ledger.begin_import(campaign.campaign_id, source="l", now=NOW)
    await ledger.add_contacts(
        campaign.campaign_id, import_id=import_id, contacts=[row(1)], now=NOW
    )
    assert (await claim(ledger, campaign)).claims == ()
    await ledger.finish_import(import_id, counts={"added": 1}, digest="abc", now=NOW)
    assert len((await claim(ledger, campaign)).claims) == 1


async def test_a_dry_run_looks_ahead_without_moving_the_clock(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    await claim(ledger, campaign, limit=1, decide=waiting(until=at(3600)))
    seen: list[datetime] = []

    def note(candidate: Candidate, now: datetime) -> Decision:
        seen.append(now)
        return Wait(until=now, reason=Reason.OUTSIDE_WINDOW)

    for considered in (2, 0):
        ahead = await claim(ledger, campaign, decide=note, due_by=at(10**6))
        assert ahead.considered == considered
    assert seen == [NOW, NOW]


async def test_who_waits_is_due_later_and_says_why(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)

    claimed = await claim(ledger, campaign, decide=waiting(until=at(3600)))
    assert (claimed.claims, claimed.considered, claimed.next_due_at) == ((), 1, at(3600))
    assert (await claim(ledger, campaign, now=at(3599))).considered == 0
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.state, contact.reason) == (READY, Reason.OUTSIDE_WINDOW)
    assert contact.detail == "opens at 08:00"
    assert await claim_one(ledger, campaign, now=at(3600))
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.state, contact.reason, contact.detail) == (ACTIVE, None, None)


async def test_a_wait_that_is_over_already_does_not_turn_in_circles(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)

    for considered in (1, 0):
        claimed = await claim(ledger, campaign, decide=waiting(until=at(-60)))
        assert claimed.considered == considered


@pytest.mark.parametrize(
    ("reason", "state"), [(Reason.SUPPRESSED, EXCLUDED), (Reason.ATTEMPTS_USED, DONE)]
)
async def test_who_is_stopped_is_never_looked_at_again(
    ledger: Ledger, reason: Reason, state: ContactState
) -> None:
    campaign = await campaign_of(ledger, 1)
    claimed = await claim(
        ledger, campaign, decide=lambda *_: Stop(reason=reason, detail="because")
    )
    assert (claimed.claims, claimed.considered) == ((), 1)
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.state, contact.reason, contact.detail) == (state, reason, "because")
    assert (await claim(ledger, campaign, now=at(10**6))).considered == 0


async def test_a_failing_rule_takes_nobody_and_spoils_no_other_claim(ledger: Ledger) -> None:
    good, bad = await campaign_of(ledger, 1), await campaign_of(ledger, 2, name="bad")

    def fail(candidate: Candidate, now: datetime) -> Decision:
        raise RuntimeError("a bug in a rule")

    answers = await asyncio.gather(
        claim(ledger, good), claim(ledger, bad, decide=fail), return_exceptions=True
    )
    assert isinstance(answers[1], RuntimeError)
    assert len(getattr(answers[0], "claims", ())) == 1
    assert len((await claim(ledger, bad)).claims) == 1


async def test_an_unknown_campaign_is_an_error(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    with pytest.raises(CampaignError, match="no campaign"):
        await ledger.claim(
            campaign.campaign_id + 1,
            worker=WORKER,
            limit=1,
            now=NOW,
            decide=lambda *_: CallNow(),
            admit=lambda _: 1,
        )


# --- The facts the rules ask for.


async def seen_by_rules(ledger: Ledger, campaign: CampaignRecord, *, now: datetime) -> Candidate:
    seen: list[Candidate] = []

    def decide(candidate: Candidate, now: datetime) -> Decision:
        seen.append(candidate)
        return Wait(until=now + timedelta(seconds=1), reason=Reason.GAP)

    await claim(ledger, campaign, decide=decide, now=now)
    (candidate,) = seen
    return candidate


async def test_rules_see_zones_regions_and_variables(ledger: Ledger) -> None:
    zones = ("America/Boise", "America/Los_Angeles")
    given = row(1, zones=zones, regions=("US-ID", "US-OR"))
    campaign = await campaign_of(ledger, given)
    candidate = await seen_by_rules(ledger, campaign, now=NOW)
    assert (candidate.zones, candidate.regions) == (zones, ("US-ID", "US-OR"))
    assert (candidate.number, candidate.variables) == (number(1), {})
    assert (candidate.attempts, candidate.suppressed, candidate.has_open) == (0, None, False)


async def test_rules_see_that_a_number_is_suppressed(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    await ledger.suppress(
        [Suppression(number=number(1), reason="asked us", source="api", added_at=NOW)]
    )
    assert (await seen_by_rules(ledger, campaign, now=NOW)).suppressed == "asked us"
    assert await ledger.unsuppress([number(1), number(2)], now=NOW) == 1
    assert (await seen_by_rules(ledger, campaign, now=at(9))).suppressed is None


async def test_rules_see_earlier_attempts_of_all_campaigns_that_may_have_rung(
    ledger: Ledger,
) -> None:
    one = await campaign_of(ledger, 1, name="one")
    two = await campaign_of(ledger, 1, name="two")
    days = 24 * 3600.0
    for moment, after in ((0, FINAL), (1, RELEASED), (2, REJECTED), (3, LOST), (4, FINAL)):
        taken = await claim_one(ledger, one, now=at(moment * days))
        again = {"contact": READY, "at": at(moment * days)}
        assert await ledger.settle([settlement(taken, after, **again)]) == [True]

    candidate = await seen_by_rules(ledger, two, now=at(7.5 * days))

    assert [earlier.at for earlier in candidate.earlier] == [at(3 * days), at(4 * days)]
    assert {earlier.campaign_id for earlier in candidate.earlier} == {one.campaign_id}
    assert candidate.attempts == 0, "those were another campaign's"
    assert (await seen_by_rules(ledger, one, now=at(7.5 * days))).attempts == 4


@pytest.mark.parametrize("after", [None, UNKNOWN])
async def test_a_number_with_an_open_attempt_is_taken_by_no_other_campaign(
    ledger: Ledger, after: AttemptState | None
) -> None:
    one = await campaign_of(ledger, 1, name="one")
    two = await campaign_of(ledger, 1, name="two")
    taken = await claim_one(ledger, one)
    if after is not None:
        await ledger.settle([settlement(taken, after)])
    assert (await claim(ledger, two)).claims == (), "although the rule says to call"
    (contact,) = await contacts_of(ledger, two)
    assert (contact.state, contact.reason) == (READY, Reason.OPEN_ELSEWHERE)
    assert (await seen_by_rules(ledger, two, now=at(61))).has_open


# --- Settling.


async def test_a_settled_attempt_keeps_everything_that_was_said(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    placed = settlement(taken, PLACED, call_id="call_1", at=at(1))
    ended = settlement(
        taken,
        FINAL,
        before=(PLACED,),
        at=at(60),
        disposition=Disposition.BUSY,
        seconds=12.5,
        cost_micros=40_000,
        contact=READY,
        reason=Reason.REDIAL,
        detail="busy",
        next_at=at(960),
    )
    assert await ledger.settle([placed, ended]) == [True, True]

    (attempt,) = await attempts_of(ledger, campaign)
    assert (attempt.state, attempt.call_id, attempt.disposition) == (FINAL, "call_1", "busy")
    assert (attempt.seconds, attempt.cost_micros) == (12.5, 40_000)
    assert (attempt.sent_at, attempt.settled_at) == (NOW, at(60))
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.state, contact.reason, contact.detail) == (READY, "redial", "busy")
    assert (contact.next_at, contact.attempts) == (at(960), 1)


async def test_only_the_worker_that_has_an_attempt_settles_it(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    stranger = settlement(taken, PLACED, worker="worker-2")
    assert await ledger.settle([stranger]) == [False]
    (attempt,) = await attempts_of(ledger, campaign)
    assert attempt.state is DISPATCHING


async def test_an_attempt_is_settled_from_where_it_stands_only(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    assert await ledger.settle([settlement(taken, RELEASED)]) == [True]
    assert await ledger.settle([settlement(taken, PLACED, call_id="late")]) == [False]
    forbidden = settlement(taken, PLACED, before=(RELEASED,))
    assert await ledger.settle([forbidden]) == [False], "whatever the settlement allows"
    missing = settlement(taken, PLACED, attempt_id=taken.attempt_id + 1)
    assert await ledger.settle([missing]) == [False]


async def test_a_placed_call_is_settled_from_where_it_was_believed_to_stand_only(
    ledger: Ledger,
) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    believed = settlement(taken, PLACED, before=(UNKNOWN,), call_id="c", contact=DONE)
    believed = believed._replace(reason=Reason.PLACED)
    assert await ledger.settle([believed]) == [False]
    assert await ledger.settle([believed._replace(before=(DISPATCHING,))]) == [True]


@pytest.mark.parametrize(
    ("after", "unpriced"),
    [(PLACED, 1), (UNKNOWN, 1), (LOST, 1), (FINAL, 1), (REJECTED, 0), (RELEASED, 0)],
)
async def test_what_may_still_cost_something_is_counted(
    ledger: Ledger, after: AttemptState, unpriced: int
) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    assert await standing(ledger, campaign) == (1, 0)
    await ledger.settle([settlement(taken, after)])
    assert await standing(ledger, campaign) == (unpriced, 0)


async def test_a_call_is_paid_for_once_its_cost_is_known(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    await ledger.settle([settlement(taken, FINAL, cost_micros=0)])
    assert await standing(ledger, campaign) == (0, 0)


async def test_a_lost_call_that_turns_up_is_paid_once(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    ends = [
        settlement(taken, UNKNOWN),
        settlement(taken, LOST, before=(UNKNOWN,)),
        settlement(taken, FINAL, before=(LOST,), cost_micros=70_000, call_id="c"),
        settlement(taken, FINAL, before=(FINAL,), cost_micros=70_000),
    ]
    assert await ledger.settle(ends) == [True, True, True, False]
    assert await standing(ledger, campaign) == (0, 70_000)


async def test_a_try_that_was_given_back_does_not_count(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    await ledger.settle([settlement(taken, RELEASED, next_at=at(5))])
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.attempts, contact.next_at) == (0, at(5))
    again = await claim_one(ledger, campaign, now=at(5))
    assert (again.attempts, again.contact_id) == (1, taken.contact_id)
    assert again.attempt_id != taken.attempt_id


async def test_one_call_belongs_to_one_attempt(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    one, two, three = (await claim(ledger, campaign)).claims
    answers = await ledger.settle(
        [
            settlement(one, PLACED, call_id="same"),
            settlement(two, PLACED, call_id="same"),
            settlement(three, PLACED, call_id="other"),
        ]
    )
    assert answers == [True, False, True]
    assert await ledger.settle([settlement(two, PLACED, call_id="same")]) == [False]
    assert await ledger.claimed_calls(["same", "other", "none"]) == {"same", "other"}


async def test_late_evidence_of_an_old_attempt_leaves_the_new_one_alone(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    old = await claim_one(ledger, campaign)
    await ledger.settle([settlement(old, LOST, contact=READY)])
    new = await claim_one(ledger, campaign)

    late = settlement(old, FINAL, before=(LOST,), call_id="c", cost_micros=5)

    assert await ledger.settle([late]) == [True]
    (contact,) = await contacts_of(ledger, campaign)
    assert contact.state is ACTIVE, "somebody is being called"
    assert await ledger.settle([settlement(new, PLACED, call_id="d")]) == [True]


async def test_late_evidence_undoes_no_decision_of_a_person(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    await ledger.settle([settlement(taken, LOST)])
    assert await resolve(ledger, taken.contact_id, state=DONE) == 1

    late = settlement(taken, FINAL, before=(LOST,), contact=READY, reason=Reason.REDIAL)

    assert await ledger.settle([late]) == [True]
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.state, contact.reason) == (DONE, Reason.RESOLVED)


async def test_an_ended_call_can_suppress_its_number(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    await ledger.settle([settlement(taken, FINAL, suppress="asked not to be called")])
    (entry,) = [entry async for entry in ledger.suppressions()]
    assert (entry.number, entry.reason) == (number(1), "asked not to be called")
    assert (entry.source, entry.added_at) == ("call", NOW)


async def test_settling_nothing_is_nothing(ledger: Ledger) -> None:
    assert list(await ledger.settle([])) == []


# --- What has no end.


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_what_a_dead_runner_left_is_unknown(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    one, two = (await claim(ledger, campaign, worker="dead")).claims
    await ledger.settle([settlement(two, PLACED, call_id="c")])

    assert await ledger.recover(worker=WORKER) == 1

    assert await ledger.settle([settlement(one, PLACED, call_id="d")]) == [False]
    (stale,) = await ledger.take_stale(campaign.campaign_id, worker=WORKER, before=at(1), limit=10)
    assert (stale.attempt_id, stale.state, stale.worker) == (one.attempt_id, UNKNOWN, WORKER)
    assert await ledger.settle([settlement(stale, PLACED, call_id="d")]) == [True]
    assert await ledger.recover(worker=WORKER) == 0


async def test_a_stale_attempt_changes_hands(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    old = await claim_one(ledger, campaign, worker="frozen")
    young = await claim_one(ledger, campaign, worker="frozen", now=at(10))

    stale = await ledger.take_stale(campaign.campaign_id, worker=WORKER, before=at(10), limit=9)

    assert [attempt.attempt_id for attempt in stale] == [old.attempt_id]
    late = [settlement(each, PLACED, call_id=each.phone) for each in (old, young)]
    assert await ledger.settle(late) == [False, True]
    other = await campaign_of(ledger, 3, name="other")
    assert await ledger.take_stale(other.campaign_id, worker=WORKER, before=at(99), limit=9) == []


async def test_looks_are_counted_and_the_longest_unseen_comes_first(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    await claim(ledger, campaign, worker="dead")

    async def stale(limit: int) -> Any:
        return await ledger.take_stale(
            campaign.campaign_id, worker=WORKER, before=at(1), limit=limit
        )

    one, two = await stale(9)
    await ledger.note_looks([one.attempt_id], worker=WORKER, at=at(30))
    await ledger.note_looks([two.attempt_id], worker="somebody else", at=at(30))
    assert [each.attempt_id for each in await stale(1)] == [two.attempt_id]
    unseen, seen = await stale(9)
    assert (unseen.looks, unseen.looked_at) == (0, None)
    assert (seen.looks, seen.looked_at) == (1, at(30))


async def test_a_worker_does_not_take_its_own_dispatching_attempts_for_stale(
    ledger: Ledger,
) -> None:
    campaign = await campaign_of(ledger, 1)
    (own,) = (await claim(ledger, campaign)).claims
    # As after a clock was set forward: its own call is on its way and looks an hour old.
    stale = await ledger.take_stale(campaign.campaign_id, worker=WORKER, before=at(3600), limit=9)
    assert stale == []
    assert await ledger.settle([settlement(own, PLACED, call_id="a")]) == [True]


async def test_a_worker_takes_what_an_earlier_run_of_its_left_behind(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    left = await claim_one(ledger, campaign)
    await claim_one(ledger, campaign, now=at(20))
    given: dict[str, Any] = {"worker": WORKER, "limit": 9, "own_before": at(10)}
    assert await ledger.take_stale(campaign.campaign_id, before=at(0), **given) == []
    (stale,) = await ledger.take_stale(campaign.campaign_id, before=at(3600), **given)
    assert (stale.attempt_id, stale.state) == (left.attempt_id, UNKNOWN)


async def test_placed_calls_are_followed_by_whoever_takes_them_over(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    one, two, three = (await claim(ledger, campaign, worker="dead")).claims
    await ledger.settle(
        [
            settlement(one, PLACED, call_id="a"),
            settlement(two, PLACED, call_id="b", contact=DONE),
            settlement(three, PLACED, call_id="c"),
        ]
    )
    assert await ledger.count_live(campaign.campaign_id) == 2

    async def page(after_id: int) -> Any:
        return await ledger.followed(
            campaign.campaign_id, worker=WORKER, after_id=after_id, limit=1
        )

    (first,) = await page(0)
    (second,) = await page(first.attempt_id)
    assert await page(second.attempt_id) == []
    assert [first.call_id, second.call_id] == ["a", "c"]
    assert (first.worker, first.state, first.phone) == (WORKER, PLACED, number(1))
    assert await ledger.settle([settlement(first, FINAL)]) == [True]
    assert await ledger.settle([settlement(one, FINAL, before=(PLACED,))]) == [False]


# --- Resolving.


async def resolve(ledger: Ledger, contact_id: int, *, state: ContactState) -> int:
    return await ledger.resolve(
        [contact_id],
        state=state,
        reason=Reason.RESOLVED,
        detail="a person looked",
        next_at=at(60) if state is READY else None,
        now=NOW,
    )


async def test_only_what_is_in_review_is_resolved(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    assert await resolve(ledger, taken.contact_id, state=DONE) == 0
    await ledger.settle([settlement(taken, LOST)])
    assert await resolve(ledger, taken.contact_id, state=READY) == 1
    assert await resolve(ledger, taken.contact_id, state=DONE) == 0
    (contact,) = await contacts_of(ledger, campaign)
    assert (contact.state, contact.next_at, contact.attempts) == (READY, at(60), 1)
    assert (contact.reason, contact.detail) == (Reason.RESOLVED, "a person looked")


async def test_who_is_to_be_called_again_has_one_more_try(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    for _ in range(SETTINGS.redial.max_attempts):
        taken = await claim_one(ledger, campaign)
        await ledger.settle([settlement(taken, LOST, contact=READY)])
    taken = await claim_one(ledger, campaign)
    await ledger.settle([settlement(taken, LOST)])
    assert taken.attempts == SETTINGS.redial.max_attempts + 1

    await resolve(ledger, taken.contact_id, state=READY)

    again = await claim_one(ledger, campaign, now=at(60))
    assert again.attempts == SETTINGS.redial.max_attempts


# --- Events.


def event(call_id: str, digest: str = "d") -> EventRecord:
    return EventRecord(
        event_id=0, call_id=call_id, digest=digest, status="completed", received_at=NOW
    )


async def test_an_event_is_kept_once(ledger: Ledger) -> None:
    assert await ledger.receive(event("c"))
    assert not await ledger.receive(event("c"))
    assert await ledger.receive(event("c", "another body"))
    (one, attempt), _ = await ledger.take_events(limit=10)
    assert (one.call_id, one.status, one.received_at, attempt) == ("c", "completed", NOW, None)


async def test_an_event_that_came_too_early_finds_its_attempt_later(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    await ledger.receive(event("of nobody"))
    await ledger.receive(event("c"))
    await ledger.settle([settlement(taken, PLACED, call_id="c")])

    # What belongs to nobody does not stand in front of what does.
    ((found, attempt),) = await ledger.take_events(limit=1)

    assert attempt is not None
    assert (found.call_id, attempt.attempt_id, attempt.phone) == ("c", taken.attempt_id, number(1))
    await ledger.apply_events([found.event_id], at=at(5))
    assert [each.call_id for each, _ in await ledger.take_events(limit=9)] == ["of nobody"]


# --- Campaigns.


async def test_a_campaign_is_stored_with_its_settings(ledger: Ledger) -> None:
    settings = CampaignSettings(project_id="p", agent_id="a", max_concurrency=7)
    created = await ledger.create_campaign("spring", settings, now=NOW)
    assert (created.state, created.settings) == (CampaignState.IMPORTING, settings)
    assert await ledger.campaign("spring") == created
    assert await ledger.campaign("autumn") is None
    with pytest.raises(CampaignError, match="'spring' already"):
        await ledger.create_campaign("spring", settings, now=NOW)


async def test_a_change_of_a_campaign_is_stored(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    settings = CampaignSettings(project_id="p", agent_id="other")
    changed = await ledger.change_campaign(
        campaign.campaign_id,
        now=NOW,
        state=CampaignState.PAUSED,
        settings=settings,
        placeholders=["name", "day"],
    )
    assert (changed.state, changed.settings) == (CampaignState.PAUSED, settings)
    assert changed.placeholders == ("name", "day")
    assert await ledger.campaign("spring") == changed


async def test_a_canceled_campaign_stays_canceled(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    await ledger.change_campaign(campaign.campaign_id, now=NOW, state=CampaignState.CANCELED)
    with pytest.raises(CampaignError, match="was canceled"):
        await ledger.change_campaign(campaign.campaign_id, now=NOW, state=CampaignState.RUNNING)
    await ledger.change_campaign(campaign.campaign_id, now=NOW, state=CampaignState.CANCELED)


# --- Lists.


async def test_a_number_is_there_once_per_campaign(ledger: Ledger) -> None:
    campaign = await ledger.create_campaign("spring", SETTINGS, now=NOW)
    again = row(9, number_=number(1))
    assert await bring(ledger, campaign, 1, 2, again) == [
        ("added", None),
        ("added", None),
        ("duplicate", 1),
    ]
    assert [contact.number for contact in await contacts_of(ledger, campaign)] == [
        number(1),
        number(2),
    ]


async def test_a_duplicate_is_seen_across_batches(ledger: Ledger) -> None:
    campaign = await ledger.create_campaign("spring", SETTINGS, now=NOW)
    import_id = await ledger.begin_import(campaign.campaign_id, source="l", now=NOW)
    for rows in ([row(1)], [row(2), row(3, number_=number(1))]):
        verdicts = await ledger.add_contacts(
            campaign.campaign_id, import_id=import_id, contacts=rows, now=NOW
        )
    assert list(verdicts) == [("added", None), ("duplicate", 1)]


async def test_the_same_list_again_changes_nothing(ledger: Ledger) -> None:
    given = (row(1), row(2), row(3, number_=number(1), zones=("Europe/Paris",)))
    campaign = await campaign_of(ledger, *given)
    await claim_one(ledger, campaign)
    before = await contacts_of(ledger, campaign)
    for _ in range(2):
        assert await bring(ledger, campaign, *given) == [
            ("unchanged", None),
            ("unchanged", None),
            ("duplicate", 1),
        ]
    assert await contacts_of(ledger, campaign) == before


async def test_a_changed_row_of_somebody_never_tried_is_taken_over(ledger: Ledger) -> None:
    out = (Reason.PLACEHOLDER, "no value for name")
    campaign = await campaign_of(ledger, row(1), row(2, excluded=out))
    better = row(5, number_=number(2), zones=("Europe/Paris",))
    worse = row(6, number_=number(1), excluded=out)
    assert await bring(ledger, campaign, better, worse) == [("updated", None)] * 2
    two, one = await contacts_of(ledger, campaign)
    assert (two.number, two.state, two.zones) == (number(2), READY, ("Europe/Paris",))
    assert (one.number, one.state, one.reason) == (number(1), EXCLUDED, Reason.PLACEHOLDER)
    assert [two.row, one.row] == [5, 6]


async def test_a_changed_row_of_somebody_tried_is_not(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    await ledger.settle([settlement(taken, FINAL)])
    changed = row(1, zones=("Europe/Paris",))
    assert await bring(ledger, campaign, changed) == [("unchanged", None)]
    assert (await claim(ledger, campaign)).considered == 0


async def test_who_is_suppressed_is_not_made_ready_by_the_same_row(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    await claim(ledger, campaign, decide=lambda *_: Stop(reason=Reason.SUPPRESSED))
    assert await bring(ledger, campaign, 1) == [("unchanged", None)]


async def test_an_excluded_row_is_there_and_never_due(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, row(1, excluded=(Reason.PLACEHOLDER, "no name")), 2)
    assert [taken.phone for taken in (await claim(ledger, campaign)).claims] == [number(2)]


async def test_ready_contacts_can_be_excluded_later(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    taken = await claim_one(ledger, campaign)
    ready = [contact async for contact in ledger.ready_contacts(campaign.campaign_id)]
    assert [contact.number for contact in ready] == [number(2), number(3)]
    await ledger.exclude(
        [taken.contact_id, ready[1].contact_id],
        reason=Reason.PLACEHOLDER,
        detail=["no value for day", "no value for name"],
        now=NOW,
    )
    states = [(each.state, each.detail) for each in await contacts_of(ledger, campaign)]
    assert states == [(ACTIVE, None), (READY, None), (EXCLUDED, "no value for name")]


async def test_suppressing_counts_what_is_new(ledger: Ledger) -> None:
    entries = [
        Suppression(number=number(n), reason="asked", source="list", added_at=NOW)
        for n in (2, 1, 2)
    ]
    assert await ledger.suppress(entries) == 2
    assert await ledger.suppress(entries) == 0
    assert await ledger.suppress([]) == 0
    assert [entry.number async for entry in ledger.suppressions()] == [number(1), number(2)]


async def test_many_numbers_are_looked_up_on_the_suppression_list_at_once(ledger: Ledger) -> None:
    entry = Suppression(number=number(2), reason="asked", source="list", added_at=NOW)
    await ledger.suppress([entry])
    assert await ledger.suppressed_among([number(n) for n in (1, 2, 3)]) == {number(2)}
    assert await ledger.suppressed_among([]) == set()


# --- The audit, and life.


async def test_the_audit_grows_with_every_decision_and_names_no_number(
    ledger: Ledger, look: Callable[..., Any]
) -> None:
    campaign = await campaign_of(ledger, 1, row(2, excluded=(Reason.PLACEHOLDER, "no name")))
    taken = await claim_one(ledger, campaign, decide=lambda *_: CallNow(because={"rules": "R"}))
    await ledger.settle([settlement(taken, PLACED, call_id="c")])
    await ledger.note("run_ended", now=NOW, detail={"worker": WORKER})
    assert [what for (what,) in look("SELECT what FROM audit ORDER BY seq")] == [
        "campaign_created",
        "import_begun",
        "excluded",
        "import_finished",
        "campaign_changed",
        "dial",
        "placed",
        "run_ended",
    ]
    text = str(look("SELECT * FROM audit"))
    assert '"rules":"R"' in text
    assert "+1415" not in text
    seq, hashed = await ledger.head()
    assert look("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1") == [(seq, hashed)]


async def test_a_cancelled_claim_is_given_back(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    claiming = asyncio.create_task(claim(ledger, campaign))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    # Waits until the claim is answered, and what is given back after that.
    await ledger.count_live(campaign.campaign_id)
    assert await ledger.count_live(campaign.campaign_id) == 0
    assert await standing(ledger, campaign) == (0, 0)
    states = {attempt.state for attempt in await attempts_of(ledger, campaign)}
    assert states == {RELEASED}
    assert len((await claim(ledger, campaign)).claims) == 2


async def test_a_cancelled_settlement_is_written(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1)
    taken = await claim_one(ledger, campaign)
    settling = asyncio.create_task(ledger.settle([settlement(taken, PLACED, call_id="c")]))
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert await ledger.claimed_calls(["c"]) == {"c"}


async def test_closing_writes_what_is_waiting(ledger: Ledger, look: Callable[..., Any]) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    tasks = [asyncio.create_task(claim(ledger, campaign, limit=1)) for _ in range(3)]
    await asyncio.sleep(0)
    await ledger.aclose()
    assert sum(len(claimed.claims) for claimed in await asyncio.gather(*tasks)) == 3
    assert look("SELECT count(*) FROM attempt") == [(3,)]
    with pytest.raises(ClosedError):
        await claim(ledger, campaign)
    await ledger.aclose()


async def test_a_ledger_is_opened_before_it_is_used(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "l.db")
    with pytest.raises(NotStartedError):
        await ledger.count_live(1)
    assert not (tmp_path / "l.db").exists()
