"""One call of many, from being pulled to being accounted for."""

from __future__ import annotations

from ..errors import StoppedError
from ..models.calls import CallRequest
from ..transport.outgoing import SentMark
from .outcomes import Outcome, Placed, failed

__all__ = ["Flight", "stopped"]


class Flight(SentMark):
    """The mark of a call, and what is known of it beyond that.

    Attributes:
        placed: Set once the service has accepted the call and it is only being followed.
        may_follow: Whether the call is to be followed once it is placed.
    """

    __slots__ = ("may_follow", "placed")

    def __init__(self) -> None:
        self.sent = False
        self.placed: Placed | None = None
        self.may_follow = True

    def ask_to_stop(self) -> bool:
        """Say whether it may be cancelled: it has not left, or its answer is here.

        If it may not, its answer is waited for, and the call is not followed after that.
        """
        self.may_follow = False
        return not self.sent or self.placed is not None

    def stopped(self, request: CallRequest) -> Outcome:
        """Say what is known of a call that we stop waiting for."""
        return self.placed or failed(request, stopped(self))


def stopped(mark: SentMark) -> StoppedError:
    """Make the error of a call that nobody waits for any more."""
    if not mark.sent:
        return StoppedError("stopped before the request was sent; the phone did not ring")
    text = (
        "stopped after the request had left and before its reply; the phone may ring, look "
        "before calling again"
    )
    return StoppedError(text, uncertain=True)
