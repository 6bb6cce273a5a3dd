"""Moments as ledgers store them: whole milliseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["from_ms", "to_ms"]

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Return an aware moment as milliseconds; what is finer than that is cut off."""
    # Whole numbers all the way: `timestamp()` is a float and loses a millisecond now and then.
    return (moment - _START) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the moment that milliseconds stand for, in UTC."""
    return _START + timedelta(milliseconds=milliseconds)
