"""What an event says, and what a handler of events looks like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import attrs

from ..models.statuses import CallStatus

__all__ = ["CallEvent", "Handle"]


@attrs.frozen(kw_only=True)
class CallEvent:
    """A hint that a call may have changed. Anybody may have written it: read the call again.

    Attributes:
        call_id: Which call; printable ASCII of at most 256 characters, and nothing else is sure.
        status: Where the call is said to stand; None if the event says nothing of it. A word
            this version does not know is `CallStatus.UNKNOWN`.
        status_text: The word itself, as it was written; None if it is no word.
        digest: SHA-256 of the content, whatever the order of its keys. An event that comes
            twice has the same.
        raw: The whole content of the event. It may hold anything, phone numbers included.
    """

    call_id: str
    status: CallStatus | None = None
    status_text: str | None = None
    digest: str = attrs.field(repr=False)
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)


Handle: TypeAlias = Callable[[CallEvent], Awaitable[None]]
"""What is done with an event. It may come twice, late, and out of order."""
