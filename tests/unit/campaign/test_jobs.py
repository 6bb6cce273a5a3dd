"""What a crew has to do, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from talkstack_async.campaign.attempting import Following
from talkstack_async.campaign.fence import FencedFlight, Stamp
from talkstack_async.campaign.jobs import Jobs
from talkstack_async.campaign.records import Claim
from talkstack_async.clock import ManualClock
from talkstack_async.errors import StaleClaimError

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def claim(number: int) -> Claim:
    return Claim(
        attempt_id=number,
        contact_id=number,
        campaign_id=1,
        phone=f"+1202555{number:04d}",
        variables_json="{}",
        attempts=1,
        worker="w",
        claimed_at=NOW,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def jobs(clock: ManualClock) -> Jobs:
    """Four claims in two batches."""
    made = Jobs(clock)
    made.add_claims([claim(1), claim(2)], Stamp.of(clock), fence_seconds=5)
    made.add_claims([claim(3), claim(4)], Stamp.of(clock), fence_seconds=5)
    return made


def taken(jobs: Jobs) -> list[int]:
    found = []
    while jobs:
        job = jobs.take()
        attempt = job.claim if isinstance(job, FencedFlight) else job.attempt
        found.append(attempt.attempt_id)
    return found


def test_no_repr_of_a_claim_holds_its_number(jobs: Jobs):
    for told in (repr(jobs.claims), f"{jobs.claims[0]}", str(tuple(jobs.claims))):
        assert "2025550001" not in told
        assert "attempt_id=1" in told


def test_claims_are_dialled_in_the_order_in_which_they_came(jobs: Jobs):
    assert len(jobs) == 4
    assert taken(jobs) == [1, 2, 3, 4]
    assert len(jobs) == 0


def test_calls_whose_phones_ring_already_come_first(jobs: Jobs):
    jobs.add_call(Following(attempt=claim(9), call_id="c"))
    assert taken(jobs) == [9, 1, 2, 3, 4]


def test_a_batch_of_nobody_is_nothing_to_do(clock: ManualClock):
    jobs = Jobs(clock)
    jobs.add_claims([], Stamp.of(clock), fence_seconds=5)
    assert not jobs


async def test_a_claim_grows_old_from_when_it_was_asked_for_not_from_its_turn(clock: ManualClock):
    jobs = Jobs(clock)
    asked = Stamp.of(clock)
    await clock.advance(4)
    jobs.add_claims([claim(1), claim(2)], asked, fence_seconds=5)
    young = jobs.take()
    assert isinstance(young, FencedFlight)
    young.leave()
    await clock.advance(2)
    old = jobs.take()
    assert isinstance(old, FencedFlight)
    with pytest.raises(StaleClaimError):
        old.leave()


def test_claims_that_are_given_back_are_not_dialled_and_calls_stay(jobs: Jobs):
    jobs.add_call(Following(attempt=claim(9), call_id="c"))
    given_back = jobs.take_claims(lambda each: each.attempt_id in (1, 2, 4))
    assert [each.attempt_id for each in given_back] == [1, 2, 4]
    assert [each.attempt_id for each in jobs.claims] == [3]
    assert len(jobs) == 2
    assert taken(jobs) == [9, 3]


def test_what_is_dropped_are_the_calls_only(jobs: Jobs):
    jobs.add_call(Following(attempt=claim(9), call_id="c"))
    jobs.drop_calls()
    assert taken(jobs) == [1, 2, 3, 4]
