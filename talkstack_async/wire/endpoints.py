"""The table of operations. The effect, not the HTTP verb, decides what may be repeated."""

from __future__ import annotations

from enum import StrEnum

import attrs

__all__ = ["CALLS_GET", "CALLS_MAKE", "Effect", "Endpoint", "Host"]


class Effect(StrEnum):
    """What an operation does to the world."""

    READ = "read"
    WRITE = "write"
    DIAL = "dial"
    ROTATE = "rotate"
    MAIL = "mail"


class Host(StrEnum):
    """Which of the two addresses an operation lives at."""

    CALLS = "calls"
    API = "api"


@attrs.frozen(kw_only=True)
class Endpoint:
    """One operation of the service: one row of the table."""

    name: str
    verb: str
    path: str
    effect: Effect
    host: Host = Host.API


CALLS_MAKE = Endpoint(
    name="calls.make",
    verb="POST",
    path="/call/makeCall",
    effect=Effect.DIAL,
    host=Host.CALLS,
)
# A read, although it is a POST.
CALLS_GET = Endpoint(name="calls.get", verb="POST", path="/call", effect=Effect.READ)
