"""Records as they are read from a row of the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ..records import CampaignRecord, OpenAttempt
from ..settings import CampaignSettings
from ..states import AttemptState, CampaignState
from .moments import from_ms

__all__ = [
    "CAMPAIGN_COLUMNS",
    "OPEN_ATTEMPT_COLUMNS",
    "campaign_of",
    "open_attempt_of",
    "words_of",
]

CAMPAIGN_COLUMNS = (
    "campaign_id, name, state, settings, created_at, spent_micros, unpriced, placeholders, "
    "list_digest, shards"
)

# Of an attempt `a` and its contact `c`.
OPEN_ATTEMPT_COLUMNS = (
    "a.attempt_id, a.contact_id, a.campaign_id, a.number, a.state, a.worker, a.sent_at, "
    "c.attempts, a.call_id, a.looks, a.looked_at"
)


def campaign_of(row: Sequence[Any]) -> CampaignRecord:
    """Read a row of `CAMPAIGN_COLUMNS`."""
    campaign_id, name, state, settings, created_at, spent, unpriced, placeholders, *rest = row
    digest, shards = rest
    return CampaignRecord(
        campaign_id=campaign_id,
        name=name,
        state=CampaignState(state),
        settings=_settings_of(settings),
        created_at=from_ms(created_at),
        spent_micros=spent,
        unpriced=unpriced,
        placeholders=tuple(json.loads(placeholders)),
        list_digest=digest,
        shards=shards,
    )


def open_attempt_of(row: Sequence[Any], **changes: Any) -> OpenAttempt:
    """Read a row of `OPEN_ATTEMPT_COLUMNS`; what was just changed goes on top."""
    attempt_id, contact_id, campaign_id, number, state, worker, sent_at, attempts = row[:8]
    call_id, looks, looked_at = row[8:]
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "contact_id": contact_id,
        "campaign_id": campaign_id,
        "phone": number,
        "state": AttemptState(state),
        "worker": worker,
        "sent_at": from_ms(sent_at),
        "attempts": attempts,
        "call_id": call_id,
        "looks": looks,
        "looked_at": None if looked_at is None else from_ms(looked_at),
    }
    return OpenAttempt(**{**fields, **changes})


# The same few zones and regions come again and again.
@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    return tuple(text.split(",")) if text else ()


# Every claim reads its campaign, and settings rarely change.
@lru_cache(maxsize=64)
def _settings_of(text: str) -> CampaignSettings:
    return CampaignSettings.from_json(text)
