"""What follows an attempt, and redial rules as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.redials import (
    Next,
    after_end,
    after_lost,
    asks_not_to_be_called,
    parse_gap,
)
from talkstack_async.campaign.settings import CampaignSettings, LostRule, RedialPolicy
from talkstack_async.campaign.states import ContactState
from talkstack_async.errors import ConfigurationError
from talkstack_async.models.calls import Call
from talkstack_async.models.statuses import Disposition

NOW = datetime(2026, 7, 1, 16, tzinfo=UTC)
POLICY = RedialPolicy()
READY, DONE, REVIEW = ContactState.READY, ContactState.DONE, ContactState.REVIEW


def redial(minutes: float, detail: str) -> Next:
    return Next(
        state=READY, reason=Reason.REDIAL, detail=detail, next_at=NOW + timedelta(minutes=minutes)
    )


ENDS = {
    Disposition.ANSWERED: Next(state=DONE, reason=Reason.ANSWERED),
    Disposition.BUSY: redial(15, "busy"),
    Disposition.NO_ANSWER: redial(240, "no_answer"),
    Disposition.VOICEMAIL: redial(1440, "voicemail"),
    Disposition.SILENCE: redial(1440, "silence"),
    Disposition.FAILED: redial(60, "failed"),
    Disposition.CANCELED: Next(state=DONE, reason=Reason.NO_REDIAL, detail="canceled"),
    Disposition.UNKNOWN: Next(
        state=REVIEW,
        reason=Reason.UNKNOWN_END,
        detail="the call was placed, but how it ended is not known",
    ),
}


def test_every_end_is_provided_for() -> None:
    assert set(ENDS) == set(Disposition)


@pytest.mark.parametrize(("disposition", "then"), ENDS.items())
def test_what_follows_an_end_is_the_policys(disposition: Disposition, then: Next) -> None:
    assert after_end(disposition, attempts=1, policy=POLICY, now=NOW) == then
    assert after_end(disposition, attempts=2, policy=POLICY, now=NOW) == then


@pytest.mark.parametrize("attempts", [3, 4])
@pytest.mark.parametrize("disposition", POLICY.gaps)
def test_there_is_no_redial_once_the_attempts_are_used(
    disposition: Disposition, attempts: int
) -> None:
    then = after_end(disposition, attempts=attempts, policy=POLICY, now=NOW)
    assert then == Next(state=DONE, reason=Reason.ATTEMPTS_USED, detail=disposition.value)


def test_an_end_the_policy_leaves_out_is_not_redialled() -> None:
    policy = RedialPolicy(gaps={Disposition.BUSY: 60})
    then = after_end(Disposition.VOICEMAIL, attempts=1, policy=policy, now=NOW)
    assert then == Next(state=DONE, reason=Reason.NO_REDIAL, detail="voicemail")


def test_a_lost_attempt_waits_for_a_person() -> None:
    then = after_lost(LostRule.REVIEW, attempts=1, policy=POLICY, now=NOW)
    assert (then.state, then.reason, then.next_at) == (REVIEW, Reason.LOST, None)


def test_a_lost_attempt_is_redialled_after_the_longest_gap_if_that_is_wanted() -> None:
    assert after_lost(LostRule.REDIAL, attempts=1, policy=POLICY, now=NOW) == redial(1440, "lost")
    bare = RedialPolicy(gaps={})
    assert after_lost(LostRule.REDIAL, attempts=1, policy=bare, now=NOW) == redial(1440, "lost")
    used = after_lost(LostRule.REDIAL, attempts=3, policy=POLICY, now=NOW)
    assert used == Next(state=DONE, reason=Reason.ATTEMPTS_USED, detail="lost")


@pytest.mark.parametrize(
    ("data", "asks"),
    [
        ({"do_not_call": "true"}, True),
        ({"optOut": True}, True),
        ({"opt_out": " Yes "}, True),
        ({"do_not_call": "false", "doNotCall": "true"}, True),
        ({"do_not_call": "false"}, False),
        ({"do_not_call": "maybe"}, False),
        ({"other": "true"}, False),
        ({}, False),
    ],
)
def test_a_wish_not_to_be_called_is_heard(data: dict[str, object], asks: bool) -> None:
    keys = CampaignSettings(project_id="p", agent_id="a").opt_out_keys
    assert asks_not_to_be_called(Call(call_id="c", data=data), keys) is asks


GAPS = {
    "busy=15m": (Disposition.BUSY, 900.0),
    "no_answer=4h": (Disposition.NO_ANSWER, 14_400.0),
    "no-answer=90s": (Disposition.NO_ANSWER, 90.0),
    " Silence = 1.5d ": (Disposition.SILENCE, 129_600.0),
    "failed=0s": (Disposition.FAILED, 0.0),
    "voicemail=never": (Disposition.VOICEMAIL, None),
    "unknown=1d": (Disposition.UNKNOWN, 86_400.0),
}


@pytest.mark.parametrize(("text", "read"), GAPS.items())
def test_a_redial_rule_is_read(text: str, read: tuple[Disposition, float | None]) -> None:
    assert parse_gap(text) == read


@pytest.mark.parametrize(
    "text",
    ["", "busy", "busy=", "=15m", "busy=15", "busy=15 minutes", "busy=-15m", "busy=never ever",
     "buzy=15m", "busy=1e9d", "busy=99999d", "busy=nand", "busy=15m=3"],
)  # fmt: skip
def test_what_is_no_redial_rule_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="busy=15m"):
        parse_gap(text)
