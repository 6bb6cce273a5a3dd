"""The words of the ledger as people say them: why, how it ended, where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..models.statuses import Disposition
from .decisions import Reason
from .states import AttemptState, CampaignState, ContactState

__all__ = [
    "attempt_word",
    "call_words",
    "campaign_words",
    "contact_words",
    "reason_words",
]

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        Reason.INVALID_NUMBER: "The number cannot be dialled",
        Reason.DUPLICATE: "The number stands in the list twice",
        Reason.SUPPRESSED: "On the do-not-call list",
        Reason.PLACEHOLDER: "Something the agent needs to know is missing",
        Reason.UNKNOWN_ZONE: "No hour is known at which calling is allowed",
        Reason.ATTEMPTS_USED: "Not reached, and all attempts are used",
        Reason.REFUSED: "The service refused the call",
        Reason.NO_REDIAL: "Ended in a way that is not called again",
        Reason.ANSWERED: "Answered",
        Reason.PLACED: "The call was placed",
        Reason.RESOLVED: "Decided by a person",
        Reason.OUTSIDE_WINDOW: "Waiting for the hours in which calling is allowed",
        Reason.GAP: "Waiting, because the last call was a short while ago",
        Reason.CAP: "Waiting, because the person was called often enough lately",
        Reason.OPEN_ELSEWHERE: "Waiting for another campaign's call to the number",
        Reason.REDIAL: "Not reached yet, to be called again later",
        Reason.NOT_SENT: "The call could not be sent, to be tried again",
        Reason.BUDGET: "The budget is used up",
        Reason.CIRCUIT_OPEN: "Calling is interrupted, because too much failed",
        Reason.UNKNOWN_END: "How the call ended is not known",
        Reason.LOST: "A call may have been placed, but the history shows none",
    }
)

_CALLS: Mapping[str, str] = MappingProxyType(
    {
        Disposition.ANSWERED: "Answered",
        Disposition.VOICEMAIL: "Voicemail",
        Disposition.NO_ANSWER: "No answer",
        Disposition.BUSY: "Busy",
        Disposition.SILENCE: "Answered in silence",
        Disposition.FAILED: "Failed",
        Disposition.CANCELED: "Canceled",
        Disposition.UNKNOWN: "Ended, not known how",
        "dispatching": "Being placed",
        "placed": "Placed, not ended yet",
        "rejected": "Refused by the service",
        "released": "Not sent",
        "uncertain": "May have rung",
        "lost": "May have rung, no trace found",
    }
)

_CONTACTS: Mapping[ContactState, str] = MappingProxyType(
    {
        ContactState.READY: "To be called",
        ContactState.ACTIVE: "Being called",
        ContactState.DONE: "Done",
        ContactState.REVIEW: "Needs a look",
        ContactState.EXCLUDED: "Must not be called",
    }
)

_CAMPAIGNS: Mapping[CampaignState, str] = MappingProxyType(
    {
        CampaignState.IMPORTING: "The list is being read",
        CampaignState.RUNNING: "Running",
        CampaignState.PAUSED: "Paused",
        CampaignState.CANCELED: "Canceled",
    }
)


def reason_words(reason: str) -> str:
    """Say why somebody is not called; a word that is new here is shown as it is."""
    return _REASONS.get(reason) or _as_it_is(reason)


def call_words(word: str) -> str:
    """Say how a call ended, or where it stands: a disposition, or an `attempt_word`."""
    return _CALLS.get(word) or _as_it_is(word)


def contact_words(state: ContactState) -> str:
    """Say where a contact stands."""
    return _CONTACTS[state]


def campaign_words(state: CampaignState) -> str:
    """Say what the operator wants of a campaign."""
    return _CAMPAIGNS[state]


def attempt_word(state: AttemptState, disposition: str | None) -> str:
    """Return how an attempt ended, or else where it stands.

    An unknown attempt is `uncertain`: `unknown` is what an ended call is whose end nobody knows.
    """
    match state:
        case AttemptState.FINAL:
            return str(disposition or Disposition.UNKNOWN)
        case AttemptState.UNKNOWN:
            return "uncertain"
        case other:
            return other.name.lower()


def _as_it_is(word: str) -> str:
    return word.replace("_", " ").capitalize()
