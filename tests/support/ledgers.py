"""Small campaigns for tests of ledgers, and words to say what happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from talkstack_async.campaign.decisions import CallNow, Candidate, Decision, Reason
from talkstack_async.campaign.ledger.base import Ledger
from talkstack_async.campaign.records import (
    CampaignRecord,
    Claim,
    Claimed,
    NewContact,
    OpenAttempt,
    Settlement,
)
from talkstack_async.campaign.settings import CampaignSettings
from talkstack_async.campaign.states import AttemptState, ContactState

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SETTINGS = CampaignSettings(project_id="p1", agent_id="a1")
WORKER = "worker-1"


def number(n: int) -> str:
    return f"+1415555{n:04d}"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def call(candidate: Candidate, now: datetime) -> Decision:
    """Decide to call everybody."""
    return CallNow()


def row(n: int, *, number_: str | None = None, **fields: Any) -> NewContact:
    return NewContact(
        row=n, number=number(n) if number_ is None else number_, variables="{}", **fields
    )


async def campaign_of(
    ledger: Ledger, *rows: NewContact | int, name: str = "spring"
) -> CampaignRecord:
    """Create a campaign with these contacts, ready to run."""
    campaign = await ledger.create_campaign(name, SETTINGS, now=NOW)
    await bring(ledger, campaign, *rows)
    found = await ledger.campaign(name)
    assert found is not None
    return found


async def bring(
    ledger: Ledger, campaign: CampaignRecord, *rows: NewContact | int
) -> Sequence[tuple[str, int | None]]:
    """Import a list of rows; a plain number stands for the row of that number."""
    import_id = await ledger.begin_import(campaign.campaign_id, source="list.csv", now=NOW)
    contacts = [row(each) if isinstance(each, int) else each for each in rows]
    verdicts = await ledger.add_contacts(
        campaign.campaign_id, import_id=import_id, contacts=contacts, now=NOW
    )
    added = sum(verdict == "added" for verdict, _ in verdicts)
    await ledger.finish_import(import_id, counts={"added": added}, digest=None, now=NOW)
    return [(verdict.value, first) for verdict, first in verdicts]


async def claim(ledger: Ledger, campaign: CampaignRecord, **changes: Any) -> Claimed:
    given: dict[str, Any] = {
        "worker": WORKER,
        "limit": 10,
        "now": NOW,
        "decide": call,
        "admit": lambda _: 100,
    }
    return await ledger.claim(campaign.campaign_id, **{**given, **changes})


async def claim_one(ledger: Ledger, campaign: CampaignRecord, **changes: Any) -> Claim:
    (taken,) = (await claim(ledger, campaign, **{"limit": 1, **changes})).claims
    return taken


_ENDS: dict[AttemptState, dict[str, Any]] = {
    AttemptState.PLACED: {"contact": ContactState.ACTIVE, "reason": Reason.PLACED},
    AttemptState.FINAL: {"contact": ContactState.DONE, "reason": Reason.ANSWERED},
    AttemptState.REJECTED: {"contact": ContactState.DONE, "reason": Reason.REFUSED},
    AttemptState.RELEASED: {
        "contact": ContactState.READY,
        "reason": Reason.NOT_SENT,
        "counts": False,
    },
    AttemptState.UNKNOWN: {"contact": ContactState.ACTIVE, "reason": Reason.UNKNOWN_END},
    AttemptState.LOST: {"contact": ContactState.REVIEW, "reason": Reason.LOST},
}


def settlement(attempt: Claim | OpenAttempt, after: AttemptState, **changes: Any) -> Settlement:
    """Say that an attempt went on to a state, in the usual way unless told otherwise."""
    before = (attempt.state,) if isinstance(attempt, OpenAttempt) else (AttemptState.DISPATCHING,)
    return Settlement(
        **{
            "attempt_id": attempt.attempt_id,
            "contact_id": attempt.contact_id,
            "campaign_id": attempt.campaign_id,
            "worker": attempt.worker,
            "before": before,
            "after": after,
            "at": NOW,
            **_ENDS[after],
            **changes,
        }
    )
