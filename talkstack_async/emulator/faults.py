"""Faults: what can go wrong on purpose, and the plan that says whom it hits."""

import random
from collections.abc import Iterable
from math import isfinite
from types import NoneType
from typing import Literal, get_args

import attrs

FaultKind = Literal[
    "drop",
    "reset",
    "stall",
    "status",
    "half_reply",
    "garbage",
    "html",
    "oversize",
    "redirect",
    "no_call_id",
    "throttle",
    "slow",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Moment = Literal["on_head", "on_body", "on_reply"]

_DIAL = "makeCall"
_STATUS = {"status": 500, "html": 502, "redirect": 302, "throttle": 429}
_CHOOSES_STATUS = frozenset({"status", "html", "redirect"})
_MAY_SAY_WHEN = frozenset({"status", "html", "throttle"})

_TEXT = (str, NoneType)
_NUMBER = (float, int)
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "kind": ((str,), "text"),
    "rings": ((bool,), "true or false"),
    "moment": ((str,), "text"),
    "times": ((int, NoneType), "a whole number or nothing"),
    "rate": (_NUMBER, "a number"),
    "number": (_TEXT, "text or nothing"),
    "operation": (_TEXT, "text or nothing"),
    "status": ((int,), "a whole number"),
    "retry_after": (_TEXT, "text or nothing"),
    "seconds": (_NUMBER, "a number"),
}


def _usual_status(fault: "Fault") -> int:
    return _STATUS.get(str(fault.kind), 200)


def _usual_retry_after(fault: "Fault") -> str | None:
    return "1" if fault.kind == "throttle" else None


