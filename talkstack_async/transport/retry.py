"""What may be repeated, and after which wait.

`backoff` gives the waits; its decorators are not used. They let jitter shorten `Retry-After`,
cannot bound one attempt, and log the text of exceptions. A loop of our own is also cheaper: a
request that succeeds at once never comes here.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator

import backoff

from ..config import RetrySettings
from ..errors import (
    NotSentError,
    ReplyLostError,
    ServerError,
    StaleClaimError,
    StaleConnectionError,
    TalkstackError,
    ThrottledError,
    TlsError,
)
from ..wire.endpoints import Effect

__all__ = ["Patience", "may_repeat"]


def may_repeat(effect: Effect, failure: TalkstackError) -> bool:
    """Say whether trying again cannot do a thing twice.

    Whatever never left and whatever was plainly refused may be repeated. A lost reply or a 5xx
    may be repeated for a read only: for a call it may have rung.
    """
    if failure.uncertain and effect is not Effect.READ:
        return False  # whatever else it may be
    match failure:
        case TlsError() | StaleClaimError():
            return False  # neither a certificate nor a claim gets better by waiting
        case NotSentError() | ThrottledError():
            return True
        case ReplyLostError() | ServerError():
            return effect is Effect.READ
        case _:
            return False


class Patience:
    """The waits between the tries of one request. Made when the first try has failed."""

    __slots__ = ("_left", "_settings", "_spares", "_waits")

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._left = settings.max_retries
        self._spares = 3
        self._waits = _growing(settings)

    def next_wait(self, failure: TalkstackError) -> float | None:
        """Return the seconds to wait before the next try, None to give up."""
        if isinstance(failure, StaleConnectionError) and self._spares:
            self._spares -= 1  # the pool has others, and the next may be fresh
            return 0.0
        if self._left <= 0:
            return None
        self._left -= 1
        asked = failure.retry_after if isinstance(failure, ThrottledError) else None
        if asked is None:
            return backoff.full_jitter(next(self._waits))
        # Never earlier than asked; the jitter comes on top, so that not all come back at once.
        return asked + backoff.full_jitter(self._settings.first_wait_seconds)


def _growing(settings: RetrySettings) -> Generator[float, None, None]:
    waits = backoff.expo(factor=settings.first_wait_seconds, max_value=settings.max_wait_seconds)
    next(waits)  # its first value is for the decorators
    wait = 0.0
    for wait in itertools.islice(waits, 64):
        yield wait
    # Nobody waits longer than that; counting on would overflow after a thousand.
    yield from itertools.repeat(wait)
