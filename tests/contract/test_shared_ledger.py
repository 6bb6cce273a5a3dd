"""A ledger that several workers use at once: each `open_ledger` here is a worker's own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import attrs
import pytest

from talkstack_async.campaign.beats import Beat
from talkstack_async.campaign.decisions import CallNow, Candidate, Decision, Reason, Stop, Wait
from talkstack_async.campaign.ledger import SharedLedger, open_ledger
from talkstack_async.campaign.ledger.addresses import ServerAddress
from talkstack_async.campaign.records import CampaignRecord, EventRecord, Suppression
from talkstack_async.campaign.rules import admit
from talkstack_async.campaign.settings import Budget
from talkstack_async.campaign.states import AttemptState, CampaignState, ContactState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import CampaignError, ClockJumpError, LedgerError
from tests.support.ledgers import (
    NOW,
    SETTINGS,
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

PLACED, FINAL, UNKNOWN = AttemptState.PLACED, AttemptState.FINAL, AttemptState.UNKNOWN
LOST, RELEASED = AttemptState.LOST, AttemptState.RELEASED
READY = ContactState.READY

ANN, BOB = "ann:1:aa", "bob:2:bb"


@pytest.fixture
async def ledgers(postgres_url: str) -> AsyncIterator[list[SharedLedger]]:
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(
                open_ledger(postgres_url, clock=ManualClock(NOW), max_clock_skew_seconds=None)
            )
            for _ in range(2)
        ]
        yield opened
        assert await opened[0].verify() == []


@pytest.fixture
def ann(ledgers: list[SharedLedger]) -> SharedLedger:
    return ledgers[0]


@pytest.fixture
def bob(ledgers: list[SharedLedger]) -> SharedLedger:
    return ledgers[1]


async def settings_changed(ledger: SharedLedger, campaign: CampaignRecord, **changes: Any) -> None:
    told = attrs.evolve(campaign.settings, **changes)
    await ledger.change_campaign(campaign.campaign_id, now=NOW, settings=told)


def beat_of(worker: str, **changes: Any) -> Beat:
    return Beat(**{"worker": worker, "host": "h", "pid": 7, "began_at": NOW, **changes})


# --- Nobody twice.


async def test_two_workers_claim_nobody_twice(ledgers: list[SharedLedger]) -> None:
    campaign = await campaign_of(ledgers[0], *range(1, 201))

    async def claim_all(ledger: SharedLedger, worker: str) -> list[str]:
        phones: list[str] = []
        for _ in range(20):
            claimed = await claim(ledger, campaign, worker=worker, limit=13)
            phones += [taken.phone for taken in claimed.claims]
        return phones

    both = await asyncio.gather(claim_all(ledgers[0], ANN), claim_all(ledgers[1], BOB))

    assert all(both), "each got some"
    assert sorted(both[0] + both[1]) == [number(n) for n in range(1, 201)]


async def test_a_number_in_two_campaigns_is_taken_by_one_of_two_workers(
    ledgers: list[SharedLedger],
) -> None:
    numbers = range(1, 101)
    campaigns = [
        await campaign_of(ledgers[0], *(row(i, number_=number(n)) for i, n in rows), name=name)
        for name, rows in (
            ("up", enumerate(numbers, 1)),
            ("down", enumerate(reversed(numbers), 1)),
        )
    ]

    async def claim_all(ledger: SharedLedger, campaign: CampaignRecord, worker: str) -> list[str]:
        claimed = [await claim(ledger, campaign, worker=worker, limit=10) for _ in range(12)]
        return [taken.phone for each in claimed for taken in each.claims]

    both = await asyncio.gather(
        *map(claim_all, ledgers, campaigns, (ANN, BOB)),
    )

    phones = Counter(both[0] + both[1])
    assert set(phones.values()) == {1}
    assert set(phones) == {number(n) for n in numbers}
    waiting = [
        contact
        for campaign in campaigns
        async for contact, _ in ledgers[0].export(campaign.campaign_id)
        if contact.state is READY
    ]
    assert len(waiting) == 100
    assert {contact.reason for contact in waiting} == {Reason.OPEN_ELSEWHERE}


async def test_a_number_that_is_just_being_taken_is_waited_for(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    one = await campaign_of(ann, 1, name="one")
    two = await campaign_of(ann, row(1, number_=number(1)), name="two")
    reached, go_on = threading.Event(), threading.Event()

    def last(candidate: Candidate, now: datetime) -> Decision:
        # Bob has looked, and seen no open attempt; now Ann is quicker.
        reached.set()
        assert go_on.wait(60)
        return CallNow()

    slow = asyncio.create_task(claim(bob, two, worker=BOB, decide=last))
    assert await asyncio.to_thread(reached.wait, 60)
    quick = await claim(ann, one, worker=ANN)
    go_on.set()

    assert len(quick.claims) == 1
    assert (await slow).claims == ()
    (contact,) = [contact async for contact, _ in ann.export(two.campaign_id)]
    assert (contact.state, contact.reason) == (READY, Reason.OPEN_ELSEWHERE)


async def test_a_number_that_was_rung_while_it_was_decided_on_is_decided_on_again(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    one = await campaign_of(ann, 1, name="one")
    two = await campaign_of(ann, row(1, number_=number(1)), row(2), name="two")
    reached, go_on = threading.Event(), threading.Event()

    def think(candidate: Candidate, now: datetime) -> Decision:
        reached.set()
        assert go_on.wait(60)
        return CallNow()

    slow = asyncio.create_task(claim(bob, two, worker=BOB, decide=think))
    assert await asyncio.to_thread(reached.wait, 60)
    # Its attempt is open no more, so nothing keeps Bob from one of his own.
    rung = await claim_one(ann, one, worker=ANN)
    await ann.settle([settlement(rung, PLACED, call_id="c")])
    go_on.set()

    assert [taken.phone for taken in (await slow).claims] == [number(2)]
    waiting, _ = [contact async for contact, _ in ann.export(two.campaign_id)]
    assert (waiting.state, waiting.reason) == (READY, Reason.OPEN_ELSEWHERE)
    seen: list[Candidate] = []

    def look(candidate: Candidate, now: datetime) -> Decision:
        seen.append(candidate)
        return CallNow()

    await claim(bob, two, worker=BOB, now=at(61), decide=look)
    assert [len(candidate.earlier) for candidate in seen] == [1], "the rules know of it now"


@pytest.mark.parametrize(("paused", "claimed"), [(True, 0), (False, 1)])
async def test_what_was_changed_during_a_claim_holds_for_it(
    ann: SharedLedger, bob: SharedLedger, paused: bool, claimed: int
) -> None:
    campaign = await campaign_of(ann, 1)
    reached, go_on = threading.Event(), threading.Event()

    def think(candidate: Candidate, now: datetime) -> Decision:
        reached.set()
        assert go_on.wait(60)
        return CallNow()

    claiming = asyncio.create_task(
        claim(bob, campaign, worker=BOB, decide=think, admit=lambda c: admit(c, wanted=9))
    )
    assert await asyncio.to_thread(reached.wait, 60)
    if paused:
        await ann.change_campaign(campaign.campaign_id, now=NOW, state=CampaignState.PAUSED)
    else:
        # Calls of the old project would not be found in the new one.
        await settings_changed(ann, campaign, project_id="p2")
    go_on.set()

    found = await claiming
    assert len(found.claims) == claimed
    assert found.campaign.settings.project_id == ("p1" if paused else "p2")


async def test_contacts_somebody_else_looks_at_are_left_out(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 21))
    reached, go_on = threading.Event(), threading.Event()

    def think(candidate: Candidate, now: datetime) -> Decision:
        reached.set()
        assert go_on.wait(60)
        return CallNow()

    slow = asyncio.create_task(claim(ann, campaign, worker=ANN, limit=10, decide=think))
    assert await asyncio.to_thread(reached.wait, 60)
    quick = await claim(bob, campaign, worker=BOB, limit=20)
    go_on.set()

    assert {taken.phone for taken in quick.claims}.isdisjoint(
        {taken.phone for taken in (await slow).claims}
    )
    assert len(quick.claims) + len((await slow).claims) == 20


async def test_a_budget_holds_over_all_workers(ledgers: list[SharedLedger]) -> None:
    campaign = await campaign_of(ledgers[0], *range(1, 101))
    await settings_changed(ledgers[0], campaign, budget=Budget(limit=3.0, worst_call=0.1))

    claimed = await asyncio.gather(
        *(
            claim(ledger, campaign, worker=worker, limit=9, admit=lambda c: admit(c, wanted=9))
            for _ in range(5)
            for ledger, worker in zip(ledgers, (ANN, BOB), strict=True)
        )
    )

    assert sum(len(each.claims) for each in claimed) == 30


async def test_the_shards_that_have_contacts_left_make_up_for_the_others(
    ann: SharedLedger,
) -> None:
    campaign = await campaign_of(ann, *range(1, 61))
    assert campaign.shards == 10

    def decide(candidate: Candidate, now: datetime) -> Decision:
        if candidate.contact_id % 10 in (3, 4):
            return Wait(until=at(5), reason=Reason.GAP)
        return Stop(reason=Reason.REFUSED)

    assert (await claim(ann, campaign, limit=60, decide=decide)).considered == 60
    claimed = await claim(ann, campaign, limit=9, now=at(5))
    assert (len(claimed.claims), claimed.considered) == (9, 9)
    assert [each.contact_id for each in claimed.claims] == sorted(
        each.contact_id for each in claimed.claims
    )


# --- Settling and taking over.


async def test_an_attempt_is_settled_by_one_of_two(ledgers: list[SharedLedger]) -> None:
    campaign = await campaign_of(ledgers[0], *range(1, 51))
    claims = (await claim(ledgers[0], campaign, worker=ANN, limit=50)).claims

    settled, stale = await asyncio.gather(
        ledgers[0].settle([settlement(each, PLACED, call_id=each.phone) for each in claims]),
        ledgers[1].take_stale(campaign.campaign_id, worker=BOB, before=at(9), limit=50),
    )

    taken = {each.attempt_id for each in stale}
    for each, is_ours in zip(claims, settled, strict=True):
        assert is_ours is (each.attempt_id not in taken)


async def test_a_call_id_is_given_to_one_of_two(ledgers: list[SharedLedger]) -> None:
    campaign = await campaign_of(ledgers[0], *range(1, 21))
    mine = (await claim(ledgers[0], campaign, worker=ANN, limit=10)).claims
    yours = (await claim(ledgers[1], campaign, worker=BOB, limit=10)).claims

    answers = await asyncio.gather(
        *(
            ledger.settle([settlement(each, PLACED, call_id=f"call {n}")])
            for ledger, claims in zip(ledgers, (mine, yours), strict=True)
            for n, each in enumerate(claims)
        )
    )

    assert sum(answer == [True] for answer in answers) == 10


async def test_what_was_written_before_is_true_a_second_time(ann: SharedLedger) -> None:
    campaign = await campaign_of(ann, 1)
    taken = await claim_one(ann, campaign)
    placed = settlement(taken, PLACED, call_id="c", at=at(1))
    ended = settlement(taken, FINAL, before=(PLACED,), call_id="c", at=at(9), cost_micros=5)

    assert await ann.settle([placed]) == [True]
    assert await ann.settle([placed]) == [True]
    assert await ann.settle([placed._replace(at=at(2))]) == [False]
    assert await ann.settle([ended]) == [True]
    assert await ann.settle([ended]) == [True]
    assert await ann.settle([placed]) == [False]
    found = await ann.campaign("spring")
    assert found is not None
    assert (found.unpriced, found.spent_micros) == (0, 5)


async def test_texts_are_stored_as_they_are(ann: SharedLedger) -> None:
    campaign = await campaign_of(ann, *range(1, 7))
    odd = ['a "b" \\ c', "{x,y}", "NULL", "", "line\nbreak, tab\t", "é🎈\\"]
    claims = (await claim(ann, campaign)).claims
    told = [
        settlement(each, AttemptState.REJECTED, error=text, detail=text)
        for each, text in zip(claims, odd, strict=True)
    ]
    assert all(await ann.settle(told))
    stored = [pair async for pair in ann.export(campaign.campaign_id)]
    assert [contact.detail for contact, _ in stored] == odd
    assert [attempt.error for _, (attempt,) in stored] == odd
    calls = [f'{n} "\\ {{,}}' for n in range(3)]
    assert await ann.claimed_calls(calls) == set()


async def test_a_text_that_cannot_be_stored_keeps_no_result_from_being_written(
    ann: SharedLedger,
) -> None:
    campaign = await campaign_of(ann, 1)
    taken = await claim_one(ann, campaign)
    odd = settlement(taken, PLACED, call_id="c\x00\ud800", error="e\x00\udfff", detail="\x00")
    assert await ann.settle([odd]) == [True]
    ((_, (attempt,)),) = [pair async for pair in ann.export(campaign.campaign_id)]
    assert (attempt.call_id, attempt.error) == ("c\ufffd?", "e\ufffd?")


async def test_an_event_that_comes_to_two_workers_at_once_is_kept_once(
    ledgers: list[SharedLedger],
) -> None:
    events = [
        EventRecord(event_id=0, call_id=f"c{n}", digest="d", status=None, received_at=NOW)
        for n in range(30)
    ]
    answers = await asyncio.gather(
        *(ledger.receive(event) for event in events for ledger in ledgers)
    )
    assert sum(answers) == 30
    assert len(await ledgers[0].take_events(limit=99)) == 30


async def test_nobody_recovers_a_ledger_that_others_may_use(ann: SharedLedger) -> None:
    assert (ann.is_shared, ann.is_exclusive) == (True, False)
    with pytest.raises(LedgerError, match="other workers may be using postgresql://127"):
        await ann.recover(worker=ANN)


# --- Lists and campaigns.


async def test_a_list_that_is_imported_twice_at_once_is_there_once(
    ledgers: list[SharedLedger],
) -> None:
    campaign = await ledgers[0].create_campaign("spring", SETTINGS, now=NOW)
    rows = [row(n) for n in range(1, 301)]

    verdicts = await asyncio.gather(
        *(
            bring(ledger, campaign, *rows[n : n + 50])
            for n in range(0, 300, 50)
            for ledger in ledgers
        )
    )

    counts = Counter(verdict for each in verdicts for verdict, _ in each)
    assert counts == {"added": 300, "unchanged": 300}


async def test_two_workers_do_not_create_the_same_campaign(ledgers: list[SharedLedger]) -> None:
    answers = await asyncio.gather(
        *(ledger.create_campaign("spring", SETTINGS, now=NOW) for ledger in ledgers),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, CampaignError) for answer in answers) == 1
    assert sum(isinstance(answer, CampaignRecord) for answer in answers) == 1


async def test_a_list_that_suppresses_the_same_numbers_counts_them_once(
    ledgers: list[SharedLedger],
) -> None:
    entries = [
        Suppression(number=number(n), reason="asked", source="list", added_at=NOW)
        for n in range(100)
    ]
    counts = await asyncio.gather(
        ledgers[0].suppress(entries), ledgers[1].suppress(list(reversed(entries)))
    )
    assert sum(counts) == 100
    assert await ledgers[0].suppressed_among([number(7), number(100)]) == {number(7)}


async def test_what_one_worker_changes_the_next_claim_of_another_sees(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, 1, 2)
    assert len((await claim(bob, campaign, limit=1)).claims) == 1
    await ann.change_campaign(campaign.campaign_id, now=NOW, state=CampaignState.PAUSED)
    assert (await claim(bob, campaign)).claims == ()
    await ann.change_campaign(campaign.campaign_id, now=NOW, state=CampaignState.RUNNING)
    await ann.suppress([Suppression(number=number(2), reason="asked", source="api", added_at=NOW)])
    seen: list[str | None] = []

    def decide(candidate: Candidate, now: datetime) -> Decision:
        seen.append(candidate.suppressed)
        return Stop(reason=Reason.SUPPRESSED)

    await claim(bob, campaign, decide=decide)
    assert seen == ["asked"]


# --- Shards and who holds them.


async def held_by(
    ledger: SharedLedger, campaign: CampaignRecord, worker: str, *shards: int
) -> None:
    for shard in shards:
        await ledger.hold(campaign.campaign_id, shard, worker=worker)


async def test_contacts_are_spread_over_shards(postgres_url: str, ann: SharedLedger) -> None:
    wide = attrs.evolve(SETTINGS, max_concurrency=200)
    narrow = attrs.evolve(SETTINGS, max_concurrency=1)
    shards = [
        (await ann.create_campaign(name, told, now=NOW)).shards
        for name, told in (("wide", wide), ("narrow", narrow))
    ]
    assert shards == [16, 1]
    campaign = await ann.campaign("wide")
    assert campaign is not None
    await bring(ann, campaign, *range(1, 161))
    rows = on_server(postgres_url, "SELECT shard, count(*) FROM contact GROUP BY shard")
    assert sorted(rows) == [(shard, 10) for shard in range(16)]


async def test_a_shard_that_is_held_is_left_to_its_worker(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 41))
    await held_by(ann, campaign, ANN, *range(7))

    left = await claim(bob, campaign, worker=BOB, limit=40)

    assert {taken.contact_id % 10 for taken in left.claims} == {7, 8, 9}
    assert left.next_due_at is None, "of what is not held"
    mine = await claim(ann, campaign, worker=ANN, limit=40)
    assert len(left.claims) + len(mine.claims) == 40


async def test_a_worker_that_lost_its_shard_claims_nothing_from_it(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 41))
    await held_by(ann, campaign, ANN, *range(10))
    assert len((await claim(ann, campaign, worker=ANN, limit=10)).claims) == 10

    await held_by(bob, campaign, BOB, *range(10))

    late = await claim(ann, campaign, worker=ANN, limit=10)
    assert (late.claims, late.considered, late.next_due_at) == ((), 0, None)
    assert len((await claim(bob, campaign, worker=BOB, limit=10)).claims) == 10
    standing = await ann.beat(beat_of(ANN))
    assert standing.held == frozenset()


async def test_attempts_in_a_shard_are_taken_over_by_who_holds_it(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 11))
    claims = (await claim(ann, campaign, worker="dead:3:cc")).claims
    placed = [each for each in claims if each.contact_id % 2]
    await ann.settle([settlement(each, PLACED, call_id=each.phone) for each in placed])
    await held_by(bob, campaign, BOB, *range(5))
    given = {"campaign_id": campaign.campaign_id, "limit": 99}

    async def found(ledger: SharedLedger, worker: str) -> tuple[set[int], set[int]]:
        stale = await ledger.take_stale(**given, worker=worker, before=at(60))
        followed = await ledger.followed(**given, worker=worker, after_id=0)
        return {a.contact_id % 10 for a in stale}, {a.contact_id % 10 for a in followed}

    assert await found(ann, ANN) == ({6, 8}, {5, 7, 9})
    assert await ann.count_live(campaign.campaign_id) == 5
    assert await found(bob, BOB) == ({0, 2, 4, 6, 8}, {1, 3, 5, 7, 9})
    assert await bob.count_live(campaign.campaign_id) == 10


async def test_calls_of_a_worker_that_lives_are_followed_by_nobody_else(
    postgres_url: str, ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 11))
    await ann.beat(beat_of(ANN))
    await bob.beat(beat_of(BOB))
    claims = (await claim(ann, campaign, worker=ANN)).claims
    await ann.settle([settlement(each, PLACED, call_id=each.phone) for each in claims])
    await held_by(bob, campaign, BOB, *range(5))

    async def follows(ledger: SharedLedger, worker: str) -> int:
        found = await ledger.followed(campaign.campaign_id, worker=worker, after_id=0, limit=99)
        return len(found)

    assert await follows(bob, BOB) == 0
    assert await follows(ann, ANN) == 10, "its own, also where it has lost the shard"
    on_server(postgres_url, f"UPDATE worker SET beat_at = beat_at - 16000 WHERE name = '{ANN}'")
    assert await follows(bob, BOB) == 10, "it was silent for too long"
    assert await follows(ann, ANN) == 0, "they are another's now"


async def test_calls_that_a_worker_leaves_are_followed_by_others(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 11))
    await ann.beat(beat_of(ANN))
    claims = (await claim(ann, campaign, worker=ANN)).claims
    await ann.settle([settlement(each, PLACED, call_id=each.phone) for each in claims[1:]])

    await ann.leave_calls(campaign.campaign_id, worker=ANN)

    given = {"campaign_id": campaign.campaign_id, "limit": 99}
    found = await bob.followed(**given, worker=BOB, after_id=0)
    assert {each.attempt_id for each in found} == {each.attempt_id for each in claims[1:]}
    assert (await ann.settle([settlement(claims[0], PLACED, call_id="c")])) == [True]
    assert await bob.verify() == []


async def test_a_shard_that_was_let_go_is_anybodys(ann: SharedLedger, bob: SharedLedger) -> None:
    campaign = await campaign_of(ann, *range(1, 11))
    await held_by(ann, campaign, ANN, *range(10))
    await bob.let_go(campaign.campaign_id, 3, worker=BOB)
    assert (await claim(bob, campaign, worker=BOB)).claims == ()
    await ann.let_go(campaign.campaign_id, 3, worker=ANN)
    assert len((await claim(bob, campaign, worker=BOB)).claims) == 1


async def test_who_was_not_heard_of_for_long_bars_nobody(
    postgres_url: str, ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 11))
    await held_by(ann, campaign, ANN, *range(10))
    await ann.beat(beat_of(ANN))
    on_server(postgres_url, "UPDATE holding SET since_at = since_at - 61000")
    assert (await claim(bob, campaign, worker=BOB)).claims == (), "it beats"
    on_server(postgres_url, "UPDATE worker SET beat_at = beat_at - 61000")
    assert len((await claim(bob, campaign, worker=BOB)).claims) == 10


async def test_a_beat_says_what_is_held_and_what_lives_there(
    ann: SharedLedger, bob: SharedLedger
) -> None:
    one = await campaign_of(ann, *range(1, 11), name="one")
    two = await campaign_of(ann, *range(11, 21), name="two")
    first = (await claim(ann, one, worker=ANN, limit=10)).claims
    await ann.settle([settlement(first[0], PLACED, call_id="c")])
    await ann.settle([settlement(first[1], FINAL)])
    await claim(bob, two, worker=BOB, limit=10)
    await held_by(bob, one, BOB, *range(10))
    await held_by(bob, two, BOB, 1, 2)

    standing = await bob.beat(beat_of(BOB))

    ids = {(one.campaign_id, shard) for shard in range(10)}
    assert standing.held == ids | {(two.campaign_id, 1), (two.campaign_id, 2)}
    assert standing.foreign == {one.campaign_id: 9}
    assert standing.elsewhere == {one.campaign_id: 1}, "the one that was placed"
    assert standing.live_workers == 1
    assert (await ann.beat(beat_of(ANN))).live_workers == 2
    assert (await bob.beat(beat_of(BOB, state="draining"))).live_workers == 1


async def test_workers_are_listed_until_they_retire(
    postgres_url: str, ann: SharedLedger, bob: SharedLedger
) -> None:
    campaign = await campaign_of(ann, *range(1, 11))
    await ann.beat(beat_of(ANN, in_flight=4))
    await bob.beat(beat_of(BOB, state="draining"))
    await held_by(ann, campaign, ANN, 2, 1)
    on_server(postgres_url, "UPDATE worker SET beat_at = beat_at - 30000 WHERE name = %s", ANN)

    first, second = await bob.workers()

    assert (first.name, first.host, first.pid, first.began_at) == (ANN, "h", 7, NOW)
    assert (first.state, first.in_flight) == ("working", 4)
    assert first.held == (("spring", 1), ("spring", 2))
    assert 30 <= first.beat_seconds_ago < 90
    assert (second.name, second.state, second.held) == (BOB, "draining", ())
    assert (await bob.beat(beat_of(BOB))).live_workers == 1, "Ann was silent for long"
    await ann.retire(ANN)
    assert [worker.name for worker in await bob.workers()] == [BOB]
    assert len((await claim(bob, campaign, worker=BOB)).claims) == 10


async def test_open_shards_are_those_with_work(ann: SharedLedger) -> None:
    empty = await ann.create_campaign("empty", SETTINGS, now=NOW)
    importing = await ann.create_campaign("importing", SETTINGS, now=NOW)
    import_id = await ann.begin_import(importing.campaign_id, source="l", now=NOW)
    await ann.add_contacts(importing.campaign_id, import_id=import_id, contacts=[row(1)], now=NOW)
    campaign = await campaign_of(ann, 2, 3, 4)
    ids = sorted(await seen_ids(ann, campaign))
    campaign_id = campaign.campaign_id

    def shards_of(*contacts: int) -> list[tuple[int, int]]:
        return sorted((campaign_id, contact % 10) for contact in contacts)

    assert await ann.open_shards() == shards_of(*ids)
    await ann.change_campaign(campaign_id, now=NOW, state=CampaignState.PAUSED)
    assert await ann.open_shards() == shards_of(*ids), "to hear that it goes on"
    await ann.change_campaign(campaign_id, now=NOW, state=CampaignState.RUNNING)
    one, two = (await claim(ann, campaign, limit=2)).claims
    await ann.settle([settlement(one, FINAL), settlement(two, UNKNOWN)])
    assert await ann.open_shards() == shards_of(ids[1], ids[2])
    await ann.change_campaign(campaign_id, now=NOW, state=CampaignState.CANCELED)
    assert await ann.open_shards() == shards_of(two.contact_id)
    assert empty.campaign_id not in {each for each, _ in await ann.open_shards()}


async def seen_ids(ledger: SharedLedger, campaign: CampaignRecord) -> list[int]:
    return [contact.contact_id async for contact in ledger.ready_contacts(campaign.campaign_id)]


# --- Clocks and chains.


@pytest.mark.parametrize(("ahead", "words"), [(90, "ahead of"), (-90, "behind")])
async def test_a_host_whose_clock_is_wrong_calls_nobody(
    postgres_url: str, ann: SharedLedger, ahead: int, words: str
) -> None:
    campaign = await campaign_of(ann, 1)
    taken = await claim_one(ann, await campaign_of(ann, 2, name="other"))
    clock = ManualClock(datetime.now(UTC) + timedelta(seconds=ahead))
    async with open_ledger(postgres_url, clock=clock) as wrong:
        with pytest.raises(
            ClockJumpError, match=f"this host's clock is .* s {words} the database's"
        ):
            await claim(wrong, campaign)
        with pytest.raises(ClockJumpError):
            await wrong.take_stale(taken.campaign_id, worker=BOB, before=at(9), limit=9)
        # What has happened is told, whatever the clock.
        assert await wrong.settle([settlement(taken, PLACED, call_id="c")]) == [True]
    async with open_ledger(postgres_url) as right:
        assert len((await claim(right, campaign)).claims) == 1


async def test_each_writer_has_a_chain_of_its_own(
    postgres_url: str, ledgers: list[SharedLedger]
) -> None:
    campaign = await campaign_of(ledgers[0], *range(1, 61))
    await asyncio.gather(
        *(claim(ledger, campaign, worker="w", limit=3) for _ in range(10) for ledger in ledgers)
    )
    entries = on_server(postgres_url, "SELECT chain, seq FROM audit ORDER BY chain, seq")
    chains = {chain: len(list(each)) for chain, each in groupby(entries, key=lambda e: e[0])}
    assert len(chains) == 2
    assert min(chains.values()) >= 10
    assert await ledgers[1].verify() == []


def test_every_connection_notices_a_server_that_vanished(postgres_url: str) -> None:
    with ServerAddress.read(postgres_url).connect() as connection:
        told = connection.info.get_parameters()
    assert told["tcp_user_timeout"] == "15000"
    assert told["keepalives_idle"] == "10"
