"""Asking for calls of the past: the project in the body, the filter in the query."""

from __future__ import annotations

import json
from datetime import date, datetime

from ..errors import InvalidRequestError
from ..models.calls import Call
from ..models.history import CallFilter
from ..models.statuses import CallStatus
from .endpoints import CALLS_HISTORY
from .readers import list_reader
from .requests import HttpRequest, build

__all__ = ["checked", "history_request", "identity_of", "read_history"]

read_history = list_reader(Call, "calls", "history", "call")

# Voicemail, silence and canceled exist as statuses, but the filter does not list them.
_FILTERABLE = frozenset(
    {
        CallStatus.QUEUED,
        CallStatus.INITIATED,
        CallStatus.RINGING,
        CallStatus.IN_PROGRESS,
        CallStatus.COMPLETED,
        CallStatus.BUSY,
        CallStatus.FAILED,
        CallStatus.NO_ANSWER,
    }
)


def checked(wanted: CallFilter) -> CallFilter:
    """Refuse a filter that the service could not honour.

    Raises:
        InvalidRequestError: A day is no date, or the status is none the history filters by.
    """
    if wanted.status is not None and wanted.status not in _FILTERABLE:
        known = ", ".join(sorted(_FILTERABLE))
        raise InvalidRequestError(f"the history filters by these statuses only: {known}")
    for name in _DAYS:
        value: object = getattr(wanted, name)
        # A datetime is a date too, but its day depends on a time zone.
        if value is not None and (isinstance(value, datetime) or not isinstance(value, date)):
            raise InvalidRequestError(f"{name} must be a date, a day in UTC")
    return wanted


def history_request(wanted: CallFilter, *, project_id: str, page_size: int) -> HttpRequest:
    """Build the request for one page."""
    query: dict[str, str | None] = {
        "to": wanted.to,
        "from": wanted.from_,
        "status": wanted.status,
    }
    for name, key in _DAYS.items():
        day: date | None = getattr(wanted, name)
        query[key] = None if day is None else day.isoformat()
    body = {"projectId": project_id, "pageSize": page_size}
    return build(CALLS_HISTORY, body, query=query)


def identity_of(call: Call) -> str:
    """Return by what a call is known again; its whole content if it has no id."""
    return call.call_id or json.dumps(call.raw, sort_keys=True)


# The page prints `endTime` and `endTimeAfter` with a leading dot; it is not sent.
_DAYS = {
    "started_on": "startTime",
    "started_before": "startTimeBefore",
    "started_after": "startTimeAfter",
    "ended_on": "endTime",
    "ended_before": "endTimeBefore",
    "ended_after": "endTimeAfter",
}
