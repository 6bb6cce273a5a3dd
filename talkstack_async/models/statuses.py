"""How a call stands, and how it ended.

Both lists are open: the service prints some words in one place and others in another, and may
add more. A word nobody knows loads as `UNKNOWN` and is not final; the caller's deadline bounds
how long it is watched.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CallStatus", "Disposition"]


class Disposition(StrEnum):
    """How an attempt to reach somebody ended."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    VOICEMAIL = "voicemail"
    SILENCE = "silence"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Disposition:
        return cls.UNKNOWN


class CallStatus(StrEnum):
    """Where a call stands, in the service's words.

    `CallStatus("some new word")` is `UNKNOWN`; spelling is tolerated (`No_Answer`,
    `cancelled`).
    """

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    VOICEMAIL = "voicemail"
    SILENCE = "silence"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> CallStatus:
        if not isinstance(value, str):
            return cls.UNKNOWN
        word = "-".join(value.strip().lower().replace("_", "-").split())
        return cls.__members__.get(_SPELLINGS.get(word, word).upper().replace("-", "_")) or (
            cls.UNKNOWN
        )

    @property
    def is_final(self) -> bool:
        """Whether the call is over."""
        return self in _ENDINGS

    @property
    def disposition(self) -> Disposition:
        """How the call ended; `UNKNOWN` for a status that is not final."""
        return _ENDINGS.get(self, Disposition.UNKNOWN)


_SPELLINGS = {"cancelled": "canceled", "noanswer": "no-answer", "inprogress": "in-progress"}

# get-call-data: voicemail, busy and silence are printed as permanent; the others stand in the
# sample, in the filter of the history, or at Twilio, which routes the calls.
_ENDINGS = {
    CallStatus.COMPLETED: Disposition.ANSWERED,
    CallStatus.BUSY: Disposition.BUSY,
    CallStatus.VOICEMAIL: Disposition.VOICEMAIL,
    CallStatus.SILENCE: Disposition.SILENCE,
    CallStatus.FAILED: Disposition.FAILED,
    CallStatus.NO_ANSWER: Disposition.NO_ANSWER,
    CallStatus.CANCELED: Disposition.CANCELED,
}
