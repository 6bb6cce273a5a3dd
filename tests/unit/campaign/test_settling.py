"""What each answer means for an attempt and its contact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.records import Claim
from talkstack_async.campaign.settings import Budget, CampaignSettings, RedialPolicy
from talkstack_async.campaign.settling import (
    settle_end,
    settle_failed,
    settle_found,
    settle_lost,
    settle_placed,
    settle_unwatched,
)
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectError,
    DeadlineError,
    InvalidRequestError,
    RedirectError,
    ReplyLostError,
    StaleClaimError,
    StoppedError,
    TalkstackError,
    ThrottledError,
)
from talkstack_async.models.calls import Call
from talkstack_async.models.statuses import CallStatus, Disposition

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
SETTINGS = CampaignSettings(project_id="p", agent_id="a")
CLAIM = Claim(
    attempt_id=7,
    contact_id=3,
    campaign_id=1,
    phone="+12025550101",
    variables_json="{}",
    attempts=1,
    worker="w",
    claimed_at=NOW,
)


def test_a_placed_call_is_followed_or_done():
    followed = settle_placed(CLAIM, "CA1", settings=SETTINGS, now=NOW)
    assert (followed.after, followed.contact) == (AttemptState.PLACED, ContactState.ACTIVE)
    assert followed.call_id == "CA1"
    alone = CampaignSettings(project_id="p", agent_id="a", follow=False)
    done = settle_placed(CLAIM, "CA1", settings=alone, now=NOW)
    assert (done.after, done.contact) == (AttemptState.PLACED, ContactState.DONE)


@pytest.mark.parametrize("odd", ["CA\0", "CA\ud800"])
def test_an_id_no_database_takes_is_made_one_it_does(odd: str):
    assert settle_placed(CLAIM, odd, settings=SETTINGS, now=NOW).call_id == "CA?"


def test_an_uncertain_call_is_unknown_and_still_counts():
    settled = settle_failed(CLAIM, ReplyLostError("lost", uncertain=True), now=NOW)
    assert (settled.after, settled.contact) == (AttemptState.UNKNOWN, ContactState.ACTIVE)
    assert settled.counts


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (StaleClaimError("old"), 0),
        (StoppedError("stopped"), 0),
        (ConnectError("no way"), 10),
        (DeadlineError("before anything was sent"), 10),
        (ThrottledError("wait", status=429, retry_after=7.0), 7),
        (ThrottledError("wait", status=429), 1),
        (AuthenticationError("no", status=401), 10),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_never_rang_and_may_work_later_is_given_back(error: TalkstackError, wait: float):
    settled = settle_failed(CLAIM, error, now=NOW)
    assert (settled.after, settled.contact) == (AttemptState.RELEASED, ContactState.READY)
    assert not settled.counts
    assert settled.next_at == NOW + timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("error", "contact"),
    [
        (BadRequestError("bad number", status=400), ContactState.DONE),
        (InvalidRequestError("no such number"), ContactState.EXCLUDED),
        (RedirectError("elsewhere", status=302), ContactState.REVIEW),
        (TalkstackError("a fault of ours"), ContactState.REVIEW),
    ],
    ids=["by the service", "by us", "by an address", "by a fault"],
)
def test_what_was_plainly_refused_is_not_tried_again(error: TalkstackError, contact: ContactState):
    settled = settle_failed(CLAIM, error, now=NOW)
    assert (settled.after, settled.contact) == (AttemptState.REJECTED, contact)
    assert settled.reason is Reason.REFUSED


@pytest.mark.parametrize(
    ("status", "contact", "gap"),
    [
        (CallStatus.COMPLETED, ContactState.DONE, None),
        (CallStatus.BUSY, ContactState.READY, timedelta(minutes=15)),
        (CallStatus.NO_ANSWER, ContactState.READY, timedelta(hours=4)),
        (CallStatus.VOICEMAIL, ContactState.READY, timedelta(days=1)),
        (CallStatus.CANCELED, ContactState.DONE, None),
    ],
)
def test_the_end_of_a_call_decides_whether_there_is_another(
    status: CallStatus, contact: ContactState, gap: timedelta | None
):
    settled = settle_end(CLAIM, Call(call_id="CA1", status=status), settings=SETTINGS, now=NOW)
    assert (settled.after, settled.contact) == (AttemptState.FINAL, contact)
    assert settled.next_at == (None if gap is None else NOW + gap)


def test_after_the_last_attempt_there_is_no_other():
    once = CampaignSettings(project_id="p", agent_id="a", redial=RedialPolicy(max_attempts=1))
    busy = Call(call_id="CA1", status=CallStatus.BUSY)
    settled = settle_end(CLAIM, busy, settings=once, now=NOW)
    assert (settled.contact, settled.reason) == (ContactState.DONE, Reason.ATTEMPTS_USED)


def test_an_opt_out_ends_it_whatever_the_policy_says():
    call = Call(call_id="CA1", status=CallStatus.BUSY, data={"do_not_call": "true"})
    settled = settle_end(CLAIM, call, settings=SETTINGS, now=NOW)
    assert (settled.contact, settled.reason) == (ContactState.DONE, Reason.SUPPRESSED)
    assert settled.suppress


def test_a_call_without_a_price_is_charged_at_its_worst_if_there_is_a_budget():
    budget = Budget(limit=10, worst_call=0.3)
    settings = CampaignSettings(project_id="p", agent_id="a", budget=budget)

    def cost(status: CallStatus, price: float | None, told: CampaignSettings) -> int | None:
        call = Call(call_id="CA1", status=status, cost=price)
        return settle_end(CLAIM, call, settings=told, now=NOW).cost_micros

    assert cost(CallStatus.COMPLETED, 0.1, settings) == 100_000
    assert cost(CallStatus.COMPLETED, None, settings) == 300_000
    assert cost(CallStatus.COMPLETED, -1.0, settings) == 300_000
    assert cost(CallStatus.BUSY, None, settings) == 0
    assert cost(CallStatus.COMPLETED, None, SETTINGS) is None


def test_a_call_that_was_found_is_placed_and_its_end_is_read_afterwards():
    call = Call(call_id="CA1", status=CallStatus.COMPLETED)
    settled = settle_found(CLAIM, call, settings=SETTINGS, now=NOW)
    assert (settled.after, settled.contact) == (AttemptState.PLACED, ContactState.ACTIVE)
    assert settled.disposition is None


def test_what_left_no_trace_and_what_cannot_be_followed_is_for_a_person():
    lost = settle_lost(CLAIM, settings=SETTINGS, now=NOW)
    assert (lost.after, lost.contact) == (AttemptState.LOST, ContactState.REVIEW)
    unwatched = settle_unwatched(CLAIM, DeadlineError("too long"), settings=SETTINGS, now=NOW)
    assert (unwatched.after, unwatched.contact) == (AttemptState.FINAL, ContactState.REVIEW)
    assert unwatched.disposition is Disposition.UNKNOWN
