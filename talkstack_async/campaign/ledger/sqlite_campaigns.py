"""Reading a campaign in a transaction on SQLite."""

from __future__ import annotations

from ...errors import CampaignError
from ..records import CampaignRecord
from .stored import CAMPAIGN_COLUMNS, campaign_of
from .writer import Transaction

__all__ = ["campaign_by_id"]

_BY_ID = f"SELECT {CAMPAIGN_COLUMNS} FROM campaign WHERE campaign_id = ?"  # noqa: S608  # columns


def campaign_by_id(transaction: Transaction, campaign_id: int) -> CampaignRecord:
    """Read a campaign.

    Raises:
        CampaignError: There is none of that id.
    """
    row = transaction.connection.execute(_BY_ID, (campaign_id,)).fetchone()
    if row is None:
        raise CampaignError(f"the ledger holds no campaign of id {campaign_id}")
    return campaign_of(row)
