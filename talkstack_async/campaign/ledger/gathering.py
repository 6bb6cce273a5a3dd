"""Gathering what a report is made of, aggregated in the database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ...models.statuses import Disposition
from ..records import AttemptRecord, CampaignRecord, ContactRecord
from ..states import AttemptState, ContactState
from ..windows import zone_named
from ..words import attempt_word
from .base import CampaignFacts
from .counting import counts_of, is_in
from .moments import from_ms
from .restoring import attempt_of, contact_of, moment_of
from .tables import attempt, contact, import_

__all__ = ["facts_of", "last_attempts"]

_MINUTE, _QUARTER = 60_000, 15 * 60_000
_LOOK_AT_MOST = 1000


def facts_of(connection: sa.Connection, campaign: CampaignRecord, *, now: int) -> CampaignFacts:
    """Gather what a report is made of."""
    campaign_id = campaign.campaign_id
    first, last = connection.execute(
        sa.select(sa.func.min(attempt.c.sent_at), sa.func.max(attempt.c.sent_at)).where(
            attempt.c.campaign_id == campaign_id
        )
    ).one()
    return CampaignFacts(
        campaign=campaign,
        counts=counts_of(connection, campaign_id, now=now),
        per_minute=_per_minute(connection, campaign_id),
        tries=_tries(connection, campaign_id),
        by_hour=_by_hour(connection, campaign_id),
        look=_look(connection, campaign_id),
        imports=_imports(connection, campaign_id),
        first_at=moment_of(first),
        last_at=moment_of(last),
    )


def _per_minute(
    connection: sa.Connection, campaign_id: int
) -> tuple[tuple[datetime, str, int], ...]:
    minute = (attempt.c.sent_at // _MINUTE).label("minute")
    query = (
        sa.select(minute, attempt.c.state, attempt.c.disposition, sa.func.count())
        .where(attempt.c.campaign_id == campaign_id)
        .group_by(minute, attempt.c.state, attempt.c.disposition)
        .order_by(minute, attempt.c.state, attempt.c.disposition)
    )
    return tuple(
        (from_ms(number * _MINUTE), attempt_word(AttemptState(state), disposition), count)
        for number, state, disposition, count in connection.execute(query)
    )


def _tries(connection: sa.Connection, campaign_id: int) -> dict[int, int]:
    query = (
        sa.select(contact.c.attempts, sa.func.count().label("total"))
        .where(contact.c.campaign_id == campaign_id)
        .group_by(contact.c.attempts)
        .order_by(contact.c.attempts)
    )
    return {row.attempts: row.total for row in connection.execute(query)}


def _by_hour(connection: sa.Connection, campaign_id: int) -> tuple[tuple[int, str, int], ...]:
    """Count ends by local hour.

    The database groups by quarters of an hour, the finest step zones differ by; which hour that
    is, in which zone, on which day, only zoneinfo knows.
    """
    quarter = (attempt.c.sent_at // _QUARTER).label("quarter")
    query = (
        sa.select(contact.c.zones, quarter, attempt.c.disposition, sa.func.count())
        .join(contact, contact.c.contact_id == attempt.c.contact_id)
        .where(attempt.c.campaign_id == campaign_id, attempt.c.state == AttemptState.FINAL.value)
        .group_by(contact.c.zones, quarter, attempt.c.disposition)
    )
    hours: Counter[tuple[int, str]] = Counter()
    for zones, number, disposition, count in connection.execute(query):
        local = from_ms(number * _QUARTER).astimezone(zone_named(zones.partition(",")[0]) or UTC)
        hours[local.hour, disposition or Disposition.UNKNOWN.value] += count
    return tuple((hour, word, count) for (hour, word), count in sorted(hours.items()))


def last_attempts(connection: sa.Connection, contact_ids: Sequence[int]) -> Iterator[sa.Row[Any]]:
    """Go through the last attempt of each of these contacts, as rows."""
    other = attempt.alias()
    last = (
        sa.select(sa.func.max(other.c.n))
        .where(other.c.contact_id == attempt.c.contact_id)
        .scalar_subquery()
    )
    yield from connection.execute(
        sa.select(attempt).where(attempt.c.contact_id.in_(contact_ids), attempt.c.n == last)
    )


def _look(
    connection: sa.Connection, campaign_id: int
) -> tuple[tuple[ContactRecord, AttemptRecord | None], ...]:
    query = (
        sa.select(contact)
        .where(contact.c.campaign_id == campaign_id, is_in(ContactState.REVIEW))
        .order_by(contact.c.contact_id)
        .limit(_LOOK_AT_MOST)
    )
    contacts = [contact_of(row) for row in connection.execute(query)]
    last = {
        row.contact_id: attempt_of(row)
        for row in last_attempts(connection, [each.contact_id for each in contacts])
    }
    return tuple((each, last.get(each.contact_id)) for each in contacts)


def _imports(
    connection: sa.Connection, campaign_id: int
) -> tuple[tuple[datetime, str, dict[str, int]], ...]:
    query = (
        sa.select(import_.c.begun_at, import_.c.source, import_.c.counts)
        .where(import_.c.campaign_id == campaign_id)
        .order_by(import_.c.import_id)
    )
    return tuple(
        (from_ms(begun), source, json.loads(counts))
        for begun, source, counts in connection.execute(query)
    )
