"""The life of a call, as a function of its course and its age.

Nothing here runs: a call has no task and no timer. Whoever reads a call says
how old it is and gets the state that belongs to that age.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import attrs

from .scripts import Disposition, Script

CallStatus = Literal["queued", "ringing", "in-progress"] | Disposition

_NEVER_RINGS: frozenset[Disposition] = frozenset({"failed", "canceled"})
_NEVER_TALKS: frozenset[Disposition] = frozenset({"busy", "no-answer"})
# The vendor hangs up after more than six seconds of silence.
_SILENCE_FOR = 6.0
_VOICEMAIL_FOR = 4.0
_COST_PER_SECOND = 0.0033


@attrs.frozen(kw_only=True)
class Course:
    """How one call will go: its ending and the seconds of each span before it."""

    disposition: Disposition
    queued_for: float
    ringing_for: float
    talking_for: float

    @property
    def length(self) -> float:
        """The seconds from dialling to the end."""
        return self.queued_for + self.ringing_for + self.talking_for


@attrs.frozen(kw_only=True)
class CallState:
    """What can be read of a call at one age. Seconds and cost come with the end."""

    status: CallStatus
    is_final: bool = False
    seconds: int | None = None
    cost: float | None = None


def plan_course(
    script: Script, *, chosen: Disposition | None, draw: Callable[[str], float]
) -> Course:
    """Say how a call will go.

    `chosen` is the ending that the number dictates; `draw` gives the call's own
    chance for a purpose, in [0, 1).
    """
    disposition = disposition_of(script, chosen=chosen, draw=draw)
    return Course(
        disposition=disposition,
        queued_for=_varied(script.queued_for, script.jitter, draw("queued")),
        ringing_for=_ringing_span(disposition, script, draw("ringing")),
        talking_for=_talking_span(disposition, script, draw("talking")),
    )


def state_at(course: Course, *, age: float) -> CallState:
    """Say what a call looks like at an age in virtual seconds."""
    ringing_at = course.queued_for
    talking_at = ringing_at + course.ringing_for
    ended_at = talking_at + course.talking_for
    if age < ringing_at:
        return CallState(status="queued")
    if age < talking_at:
        return CallState(status="ringing")
    if age < ended_at:
        return CallState(status="in-progress")
    return _ended(course)


def changes_of(course: Course) -> list[tuple[float, CallStatus]]:
    """Return each status a call passes through and the age at which it begins."""
    changes: list[tuple[float, CallStatus]] = [(0.0, "queued")]
    if course.ringing_for > 0:
        changes.append((course.queued_for, "ringing"))
    if course.talking_for > 0:
        changes.append((course.queued_for + course.ringing_for, "in-progress"))
    return [*changes, (course.length, course.disposition)]


def longest_course(script: Script) -> float:
    """Return an age at which every call of a script has ended."""
    stretch = 1 + script.jitter
    talking = max(script.talking_for * stretch, _SILENCE_FOR, _VOICEMAIL_FOR)
    return (script.queued_for + script.ringing_for) * stretch + talking


def disposition_of(
    script: Script, *, chosen: Disposition | None, draw: Callable[[str], float]
) -> Disposition:
    """Say how a call ends, without planning the rest of it."""
    if chosen is not None or script.outcomes is None:
        return chosen or script.disposition
    return _weighted(script.outcomes, draw("outcome"))


def _ended(course: Course) -> CallState:
    seconds = round(course.talking_for)
    return CallState(
        status=course.disposition,
        is_final=True,
        seconds=seconds,
        cost=round(seconds * _COST_PER_SECOND, 4),
    )


def _ringing_span(disposition: Disposition, script: Script, chance: float) -> float:
    if disposition in _NEVER_RINGS:
        return 0.0
    return _varied(script.ringing_for, script.jitter, chance)


def _talking_span(disposition: Disposition, script: Script, chance: float) -> float:
    if disposition in _NEVER_RINGS or disposition in _NEVER_TALKS:
        return 0.0
    if disposition == "silence":
        return _SILENCE_FOR
    if disposition == "voicemail":
        return _VOICEMAIL_FOR
    return _varied(script.talking_for, script.jitter, chance)


def _varied(span: float, jitter: float, chance: float) -> float:
    return span * (1 + jitter * (2 * chance - 1))


def _weighted(weights: Mapping[Disposition, float], chance: float) -> Disposition:
    mark = chance * sum(weights.values())
    likely: list[Disposition] = [name for name, weight in weights.items() if weight > 0]
    for name in likely:
        mark -= weights[name]
        if mark < 0:
            return name
    return likely[-1]
