"""What an answer means for an attempt and its contact. Pure: values in, a settlement out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from ..errors import (
    AuthenticationError,
    BadRequestError,
    ClientStateError,
    DeadlineError,
    InvalidRequestError,
    NotSentError,
    StaleClaimError,
    StatusError,
    StoppedError,
    TalkstackError,
    ThrottledError,
    UnprocessableError,
)
from ..models.calls import Call
from ..models.statuses import Disposition
from .decisions import Reason
from .records import Claim, Settlement
from .redials import after_end, after_lost, asks_not_to_be_called
from .rules import micros
from .settings import CampaignSettings
from .states import AttemptState, ContactState

__all__ = [
    "settle_end",
    "settle_failed",
    "settle_found",
    "settle_lost",
    "settle_mistaken",
    "settle_placed",
    "settle_unwatched",
]

# A call that could not be sent is tried again after so long; the breaker bounds how often.
_UNSENT_SECONDS = 10.0
# These end without a conversation, so an unknown cost is none.
_FREE = (Disposition.BUSY, Disposition.NO_ANSWER, Disposition.FAILED, Disposition.CANCELED)


class _Attempt(Protocol):
    @property
    def attempt_id(self) -> int: ...
    @property
    def contact_id(self) -> int: ...
    @property
    def campaign_id(self) -> int: ...
    @property
    def worker(self) -> str: ...
    @property
    def attempts(self) -> int: ...


def settle_placed(
    claim: Claim, call_id: str, *, settings: CampaignSettings, now: datetime
) -> Settlement:
    """Say what it means that the service accepted a call."""
    return Settlement(  # by position: made for every call
        claim.attempt_id,
        claim.contact_id,
        claim.campaign_id,
        claim.worker,
        _ANSWERED,
        AttemptState.PLACED,
        ContactState.ACTIVE if settings.follow else ContactState.DONE,
        now,
        Reason.PLACED,
        call_id=_storable(call_id),
    )


def settle_failed(claim: Claim, error: TalkstackError, *, now: datetime) -> Settlement:
    """Say what it means that a call was not placed, or may not have been."""
    if not error.uncertain:
        return _not_placed(claim, error, now=now)
    return _settlement(
        claim,
        AttemptState.UNKNOWN,
        ContactState.ACTIVE,
        Reason.UNKNOWN_END,
        now=now,
        error=error.message,
    )


def _not_placed(claim: Claim, error: TalkstackError, *, now: datetime) -> Settlement:
    match error:
        case StaleClaimError() | StoppedError():
            return _released(claim, error, now=now, wait_seconds=0.0)
        case ThrottledError():
            return _released(claim, error, now=now, wait_seconds=error.retry_after or 1.0)
        case (
            NotSentError()
            | DeadlineError()
            # What concerns every call is no reason to give this contact up.
            | AuthenticationError()
            | ClientStateError()
        ):
            return _released(claim, error, now=now, wait_seconds=_UNSENT_SECONDS)
        case InvalidRequestError():
            contact = ContactState.EXCLUDED
        case BadRequestError() | UnprocessableError():
            contact = ContactState.DONE
        case StatusError():
            # An address, an account, a right: nothing that speaks of this number.
            contact = ContactState.REVIEW
        case _:
            contact = ContactState.REVIEW  # a fault of ours: somebody has to look
    return _settlement(
        claim,
        AttemptState.REJECTED,
        contact,
        Reason.REFUSED,
        now=now,
        detail=error.message,
        error=error.message,
    )


def _released(
    claim: Claim, error: TalkstackError, *, now: datetime, wait_seconds: float
) -> Settlement:
    return _settlement(
        claim,
        AttemptState.RELEASED,
        ContactState.READY,
        Reason.NOT_SENT,
        now=now,
        counts=False,
        next_at=now + timedelta(seconds=wait_seconds),
        error=error.message,
    )


def settle_mistaken(placed: Settlement) -> Settlement:
    """Say what it means that a call was placed with an id that belongs to another attempt."""
    return placed._replace(
        before=(AttemptState.DISPATCHING,),
        after=AttemptState.UNKNOWN,
        contact=ContactState.ACTIVE,
        reason=Reason.UNKNOWN_END,
        call_id=None,
        error="the service answered with the id of another call",
    )


def settle_found(
    attempt: _Attempt, call: Call, *, settings: CampaignSettings, now: datetime
) -> Settlement:
    """Say what it means that the call of an attempt was found: it was placed.

    How it ended is read afterwards, from the call itself: the history tells less.
    """
    return _settlement(
        attempt,
        AttemptState.PLACED,
        ContactState.ACTIVE if settings.follow else ContactState.DONE,
        Reason.PLACED,
        now=now,
        detail="found in the call history",
        call_id=call.call_id,
    )


def settle_end(
    attempt: _Attempt, call: Call, *, settings: CampaignSettings, now: datetime
) -> Settlement:
    """Say what the end of a call means for its contact."""
    suppress = asks_not_to_be_called(call, settings.opt_out_keys)
    after = after_end(call.disposition, attempts=attempt.attempts, policy=settings.redial, now=now)
    state = ContactState.DONE if suppress else after.state
    return _settlement(
        attempt,
        AttemptState.FINAL,
        state,
        Reason.SUPPRESSED if suppress else after.reason,
        now=now,
        detail=str(call.disposition),
        next_at=after.next_at if state is ContactState.READY else None,
        call_id=call.call_id or None,
        disposition=call.disposition,
        seconds=call.seconds,
        cost_micros=cost_of(call, settings),
        suppress="asked on the call not to be called" if suppress else None,
    )


def settle_unwatched(
    attempt: _Attempt, error: TalkstackError, *, settings: CampaignSettings, now: datetime
) -> Settlement:
    """Say what it means that the end of a placed call cannot be learnt any more."""
    worst = None if settings.budget is None else micros(settings.budget.worst_call)
    return _settlement(
        attempt,
        AttemptState.FINAL,
        ContactState.REVIEW,
        Reason.UNKNOWN_END,
        now=now,
        detail=error.message,
        disposition=Disposition.UNKNOWN,
        cost_micros=worst,
        error=error.message,
    )


def settle_lost(attempt: _Attempt, *, settings: CampaignSettings, now: datetime) -> Settlement:
    """Say what it means that two looks at the history found no call."""
    after = after_lost(
        settings.evidence.lost, attempts=attempt.attempts, policy=settings.redial, now=now
    )
    return _settlement(
        attempt,
        AttemptState.LOST,
        after.state,
        after.reason,
        now=now,
        detail="two looks at the call history found no such call",
        next_at=after.next_at,
    )


def cost_of(call: Call, settings: CampaignSettings) -> int | None:
    """Return what a finished call cost; the worst case if the service does not say."""
    if call.cost is not None and call.cost >= 0:
        return micros(call.cost)
    if call.disposition in _FREE:
        return 0
    return None if settings.budget is None else micros(settings.budget.worst_call)


_ANSWERED = (AttemptState.DISPATCHING, AttemptState.UNKNOWN)
_BEFORE = {
    AttemptState.PLACED: _ANSWERED,
    AttemptState.FINAL: (AttemptState.PLACED, AttemptState.UNKNOWN, AttemptState.DISPATCHING),
    AttemptState.LOST: (AttemptState.UNKNOWN,),
}


def _settlement(
    attempt: _Attempt,
    after: AttemptState,
    contact: ContactState,
    reason: Reason,
    *,
    now: datetime,
    detail: str = "",
    counts: bool = True,
    next_at: datetime | None = None,
    call_id: str | None = None,
    disposition: Disposition | None = None,
    seconds: float | None = None,
    cost_micros: int | None = None,
    error: str | None = None,
    suppress: str | None = None,
) -> Settlement:
    return Settlement(
        attempt_id=attempt.attempt_id,
        contact_id=attempt.contact_id,
        campaign_id=attempt.campaign_id,
        worker=attempt.worker,
        before=_BEFORE.get(after, (AttemptState.DISPATCHING,)),
        after=after,
        contact=contact,
        at=now,
        reason=reason,
        detail=_storable(detail) or "",
        counts=counts,
        next_at=next_at,
        call_id=_storable(call_id),
        disposition=disposition,
        seconds=seconds,
        cost_micros=cost_micros,
        error=_storable(error),
        suppress=suppress,
    )


def _storable(text: str | None) -> str | None:
    # JSON may hold half a character, which no database takes, and NUL, which PostgreSQL does not.
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.replace("\0", "?").encode("utf-8", "replace").decode()
