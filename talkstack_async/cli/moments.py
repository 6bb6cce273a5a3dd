"""Moments and spans as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["local", "local_and_utc", "span"]


def local(moment: datetime, *, now: datetime) -> str:
    """Return a moment by the clock of this machine, with the day if that is not today."""
    here, today = moment.astimezone(), now.astimezone().date()
    return f"{here:%H:%M:%S}" if here.date() == today else f"{here:%a %d %b %H:%M}"


def local_and_utc(moment: datetime) -> str:
    """Return a moment by the clock of this machine and in UTC."""
    here, there = moment.astimezone(), moment.astimezone(UTC)
    text = f"{here:%a %Y-%m-%d %H:%M:%S %Z}"
    return text if not here.utcoffset() else f"{text} ({there:%Y-%m-%d %H:%M:%S} UTC)"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
