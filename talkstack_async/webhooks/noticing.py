"""The bridge from events to calls that are being followed."""

from __future__ import annotations

from typing import Protocol

from .events import CallEvent, Handle

__all__ = ["Notices", "notify"]


class Notices(Protocol):
    """What is told that a call may have changed: `client.calls`."""

    def notice(self, call_id: str, /) -> None:
        """Have everybody who follows the call look at it now."""
        ...


def notify(calls: Notices) -> Handle:
    """Return a handler that has followers read their call at once: `notify(client.calls)`.

    The event is not believed, so it does no harm if it is false, late, out of order or there
    twice. Only calls that this very client follows are looked at; others are passed over.
    """

    async def handle(event: CallEvent) -> None:
        calls.notice(event.call_id)

    return handle
