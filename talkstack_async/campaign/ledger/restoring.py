"""People in rows of the ledger, as the values of `campaign.records`.

Each function takes a row that holds the columns of the table it is named after, under the
names they have there.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from ...models.statuses import Disposition
from ..records import AttemptRecord, ContactRecord, Suppression
from ..states import AttemptState, ContactState
from .moments import from_ms
from .stored import words_of

__all__ = ["attempt_of", "contact_of", "moment_of", "suppression_of"]


def moment_of(milliseconds: int | None) -> datetime | None:
    """Return a stored moment; None stays None."""
    return None if milliseconds is None else from_ms(milliseconds)


def contact_of(row: Any) -> ContactRecord:
    """Return a row of the table `contact` as a value; one that was never put off has no moment."""
    return ContactRecord(
        contact_id=row.contact_id,
        campaign_id=row.campaign_id,
        row=row.row,
        number=row.number,
        variables=json.loads(row.variables),
        zones=words_of(row.zones),
        regions=words_of(row.regions),
        state=ContactState(row.state),
        attempts=row.attempts,
        next_at=moment_of(row.next_at or None),
        reason=row.reason,
        detail=row.detail,
    )


def attempt_of(row: Any) -> AttemptRecord:
    """Return a row of the table `attempt` as a value."""
    return AttemptRecord(
        attempt_id=row.attempt_id,
        contact_id=row.contact_id,
        number=row.n,
        state=AttemptState(row.state),
        worker=row.worker,
        sent_at=from_ms(row.sent_at),
        call_id=row.call_id,
        disposition=None if row.disposition is None else Disposition(row.disposition),
        seconds=row.seconds,
        cost_micros=row.cost_micros,
        error=row.error,
        settled_at=moment_of(row.settled_at),
    )


def suppression_of(row: Any) -> Suppression:
    """Return a row of the table `suppression` as a value."""
    return Suppression(
        number=row.number, reason=row.reason, source=row.source, added_at=from_ms(row.added_at)
    )
