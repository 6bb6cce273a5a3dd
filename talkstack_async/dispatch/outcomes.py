"""What became of one request: placed, ended, not placed, or uncertain."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ..errors import TalkstackError
from ..models.calls import Call, CallRequest, CallResult
from ..models.statuses import Disposition

__all__ = ["Ended", "NotPlaced", "Outcome", "Placed", "Uncertain"]


@attrs.frozen(kw_only=True, slots=False)  # made for every call, and quicker so
class Placed:
    """The service accepted the call; `result.call_id` names it."""

    request: CallRequest
    result: CallResult


@attrs.frozen(kw_only=True)
class Ended:
    """The call was placed and is over. Comes only from calls that are followed.

    Attributes:
        call: The call as it was read last; `disposition` says how it ended.
    """

    request: CallRequest
    result: CallResult
    call: Call

    @property
    def disposition(self) -> Disposition:
        """How the call ended: answered, busy, no answer, voicemail..."""
        return self.call.disposition


@attrs.frozen(kw_only=True)
class NotPlaced:
    """The phone certainly did not ring; `error` says why. Calling again is safe."""

    request: CallRequest
    error: TalkstackError


@attrs.frozen(kw_only=True)
class Uncertain:
    """The phone may have rung; `error` says why we cannot tell. Never repeated by us."""

    request: CallRequest
    error: TalkstackError


Outcome: TypeAlias = Placed | Ended | NotPlaced | Uncertain


def failed(request: CallRequest, error: TalkstackError) -> NotPlaced | Uncertain:
    """Make the outcome of a request that failed; the error knows whether it may have rung."""
    if error.uncertain:
        return Uncertain(request=request, error=error)
    return NotPlaced(request=request, error=error)
