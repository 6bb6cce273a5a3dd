"""Telling of people: the story of a number, what needs a look, and whole lists, row by row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..records import (
    AttemptRecord,
    CampaignRecord,
    ContactRecord,
    OpenAttempt,
    Story,
    StoryLine,
    Suppression,
)
from ..states import ContactState
from .counting import is_in
from .entries import said_of, told_together
from .gathering import last_attempts
from .moments import from_ms
from .restoring import attempt_of, contact_of, suppression_of
from .stored import campaign_of, open_attempt_of
from .tables import attempt, audit, campaign, contact, event, import_, suppression

__all__ = ["contacts_with_attempts", "ready_in", "reviews_of", "story_of", "suppressed"]

PAGE = 1000


def story_of(connection: sa.Connection, number: str) -> Story:
    """Gather everything known of a number."""
    query = sa.select(contact).where(contact.c.number == number).order_by(contact.c.contact_id)
    rows = connection.execute(query).all()
    contacts = [contact_of(row) for row in rows]
    campaigns = _campaigns(connection, {each.campaign_id for each in contacts})
    names = {each.contact_id: campaigns[each.campaign_id].name for each in contacts}
    attempts = _attempts(connection, list(names))
    lines = [
        *_listed(connection, rows, names),
        *_audited(connection, names),
        *_reported(connection, attempts, names),
    ]
    return Story(
        number=number,
        suppression=_suppression(connection, number),
        contacts=tuple((campaigns[each.campaign_id], each) for each in contacts),
        attempts=tuple(attempts),
        lines=tuple(sorted(lines, key=lambda line: line.at)),
    )


def _campaigns(connection: sa.Connection, ids: set[int]) -> dict[int, CampaignRecord]:
    rows = connection.execute(sa.select(campaign).where(campaign.c.campaign_id.in_(ids)))
    return {row.campaign_id: campaign_of(row) for row in rows}


def _attempts(connection: sa.Connection, contact_ids: Sequence[int]) -> list[AttemptRecord]:
    query = sa.select(attempt).where(attempt.c.contact_id.in_(contact_ids))
    rows = connection.execute(query.order_by(attempt.c.sent_at, attempt.c.attempt_id))
    return [attempt_of(row) for row in rows]


def _listed(
    connection: sa.Connection, rows: Sequence[sa.Row[Any]], names: Mapping[int, str]
) -> Iterator[StoryLine]:
    """Go through the lists the contacts came with, or were changed by last."""
    ids = [row.import_id for row in rows]
    found = connection.execute(sa.select(import_).where(import_.c.import_id.in_(ids)))
    imports = {each.import_id: each for each in found}
    for row in rows:
        if each := imports.get(row.import_id):
            yield StoryLine(
                at=from_ms(each.begun_at),
                what="listed",
                campaign=names[row.contact_id],
                detail={"list": each.source, "row": row.row},
            )


def _audited(connection: sa.Connection, names: Mapping[int, str]) -> Iterator[StoryLine]:
    # Entries about many attempts are gone through as text first: only a few name these contacts.
    together = [audit.c.detail.like(f"%[{contact_id},%") for contact_id in names]
    query = (
        sa.select(audit)
        .where(
            sa.or_(
                audit.c.contact_id.in_(list(names)),
                sa.and_(told_together(), sa.or_(sa.false(), *together)),
            )
        )
        .order_by(audit.c.seq)
    )
    for row in connection.execute(query):
        for contact_id, at, detail in said_of(row, names):
            yield StoryLine(
                at=from_ms(at), what=row.what, campaign=names[contact_id], detail=detail
            )


def _reported(
    connection: sa.Connection, attempts: Sequence[AttemptRecord], names: Mapping[int, str]
) -> Iterator[StoryLine]:
    """Go through the events of these attempts' calls."""
    calls = {each.call_id: each for each in attempts if each.call_id}
    query = sa.select(event).where(event.c.call_id.in_(list(calls))).order_by(event.c.event_id)
    for row in connection.execute(query):
        about = calls[row.call_id]
        yield StoryLine(
            at=from_ms(row.received_at),
            what="event",
            campaign=names[about.contact_id],
            detail={
                "attempt_id": about.attempt_id,
                "call_id": row.call_id,
                "status": row.status,
                "applied": row.applied_at is not None,
            },
        )


