"""Following a call to its end: gentle polling, woken early where an event is wired."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..clock import Clock
from ..config import FollowSettings
from ..errors import (
    DeadlineError,
    NotFoundError,
    NotSentError,
    ReplyLostError,
    ServerError,
    TalkstackError,
    ThrottledError,
)
from ..models.calls import Call

__all__ = ["Following"]

# Of these a later look may be spared; anything else stays as it is.
_PASSING = (DeadlineError, NotSentError, ReplyLostError, ServerError, ThrottledError)
_GROWTH = 1.5


class Following:
    """Watches calls until they are over, each by reading it now and then."""

    def __init__(self, settings: FollowSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def notice(self, call_id: str) -> None:
        """Have everybody who follows a call look at it now. For webhooks."""
        for event in self._watchers.get(call_id, ()):
            event.set()

    async def until_final(
        self, call_id: str, read: Callable[[], Awaitable[Call]], *, deadline_seconds: float | None
    ) -> Call:
        """Read a call until it is over.

        Raises:
            DeadlineError: It was not over in time. Not uncertain: the call was placed.
            TalkstackError: It cannot be read, and asking again would not help.
        """
        nudge = asyncio.Event()
        self._watchers.setdefault(call_id, set()).add(nudge)
        try:
            return await self._look_until_final(call_id, read, nudge, deadline_seconds)
        finally:
            self._watchers[call_id].discard(nudge)
            if not self._watchers[call_id]:
                del self._watchers[call_id]

    async def _look_until_final(
        self,
        call_id: str,
        read: Callable[[], Awaitable[Call]],
        nudge: asyncio.Event,
        deadline_seconds: float | None,
    ) -> Call:
        begun = self._clock.monotonic()
        limit = self._settings.deadline_seconds if deadline_seconds is None else deadline_seconds
        gap = self._settings.first_gap_seconds
        known = "unknown"
        while True:
            elapsed = self._clock.monotonic() - begun
            try:
                call = await read()
                known = call.status_text or call.status
                if call.is_final:
                    return call
            except TalkstackError as failure:
                if not self._may_pass(failure, elapsed):
                    raise
            if elapsed + gap > limit:
                raise DeadlineError(
                    f"call {call_id} was not over within {limit:g} s; its last status was {known}"
                )
            await self._wait(gap, nudge)
            gap = min(gap * _GROWTH, self._settings.longest_gap_seconds)

    def _may_pass(self, failure: TalkstackError, elapsed: float) -> bool:
        if isinstance(failure, NotFoundError):
            return elapsed < self._settings.invisible_seconds
        return isinstance(failure, _PASSING)

    async def _wait(self, seconds: float, nudge: asyncio.Event) -> None:
        sleeping = asyncio.create_task(self._clock.sleep(seconds))
        nudged = asyncio.create_task(nudge.wait())
        try:
            await asyncio.wait((sleeping, nudged), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, nudged):
                task.cancel()
            await asyncio.gather(sleeping, nudged, return_exceptions=True)
            nudge.clear()
