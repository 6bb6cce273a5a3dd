"""Looking for calls whose end nobody saw: the history can prove that a call happened.

It cannot prove that one did not; so an attempt that was not found twice, at least the history's
lag apart, is lost and not "not placed".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from ..clock import Clock
from ..errors import LedgerError, TalkstackError
from ..models.calls import Call
from ..telemetry import logger
from .ledger.base import Ledger
from .records import CampaignRecord, OpenAttempt, Settlement
from .settling import settle_found, settle_lost

__all__ = ["Evidence", "History", "call_of"]

# The service's clock and ours may differ, and its moments may be whole seconds. Calls of earlier
# attempts are known by their ids, so generosity takes somebody else's call at worst; thrift would
# lose ours, and ring twice where what is lost is redialled.
_CLOCKS_DIFFER = timedelta(minutes=2)
# National forms lack the country's code, and may have a zero in its place.
_TELLING_DIGITS = 7
_AT_ONCE = 5
_TAKEN_AT_ONCE = 500
# One look may fail by chance, and each has repeated its requests with patience.
_LOOKS_IN_VAIN = 3


class History(Protocol):
    """What is needed of `client.calls`."""

    def history(
        self, *, project_id: str | None, to: str | None, started_after: date | None
    ) -> AsyncIterator[Call]:
        """Go through the calls of a project."""
        ...


def call_of(attempt: OpenAttempt, calls: Iterable[Call], *, taken: set[str]) -> Call | None:
    """Return the call that an attempt made, None if there is none among these.

    Of one number only one attempt is ever open, so a call to it since the attempt was sent that
    belongs to no other attempt is this one. A call that does not say when it began counts, too:
    to take it for ours rings nobody.
    """
    earliest = attempt.sent_at - _CLOCKS_DIFFER
    own: list[tuple[datetime, Call]] = []
    for call in calls:
        if not call.call_id or call.call_id in taken or not _may_be_to(call, attempt.phone):
            continue
        began_at = call.started_at or call.date or attempt.sent_at
        if began_at >= earliest:
            own.append((began_at, call))
    return min(own, key=lambda found: found[0])[1] if own else None


def _may_be_to(call: Call, phone: str) -> bool:
    """Whether a call may have gone to a number, however the service writes it.

    The history was asked for this number only; but a filter that is not heard must not give
    away somebody else's call.
    """
    digits = "".join(letter for letter in call.to or "" if letter.isdigit())
    shorter = min(len(digits), len(phone) - 1, _TELLING_DIGITS)
    return not shorter or digits[-shorter:] == phone[-shorter:]


class Evidence:
    """Takes up attempts whose end is not known, and looks for them.

    Args:
        began_at: When this run of the worker began: what it was dispatching before, nobody
            settles any more.
    """

    def __init__(
        self,
        history: History,
        ledger: Ledger,
        *,
        worker: str,
        grace_seconds: float,
        clock: Clock,
        began_at: datetime | None = None,
    ) -> None:
        self._history = history
        self._ledger = ledger
        self._worker = worker
        self._began_at = began_at
        self._grace = timedelta(seconds=grace_seconds)
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._looks_in_vain = 0
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the history could not be read in the last few looks; empty if it could."""
        return self._trouble if self._looks_in_vain >= _LOOKS_IN_VAIN else ""

    async def look(self, campaign: CampaignRecord) -> Sequence[tuple[OpenAttempt, Settlement]]:
        """Look once for every attempt whose turn it is; return what is known now.

        The history is asked only after a grace in which the request must have been answered.

        Raises:
            LedgerError: The ledger cannot be read or written.
        """
        now = self._clock.now()
        unknown = await self._ledger.take_stale(
            campaign.campaign_id,
            worker=self._worker,
            before=now - self._grace,
            limit=_TAKEN_AT_ONCE,
            own_before=self._began_at,
        )
        lag = timedelta(seconds=campaign.settings.evidence.history_lag_seconds)
        due = [one for one in unknown if one.looked_at is None or now - one.looked_at >= lag]
        found = await asyncio.gather(*(self._look_for(one, campaign) for one in due))
        if due:
            could_read = any(looked for looked, _ in found)
            self._looks_in_vain = 0 if could_read else self._looks_in_vain + 1
        missed = [one.attempt_id for one, (looked, what) in zip(due, found, strict=True)
                  if looked and what is None]  # fmt: skip
        if missed:
            await self._ledger.note_looks(missed, worker=self._worker, at=self._clock.now())
        return [(one, what) for one, (_, what) in zip(due, found, strict=True) if what is not None]

    async def _look_for(
        self, attempt: OpenAttempt, campaign: CampaignRecord
    ) -> tuple[bool, Settlement | None]:
        """Return whether the history could be read, and what follows from it."""
        settings = campaign.settings
        async with self._places:
            try:
                calls = [
                    call
                    async for call in self._history.history(
                        project_id=settings.project_id,
                        to=attempt.phone,
                        started_after=(attempt.sent_at - _CLOCKS_DIFFER).date(),
                    )
                ]
                taken = await self._ledger.claimed_calls([one.call_id for one in calls])
            except LedgerError:
                raise
            except TalkstackError as error:
                logger.info("the history cannot tell of attempt %d: %s", attempt.attempt_id, error)
                self._trouble = str(error)
                return False, None
        call = call_of(attempt, calls, taken=taken)
        now = self._clock.now()
        if call is not None:
            return True, settle_found(attempt, call, settings=settings, now=now)
        if attempt.looks:  # this was the second look, and it came after the lag
            return True, settle_lost(attempt, settings=settings, now=now)
        return True, None
