"""The fence: a claim that has grown old may not be sent any more.

A claim is a promise to dial now. A process that was frozen, or a machine that slept, wakes with
claims that somebody else may have taken over meanwhile; so the age of the claim is looked at in
the very step in which the first byte would leave.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self

import attrs

from ..clock import Clock
from ..dispatch.flight import Flight
from ..errors import StaleClaimError
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

    def age(self, clock: Clock) -> float:
        """Return the seconds since then: the larger of what the two clocks say."""
        wall = (clock.now() - self.wall).total_seconds()
        return max(wall, clock.since_boot() - self.boot)

    def drift(self, clock: Clock) -> float:
        """Return how many seconds the wall clock ran ahead of the other one since then."""
        wall = (clock.now() - self.wall).total_seconds()
        return wall - (clock.since_boot() - self.boot)


class FencedFlight(Flight):
    """The flight of a claimed call; it does not leave once the claim is older than the fence.

    Attributes:
        claim: Who is to be called.
        stamp: The moment at which the claim was asked for.
    """

    __slots__ = ("_clock", "_fence_seconds", "claim", "stamp")

    def __init__(self, claim: Claim, stamp: Stamp, *, fence_seconds: float, clock: Clock) -> None:
        # Everything in one place: this is made for each call.
        self.sent = False
        self.placed = None
        self.may_follow = True
        self.claim = claim
        self.stamp = stamp
        self._fence_seconds = fence_seconds
        self._clock = clock

    @property
    def waited_too_long(self) -> bool:
        """Whether it is not worth a connection any more: a first, cheap look."""
        return self._clock.since_boot() - self.stamp.boot > self._fence_seconds

    @property
    def is_stale(self) -> bool:
        """Whether the claim is too old to be sent."""
        return self.stamp.age(self._clock) > self._fence_seconds

    def withdraw(self) -> None:
        """Do not let it leave: its number must not be called any more."""
        self._fence_seconds = -1.0

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
