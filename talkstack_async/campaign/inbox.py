"""Acting on events from outside: each is only a hint to look at a call once more.

An event proves nothing (nobody signs it), may come twice, late, in any order, and before we know
the call's id ourselves. So all it does is to have the call read again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from ..clock import Clock
from ..errors import NotFoundError, TalkstackError
from ..models.calls import Call
from ..telemetry import logger
from .evidence import call_of
from .ledger.base import Ledger
from .records import EventRecord, OpenAttempt

__all__ = ["Inbox"]

_TAKEN_AT_ONCE = 200
_FIRST_GAP_SECONDS = 1.0
# An event about a call that nobody can place by then is about somebody else's.
_WAITS = timedelta(minutes=15)
_LEFT_TO_OTHERS = timedelta(seconds=10)


class Reader(Protocol):
    """What is needed of `client.calls`."""

    async def get(self, call_id: str, *, project_id: str | None) -> Call:
        """Read a call."""
        ...

    def notice(self, call_id: str) -> None:
        """Have whoever follows a call look at it now."""
        ...


class Inbox:
    """Takes events out of the ledger and has the calls they name looked at.

    Args:
        worker: Leave events of calls that others follow to them; None if there are no others.
    """

    def __init__(
        self, calls: Reader, ledger: Ledger, *, clock: Clock, worker: str | None = None
    ) -> None:
        self._calls = calls
        self._ledger = ledger
        self._clock = clock
        self._worker = worker
        # When to read the call of an event again that nobody could place; and after what gap.
        self._again: dict[int, tuple[float, float]] = {}

    async def work(
        self,
        unknown: Callable[[], Awaitable[Sequence[OpenAttempt]]],
        found: Callable[[OpenAttempt, Call], None],
        *,
        project_id: str,
    ) -> None:
        """Act on the events that wait.

        Args:
            unknown: Asked for the attempts whose end is being looked for.
            found: Told when an event names the call of one of those.
            project_id: Where calls are read.
        """
        done: list[int] = []
        for event, attempt in await self._ledger.take_events(limit=_TAKEN_AT_ONCE):
            if attempt is not None and self._is_anothers(event, attempt):
                continue
            if attempt is not None:
                self._calls.notice(event.call_id)
                done.append(event.event_id)
            elif await self._is_settled(event, unknown, found, project_id=project_id):
                done.append(event.event_id)
        for event_id in done:
            self._again.pop(event_id, None)
        if done:
            await self._ledger.apply_events(done, at=self._clock.now())

    def _is_anothers(self, event: EventRecord, attempt: OpenAttempt) -> bool:
        """Say whether to leave an event to the worker that follows its call; not for long."""
        if self._worker in (None, attempt.worker):
            return False
        return self._clock.now() - event.received_at < _LEFT_TO_OTHERS

    async def _is_settled(
        self,
        event: EventRecord,
        unknown: Callable[[], Awaitable[Sequence[OpenAttempt]]],
        found: Callable[[OpenAttempt, Call], None],
        *,
        project_id: str,
    ) -> bool:
        """Say whether an event about a call we do not know is done with.

        It may name the call of an attempt whose answer was lost. If there is none such, it may
        have beaten our own record of the call, and waits.
        """
        attempts = await unknown() if self._is_due(event) else ()
        if attempts:
            self._put_off(event)
            try:
                call = await self._calls.get(event.call_id, project_id=project_id)
            except NotFoundError:
                call = None
            except TalkstackError as error:
                logger.info("the call of an event cannot be read: %s", error)
                return False
            if call is not None:
                for attempt in attempts:
                    if call.to == attempt.phone and call_of(attempt, [call], taken=set()):
                        found(attempt, call)
                        return True
        return self._clock.now() - event.received_at > _WAITS

    def _is_due(self, event: EventRecord) -> bool:
        """Say whether the call of an event may be read now."""
        due_at, _ = self._again.get(event.event_id, (0.0, 0.0))
        return self._clock.monotonic() >= due_at

    def _put_off(self, event: EventRecord) -> None:
        """Note that the call of an event is read now; each further gap is twice as long."""
        _, gap = self._again.get(event.event_id, (0.0, _FIRST_GAP_SECONDS))
        self._again[event.event_id] = (self._clock.monotonic() + gap, 2 * gap)
