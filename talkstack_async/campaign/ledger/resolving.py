"""What a person decides about contacts in review, in either database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..states import ContactState
from .moments import to_ms
from .transaction import Transaction

__all__ = ["resolve"]

_IN_REVIEW = (
    "SELECT c.contact_id, c.campaign_id, c.attempts, a.attempt_id FROM contact c "
    "JOIN attempt a ON a.contact_id = c.contact_id AND a.n = c.tries "
    "WHERE c.contact_id {among} AND c.state = 3 ORDER BY c.contact_id {lock}"
)
_RESOLVE = (
    "UPDATE contact SET state = ?, reason = ?, detail = ?, next_at = ?, attempts = attempts - ? "
    "WHERE contact_id = ?"
)


def resolve(
    transaction: Transaction,
    contact_ids: Sequence[int],
    *,
    state: ContactState,
    reason: str,
    detail: str,
    next_at: datetime | None,
    now: datetime,
) -> int:
    """See `Ledger.resolve`."""
    found = transaction.rows(_IN_REVIEW, (transaction.many(contact_ids),))
    for contact_id, campaign_id, attempts, attempt_id in found:
        is_ready = state is ContactState.READY
        given_back = _too_many(transaction, campaign_id, attempts) if is_ready else 0
        due = to_ms(next_at or now) if is_ready else 0
        transaction.change(
            _RESOLVE, (int(state), str(reason), detail, due, given_back, contact_id)
        )
        said: dict[str, Any] = {
            "contact": state.name.lower(),
            "reason": str(reason),
            "detail": detail,
        }
        # One line for each try that counts no longer: that is how they can be counted again.
        for line in [{**said, "counts": False}] * given_back or [said]:
            transaction.audit(
                to_ms(now),
                "resolved",
                line,
                campaign_id=campaign_id,
                contact_id=contact_id,
                attempt_id=attempt_id,
            )
    return len(found)


def _too_many(transaction: Transaction, campaign_id: int, attempts: int) -> int:
    """Return how many tries to give back so that one more is allowed."""
    allowed = transaction.campaign(campaign_id).settings.redial.max_attempts
    return max(0, attempts - (allowed - 1))