@attrs.frozen
class Fault:
    """One thing that goes wrong, and for which requests.

    With `rings` the phone rings first. Without it there is no ring, except that
    a `slow` request is an ordinary one afterwards: it is dialled once the wait
    is over, even if the client has left meanwhile.

    A fault `on_head` strikes before the body is read, so it can neither ring
    nor look at the number. A fault `on_body` passes over a makeCall that
    would have been refused anyway. A fault `on_reply` strikes operations other
    than makeCall after they have succeeded: what they changed stays changed.
    `times` counts requests that were hit, not ones passed by.

    Raises:
        ValueError: The fields contradict each other.
    """

    kind: FaultKind
    rings: bool = attrs.field(default=False, kw_only=True)
    moment: Moment = attrs.field(default="on_body", kw_only=True)
    times: int | None = attrs.field(default=None, kw_only=True)
    rate: float = attrs.field(default=1.0, kw_only=True)
    number: str | None = attrs.field(default=None, kw_only=True)
    operation: str | None = attrs.field(default=_DIAL, kw_only=True)
    status: int = attrs.field(default=attrs.Factory(_usual_status, takes_self=True), kw_only=True)
    retry_after: str | None = attrs.field(
        default=attrs.Factory(_usual_retry_after, takes_self=True), kw_only=True
    )
    seconds: float = attrs.field(default=0.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        problem = _problem_of(self)
        if problem is not None:
            raise ValueError(f"a fault cannot be like this: {problem}")


def _problem_of(fault: Fault) -> str | None:
    """Say what is wrong with a fault, if anything is."""
    return (
        _problem_of_types(fault)
        or _problem_of_aim(fault)
        or _problem_of_ringing(fault)
        or _problem_of_answer(fault)
        or _problem_of_wait(fault)
    )


def _problem_of_types(fault: Fault) -> str | None:
    # Faults also come as JSON over the control plane, where anything is possible.
    for name, (types, meaning) in _TYPES.items():
        value = getattr(fault, name)
        is_stray_bool = isinstance(value, bool) and bool not in types
        if is_stray_bool or not isinstance(value, types):
            return f"{name} must be {meaning}, not {value!r}"
    return None


def _problem_of_aim(fault: Fault) -> str | None:
    if fault.kind not in FAULT_KINDS:
        return f"kind must be one of {', '.join(FAULT_KINDS)}, not {fault.kind!r}"
    if fault.moment not in get_args(Moment):
        return f"moment must be on_head, on_body or on_reply, not {fault.moment!r}"
    if fault.moment == "on_reply" and fault.operation == _DIAL:
        return f"{_DIAL} takes rings=True for a fault after the ring, not on_reply"
    if fault.times is not None and fault.times < 1:
        return f"times must be at least 1, or left out for every request, not {fault.times!r}"
    if not 0 < fault.rate <= 1:
        return f"rate must be above 0 and at most 1, not {fault.rate!r}"
    if fault.number is not None and fault.moment == "on_head":
        return "the number stands in the body, so a fault on_head cannot depend on it"
    if fault.number is not None and fault.operation != _DIAL:
        return f"only {_DIAL} has a number"
    return None


def _problem_of_ringing(fault: Fault) -> str | None:
    if not fault.rings:
        return None
    if fault.moment == "on_head":
        return "the number stands in the body, so a fault on_head cannot ring"
    if fault.operation != _DIAL:
        return f'only {_DIAL} rings; for others moment="on_reply" strikes after the deed'
    if fault.kind == "throttle":
        return 'throttle is a plain refusal and never rings; use kind="status", status=429'
    return None


def _problem_of_answer(fault: Fault) -> str | None:
    if fault.kind not in _CHOOSES_STATUS and fault.status != _usual_status(fault):
        return f"the status of {fault.kind} is always {_usual_status(fault)}"
    if fault.kind == "redirect" and not 300 <= fault.status <= 399:
        return f"the status of a redirect lies between 300 and 399, not at {fault.status!r}"
    if not 200 <= fault.status <= 599:
        return f"status must lie between 200 and 599, not at {fault.status!r}"
    if fault.retry_after is not None and fault.kind not in _MAY_SAY_WHEN:
        return f"{fault.kind} sends no Retry-After"
    if fault.retry_after is not None and not fault.retry_after.isprintable():
        return "retry_after must be one printable line"
    return None


def _problem_of_wait(fault: Fault) -> str | None:
    if fault.kind == "slow" and not (isfinite(fault.seconds) and fault.seconds > 0):
        return f"slow needs seconds above zero, not {fault.seconds!r}"
    if fault.kind != "slow" and fault.seconds != 0:
        return f"only slow takes seconds, {fault.kind} does not"
    return None


class ArmedFault:
    """A fault in force, with its chance and the number of requests it hit."""

    __slots__ = ("_chance", "fault", "hits")

    def __init__(self, fault: Fault, *, chance: random.Random) -> None:
        self.fault = fault
        self.hits = 0
        self._chance = chance

    def strikes(self, *, moment: Moment, operation: str, number: str | None) -> bool:
        """Say whether this request is hit, and count it if so."""
        fault = self.fault
        if fault.moment != moment or fault.operation not in (None, operation):
            return False
        if fault.number not in (None, number) or fault.times == self.hits:
            return False
        if fault.rate < 1 and self._chance.random() >= fault.rate:
            return False
        self.hits += 1
        return True


class FaultPlan:
    """The faults in force, in the order in which they were added; the first to strike wins."""

    __slots__ = ("_added", "_armed", "_seed")

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int) -> None:
        self._seed = seed
        self._added = 0
        self._armed: list[ArmedFault] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put one more fault in force, after the others."""
        chance = random.Random(f"{self._seed}:{self._added}")
        self._armed.append(ArmedFault(fault, chance=chance))
        self._added += 1

    def clear(self) -> None:
        """Let everything go well again."""
        self._armed.clear()

    def armed(self) -> tuple[ArmedFault, ...]:
        """Return the faults in force with their counts."""
        return tuple(self._armed)

    def strike(self, *, moment: Moment, operation: str, number: str | None = None) -> Fault | None:
        """Return the fault that hits a request, if any does."""
        for armed in self._armed:
            if armed.strikes(moment=moment, operation=operation, number=number):
                return armed.fault
        return None
