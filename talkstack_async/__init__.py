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
from .models import (
    Agent,
    BooleanQuestion,
    Call,
    CallRequest,
    CallResult,
    CallStatus,
    Disposition,
    NumberQuestion,
    Project,
    SelectorQuestion,
    TextQuestion,
    Voice,
)
from .phone import PhoneNumber
from .transport import PoolStatistics, SessionManager, Tokens

if TYPE_CHECKING:
    from .emulator import Emulator

__all__ = [
    "Agent",
    "AuthenticationError",
    "BooleanQuestion",
    "Call",
    "CallDispatcher",
    "CallRequest",
    "CallResult",
    "CallStatus",
    "Client",
    "ClientConfig",
    "ClientStateError",
    "ConfigurationError",
    "ConnectError",
    "DeadlineError",
    "Disposition",
    "Emulator",
    "Ended",
    "InvalidNumberError",
    "InvalidRequestError",
    "NotPlaced",
    "NotSentError",
    "NumberQuestion",
    "Outcome",
    "PhoneNumber",
    "Placed",
    "PoolSettings",
    "PoolStatistics",
    "Progress",
    "Project",
    "ReplyLostError",
    "RetrySettings",
    "SelectorQuestion",
    "ServerError",
    "SessionManager",
    "StatusError",
    "StoppedError",
    "TalkstackError",
    "TextQuestion",
    "ThrottledError",
    "Timeouts",
    "Tokens",
    "Uncertain",
    "UnexpectedReplyError",
    "Voice",
]


def __getattr__(name: str) -> Any:
    # The emulator brings a web server along; most programs never need it.
    if name == "Emulator":
        from .emulator import Emulator

        return Emulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
