"""Contacts that lack a value the agent's instruction asks for.

An agent that says "Hello, open curly bracket" to a person is worse than no call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .decisions import Reason
from .ledger.base import Ledger
from .records import CampaignRecord
from .rules import missing

__all__ = ["recheck", "told"]

_BATCH = 1000


def told(names: Sequence[str]) -> str:
    """Say which values are missing, for people."""
    return f"no value for {', '.join(names)}"


async def recheck(
    ledger: Ledger, campaign: CampaignRecord, placeholders: Sequence[str], *, now: datetime
) -> int:
    """Exclude the ready contacts that lack a value; return how many those were.

    For an agent whose instruction was changed after the list was read. A contact that is
    excluded comes back when the list is read again with the value in its row.
    """
    excluded = 0
    ids: list[int] = []
    details: list[str] = []

    async def write() -> None:
        await ledger.exclude(ids, reason=Reason.PLACEHOLDER, detail=details, now=now)
        ids.clear()
        details.clear()

    async for contact in ledger.ready_contacts(campaign.campaign_id):
        if names := missing(contact.variables, placeholders):
            excluded += 1
            ids.append(contact.contact_id)
            details.append(told(names))
        if len(ids) >= _BATCH:
            await write()
    if ids:
        await write()
    return excluded
