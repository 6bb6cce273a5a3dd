"""What is drawn for the ledger machine: settings, answers, ends, and what a runner does next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
from hypothesis import strategies as st

from talkstack_async.campaign.settings import (
    Budget,
    CallingWindow,
    CampaignSettings,
    Caps,
    LostRule,
    RedialPolicy,
)
from talkstack_async.campaign.settings import EvidenceSettings as Looking
from talkstack_async.errors import (
    AuthenticationError,
    BadRequestError,
    ClosedError,
    ConnectError,
    DeadlineError,
    InvalidNumberError,
    RedirectError,
    ReplyTimeoutError,
    ServerError,
    StaleClaimError,
    StoppedError,
    TalkstackError,
    ThrottledError,
)
from talkstack_async.models.statuses import CallStatus, Disposition

NAMES = ("one", "two")
FENCE = timedelta(seconds=2)
GRACE = timedelta(seconds=20)  # fence, the longest request, and a margin
LAG = timedelta(seconds=60)
CLOCKS_DIFFER = timedelta(minutes=2)  # at most, between the service and us
WORST = 100_000  # micros; the dearest call there can be
NAMED, NAMELESS = '{"name":"Ada"}', '{"name":" "}'

# Where numbers may be: (zones, regions). The last is nowhere anybody knows.
PLACES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("America/New_York",), ("US-FL",)),
    (("Europe/Berlin",), ()),
    (("America/Boise", "America/Los_Angeles"), ()),
    (("America/New_York", "America/Chicago"), ("US-FL",)),
    (("Asia/Kathmandu",), ()),
    ((), ()),
)

names = st.sampled_from(NAMES)
numbers = st.integers(0, len(PLACES) - 1)
letters = st.sampled_from("ab")  # two workers at a time
picks = st.integers(0, 30)

_SURE: tuple[TalkstackError, ...] = (
    StaleClaimError("stale"),
    StoppedError("stopped"),
    ThrottledError("slower", status=429, retry_after=3.0),
    ConnectError("no way"),
    DeadlineError("too late"),
    AuthenticationError("who are you", status=401),
    ClosedError("closed"),
    RedirectError("elsewhere", status=302),
    InvalidNumberError("no number"),
    BadRequestError("no project", status=400),
    TalkstackError("a fault of ours"),
)
_DOUBTFUL: tuple[TalkstackError, ...] = (
    ReplyTimeoutError("no reply", uncertain=True),
    ServerError("oh", status=500, uncertain=True),
)
# What becomes of a request: whether the phone rings, and what the worker is told.
# "echo" is an answer with the id of another call; "silence" is none before the worker is gone.
answers = st.one_of(
    st.just(("placed", None)),
    st.just(("placed", None)),
    st.tuples(st.just("rang"), st.sampled_from(_DOUBTFUL)),
    st.tuples(st.just("did not"), st.sampled_from(_DOUBTFUL)),
    st.tuples(st.just("refused"), st.sampled_from(_SURE[:8])),
    st.tuples(st.just("refused"), st.sampled_from(_SURE[8:])),
    st.sampled_from([("echo", None), ("silence", None), ("silence", None)]),
)
# For how long the history does not show a call.
hidings = st.sampled_from([0.0, 0.0, 90.0, 7200.0])
_ENDS = [each for each in CallStatus if each.is_final]
ends = st.tuples(
    # None: it cannot be learnt.
    st.sampled_from([*_ENDS, *[CallStatus.NO_ANSWER] * 3, CallStatus.UNKNOWN, None]),
    st.sampled_from([None, 0.0, 0.05, 0.1]),
    st.sampled_from([{}, {}, {}, {"do_not_call": "true"}]),
)


@attrs.frozen(kw_only=True)
class Round:
    """What a runner does when nothing disturbs it: it dials who is due, and sees to the rest.

    Attributes:
        answered: What comes of each call, for how long the history hides it, how it ends.
        is_followed: Whether calls are followed to their end before anything is written.
        is_backwards: Whether results are written in the wrong order.
        is_bold: Whether to call, against the rules, who is being called already.
        then: What is seen to afterwards.
    """

    name: str
    letter: str
    answered: Sequence[tuple[Any, float, Any]]
    is_followed: bool
    is_backwards: bool
    is_bold: bool
    then: str


rounds = st.lists(
    st.builds(
        Round,
        name=names,
        letter=letters,
        answered=st.lists(st.tuples(answers, hidings, ends), min_size=1, max_size=4),
        is_followed=st.booleans(),
        is_backwards=st.sampled_from([False, False, True]),
        is_bold=st.booleans(),
        then=st.sampled_from(
            [
                "nothing",
                "again",
                "look",
                "look",
                "turn-up",
                "turn-up",
                "hear",
                "redial",
                "done",
                "pause",
                "crash",
            ]
        ),
    ),
    min_size=2,
    max_size=6,
)
spans = st.sampled_from([0, 1, 3, 25, 70, 600, 900, 3600, 14_400, 86_400])


@st.composite
def tellings(draw: st.DrawFn) -> CampaignSettings:
    """Draw what a campaign is told."""
    wide = st.sampled_from(["00:00-24:00", "00:00-24:00", "08:00-21:00"])
    calls = draw(st.none() | st.none() | st.integers(2, 20))
    return CampaignSettings(
        project_id="p1",
        agent_id="a1",
        window=CallingWindow.parse(draw(wide)),
        redial=RedialPolicy(
            max_attempts=draw(st.sampled_from([1, 2, 4, 6])),
            gaps={
                Disposition.BUSY: 60.0,
                Disposition.NO_ANSWER: draw(st.sampled_from([0.0, 900.0])),
                Disposition.FAILED: 60.0,
            },
        ),
        caps=Caps(
            per_day=draw(st.sampled_from([1, 3, 6, 6])),
            per_week=draw(st.sampled_from([2, 7, 20])),
            gap_seconds=draw(st.sampled_from([0.0, 0.0, 60.0, 600.0])),
        ),
        budget=None if calls is None else Budget(limit=calls * 0.1, worst_call=0.1),
        evidence=Looking(
            fence_seconds=FENCE.total_seconds(),
            history_lag_seconds=LAG.total_seconds(),
            lost=draw(st.sampled_from([LostRule.REVIEW, LostRule.REDIAL])),
        ),
        follow=draw(st.sampled_from([True, True, True, False])),
    )
