"""What a crew has to do: calls to follow, and claims to dial."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs

from ..clock import Clock
from .attempting import Following
from .fence import FencedFlight, Stamp
from .records import Claim

__all__ = ["Jobs"]


@attrs.frozen
class _Batch:
    """Claims that were asked for together."""

    claims: deque[Claim]
    stamp: Stamp
    fence: Stamp


class Jobs:
    """Jobs in the order in which they are to be done.

    Calls come before claims: their phones ring already. A claim becomes a flight when its turn
    comes. Hundreds are claimed at once, and whatever waits the garbage collector looks at.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[Following] = deque()
        self._batches: deque[_Batch] = deque()

    def __len__(self) -> int:
        return len(self._calls) + sum(len(batch.claims) for batch in self._batches)

    def __bool__(self) -> bool:
        return bool(self._calls or self._batches)

    @property
    def claims(self) -> list[Claim]:
        """The claims that wait."""
        return [claim for batch in self._batches for claim in batch.claims]

    def add_claims(self, claims: Sequence[Claim], stamp: Stamp, *, fence_seconds: float) -> None:
        """Add claims that were asked for at a moment and may leave for so many seconds."""
        if claims:
            self._batches.append(_Batch(deque(claims), stamp, stamp.later(fence_seconds)))

    def add_call(self, following: Following) -> None:
        """Add a call that is to be followed."""
        self._calls.append(following)

    def take(self) -> FencedFlight | Following:
        """Remove and return the next one.

        Raises:
            IndexError: There is none.
        """
        if self._calls:
            return self._calls.popleft()
        batch = self._batches[0]
        claim = batch.claims.popleft()
        if not batch.claims:
            self._batches.popleft()
        return FencedFlight(claim, batch.stamp, batch.fence, self._clock)

    def take_claims(self, which: Callable[[Claim], bool]) -> list[Claim]:
        """Remove and return some of the claims that wait."""
        taken = [claim for claim in self.claims if which(claim)]
        left = [
            attrs.evolve(batch, claims=deque(each for each in batch.claims if not which(each)))
            for batch in self._batches
        ]
        self._batches = deque(batch for batch in left if batch.claims)
        return taken

    def drop_calls(self) -> None:
        """Forget the calls: whoever runs the campaign next follows them."""
        self._calls.clear()
