"""Webhooks: which status changes are to be delivered, when, and in what order.

The vendor documents neither what is sent nor how often it is tried. Everything
here is invented; what it stands for is that a receiver may be told late, twice,
in the wrong order, or never.
"""

import asyncio
import heapq
import random
from collections.abc import Iterable, Sequence
from typing import Literal

import attrs

from .bounds import fraction, seconds

Fate = Literal["delivered", "failed", "dropped", "forbidden"]


def _not_negative(_: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} must be zero or more, not {value!r}")


def _kept(hosts: Iterable[str]) -> tuple[str, ...]:
    """Copy the hosts, so that a script stays as it was made."""
    return tuple(hosts)


@attrs.frozen(kw_only=True)
class WebhookScript:
    """How webhooks are delivered.

    `duplicates`, `disorder` and `drops` are chances, drawn by seed: that a status
    change is delivered twice, that it changes places with the next one of its
    call, that it is never delivered. `delay` and `retry_after` pass on the
    virtual clock; each further retry waits twice as long. `timeout` is real time.
    Webhooks go to this machine only, and to the host names in `hosts`.
    """

    duplicates: float = attrs.field(default=0.0, validator=fraction)
    disorder: float = attrs.field(default=0.0, validator=fraction)
    drops: float = attrs.field(default=0.0, validator=fraction)
    delay: float = attrs.field(default=0.0, validator=seconds)
    retries: int = attrs.field(default=3, validator=_not_negative)
    retry_after: float = attrs.field(default=5.0, validator=seconds)
    timeout: float = attrs.field(default=5.0, validator=seconds)
    hosts: tuple[str, ...] = attrs.field(default=(), converter=_kept)


@attrs.frozen(kw_only=True)
class StatusChange:
    """A call that reached a status at a moment of the virtual clock."""

    call_id: str
    status: str
    to: str
    from_: str
    timestamp: str
    project_id: str
    at: float

    def payload(self) -> dict[str, str]:
        """Return what the receiver is told."""
        return {
            "callSid": self.call_id,
            "status": self.status,
            "to": self.to,
            "from": self.from_,
            "timestamp": self.timestamp,
            "projectId": self.project_id,
        }


@attrs.frozen(kw_only=True)
class WebhookDelivery:
    """One attempt to deliver a status change, and what became of it.

    `answer` is the receiver's HTTP status, None if it gave none. A `forbidden`
    delivery was never sent because its address is not on this machine.
    """

    call_id: str
    status: str
    url: str
    attempt: int
    fate: Fate
    answer: int | None = None


@attrs.frozen(order=True)
class Due:
    """A delivery that waits for its moment; the smallest is next."""

    at: float
    place: int
    change: StatusChange = attrs.field(order=False)
    attempt: int = attrs.field(default=1, order=False)
    is_dropped: bool = attrs.field(default=False, order=False)


class WebhookQueue:
    """The deliveries that are to be made, and those that were."""

    def __init__(self, script: WebhookScript) -> None:
        self.script = script
        self.changed = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Forget everything; the chances start over with the seed."""
        self._chance = random.Random(f"webhooks:{seed}")
        self._due: list[Due] = []
        self._places = 0
        self.made: list[WebhookDelivery] = []
        self.wake()

    def announce(self, changes: Sequence[StatusChange]) -> None:
        """Plan the deliveries of one call's status changes, given in their order."""
        for at, change in _disordered(changes, self.script.disorder, self._chance):
            self._plan(at + self.script.delay, change)
        self.wake()

    def _plan(self, at: float, change: StatusChange) -> None:
        is_dropped = self._chance.random() < self.script.drops
        copies = 2 if self._chance.random() < self.script.duplicates else 1
        for _ in range(1 if is_dropped else copies):
            self._push(Due(at, self._places, change, is_dropped=is_dropped))

    def retry(self, failed: Due, *, now: float) -> None:
        """Plan another attempt, unless there were enough."""
        if failed.attempt <= self.script.retries:
            wait = self.script.retry_after * 2 ** (failed.attempt - 1)
            self._push(Due(now + wait, self._places, failed.change, failed.attempt + 1))

    def _push(self, due: Due) -> None:
        self._places += 1
        heapq.heappush(self._due, due)

    def take(self, *, now: float) -> list[Due]:
        """Take out whatever is due, in the order in which it is to arrive."""
        taken = []
        while self._due and self._due[0].at <= now:
            taken.append(heapq.heappop(self._due))
        return taken

    def next_at(self) -> float | None:
        """Return the moment of the next delivery."""
        return self._due[0].at if self._due else None

    def wake(self) -> None:
        """Tell the courier that what is due, or the clock, has changed."""
        self.idle.clear()
        self.changed.set()


def _disordered(
    changes: Sequence[StatusChange], disorder: float, chance: random.Random
) -> list[tuple[float, StatusChange]]:
    """Return the changes with their moments; some have changed places with the next one.

    Nothing is told before it has happened: who changes places is told late.
    """
    order = list(changes)
    place = 0
    while place < len(order) - 1:
        if disorder and chance.random() < disorder:
            order[place], order[place + 1] = order[place + 1], order[place]
            place += 1
        place += 1
    told_at = 0.0
    told = []
    for change in order:
        told_at = max(told_at, change.at)
        told.append((told_at, change))
    return told
