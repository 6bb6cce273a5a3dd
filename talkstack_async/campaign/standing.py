"""How a campaign stands, as plain data: for `campaign status --json`, monitors and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any

from ..models.statuses import Disposition
from .beats import SILENT_SECONDS, WorkerRecord
from .ledger.base import Counts
from .records import CampaignRecord
from .states import AttemptState, CampaignState, ContactState

__all__ = ["money", "standing", "worker_standing", "worker_state"]

_MILLION = 1_000_000


def standing(campaign: CampaignRecord, counts: Counts) -> dict[str, Any]:
    """Return what JSON can hold, with a number for every state there is, zeros included.

    `finished` is true once nobody is left to be called, being called, or in need of a look; in
    a campaign that was canceled nobody is left to be called. `reserved` is what the calls whose
    cost is not known yet may cost at worst; it and `budget` are None without a budget.
    """
    contacts = _by_name(ContactState, counts.contacts)
    budget = campaign.settings.budget
    return {
        "campaign": campaign.name,
        "state": campaign.state.value,
        "finished": _is_finished(campaign, counts),
        "created_at": campaign.created_at.isoformat(),
        "total": sum(contacts.values()),
        "contacts": contacts,
        "attempts": _by_name(AttemptState, counts.attempts),
        "dispositions": {
            **{each.value: 0 for each in Disposition},
            **{str(word): count for word, count in counts.dispositions.items()},
        },
        "reasons": dict(sorted(counts.reasons.items())),
        "rings": counts.rings,
        "waiting": counts.waiting,
        "next_due_at": _text(counts.next_due_at),
        "spent": money(campaign.spent_micros),
        "unpriced": campaign.unpriced,
        "budget": None if budget is None else budget.limit,
        "reserved": None if budget is None else round(campaign.unpriced * budget.worst_call, 6),
    }


def worker_standing(worker: WorkerRecord) -> dict[str, Any]:
    """Return what JSON can hold about a worker: who holds what, since when, how fresh."""
    held: dict[str, list[int]] = {}
    for campaign, shard in sorted(worker.held):
        held.setdefault(campaign, []).append(shard)
    return {
        "worker": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "state": worker_state(worker),
        "began_at": worker.began_at.isoformat(),
        "beat_seconds_ago": round(worker.beat_seconds_ago, 3),
        "in_flight": worker.in_flight,
        "held": held,
    }


def worker_state(worker: WorkerRecord) -> str:
    """Return `working` or `draining`, as it said itself, or `silent` if that was too long ago."""
    return "silent" if worker.beat_seconds_ago > SILENT_SECONDS else worker.state


def _by_name(states: type[IntEnum], counts: Mapping[Any, int]) -> dict[str, int]:
    return {state.name.lower(): counts.get(state, 0) for state in states}


def _is_finished(campaign: CampaignRecord, counts: Counts) -> bool:
    left = {ContactState.READY, ContactState.ACTIVE, ContactState.REVIEW}
    if campaign.state is CampaignState.CANCELED:
        left.remove(ContactState.READY)
    return not any(counts.contacts.get(state, 0) for state in left)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def money(micros: int) -> float:
    """Return millionths as an amount."""
    return micros / _MILLION
