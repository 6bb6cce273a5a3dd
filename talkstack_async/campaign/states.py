"""Where campaigns, contacts and attempts stand, and which step may follow which."""

from __future__ import annotations

from enum import IntEnum, StrEnum

__all__ = ["OPEN", "AttemptState", "CampaignState", "ContactState", "may_follow"]


class CampaignState(StrEnum):
    """What the operator wants of a campaign. Whether it is finished is counted, not stored."""

    IMPORTING = "importing"  # the list is not read to its end yet: nobody is called
    RUNNING = "running"
    PAUSED = "paused"
    CANCELED = "canceled"


class ContactState(IntEnum):
    """Where a contact stands; stored as a number."""

    READY = 0  # to be called once `next_at` has come
    ACTIVE = 1  # an attempt is open, or its call is followed
    DONE = 2
    REVIEW = 3  # a person must decide: `talkstack campaign resolve`
    EXCLUDED = 4  # must not be called; `reason` says why

    __hash__ = int.__hash__


class AttemptState(IntEnum):
    """Where an attempt stands; stored as a number."""

    DISPATCHING = 1  # T1 is committed; the request may have left
    PLACED = 2  # the service accepted the call
    FINAL = 3  # the call is over; `disposition` says how
    REJECTED = 4  # plainly refused: the phone did not ring
    RELEASED = 5  # certainly never sent, and not counted as a try
    UNKNOWN = 6  # the phone may have rung; evidence is being looked for
    LOST = 7  # looked for twice and not found

    __hash__ = int.__hash__  # an enumeration hashes its name, in Python, for each look-up


# Of one number there is never more than one of these, over all campaigns of a ledger.
OPEN = (AttemptState.DISPATCHING, AttemptState.UNKNOWN)

_STEPS: dict[AttemptState, frozenset[AttemptState]] = {
    AttemptState.DISPATCHING: frozenset(AttemptState) - {AttemptState.DISPATCHING},
    AttemptState.UNKNOWN: frozenset(
        {AttemptState.PLACED, AttemptState.FINAL, AttemptState.LOST, AttemptState.UNKNOWN}
    ),
    AttemptState.PLACED: frozenset({AttemptState.FINAL}),
    # A person may know better than the history: `talkstack campaign resolve`.
    AttemptState.LOST: frozenset({AttemptState.PLACED, AttemptState.FINAL}),
}


def may_follow(before: AttemptState, after: AttemptState) -> bool:
    """Say whether an attempt may go from one state to another."""
    return after in _STEPS.get(before, frozenset())
