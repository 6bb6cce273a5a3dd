"""An asyncio SDK for TalkStack: place AI voice calls, one or a million, and ring nobody twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .client import Client
from .config import ClientConfig, PoolSettings, RetrySettings, Timeouts
from .dispatch import (
    CallDispatcher,
    Ended,
    NotPlaced,
    Outcome,
    Placed,
    Progress,
    Uncertain,
)
from .errors import (
    AuthenticationError,
    ClientStateError,
    ConfigurationError,
    ConnectError,
    DeadlineError,
    InvalidNumberError,
    InvalidRequestError,
    NotSentError,
    ReplyLostError,
    ServerError,
    StatusError,
    StoppedError,
    TalkstackError,
    ThrottledError,
    UnexpectedReplyError,
)
from .models import CallRequest, CallResult
from .phone import PhoneNumber
from .transport import PoolStatistics, SessionManager

if TYPE_CHECKING:
    from .emulator import Emulator

__all__ = [
    "AuthenticationError",
    "CallDispatcher",
    "CallRequest",
    "CallResult",
    "Client",
    "ClientConfig",
    "ClientStateError",
    "ConfigurationError",
    "ConnectError",
    "DeadlineError",
    "Emulator",
    "Ended",
    "InvalidNumberError",
    "InvalidRequestError",
    "NotPlaced",
    "NotSentError",
    "Outcome",
    "PhoneNumber",
    "Placed",
    "PoolSettings",
    "PoolStatistics",
    "Progress",
    "ReplyLostError",
    "RetrySettings",
    "ServerError",
    "SessionManager",
    "StatusError",
    "StoppedError",
    "TalkstackError",
    "ThrottledError",
    "Timeouts",
    "Uncertain",
    "UnexpectedReplyError",
]


def __getattr__(name: str) -> Any:
    # The emulator brings a web server along; most programs never need it.
    if name == "Emulator":
        from .emulator import Emulator

        return Emulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
