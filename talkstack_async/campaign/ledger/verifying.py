"""Checking a ledger: the chain of its audit, and what must be true whatever happened.

Each check is one statement that returns what breaks a rule, and nothing if all is well. The
database does the comparing, so a million contacts need no memory here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import sqlalchemy as sa

from ...phone import mask_number
from ..records import Finding
from ..states import OPEN, AttemptState, CampaignState, ContactState
from .chain import Entry, check
from .entries import of_attempts
from .tables import attempt, audit, campaign, contact, import_

__all__ = ["findings_in"]

_SHOWN = 5
_PAGE = 1000
# With a cursor on the server, so that not all of it comes at once.
_STREAMED = {"stream_results": True}
# These certainly did not ring, so they cost nothing.
_FREE = (AttemptState.REJECTED, AttemptState.RELEASED)
# Where an attempt can only be because a settlement put it there.
_SETTLED = (AttemptState.PLACED, AttemptState.FINAL, AttemptState.LOST, *_FREE)
_LIVE = (*OPEN, AttemptState.PLACED)
# Inside a text of the JSON the quotation marks would have backslashes in front of them.
_GIVEN_BACK = '%"counts":false%'
_Check: TypeAlias = tuple[str, str, sa.Executable]


def findings_in(connection: sa.Connection) -> list[Finding]:
    """Return what is wrong, in plain words; empty if all is well."""
    return [
        *_chain(connection),
        *_broken(connection, _of_attempts(connection.dialect.name)),
        *_broken(connection, _of_contacts()),
        *_numbers_open_twice(connection),
        *_money(connection),
        *_accounted(connection),
    ]


def _chain(connection: sa.Connection) -> Iterator[Finding]:
    query = sa.select(*(audit.c[name] for name in Entry._fields)).order_by(audit.c.seq)
    with connection.execute(query, execution_options=_STREAMED) as result:
        broken = check(Entry._make(row) for page in result.partitions(_PAGE) for row in page)
    for chain, seq in broken.items():
        whose = f" of chain {chain}" if chain else ""
        yield Finding(
            rule="the audit is one unbroken chain",
            detail=f"entry {seq}{whose} does not follow from those before it: it was changed, or "
            "something was removed or inserted in front of it",
        )


def _broken(connection: sa.Connection, checks: Iterable[_Check]) -> Iterator[Finding]:
    for rule, things, query in checks:
        result = connection.execute(query, execution_options=_STREAMED)
        if detail := _listed(things, (row[0] for row in result)):
            yield Finding(rule=rule, detail=detail)


def _listed(things: str, keys: Iterable[Any]) -> str:
    """Count things and name the first few of them; empty if there are none."""
    count = 0
    shown: list[Any] = []
    for key in keys:
        count += 1
        if count <= _SHOWN or key < shown[-1]:
            # They come in no order, or in one of the database's own.
            shown = sorted([*shown, key])[:_SHOWN]
    if not count:
        return ""
    more = ", ..." if count > _SHOWN else ""
    return f"{count:,} {things}: {', '.join(map(str, shown))}{more}"


def _of_attempts(dialect: str) -> Iterator[_Check]:
    ids = sa.select(attempt.c.attempt_id)
    said = of_attempts(dialect)
    dials = sa.select(said.c.attempt_id).where(said.c.what == "dial")
    yield (
        "every attempt is in the audit before it is dialled",
        "attempts without such an entry",
        ids.except_(dials),
    )
    yield (
        "every dial in the audit has its attempt",
        "dials whose attempt is gone",
        dials.except_(ids),
    )
    yield (
        "where an attempt stands is in the audit",
        "attempts that stand elsewhere",
        sa.select(attempt.c.attempt_id, _state_name())
        .where(_in(attempt.c.state, _SETTLED))
        .except_(sa.select(said.c.attempt_id, said.c.what)),
    )
    yield (
        "every attempt is dialled at most once",
        "attempts with several dials in the audit",
        dials.group_by(said.c.attempt_id).having(sa.func.count() > 1),
    )
    yield (
        "every attempt has a state that is known",
        "attempts with another one",
        ids.where(attempt.c.state.not_in([state.value for state in AttemptState])),
    )
    yield (
        "every attempt belongs to a contact of its number and campaign",
        "attempts that do not",
        ids.outerjoin_from(attempt, contact, contact.c.contact_id == attempt.c.contact_id).where(
            sa.or_(
                contact.c.contact_id.is_(None),
                contact.c.number != attempt.c.number,
                contact.c.campaign_id != attempt.c.campaign_id,
            )
        ),
    )
    yield (
        "a call belongs to one attempt",
        "calls that belong to several",
        sa.select(attempt.c.call_id)
        .where(attempt.c.call_id.is_not(None))
        .group_by(attempt.c.call_id)
        .having(sa.func.count() > 1),
    )
    yield (
        "whose attempt is open is active",
        "open attempts of contacts that are not",
        ids.join_from(attempt, contact, contact.c.contact_id == attempt.c.contact_id).where(
            _in(attempt.c.state, OPEN), contact.c.state != ContactState.ACTIVE.value
        ),
    )


def _state_name() -> sa.ColumnElement[str]:
    names = {state.value: state.name.lower() for state in AttemptState}
    return sa.case(names, value=attempt.c.state)


def _in(column: sa.ColumnElement[Any], states: Iterable[AttemptState]) -> sa.ColumnElement[bool]:
    # In the statement itself, so that partial indexes may serve.
    return column.in_([sa.literal_column(f"{state:d}") for state in states])


def _of_contacts() -> Iterator[_Check]:
    ids = sa.select(contact.c.contact_id)
    begun = (
        sa.select(attempt.c.contact_id, sa.func.count().label("number"))
        .group_by(attempt.c.contact_id)
        .subquery()
    )
    given_back = (
        sa.select(audit.c.contact_id, sa.func.count().label("number"))
        .where(audit.c.detail.like(_GIVEN_BACK))
        .group_by(audit.c.contact_id)
        .subquery()
    )
    tries = sa.func.coalesce(begun.c.number, 0)
    yield (
        "a contact's attempts are as many as were made, less those that were given back",
        "contacts with another number",
        sa.select(contact.c.contact_id)
        .outerjoin_from(contact, begun, begun.c.contact_id == contact.c.contact_id)
        .outerjoin(given_back, given_back.c.contact_id == contact.c.contact_id)
        .where(
            sa.or_(
                contact.c.tries != tries,
                contact.c.attempts != tries - sa.func.coalesce(given_back.c.number, 0),
            )
        ),
    )
    live = sa.select(attempt.c.attempt_id).where(
        attempt.c.contact_id == contact.c.contact_id, _in(attempt.c.state, _LIVE)
    )
    yield (
        "who is active has an attempt that is open or followed",
        "active contacts without one",
        ids.where(
            contact.c.state == sa.literal_column(f"{ContactState.ACTIVE:d}"), ~live.exists()
        ),
    )
    yield (
        "every contact has a state that is known",
        "contacts with another one",
        ids.where(contact.c.state.not_in([state.value for state in ContactState])),
    )
    known = sa.select(campaign.c.campaign_id)
    yield (
        "every contact belongs to a campaign",
        "contacts whose campaign is gone",
        ids.where(contact.c.campaign_id.not_in(known)),
    )
    yield (
        "every contact is in a shard that is worked",
        "contacts that are in none",
        ids.join_from(contact, campaign, campaign.c.campaign_id == contact.c.campaign_id).where(
            sa.or_(contact.c.shard < 0, contact.c.shard >= campaign.c.shards)
        ),
    )


def _numbers_open_twice(connection: sa.Connection) -> Iterator[Finding]:
    query = (
        sa.select(attempt.c.number)
        .where(_in(attempt.c.state, OPEN))
        .group_by(attempt.c.number)
        .having(sa.func.count() > 1)
    )
    numbers = (mask_number(number) for number in connection.execute(query).scalars())
    if detail := _listed("numbers with several", numbers):
        yield Finding(rule="a number has one open attempt at most", detail=detail)


def _money(connection: sa.Connection) -> Iterator[Finding]:
    is_free = attempt.c.state.in_([state.value for state in _FREE])
    unpriced = sa.case((is_free, 0), (attempt.c.cost_micros.is_not(None), 0), else_=1)
    sums = (
        sa.select(
            attempt.c.campaign_id,
            sa.func.sum(unpriced).label("unpriced"),
            sa.func.sum(sa.func.coalesce(attempt.c.cost_micros, 0)).label("spent"),
        )
        .group_by(attempt.c.campaign_id)
        .subquery()
    )
    query = sa.select(
        campaign, sa.func.coalesce(sums.c.unpriced, 0), sa.func.coalesce(sums.c.spent, 0)
    ).outerjoin_from(campaign, sums, sums.c.campaign_id == campaign.c.campaign_id)
    for row in connection.execute(query):
        unpriced_now, spent_now = int(row[-2]), int(row[-1])
        if row.unpriced != unpriced_now:
            yield Finding(
                rule="the attempts that may still cost something are counted right",
                detail=f"campaign {row.name!r} counts {row.unpriced:,}, "
                f"its attempts are {unpriced_now:,}",
            )
        if row.spent_micros != spent_now:
            yield Finding(
                rule="what was spent is the sum of all calls",
                detail=f"campaign {row.name!r} says {row.spent_micros / 1e6:,.6f}, "
                f"its calls add up to {spent_now / 1e6:,.6f}",
            )


def _accounted(connection: sa.Connection) -> Iterator[Finding]:
    """Compare the contacts with what the imports say they added."""
    held = sa.select(contact.c.campaign_id, sa.func.count().label("held"))
    sums = held.group_by(contact.c.campaign_id).subquery()
    query = (
        sa.select(campaign, sa.func.coalesce(sums.c.held, 0).label("held"))
        .outerjoin_from(campaign, sums, sums.c.campaign_id == campaign.c.campaign_id)
        .where(campaign.c.state != CampaignState.IMPORTING.value)
    )
    for row in connection.execute(query):
        added, is_whole = _added(connection, row.campaign_id)
        if row.held < added or (is_whole and row.held != added):
            yield Finding(
                rule="every contact of the lists is there",
                detail=f"campaign {row.name!r} has {row.held:,} contacts, "
                f"its imports added {added:,}",
            )


def _added(connection: sa.Connection, campaign_id: int) -> tuple[int, bool]:
    """Return how many contacts imports added, and whether all of them came to their end."""
    added, is_whole = 0, True
    query = sa.select(import_).where(import_.c.campaign_id == campaign_id)
    for row in connection.execute(query):
        counts = json.loads(row.counts)
        # An import that broke off added contacts, too, and nobody counted them.
        is_whole = is_whole and row.finished_at is not None and "added" in counts
        added += counts.get("added", 0)
    return added, is_whole
