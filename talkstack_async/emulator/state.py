"""What the emulated service remembers, and the one place where it dials."""

import asyncio
from array import array
from collections.abc import Iterable

import attrs

from .accounts import Accounts
from .calls import (
    CallState,
    Course,
    changes_of,
    disposition_of,
    longest_course,
    plan_course,
    state_at,
)
from .clock import VirtualClock, monotonic
from .faults import Fault, FaultPlan
from .identity import identity_of
from .magic import ending_of, fault_of
from .mailbox import Mailbox
from .quirks import Quirks
from .rings import DialRequest, RingLedger
from .scripts import Script
from .tokens import Tokens
from .webhooks import StatusChange, WebhookQueue, WebhookScript
from .workspace import Workspace


@attrs.frozen(kw_only=True)
class Statistics:
    """Counts since the start or the last reset.

    `requests` leaves out the control plane. `connections` counts every TCP
    connection ever opened, also those of the control plane; a reset does not
    touch it. `max_in_flight` is the most makeCall requests handled at once.
    """

    requests: int
    connections: int
    open_connections: int
    max_in_flight: int
    rings: int


@attrs.frozen(kw_only=True)
class FollowedRedirect:
    """A client that went where a redirect pointed. There should be none."""

    method: str
    path: str
    had_credential: bool


class ServiceState:
    """The emulated service without its sockets.

    Used from one event loop. Between two awaits of a handler it is always whole.
    """

    def __init__(
        self,
        *,
        seed: int,
        script: Script,
        faults: Iterable[Fault],
        strict_ids: bool,
        quirks: Quirks,
        webhooks: WebhookScript,
        operations: frozenset[str],
    ) -> None:
        self.script = script
        self.strict_ids = strict_ids
        self.quirks = quirks
        self.clock = VirtualClock()
        self._operations = operations
        self._first_faults = tuple(faults)
        for fault in self._first_faults:
            self._check_operation(fault)
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self.in_flight = 0
        self.webhooks = WebhookQueue(webhooks)
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """Start over with a seed: no rings, the first faults, a clock that was never pushed.

        Requests being handled go on; what they dial from now on is in the new ledger.
        """
        self.clock.rewind()
        self.identity = identity_of(seed)
        self.accounts = Accounts(self.identity, clock=self.clock)
        self.tokens = Tokens(self.identity, clock=self.clock, quirks=self.quirks)
        self.mailbox = Mailbox(clock=self.clock, seed=seed)
        self.workspace = Workspace(self.identity, clock=self.clock)
        self.webhooks.begin(seed)
        self.ledger = RingLedger(self.identity)
        self.faults = FaultPlan(self._first_faults, seed=seed)
        self.arrivals = array("d")
        self.followed_redirects: list[FollowedRedirect] = []
        self.requests = 0
        self.requests_by_operation = dict.fromkeys(self._operations, 0)
        self.max_in_flight = self.in_flight
        self._tries: dict[str, int] = {}

    def advance(self, seconds: float) -> None:
        """Push the clock, and let the webhooks that became due be delivered.

        Raises:
            ValueError: The clock cannot be pushed like this.
        """
        self.clock.advance(seconds)
        self.webhooks.wake()

    def add_fault(self, fault: Fault) -> None:
        """Put a fault in force.

        Raises:
            ValueError: There is no such operation.
        """
        self._check_operation(fault)
        self.faults.add(fault)

    def requests_for(self, operation: str) -> int:
        """Return how many requests an operation got, good and bad.

        Raises:
            ValueError: There is no such operation.
        """
        self._check_name(operation)
        return self.requests_by_operation[operation]

    def _check_operation(self, fault: Fault) -> None:
        if fault.operation is not None:
            self._check_name(fault.operation)

    def _check_name(self, operation: str) -> None:
        if operation not in self._operations:
            known = ", ".join(sorted(self._operations))
            raise ValueError(f"no operation is called {operation!r}; there are {known}")

    def arrive(self) -> None:
        """Note that a makeCall request has come in."""
        self.arrivals.append(monotonic())
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self) -> None:
        """Note that a makeCall request is done with, however it ended."""
        self.in_flight -= 1

    def dial_fault(self, number: str) -> Fault | None:
        """Return what goes wrong with an acceptable request to dial, and count it.

        Faults that were added come before the one a magic number asks for.
        """
        fault = self.faults.strike(moment="on_body", operation="makeCall", number=number)
        if fault is not None:
            return fault
        tries = self._tries.get(number, 0)
        fault = fault_of(number, tries=tries)
        if fault is not None and fault.times is not None:
            self._tries[number] = tries + 1
        return fault

    def dial(self, request: DialRequest, *, connection: int) -> int:
        """Ring the phone: the only line of this room that writes a ring.

        Returns the position of the ring, from which everything about the call follows.
        """
        index = self.ledger.append(
            request, at=monotonic(), virtual_at=self.clock.now(), connection=connection
        )
        if self._waiters:
            self._wake_waiters()
        project = self.workspace.projects.get(request.project_id)
        if project is not None and project.call_status_webhook is not None:
            self._announce(index)
        return index

    def call_state(self, index: int) -> CallState:
        """Return what call `index` looks like now."""
        return state_at(self.course_of(index), age=self.age_of(index))

    def course_of(self, index: int) -> Course:
        """Return how call `index` goes, its future included."""
        return plan_course(
            self.script,
            chosen=ending_of(self.ledger.number(index)),
            draw=lambda purpose: self.identity.draw(index, purpose),
        )

    def has_ended_as(self, index: int, status: str) -> bool:
        """Say whether call `index` is over and ended like this; cheaper than asking its state."""
        disposition = disposition_of(
            self.script,
            chosen=ending_of(self.ledger.number(index)),
            draw=lambda purpose: self.identity.draw(index, purpose),
        )
        if disposition != status:
            return False
        age = self.age_of(index)
        return age >= longest_course(self.script) or age >= self.course_of(index).length

    def _announce(self, index: int) -> None:
        """Plan the webhooks of one call, from queued to its end."""
        dialled_at = self.ledger.virtual_moment(index)
        project_id = self.ledger.project(index)
        changes = [
            StatusChange(
                call_id=self.identity.call_id(index),
                status=status,
                to=self.ledger.number(index),
                from_=self.identity.caller_id(index),
                timestamp=self.clock.stamp(dialled_at + age),
                project_id=project_id,
                at=dialled_at + age,
            )
            for age, status in changes_of(self.course_of(index))
        ]
        self.webhooks.announce(changes)

    def age_of(self, index: int) -> float:
        """Return the virtual seconds since call `index` was dialled."""
        return self.clock.now() - self.ledger.virtual_moment(index)

    async def wait_for_rings(self, count: int) -> None:
        """Wait until so many phones have rung since the last reset."""
        if len(self.ledger) >= count:
            return
        rung = asyncio.get_running_loop().create_future()
        waiter = (count, rung)
        self._waiters.append(waiter)
        try:
            await rung
        finally:
            self._waiters.remove(waiter)

    def _wake_waiters(self) -> None:
        for count, rung in self._waiters:
            if len(self.ledger) >= count and not rung.done():
                rung.set_result(None)
