"""Campaigns: lists of people who are called, each accounted for, whatever is killed or cut.

Open a ledger, open a campaign in it, read its list, run it:

    async with open_ledger("spring.db", exclusive=True) as ledger, Client.from_env() as client:
        campaign = await Campaign.open(ledger, "spring", settings=settings)
        await campaign.check_agent(client)
        await campaign.read_list(Path("contacts.csv"))
        result = await CampaignRunner(client, ledger, campaign.record).run()

Several processes, on any hosts, share a ledger in PostgreSQL, each as a `Worker`.

Needs the extra `campaign`, and workers `distributed`. Only reading lists in CSV and JSON lines
does without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .contacts import BadRow, Contact, ContactList, read_contacts

if TYPE_CHECKING:
    from .campaign import Campaign, Resolution
    from .decisions import Reason
    from .enqueuing import RowResult
    from .exporting import export
    from .ledger import Ledger, open_ledger
    from .plan import Plan
    from .progress import Phase, RunProgress
    from .records import CampaignRecord, ImportSummary, Story, Suppression, Verdict
    from .regions import RegionRules
    from .rehearsal import DryRun, dry_run
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
    from .states import AttemptState, CampaignState, ContactState
    from .worker import Worker, WorkerResult, WorkerStanding, run_worker

__all__ = [
    "AttemptState",
    "BadRow",
    "BreakerSettings",
    "Budget",
    "CallingWindow",
    "Campaign",
    "CampaignRecord",
    "CampaignRunner",
    "CampaignSettings",
    "CampaignState",
    "Caps",
    "Contact",
    "ContactList",
    "ContactState",
    "DryRun",
    "Ending",
    "EvidenceSettings",
    "ImportSummary",
    "Ledger",
    "LostRule",
    "Phase",
    "Plan",
    "Reason",
    "RedialPolicy",
    "RegionRules",
    "Resolution",
    "RowResult",
    "RunProgress",
    "RunResult",
    "Story",
    "Suppression",
    "Verdict",
    "Worker",
    "WorkerResult",
    "WorkerStanding",
    "dry_run",
    "export",
    "open_ledger",
    "read_contacts",
    "run_worker",
    "write_report",
]

# Loaded when asked for: most need the extra, and some take their time.
_HOMES = {
    "campaign": ("Campaign", "Resolution"),
    "decisions": ("Reason",),
    "enqueuing": ("RowResult",),
    "exporting": ("export",),
    "ledger": ("Ledger", "open_ledger"),
    "plan": ("Plan",),
    "progress": ("Phase", "RunProgress"),
    "records": (
        "CampaignRecord",
        "ImportSummary",
        "Story",
        "Suppression",
        "Verdict",
    ),
    "regions": ("RegionRules",),
    "rehearsal": ("DryRun", "dry_run"),
    "report": ("write_report",),
    "runner": ("CampaignRunner", "Ending", "RunResult"),
    "settings": (
        "BreakerSettings",
        "Budget",
        "CallingWindow",
        "CampaignSettings",
        "Caps",
        "EvidenceSettings",
        "LostRule",
        "RedialPolicy",
    ),
    "states": ("AttemptState", "CampaignState", "ContactState"),
    "worker": ("Worker", "WorkerResult", "WorkerStanding", "run_worker"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
