"""Which calls of the past are wanted, and how to get at more than one answer holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import attrs

from ..phone import mask_number
from .calls import Call
from .statuses import CallStatus

__all__ = ["CallFilter"]

_DAY = timedelta(days=1)


@attrs.frozen(kw_only=True)
class CallFilter:
    """What a call must be like to be listed. Days are days in UTC.

    `..._before` and `..._after` a day mean the midnight with which that day begins, included:
    a call of 10:00 on the 5th is after the 5th and before the 6th.
    """

    to: str | None = attrs.field(default=None, repr=mask_number)
    from_: str | None = attrs.field(default=None, repr=mask_number)
    status: CallStatus | None = None
    started_on: date | None = None
    started_before: date | None = None
    started_after: date | None = None
    ended_on: date | None = None
    ended_before: date | None = None
    ended_after: date | None = None

    def beyond(self, page: Sequence[Call]) -> CallFilter | None:
        """Return the filter for what lies beyond a page that may have been cut off.

        There is no cursor, so the range of days is narrowed: up to the day at which the page
        ends, or past it if that was all there is. None if it cannot be narrowed: the moments
        are missing, or one single day is asked for.
        """
        moments = [call.started_at for call in page if call.started_at is not None]
        if not moments or self.started_on is not None:
            return None
        is_newest_first = moments[0] >= moments[-1]  # Twilio's order
        if is_newest_first:
            narrower = self._before(min(moments).date())
        else:
            narrower = self._after(max(moments).date())
        return None if narrower == self else narrower

    def _before(self, day: date) -> CallFilter:
        end = day + _DAY
        if self.started_before is not None and end >= self.started_before:
            end = day
        return attrs.evolve(self, started_before=end)

    def _after(self, day: date) -> CallFilter:
        start = day
        if self.started_after is not None and start <= self.started_after:
            start = day + _DAY
        return attrs.evolve(self, started_after=start)
