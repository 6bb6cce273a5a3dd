"""Lists of people to be called, and campaigns that call them and survive whatever happens.

Only reading lists is loaded at once; the rest brings a client and a database along.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .contacts import BadRow, Contact, ContactList, read_contacts

if TYPE_CHECKING:
    from .campaign import Campaign, Resolution
    from .ledger import Ledger, open_ledger
    from .records import ImportSummary
    from .report import write_report
    from .runner import CampaignRunner, Ending, RunResult
    from .settings import (
        BreakerSettings,
        Budget,
        CallingWindow,
        CampaignSettings,
        Caps,
        EvidenceSettings,
        LostRule,
        RedialPolicy,
    )

__all__ = [
    "BadRow",
    "BreakerSettings",
    "Budget",
    "CallingWindow",
    "Campaign",
    "CampaignRunner",
    "CampaignSettings",
    "Caps",
    "Contact",
    "ContactList",
    "Ending",
    "EvidenceSettings",
    "ImportSummary",
    "Ledger",
    "LostRule",
    "RedialPolicy",
    "Resolution",
    "RunResult",
    "open_ledger",
    "read_contacts",
    "write_report",
]

_HOMES = MappingProxyType(
    {
        "Campaign": ".campaign",
        "Resolution": ".campaign",
        "Ledger": ".ledger",
        "open_ledger": ".ledger",
        "ImportSummary": ".records",
        "write_report": ".report",
        "CampaignRunner": ".runner",
        "Ending": ".runner",
        "RunResult": ".runner",
        "BreakerSettings": ".settings",
        "Budget": ".settings",
        "CallingWindow": ".settings",
        "CampaignSettings": ".settings",
        "Caps": ".settings",
        "EvidenceSettings": ".settings",
        "LostRule": ".settings",
        "RedialPolicy": ".settings",
    }
)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)
