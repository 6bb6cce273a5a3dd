"""The fence: a claim that has grown old may not be sent any more.

A claim is a promise to dial now. A process that was frozen, or a machine that slept, wakes with
claims that somebody else may have taken over meanwhile; so the age of the claim is looked at in
the very step in which the first byte would leave.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Self

import attrs

from ..clock import Clock
from ..errors import StaleClaimError
from ..transport.outgoing import SentMark
from .records import Claim

__all__ = ["FencedFlight", "Stamp"]


@attrs.frozen(kw_only=True)
class Stamp:
    """A moment on two clocks: sleep stops the one, a correction moves the other."""

    wall: datetime
    boot: float

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Note the present moment. To be taken before the claim is written, never after."""
        return cls(wall=clock.now(), boot=clock.since_boot())

    def later(self, seconds: float) -> Self:
        """Return the moment so many seconds after this one."""
        return attrs.evolve(
            self, wall=self.wall + timedelta(seconds=seconds), boot=self.boot + seconds
        )

    def is_past(self, clock: Clock) -> bool:
        """Whether it has passed, by either of the two clocks."""
        return clock.since_boot() > self.boot or clock.now() > self.wall

    def drift(self, clock: Clock) -> float:
        """Return how many seconds the wall clock ran ahead of the other one since then."""
        wall = (clock.now() - self.wall).total_seconds()
        return wall - (clock.since_boot() - self.boot)


_LONG_PAST = Stamp(wall=datetime.min.replace(tzinfo=UTC), boot=float("-inf"))


class FencedFlight(SentMark):
    """The flight of a claimed call; it does not leave once the claim is older than the fence.

    Args:
        claim: Who is to be called.
        stamp: The moment at which the claim was asked for.
        fence: The moment after which it may not leave.

    Attributes:
        call_id: Of a placed call that is being followed, or is to be.
        may_follow: Whether it is to be followed once it is placed.
    """

    __slots__ = ("_clock", "_fence", "call_id", "claim", "may_follow", "stamp")

    def __init__(self, claim: Claim, stamp: Stamp, fence: Stamp, clock: Clock) -> None:
        # Everything in one place: this is made for each call.
        self.sent = False
        self.claim = claim
        self.stamp = stamp
        self.call_id: str | None = None
        self.may_follow = True
        self._fence = fence
        self._clock = clock

    def ask_to_stop(self) -> bool:
        """Say whether it may be cancelled: it has not left, or its answer is here.

        If it may not, its answer is waited for, and the call is not followed after that.
        """
        self.may_follow = False
        return not self.sent or self.call_id is not None

    @property
    def waited_too_long(self) -> bool:
        """Whether it is not worth a connection any more: a first, cheap look."""
        return self._clock.since_boot() > self._fence.boot

    @property
    def is_stale(self) -> bool:
        """Whether the claim is too old to be sent."""
        return self._fence.is_past(self._clock)

    def withdraw(self) -> None:
        """Do not let it leave: its number must not be called any more."""
        self._fence = _LONG_PAST

    def leave(self) -> None:
        """Let the first byte leave, if the claim is young enough.

        Raises:
            StaleClaimError: It is not; nothing has left.
        """
        if self.is_stale:
            raise stale_claim()
        self.sent = True


def stale_claim() -> StaleClaimError:
    """Make the error of a claim that was given up."""
    return StaleClaimError("the claim had grown too old to be sent; it is taken up afresh")
