"""Sessions, credentials, repetition, and the moment a request leaves."""

from .sessions import PoolStatistics, SessionManager

__all__ = ["PoolStatistics", "SessionManager"]
