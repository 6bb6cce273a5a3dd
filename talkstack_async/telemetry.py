"""Facts about what happens inside, for whoever wants to watch.

An observer is any callable that takes one event. It is called on the event loop, so it must be
quick; what it raises is logged and never disturbs a call. No event holds a secret or a whole
phone number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

import attrs

__all__ = ["Event", "Observer", "PoolWaited", "RequestFinished", "RequestRepeated", "SlowedDown"]

logger = logging.getLogger("talkstack_async")
logger.addHandler(logging.NullHandler())


@attrs.frozen(kw_only=True)
class RequestRepeated:
    """A request is sent again, which happens only if it cannot have taken effect."""

    request_id: str
    operation: str
    attempt: int
    wait_seconds: float
    reason: str


@attrs.frozen(kw_only=True)
class RequestFinished:
    """A request is over, well or badly."""

    request_id: str
    operation: str
    status: int | None
    attempts: int
    elapsed_seconds: float
    uncertain: bool


@attrs.frozen(kw_only=True)
class PoolWaited:
    """A request had to wait for a free connection."""

    host: str
    wait_seconds: float


@attrs.frozen(kw_only=True)
class SlowedDown:
    """The service asked for patience; the whole dispatcher waits."""

    wait_seconds: float


Event: TypeAlias = RequestRepeated | RequestFinished | PoolWaited | SlowedDown
Observer: TypeAlias = Callable[[Event], None]


def notify(observer: Observer | None, event: Event) -> None:
    """Hand an event to the observer, if there is one, and survive what it does."""
    if observer is None:
        return
    try:
        observer(event)
    except Exception:
        logger.exception("the observer failed on %s", type(event).__name__)
