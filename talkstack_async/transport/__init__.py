"""Sessions, credentials, repetition, and the moment a request leaves."""

from .sessions import PoolStatistics, SessionManager
from .tokens import Tokens

__all__ = ["PoolStatistics", "SessionManager", "Tokens"]
