"""Campaigns: creating and changing them, in either database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ...errors import CampaignError
from ..records import CampaignRecord
from ..settings import CampaignSettings
from ..states import CampaignState
from .moments import to_ms
from .transaction import Transaction, to_json

__all__ = ["change_campaign", "create_campaign"]

_CREATE = (
    "INSERT INTO campaign (name, state, settings, created_at, shards) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
# The condition on two states is the one of the partial index.
_ACTIVE = "SELECT 1 FROM contact WHERE campaign_id = ? AND state IN (1, 3) AND state = 1 LIMIT 1"
_CHANGE = "UPDATE campaign SET state = ?, settings = ?, placeholders = ? WHERE campaign_id = ?"


def create_campaign(
    transaction: Transaction, name: str, *, settings: CampaignSettings, now: datetime
) -> CampaignRecord:
    """Create a campaign that is being imported."""
    at, text = to_ms(now), settings.to_json()
    shards = min(transaction.most_shards, settings.max_concurrency)
    row = (name, CampaignState.IMPORTING.value, text, at, shards)
    campaign_id = transaction.add(_CREATE, row, key="campaign_id")
    if campaign_id is None:
        raise CampaignError(f"there is a campaign named {name!r} already")
    detail = {"name": name, "settings": text}
    transaction.audit(at, "campaign_created", detail, campaign_id=campaign_id)
    return transaction.campaign(campaign_id)


def change_campaign(
    transaction: Transaction,
    campaign_id: int,
    *,
    now: datetime,
    state: CampaignState | None,
    settings: CampaignSettings | None,
    placeholders: Sequence[str] | None,
) -> CampaignRecord:
    """Change what is given, and say in the audit what really changed."""
    before = transaction.campaign(campaign_id, lock=True)
    if before.state is CampaignState.CANCELED and state not in (None, CampaignState.CANCELED):
        raise CampaignError(f"the campaign {before.name!r} was canceled: it cannot go on")
    if settings is not None and settings.project_id != before.settings.project_id:
        _refuse_if_active(transaction, before)
    old = (before.state.value, before.settings.to_json(), to_json(before.placeholders))
    new = (
        old[0] if state is None else state.value,
        old[1] if settings is None else settings.to_json(),
        old[2] if placeholders is None else to_json(list(placeholders)),
    )
    changed = _changed(old, new)
    if changed:
        transaction.change(_CHANGE, (*new, campaign_id))
        transaction.audit(to_ms(now), "campaign_changed", changed, campaign_id=campaign_id)
    return transaction.campaign(campaign_id)


def _refuse_if_active(transaction: Transaction, campaign: CampaignRecord) -> None:
    # In another project their calls would not be found, and be taken for lost.
    if transaction.rows(_ACTIVE, (campaign.campaign_id,)):
        raise CampaignError(
            f"calls of the campaign {campaign.name!r} are still under way in its project: "
            "let them come to their end before it goes to another one"
        )


def _changed(old: Sequence[str], new: Sequence[str]) -> dict[str, Any]:
    names = ("state", "settings", "placeholders")
    return {
        name: after for name, before, after in zip(names, old, new, strict=True) if before != after
    }
