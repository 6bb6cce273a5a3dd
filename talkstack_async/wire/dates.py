"""Reading the dates of the service, which writes them in two ways."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["parse_moment"]


def parse_moment(text: str) -> datetime:
    """Read ISO 8601 or RFC 2822, and return the moment in UTC.

    A moment without an offset is taken to be in UTC, which is what the pages say of all dates.

    Raises:
        ValueError: It is neither.
    """
    try:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment lies outside of all calendars") from error
