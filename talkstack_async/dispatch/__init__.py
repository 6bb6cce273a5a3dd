"""Many calls: bounded, paced, each accounted for."""

from .dial import Dial
from .dispatcher import CallDispatcher
from .outcomes import Ended, NotPlaced, Outcome, Placed, Uncertain
from .progress import Progress

__all__ = [
    "CallDispatcher",
    "Dial",
    "Ended",
    "NotPlaced",
    "Outcome",
    "Placed",
    "Progress",
    "Uncertain",
]
