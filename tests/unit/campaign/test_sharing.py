"""How workers share a campaign: slots, fair shares, offers, and the common pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkstack_async.campaign.beats import Standing
from talkstack_async.campaign.holdings import Holdings
from talkstack_async.campaign.part import Part, Slice
from talkstack_async.campaign.permits import at_once, rates_for
from talkstack_async.campaign.shared_pace import SharedPace
from talkstack_async.campaign.shares import Take, fair_share, slots_of, to_offer, whether_to_take
from talkstack_async.clock import ManualClock
from talkstack_async.errors import LedgerBusyError, StaleClaimError

ALL = tuple(range(16))


def pieces(shards: Iterable[int], campaign_id: int = 1) -> list[Slice]:
    return [Slice(campaign_id, shard) for shard in shards]


# --- Slots and shares.


@pytest.mark.parametrize("limit", [1, 2, 15, 16, 17, 100, 1000])
@pytest.mark.parametrize("open_shards", [ALL, (3,), (0, 5, 9)])
def test_the_slots_of_all_open_shards_are_those_of_the_campaign(
    limit: int, open_shards: tuple[int, ...]
):
    slots = [slots_of(shard, open_shards, limit) for shard in ALL]
    assert sum(slots) == limit
    brought = [slots[shard] for shard in open_shards]
    assert max(brought) - min(brought) <= 1


@given(
    limit=st.integers(1, 60),
    mine=st.frozensets(st.sampled_from(ALL)),
    done=st.permutations(ALL),
    gaps=st.lists(st.floats(0.0, 6.0), min_size=16, max_size=16),
    beats=st.lists(st.floats(1.5, 2.2), min_size=60, max_size=60),
)
def test_the_slots_of_two_workers_are_never_more_while_shards_come_to_their_end(
    limit: int, mine: frozenset[int], done: list[int], gaps: list[float], beats: list[float]
):
    assert most_slots_at_once(limit, mine, done, gaps, beats, sees_before=True) <= limit


def test_they_would_be_if_each_took_what_it_saw_for_what_all_see():
    beats = [2.0, 1.9] * 30
    mine = frozenset(range(0, 16, 2))
    assert most_slots_at_once(20, mine, [*ALL], [3.0] * 16, beats, sees_before=False) > 20


def most_slots_at_once(
    limit: int,
    mine: frozenset[int],
    done: list[int],
    gaps: list[float],
    beats: list[float],
    *,
    sees_before: bool,
) -> int:
    """Let shards be done one after the other, and two workers learn of it, each at its beats."""
    done_at = dict(zip(done, accumulate(gaps), strict=True))
    parts = [Part(worker=name) for name in "ab"]
    holdings = [Holdings() for _ in parts]
    shares = (mine, frozenset(ALL) - mine)
    looks = sorted(
        [(at, 0) for at in accumulate(beats[::2], initial=0.0)]
        + [(at, 1) for at in accumulate(beats[1::2], initial=0.0)]
    )
    most = 0
    for now, which in looks:
        here, part = holdings[which], parts[which]
        is_open = [shard for shard in ALL if done_at[shard] > now]
        here.learn(standing(()), pieces(is_open), now=now)
        earlier = here.open_before(1) if sees_before else []
        part.change(shares[which], open_shards=is_open, foreign=0, earlier=earlier)
        most = max(most, sum(each.slots(limit) for each in parts))
    return most


def test_a_shard_in_which_nothing_is_left_to_do_has_no_slots():
    assert slots_of(3, (1, 2), 100) == 0


@pytest.mark.parametrize(
    ("shards", "workers", "share"), [(16, 1, 16), (16, 3, 6), (16, 16, 1), (16, 40, 1), (0, 2, 0)]
)
def test_a_fair_share_is_rounded_up(shards: int, workers: int, share: int):
    assert fair_share(shards, workers) == share


def take(**changes: object) -> Take:
    plain: dict[str, object] = {
        "held": 0,
        "fair": 8,
        "has_slots": False,
        "brings_slots": True,
        "passed_seconds": 0.0,
        "patience_seconds": 1.5,
    }
    return Take(**{**plain, **changes})  # type: ignore[arg-type]


def test_a_worker_takes_shards_up_to_its_fair_share():
    assert whether_to_take(take(held=7))
    assert not whether_to_take(take(held=8))


def test_what_nobody_else_takes_is_taken_all_the_same():
    assert whether_to_take(take(held=8, passed_seconds=1.5))


def test_a_shard_without_slots_goes_to_whoever_has_some():
    assert not whether_to_take(take(brings_slots=False))
    assert whether_to_take(take(brings_slots=False, has_slots=True, held=8))


def test_a_worker_offers_what_is_more_than_its_share_and_not_in_use():
    assert to_offer(ALL, ALL, limit=160, fair=8, busy=80) == [15, 14, 13, 12, 11, 10, 9, 8]
    assert to_offer(ALL, ALL, limit=160, fair=8, busy=140) == [15, 14]
    assert to_offer(ALL, ALL, limit=160, fair=8, busy=160) == []


def test_where_there_are_fewer_slots_than_shards_whoever_has_them_keeps_them():
    assert to_offer(ALL, ALL, limit=4, fair=8, busy=0) == []


def test_a_worker_whose_shards_bring_no_slots_offers_them_all():
    assert to_offer((5, 6, 7), ALL, limit=4, fair=8, busy=0) == [5, 6, 7]


def test_calls_that_others_began_use_the_slots_of_a_part():
    part = Part(worker="w")
    part.change(range(8), open_shards=ALL, foreign=10)
    assert part.slots(160) == 70
    assert part.of_pace() == 0.5
    part.change((), open_shards=ALL, foreign=0)
    assert part.slots(160) == 0


def test_more_calls_of_others_than_their_share_leave_less_for_a_part():
    part = Part(worker="w")
    part.change(range(8), open_shards=ALL, foreign=10, elsewhere=80)
    assert part.slots(160) == 70
    part.change(range(8), open_shards=ALL, foreign=10, elsewhere=150)
    assert part.slots(160) == 10
    part.change(range(8), open_shards=ALL, foreign=10, elsewhere=170)
    assert part.slots(160) == 0


# --- Holdings.


def standing(held: Iterable[int], *, live: int = 2, foreign: int = 0) -> Standing:
    return Standing(
        held=frozenset((1, shard) for shard in held), foreign={1: foreign}, live_workers=live
    )


def holding(shards: Iterable[int], *, live: int = 2, limit: int = 160) -> Holdings:
    holdings = Holdings()
    holdings.limits[1] = limit
    for piece in pieces(shards):
        holdings.took(piece)
    holdings.learn(standing(shards, live=live), pieces(ALL), now=0.0)
    return holdings


def test_what_the_ledger_gave_to_somebody_else_is_lost():
    holdings = holding((0, 1, 2))
    learnt = holdings.learn(standing((0, 1)), pieces(ALL), now=1.0)
    assert learnt.lost == {Slice(1, 2)}
    assert holdings.held == set(pieces((0, 1)))


def test_what_was_taken_while_the_ledger_was_asked_is_not_lost():
    holdings = holding((0, 1))
    before = frozenset(holdings.held)
    holdings.took(Slice(1, 2))
    learnt = holdings.learn(standing((0, 1)), pieces(ALL), now=1.0, held=before)
    assert learnt.lost == set()
    assert holdings.held == set(pieces((0, 1, 2)))


def test_the_slots_of_a_shard_are_used_once_it_is_known_what_goes_on_there():
    holdings = holding((0, 1))
    holdings.took(Slice(1, 2))
    assert holdings.known_shards_of(1) == {0, 1}
    holdings.learn(standing((0, 1, 2)), pieces(ALL), now=1.0)
    assert holdings.known_shards_of(1) == {0, 1, 2}


def test_what_only_the_ledger_knows_to_be_held_is_a_stray_unless_it_is_coming():
    holdings = holding((0,))
    holdings.taking(Slice(1, 2))
    learnt = holdings.learn(standing((0, 1, 2)), pieces(ALL), now=1.0)
    assert learnt.strays == {Slice(1, 1)}


def test_a_shard_with_nothing_left_to_do_is_done():
    holdings = holding((0, 1))
    learnt = holdings.learn(standing((0, 1)), pieces((1, 2)), now=1.0)
    assert learnt.done == {Slice(1, 0)}


def test_a_worker_alone_takes_everything_and_offers_nothing():
    holdings = holding((), live=1)
    for piece in pieces(ALL):
        assert holdings.wants(piece, now=0.0)
        holdings.took(piece)
    assert holdings.offer(1, busy=0, now=0.0) == []


def test_an_offered_shard_is_held_and_worked_but_its_slots_are_not_used():
    holdings = holding(ALL)
    offered = holdings.offer(1, busy=0, now=0.0)
    assert len(offered) == 8
    assert holdings.held == set(pieces(ALL))
    assert holdings.shards_of(1) == set(range(8))


def test_an_offer_that_nobody_takes_ends_and_is_made_less_and_less_often():
    holdings = holding(ALL)
    (*_, piece) = holdings.offer(1, busy=0, now=0.0)
    assert not holdings.wants(piece, now=1.0)
    assert holdings.wants(piece, now=4.0)
    assert piece.shard in holdings.shards_of(1)
    assert piece not in holdings.offer(1, busy=0, now=20.0)
    assert piece in holdings.offer(1, busy=0, now=24.0)
    assert holdings.wants(piece, now=28.0)
    assert piece not in holdings.offer(1, busy=0, now=67.0)
    assert piece in holdings.offer(1, busy=0, now=68.0)


def test_a_shard_left_to_others_is_taken_when_it_is_still_there():
    holdings = holding(range(8))
    assert not holdings.wants(Slice(1, 9), now=10.0)
    assert not holdings.wants(Slice(1, 9), now=11.0)
    assert holdings.wants(Slice(1, 9), now=11.5)


# --- Pace.


class Bucket:
    """Permits that are there, or not."""

    def __init__(self) -> None:
        self.left = 0
        self.asked: list[int] = []
        self.is_gone = False

    def at_once(self, calls_per_second: float) -> int:
        return 2

    async def take(self, count: int, calls_per_second: float) -> float | None:
        if self.is_gone:
            raise LedgerBusyError("gone")
        self.asked.append(count)
        if count > self.left:
            return 0.1
        self.left -= count
        return None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
async def pace(clock: ManualClock, bucket: Bucket) -> AsyncIterator[SharedPace]:
    async with SharedPace(clock, bucket, 100.0, part=lambda: 0.5) as pace:
        yield pace


async def test_without_a_permit_there_is_no_turn(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    turns = [asyncio.create_task(pace.turn()) for _ in range(3)]
    await clock.advance(1.0)
    assert not any(turn.done() for turn in turns)
    bucket.left = 2
    await clock.advance(0.2)
    assert [turn.done() for turn in turns] == [True, True, False]
    bucket.left = 1
    await clock.advance(0.2)
    assert turns[2].done()
    assert max(bucket.asked) == 2


async def test_nobody_asks_for_permits_that_nobody_waits_for(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    bucket.left = 100
    await pace.turn()
    await clock.advance(5.0)
    assert bucket.asked == [1]


async def test_a_permit_for_somebody_who_left_goes_to_the_next(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    first, second = asyncio.create_task(pace.turn()), asyncio.create_task(pace.turn())
    await clock.advance(0.05)
    first.cancel()
    bucket.left = 1
    await clock.advance(0.2)
    assert second.done()
    assert first.cancelled()


async def test_a_process_that_was_frozen_does_not_use_the_permits_of_before(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    turn = asyncio.create_task(pace.turn())
    await clock.advance(0.05)
    pace._give(1)
    clock._elapsed += 20.0  # before the turn's task runs again
    await asyncio.sleep(0)
    assert not turn.done()
    bucket.left = 1
    await clock.advance(0.2)
    assert turn.done()


async def test_a_bucket_that_cannot_be_reached_turns_the_calls_away(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    bucket.is_gone = True
    with pytest.raises(StaleClaimError):
        await pace.turn()


async def test_a_pace_that_is_lifted_lets_everybody_go(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    turn = asyncio.create_task(pace.turn())
    await clock.advance(0.05)
    pace.calls_per_second = None
    await clock.advance(0.2)
    assert turn.done()
    assert pace.is_open


async def test_a_worker_claims_for_its_part_of_the_pace(pace: SharedPace):
    assert pace.turns_within(0.5, at_most=1000) == 26
    pace.calls_per_second = None
    assert pace.turns_within(0.5, at_most=1000) == 1000


async def test_a_refusal_by_the_service_holds_back_this_worker_too(
    clock: ManualClock, bucket: Bucket, pace: SharedPace
):
    bucket.left = 10
    pace.hold_back(3.0)
    turn = asyncio.create_task(pace.turn())
    await clock.advance(2.9)
    assert not turn.done()
    await clock.advance(0.4)
    assert turn.done()


@pytest.mark.parametrize("pace", [0.2, 1.0, 7.5, 20.0, 21.0, 33.3, 100.0, 999.0])
def test_the_limits_of_a_bucket_never_allow_more_than_the_pace(pace: float):
    for rate in rates_for(pace):
        assert rate.permits / rate.milliseconds * 1000 <= pace * 1.5
    longest = rates_for(pace)[-1]
    assert longest.permits / longest.milliseconds * 1000 <= pace
    assert longest.permits / longest.milliseconds * 1000 >= pace * 0.9
    assert at_once(pace) <= min(rate.permits for rate in rates_for(pace))
