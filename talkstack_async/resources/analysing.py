"""Waiting for the analysis of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..clock import Clock
from ..errors import BadRequestError, NotFoundError
from ..models.analyses import Analysis
from ..models.calls import Call

__all__ = ["until_available"]

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 8.0  # seconds


async def until_available(
    ask: Callable[[], Awaitable[Analysis]],
    read: Callable[[], Awaitable[Call]],
    *,
    clock: Clock,
    seconds: float,
) -> Analysis:
    """Ask until there is an analysis, or the time is up; then return or raise what came last.

    While a call goes on the service refuses with 400, and says so in no other way: the call is
    read to tell that from a bad question.
    """
    deadline, pause = clock.monotonic() + seconds, _FIRST_PAUSE
    while True:
        left = deadline - clock.monotonic()
        try:
            found = await ask()
            if found.is_available or left <= 0:
                return found
        except (BadRequestError, NotFoundError):
            if left <= 0 or await _is_over(read):
                raise
        await clock.sleep(min(pause, max(left, 0.0)))
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _is_over(read: Callable[[], Awaitable[Call]]) -> bool:
    try:
        return (await read()).is_final
    except NotFoundError:
        return False  # right after dialling the service may not know it yet
