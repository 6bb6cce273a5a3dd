"""Finding calls in the ledger by the filters of the call history."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from .calls import longest_course
from .clock import VirtualClock
from .scripts import DISPOSITIONS
from .state import ServiceState

PAGE_SIZE = 20

_MOVING = ("queued", "initiated", "ringing", "in-progress")
_STATUSES = frozenset((*_MOVING, *DISPOSITIONS))
_DAY = timedelta(days=1)


@attrs.frozen
class Span:
    """A span of virtual moments; its end is excluded."""

    since: float = -math.inf
    until: float = math.inf

    def __contains__(self, moment: float) -> bool:
        return self.since <= moment < self.until

    def within(self, other: "Span") -> "Span":
        """Return what two spans have in common."""
        return Span(max(self.since, other.since), min(self.until, other.until))


EVER = Span()


@attrs.frozen(kw_only=True)
class HistoryFilter:
    """Which calls are wanted, and how many of them."""

    project_id: str
    page_size: int = PAGE_SIZE
    to: str | None = None
    from_: str | None = None
    status: str | None = None
    started: Span = EVER
    ended: Span = EVER


def read_filter(
    content: Mapping[str, Any], query: Mapping[str, str], *, clock: VirtualClock
) -> HistoryFilter:
    """Return what a history request asks for.

    Raises:
        ValueError: It does not make sense; the message says why.
    """
    project_id = content.get("projectId")
    if not isinstance(project_id, str) or not project_id:
        raise ValueError("projectId is required")
    page_size = content.get("pageSize", PAGE_SIZE)
    if not isinstance(page_size, int) or isinstance(page_size, bool) or page_size < 1:
        raise ValueError("pageSize must be a whole number above zero")
    status = query.get("status")
    if status is not None and status not in _STATUSES:
        raise ValueError(f"status must be one of {', '.join(sorted(_STATUSES))}")
    return HistoryFilter(
        project_id=project_id,
        page_size=page_size,
        to=query.get("to"),
        from_=query.get("from"),
        status=status,
        started=_span_of("startTime", query, clock=clock),
        ended=_span_of("endTime", query, clock=clock),
    )


def _span_of(name: str, query: Mapping[str, str], *, clock: VirtualClock) -> Span:
    """Return the span that `name`, `nameBefore` and `nameAfter` have in common."""
    span = EVER
    if (day := _midnight(name, query)) is not None:
        span = span.within(Span(clock.moment(day), clock.moment(day) + _DAY.total_seconds()))
    if (day := _midnight(f"{name}After", query)) is not None:
        span = span.within(Span(since=clock.moment(day)))
    if (day := _midnight(f"{name}Before", query)) is not None:
        # "On or before midnight": midnight itself is in.
        span = span.within(Span(until=math.nextafter(clock.moment(day), math.inf)))
    return span


def _midnight(name: str, query: Mapping[str, str]) -> datetime | None:
    """Return the midnight with which a day begins, in UTC."""
    text = query.get(name)
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"{name} must be a date like 2024-01-30") from None


def find_calls(wanted: HistoryFilter, state: ServiceState) -> list[int]:
    """Return the positions of the calls that are wanted, the newest first."""
    found: list[int] = []
    for index in reversed(_candidates(wanted, state)):
        if len(found) == wanted.page_size:
            break
        if _is_wanted(index, wanted, state):
            found.append(index)
    return found


def _candidates(wanted: HistoryFilter, state: ServiceState) -> Sequence[int]:
    """Narrow the ledger down by what it is sorted or indexed by."""
    span = wanted.started.within(_perhaps(wanted, state))
    positions = state.ledger.dialled_between(span.since, span.until)
    if wanted.to is None:
        return positions
    return [index for index in state.ledger.positions_of(wanted.to) if index in positions]


def _perhaps(wanted: HistoryFilter, state: ServiceState) -> Span:
    """Return when a call must have been dialled to be listed, given all other filters."""
    now, longest = state.clock.now(), longest_course(state.script)
    hidden_for = max(state.script.visible_after, state.script.listed_after)
    span = Span(
        since=wanted.ended.since - longest,
        until=min(wanted.ended.until, math.nextafter(now - hidden_for, math.inf)),
    )
    if wanted.status in _MOVING:
        return span.within(Span(since=now - longest))
    return span


def _is_wanted(index: int, wanted: HistoryFilter, state: ServiceState) -> bool:
    if state.ledger.project(index) != wanted.project_id:
        return False
    if wanted.from_ is not None and state.identity.caller_id(index) != wanted.from_:
        return False
    if wanted.status is not None and not _has_status(index, wanted.status, state):
        return False
    return wanted.ended is EVER or _ended_at(index, state) in wanted.ended


def _has_status(index: int, status: str, state: ServiceState) -> bool:
    if status in _MOVING:
        return state.call_state(index).status == status
    return state.has_ended_as(index, status)


def _ended_at(index: int, state: ServiceState) -> float:
    """Return when a call ended; one that goes on lies outside of every span."""
    ended_at = state.ledger.virtual_moment(index) + state.course_of(index).length
    return ended_at if ended_at <= state.clock.now() else math.nan


def summary_of(index: int, state: ServiceState) -> dict[str, object]:
    """Return a call the way the history prints it, which is Twilio's way."""
    now = state.call_state(index)
    dialled_at = state.ledger.virtual_moment(index)
    ended_at = dialled_at + state.course_of(index).length
    return {
        "sid": state.identity.call_id(index),
        "status": now.status,
        "from": state.identity.caller_id(index),
        "to": state.ledger.number(index),
        "startTime": None if now.status == "queued" else state.clock.stamp(dialled_at),
        "endTime": state.clock.stamp(ended_at) if now.is_final else None,
        "duration": None if now.seconds is None else str(now.seconds),
    }
