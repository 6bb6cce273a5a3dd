"""A service in a dict: it remembers which phones rang, and tells it late, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import attrs

from talkstack_async.clock import ManualClock
from talkstack_async.errors import ConnectError, NotFoundError
from talkstack_async.models.calls import Call


@attrs.define(kw_only=True)
class Ring:
    """A call the service made: ours, if there is an attempt it was made for.

    Attributes:
        claimed_at: When its attempt was committed.
        shown_at: From when on the history shows it.
    """

    number: str
    at: datetime
    call_id: str
    shown_at: datetime
    attempt_id: int | None = None
    claimed_at: datetime | None = None

    def as_call(self) -> Call:
        return Call(call_id=self.call_id, to=self.number, started_at=self.at)


class PretendService:
    """The truth about rings, and the little of it that one can ask for."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.rings: list[Ring] = []
        self.is_down = False

    def ring(
        self,
        number: str,
        *,
        hidden_seconds: float = 0.0,
        attempt_id: int | None = None,
        claimed_at: datetime | None = None,
        ago_seconds: float = 0.0,
    ) -> Ring:
        now = self._clock.now()
        ring = Ring(
            number=number,
            at=now - timedelta(seconds=ago_seconds),
            call_id=f"call-{len(self.rings)}",
            shown_at=now + timedelta(seconds=hidden_seconds),
            attempt_id=attempt_id,
            claimed_at=claimed_at,
        )
        self.rings.append(ring)
        return ring

    def ours(self, number: str) -> list[Ring]:
        """Return the rings of a phone that we are answerable for."""
        return [r for r in self.rings if r.number == number and r.attempt_id is not None]

    # --- What the package may ask.

    async def history(
        self, *, project_id: str | None, to: str | None, started_after: date | None
    ) -> AsyncIterator[Call]:
        if self.is_down:
            raise ConnectError("the history cannot be read just now")
        for ring in self.rings:
            if ring.number == to and ring.shown_at <= self._clock.now():
                yield ring.as_call()

    async def get(self, call_id: str, *, project_id: str | None) -> Call:
        if self.is_down:
            raise ConnectError("the call cannot be read just now")
        for ring in self.rings:
            if ring.call_id == call_id:
                return ring.as_call()
        raise NotFoundError("there is no such call", status=404)

    def notice(self, call_id: str) -> None:
        """Whoever follows the call would look at it now; nobody waits here."""
