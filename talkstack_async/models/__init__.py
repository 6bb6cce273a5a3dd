"""Frozen values: what goes out and what comes back."""

from .agents import Agent
from .analyses import (
    Analysis,
    Answer,
    BooleanQuestion,
    NumberQuestion,
    Question,
    SelectorQuestion,
    TextQuestion,
)
from .batches import BatchResult
from .calls import Call, CallRequest, CallResult
from .fields import UNSET
from .history import CallFilter
from .numbers import Number
from .projects import Project
from .statuses import CallStatus, Disposition
from .users import (
    ApiKey,
    LoginStatus,
    Session,
    Signup,
    SignupStatus,
    TokenPair,
    User,
    Verification,
    VerificationStatus,
)
from .voices import Voice

__all__ = [
    "UNSET",
    "Agent",
    "Analysis",
    "Answer",
    "ApiKey",
    "BatchResult",
    "BooleanQuestion",
    "Call",
    "CallFilter",
    "CallRequest",
    "CallResult",
    "CallStatus",
    "Disposition",
    "LoginStatus",
    "Number",
    "NumberQuestion",
    "Project",
    "Question",
    "SelectorQuestion",
    "Session",
    "Signup",
    "SignupStatus",
    "TextQuestion",
    "TokenPair",
    "User",
    "Verification",
    "VerificationStatus",
    "Voice",
]
