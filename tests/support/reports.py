"""Facts of campaigns that are good, bad or odd to report on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from talkstack_async.campaign.ledger.base import CampaignFacts, Counts
from talkstack_async.campaign.records import AttemptRecord, CampaignRecord, ContactRecord
from talkstack_async.campaign.settings import Budget, CampaignSettings
from talkstack_async.campaign.states import AttemptState, CampaignState, ContactState

NOW = datetime(2026, 3, 5, 13, tzinfo=UTC)
HEAD = (18_233, "9f" * 32)
EVIL = "<script>alert('x')</script>&\"'"
ADA = "+14155550123"

_ENDS: Mapping[str, int] = {
    "answered": 13, "voicemail": 8, "no_answer": 10, "busy": 3, "silence": 1, "failed": 2,
}  # fmt: skip


def campaign(**changes: Any) -> CampaignRecord:
    settings = CampaignSettings(
        project_id="p1", agent_id="a1", budget=Budget(limit=500.0, worst_call=1.2)
    )
    whole = CampaignRecord(
        campaign_id=1,
        name="Spring renewal",
        state=CampaignState.RUNNING,
        settings=settings,
        created_at=NOW,
        spent_micros=213_480_000,
        unpriced=14,
    )
    return attrs.evolve(whole, **changes)


EMPTY = CampaignFacts(
    campaign=campaign(state=CampaignState.IMPORTING, spent_micros=0, unpriced=0),
    counts=Counts(
        contacts={}, attempts={}, dispositions={}, reasons={},
        waiting=0, next_due_at=None, rings=0,
    ),
    per_minute=(),
    tries={},
    by_hour=(),
    look=(),
    imports=(),
    first_at=None,
    last_at=None,
)  # fmt: skip


def look(row: int, **changes: Any) -> tuple[ContactRecord, AttemptRecord]:
    contact = ContactRecord(
        contact_id=row,
        campaign_id=1,
        row=row,
        number=ADA,
        variables={},
        zones=(),
        regions=(),
        state=ContactState.REVIEW,
        attempts=1,
        next_at=None,
        reason="lost",
        detail=None,
    )
    attempt = AttemptRecord(
        attempt_id=row,
        contact_id=row,
        number=1,
        state=AttemptState.LOST,
        worker="w",
        sent_at=NOW,
        call_id=None,
        disposition=None,
        seconds=None,
        cost_micros=None,
        error="the service did not answer in time",
        settled_at=None,
    )
    return contact, attrs.evolve(attempt, **changes)


def busy(*, minutes: int = 190, step: int = 1) -> CampaignFacts:
    """A campaign in the middle of its work, with a call of each kind every `step` minutes."""
    moments = [NOW + timedelta(minutes=each) for each in range(0, minutes, step)]
    ended = {word: count * len(moments) for word, count in _ENDS.items()}
    return CampaignFacts(
        campaign=campaign(),
        counts=Counts(
            contacts={
                ContactState.READY: 812,
                ContactState.ACTIVE: 12,
                ContactState.DONE: 4_210,
                ContactState.REVIEW: 9,
                ContactState.EXCLUDED: 311,
            },
            attempts={
                AttemptState.FINAL: sum(ended.values()),
                AttemptState.PLACED: 12,
                AttemptState.LOST: 9,
                AttemptState.RELEASED: 33,
            },
            dispositions=ended,
            reasons={"suppressed": 201, "outside_window": 420, "attempts_used": 610, "lost": 9},
            waiting=800,
            next_due_at=NOW,
            rings=sum(ended.values()) + 21,
        ),
        per_minute=[(at, word, count) for at in moments for word, count in _ENDS.items()],
        tries={0: 800, 1: 2_900, 2: 1_200, 3: 444, 9: 8, 12: 2},
        by_hour=[
            (hour, word, count * (20 - abs(15 - hour)))
            for hour in range(8, 21)
            for word, count in _ENDS.items()
        ],
        look=[look(row) for row in range(1, 10)],
        imports=[
            (NOW, "/srv/lists/contacts.csv", {"rows": 5_400, "added": 5_354, "duplicates": 46}),
            (NOW, "more.xlsx", {}),
        ],
        first_at=moments[0],
        last_at=moments[-1],
    )


def hostile() -> CampaignFacts:
    """What somebody could put into names, lists and messages."""
    whole = busy()
    contact, attempt = look(1, error=f"{EVIL} {ADA}", call_id=EVIL)
    return attrs.evolve(
        whole,
        campaign=campaign(name=EVIL * 60),
        counts=attrs.evolve(
            whole.counts,
            reasons={EVIL: 5},
            dispositions={EVIL: 7, "answered": 1},
        ),
        per_minute=[(NOW, EVIL, 3)],
        by_hour=[(3, EVIL, 3)],
        look=[(attrs.evolve(contact, reason=EVIL, detail=EVIL), attempt)],
        imports=[(NOW, EVIL.replace("/", ""), {"rows": 1})],
    )
