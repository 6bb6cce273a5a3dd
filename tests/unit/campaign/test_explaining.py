"""Telling the story of a number."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.explaining import lines_of, story_as_data
from talkstack_async.campaign.ledger.moments import to_ms
from talkstack_async.campaign.records import (
    AttemptRecord,
    CampaignRecord,
    ContactRecord,
    Story,
    StoryLine,
    Suppression,
)
from talkstack_async.campaign.settings import CampaignSettings
from talkstack_async.campaign.states import AttemptState, CampaignState, ContactState
from talkstack_async.campaign.words import attempt_word, call_words, reason_words
from talkstack_async.models.statuses import Disposition

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
ADA = "+14155550123"
CAMPAIGN = CampaignRecord(
    campaign_id=1,
    name="spring",
    state=CampaignState.RUNNING,
    settings=CampaignSettings(project_id="p1", agent_id="a1"),
    created_at=NOW,
)
CONTACT = ContactRecord(
    contact_id=7,
    campaign_id=1,
    row=3,
    number=ADA,
    variables={"name": "Ada"},
    zones=("America/New_York",),
    regions=(),
    state=ContactState.READY,
    attempts=1,
    next_at=NOW + timedelta(hours=1),
    reason="redial",
    detail="busy",
)
ATTEMPT = AttemptRecord(
    attempt_id=41,
    contact_id=7,
    number=1,
    state=AttemptState.FINAL,
    worker="w",
    sent_at=NOW,
    call_id="CA14155550123",
    disposition=Disposition.BUSY,
    seconds=None,
    cost_micros=20_000,
    error=f"busy: {ADA} and 14155550123",
    settled_at=NOW,
)


def happened(what: str, **detail: Any) -> StoryLine:
    return StoryLine(at=NOW, what=what, campaign="spring", detail=detail)


def story(*lines: StoryLine, **changes: Any) -> Story:
    whole = Story(
        number=ADA,
        suppression=None,
        contacts=((CAMPAIGN, CONTACT),),
        attempts=(ATTEMPT,),
        lines=lines,
    )
    return attrs.evolve(whole, **changes)


UNTIL = to_ms(NOW + timedelta(hours=2))
SENTENCES = [
    (happened("listed", list="list.csv", row=3), "row 3 of the list list.csv"),
    (
        happened("dial", attempt_id=41, n=1, window="08:00-21:00", local={"UTC": "09:00"}),
        "Attempt 1: to be called now (window 08:00-21:00; local UTC 09:00)",
    ),
    (
        happened("wait", until=UNTIL, reason="gap", detail="ten minutes"),
        ("not before 2026-01-05 14:00:00 UTC: Waiting, because the last call was a short while "
        "ago: ten minutes"),
    ),
    (happened("stop", reason="suppressed"), "not to be called: On the do-not-call list"),
    (
        happened(
            "final", attempt_id=41, contact="ready", reason="redial", detail="busy",
            disposition="busy", cost_micros=20_000, next_at=UNTIL,
        ),
        ("Attempt 1: busy (next at 2026-01-05 14:00:00 UTC; cost 0.02); then ready: Not reached "
        "yet, to be called again later"),
    ),
    (
        happened("released", attempt_id=41, contact="ready", reason="not_sent", counts=False),
        ("Attempt 1: not sent (the try does not count); then ready: The call could not be sent, "
        "to be tried again"),
    ),
    (
        happened("resolved", attempt_id=41, contact="done", reason="resolved", detail="called us"),
        "Attempt 1: a person decided: called us; then done: Decided by a person",
    ),
    (
        happened("event", attempt_id=41, call_id="C1", status="completed", applied=False),
        "Attempt 1: the service reported completed of call C1, not looked at yet",
    ),
    (
        happened("taken_over", attempt_id=41, why="stale"),
        "Attempt 1: its worker is gone, so another one took over (why stale)",
    ),
    (
        happened("taken_over", attempt_id=41, why="left"),
        "Attempt 1: its worker does not follow it any more (why left)",
    ),
    (happened("some_new_thing", key=[1, 2], empty=""), "some new thing (key 1, 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "sentence"), SENTENCES, ids=lambda each: str(each)[:20])
def test_each_thing_that_happened_is_a_sentence(line: StoryLine, sentence: str) -> None:
    assert lines_of(story(line))[-1] == f"2026-01-05 12:00:00 UTC  {sentence}"


def test_how_things_stand_comes_first() -> None:
    head, stands = lines_of(story())
    assert head == "+1415••••23"
    assert stands == (
        "Campaign spring, row 3: To be called (Not reached yet, to be called again later: busy), "
        "attempts 1 of 3, due 2026-01-05 13:00:00 UTC; time zone America/New_York"
    )


def test_a_suppressed_number_says_so_at_once() -> None:
    entry = Suppression(number=ADA, reason="asked", source="desk", added_at=NOW)
    told = lines_of(story(suppression=entry, contacts=()))
    assert told[1] == "On the do-not-call list since 2026-01-05 12:00:00 UTC: asked (desk)"
    assert told[2] == "In no campaign of this ledger"


def test_lines_of_several_campaigns_say_which() -> None:
    autumn = attrs.evolve(CAMPAIGN, campaign_id=2, name="autumn")
    told = lines_of(story(happened("stop"), contacts=((CAMPAIGN, CONTACT), (autumn, CONTACT))))
    assert "  spring: not to be called" in told[-1]


NUMBERED = story(
    happened("rejected", attempt_id=41, error=f"no route to {ADA}", texts=[ADA]),
    suppression=Suppression(
        number=ADA, reason="also +12025550111", source="desk 202-555-0112", added_at=NOW
    ),
    contacts=((CAMPAIGN, attrs.evolve(CONTACT, detail=f"{ADA} said no")),),
)


@pytest.mark.parametrize("digits", ["4155550123", "2025550111", "555-0112"])
def test_no_whole_number_is_told_unless_asked(digits: str) -> None:
    told = "\n".join(lines_of(NUMBERED))
    data = story_as_data(NUMBERED)
    for attempt in data["attempts"]:
        assert attempt.pop("call_id") == ATTEMPT.call_id  # an id, whatever it looks like
    assert digits not in told
    assert digits not in json.dumps(data)
    assert digits in "\n".join(lines_of(NUMBERED, show_numbers=True))
    assert digits in json.dumps(story_as_data(NUMBERED, show_numbers=True))


def test_moments_are_not_taken_for_numbers() -> None:
    data = story_as_data(story(happened("wait", until=UNTIL)))
    assert data["events"] == [
        {
            "at": "2026-01-05T12:00:00+00:00",
            "campaign": "spring",
            "what": "wait",
            "detail": {"until": "2026-01-05T14:00:00+00:00"},
        }
    ]


def test_variables_are_told_with_the_whole_numbers_only() -> None:
    assert "variables" not in story_as_data(story())["contacts"][0]
    shown = story_as_data(story(), show_numbers=True)["contacts"][0]
    assert shown["variables"] == {"name": "Ada"}


def test_every_reason_and_every_end_has_words_of_its_own() -> None:
    reasons = {reason_words(reason) for reason in Reason}
    assert len(reasons) == len(Reason)
    ends = {attempt_word(state, None) for state in AttemptState if state != AttemptState.FINAL}
    words = [call_words(word) for word in [*ends, *Disposition]]
    assert len(set(words)) == len(words)
    assert not any("_" in word for word in [*reasons, *words])
    assert reason_words("some_new_word") == "Some new word"