def _suppression(connection: sa.Connection, number: str) -> Suppression | None:
    query = sa.select(suppression).where(suppression.c.number == number)
    row = connection.execute(query).one_or_none()
    return None if row is None else suppression_of(row)


def reviews_of(
    connection: sa.Connection, campaign_id: int
) -> list[tuple[ContactRecord, OpenAttempt]]:
    """Return the contacts a person must decide on, with their last attempt."""
    query = sa.select(contact).where(
        contact.c.campaign_id == campaign_id, is_in(ContactState.REVIEW)
    )
    found: list[tuple[ContactRecord, OpenAttempt]] = []
    for page in _pages(connection, query.order_by(contact.c.contact_id)):
        contacts = {row.contact_id: contact_of(row) for row in page}
        last = {row.contact_id: row for row in last_attempts(connection, list(contacts))}
        found.extend(
            (each, _open(last[contact_id], each))
            for contact_id, each in contacts.items()
            if contact_id in last
        )
    return found


def _open(row: sa.Row[Any], about: ContactRecord) -> OpenAttempt:
    first = (row.attempt_id, row.contact_id, row.campaign_id, row.number, row.state, row.worker)
    rest = (row.sent_at, about.attempts, row.call_id, row.looks, row.looked_at)
    return open_attempt_of((*first, *rest))


def _pages(connection: sa.Connection, query: sa.Executable) -> Iterator[Sequence[sa.Row[Any]]]:
    options = {"stream_results": True, "max_row_buffer": PAGE}
    with connection.execute(query, execution_options=options) as result:
        yield from result.partitions(PAGE)


def ready_in(connection: sa.Connection, campaign_id: int) -> Iterator[ContactRecord]:
    """Go through the ready contacts."""
    query = sa.select(contact).where(
        contact.c.campaign_id == campaign_id, is_in(ContactState.READY)
    )
    for page in _pages(connection, query.order_by(contact.c.contact_id)):
        yield from map(contact_of, page)


def suppressed(connection: sa.Connection) -> Iterator[Suppression]:
    """Go through the suppression list, in the order of the numbers."""
    for page in _pages(connection, sa.select(suppression).order_by(suppression.c.number)):
        yield from map(suppression_of, page)


def contacts_with_attempts(
    connection: sa.Connection, campaign_id: int
) -> Iterator[tuple[ContactRecord, Sequence[AttemptRecord]]]:
    """Go through all contacts in the order of their rows, with their attempts."""
    # Only the keys are sorted: there is no index on the row, and whole contacts are wide.
    keys = (
        sa.select(contact.c.row, contact.c.contact_id)
        .where(contact.c.campaign_id == campaign_id)
        .order_by(contact.c.row, contact.c.contact_id)
    )
    for page in _pages(connection, keys):
        yield from _with_attempts(connection, [row.contact_id for row in page])


def _with_attempts(
    connection: sa.Connection, contact_ids: Sequence[int]
) -> Iterator[tuple[ContactRecord, Sequence[AttemptRecord]]]:
    rows = connection.execute(sa.select(contact).where(contact.c.contact_id.in_(contact_ids)))
    contacts = {row.contact_id: contact_of(row) for row in rows}
    attempts: defaultdict[int, list[AttemptRecord]] = defaultdict(list)
    for each in _attempts(connection, contact_ids):
        attempts[each.contact_id].append(each)
    for contact_id in contact_ids:
        yield contacts[contact_id], sorted(attempts[contact_id], key=lambda one: one.number)
