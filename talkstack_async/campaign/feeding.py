"""How many contacts to claim at a moment. Pure.

Every claim is a promise to dial within the fence, and after a crash each that was not dialled
costs two looks at the history. So only as many are claimed as can leave right away.
"""

from __future__ import annotations

import attrs

__all__ = ["Load", "rate_after", "room_for_claims"]

# A claim of fewer is put off for a moment while calls are flying: each claim is a commit.
_WORTH_A_COMMIT = 8
_MOST_AT_ONCE = 500
# What ends within a moment says little: four calls at once are no thousand in a second. But where
# many end, a moment is enough.
_RATE_OVER_SECONDS, _RATE_OVER_JOBS = 0.2, 200


@attrs.frozen(kw_only=True)
class Load:
    """How busy a runner is.

    Attributes:
        slots: Calls that may go on at once.
        busy: Slots that are taken.
        queued: Claims that wait for a slot.
        unsent: Claims that have not left, those in a slot included.
        turns: Turns the pace will give before a claim grows old.
        soon: Slots that will become free while a claim is being written.
        breaker: Calls the circuit breaker admits beside those unsettled; None for any number.
    """

    slots: int
    busy: int
    queued: int
    unsent: int
    turns: int
    soon: int
    breaker: int | None = None


def room_for_claims(load: Load) -> int:
    """Say how many contacts to claim now; 0 to wait for a moment."""
    by_slots = load.slots - load.busy + load.soon - load.queued
    by_pace = load.turns - load.unsent
    room = min(by_slots, by_pace, _MOST_AT_ONCE)
    if load.breaker is not None:
        return max(0, min(room, load.breaker))
    is_idle = load.queued == 0 and load.busy == 0
    # Refilled when half of what was claimed ahead is gone, so that nobody waits for a commit.
    worth = min(_WORTH_A_COMMIT, max(1, load.slots // 4)) + min(load.soon, _MOST_AT_ONCE) // 2
    worth = min(worth, load.turns or 1)
    return room if room >= worth or (is_idle and room > 0) else 0


def rate_after(rate: float, *, jobs: int, seconds: float) -> float:
    """Say how many jobs end in a second, given what was thought so far and what was seen since.

    Args:
        rate: Thought so far.
        jobs: Ended since.
        seconds: Since when.
    """
    if seconds <= 0:
        return rate
    weight = min(0.5, max(seconds / _RATE_OVER_SECONDS, jobs / _RATE_OVER_JOBS))
    return rate + weight * (jobs / seconds - rate)
