"""The rules on calling, written down a second time, the plain way."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from talkstack_async.campaign.decisions import Candidate
from talkstack_async.campaign.settings import CallingWindow, CampaignSettings
from tests.support.books import Books

FLORIDA_PER_DAY, FLORIDA_END = 3, time(20)


def may_be_called(
    candidate: Candidate, told: CampaignSettings, books: Books, *, now: datetime
) -> bool:
    """Say what the rules say, the plain way."""
    moments = books.may_have_rung(candidate.number)
    whole_day = told.window.is_whole_day
    per_day = told.caps.per_day
    if "US-FL" in candidate.regions and not whole_day:
        per_day = min(per_day, FLORIDA_PER_DAY)
    name = json.loads(books.people[candidate.contact_id].variables)["name"]
    return (
        candidate.number not in books.suppressed
        and bool(name.strip())
        and books.people[candidate.contact_id].attempts < told.redial.max_attempts
        and not books.has_open(candidate.number)
        and all((now - at).total_seconds() >= told.caps.gap_seconds for at in moments)
        and sum(now - at < timedelta(days=1) for at in moments) < per_day
        and sum(now - at < timedelta(days=7) for at in moments) < told.caps.per_week
        and (whole_day or _is_day(candidate, told.window, now))
    )


def _is_day(candidate: Candidate, window: CallingWindow, now: datetime) -> bool:
    end = min(window.end, FLORIDA_END) if "US-FL" in candidate.regions else window.end
    # Nobody's phone rings in the last minute.
    locals_ = [now.astimezone(ZoneInfo(zone)) for zone in candidate.zones]
    in_a_minute = [(at + timedelta(minutes=1)).time() for at in locals_]
    return bool(locals_) and all(
        window.start <= at.time() and later < end
        for at, later in zip(locals_, in_a_minute, strict=True)
    )
