"""Entries of the audit that are said of many attempts at once.

Their `detail` has a list `of`: contact, attempt, and what is said of that one alone. The database
takes it apart, so that whoever asks sees one row for each attempt.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from .tables import audit

__all__ = ["of_attempts", "said_of", "told_together"]


def told_together() -> sa.ColumnElement[bool]:
    """Return the condition that an entry is said of many attempts."""
    return sa.and_(
        audit.c.what.in_(["dial", "placed"]),
        audit.c.contact_id.is_(None),
        audit.c.attempt_id.is_(None),
    )


def of_attempts(dialect: str) -> sa.Subquery:
    """Return `attempt_id` and `what` of every entry about an attempt, told together or alone.

    Args:
        dialect: SQLAlchemy's name of it: each database takes JSON apart in a way of its own.
    """
    alone = sa.select(audit.c.attempt_id, audit.c.what).where(audit.c.attempt_id.is_not(None))
    if dialect == "sqlite":
        each = sa.func.json_each(audit.c.detail, "$.of").table_valued("value")
        second = sa.func.json_extract(each.c.value, "$[1]")
    else:
        # Not jsonb, which would have to understand every text in it.
        of = sa.func.json_extract_path(sa.cast(audit.c.detail, sa.JSON), "of")
        each = sa.func.json_array_elements(of).table_valued("value")
        second = sa.func.json_extract_path_text(each.c.value, "1")
    attempt_id = sa.cast(second, sa.BigInteger)
    together = (
        sa.select(attempt_id.label("attempt_id"), audit.c.what)
        .select_from(audit)
        .join(each, sa.true())
        .where(told_together())
    )
    return sa.union_all(alone, together).subquery()


def said_of(
    row: sa.Row[Any], contact_ids: Collection[int]
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield contact, moment and words of an entry, once for each of the contacts it concerns."""
    words: dict[str, Any] = json.loads(row.detail or "{}")
    if row.contact_id is not None:
        about = {} if row.attempt_id is None else {"attempt_id": row.attempt_id}
        yield row.contact_id, row.at, {**about, **words}
        return
    for contact_id, attempt_id, *rest in words.pop("of", ()):
        if contact_id in contact_ids:
            call = {"call_id": rest[0]} if rest and rest[0] else {}
            at = rest[1] if len(rest) > 1 else row.at
            yield contact_id, at, {"attempt_id": attempt_id, **words, **call}
