"""Settling on SQLite: each settlement a compare-and-set, many of them in one transaction.

The transaction holds the write lock, so what is read at its beginning cannot change under it:
the states are compared here, and then written with one statement per table.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection, IntegrityError
from typing import Any

import attrs

from ..records import Reason, Settlement
from ..states import AttemptState, ContactState, may_follow
from .moments import to_ms
from .sqlite_transaction import SqliteTransaction
from .transaction import to_json

__all__ = ["settle"]

_ATTEMPTS = (
    "SELECT a.attempt_id, a.contact_id, a.campaign_id, a.state, a.worker, a.number, "
    "a.cost_micros, a.n = c.tries, c.state "
    "FROM json_each(?) j CROSS JOIN attempt a ON a.attempt_id = j.value "
    "CROSS JOIN contact c ON c.contact_id = a.contact_id"
)
_KNOWN_CALLS = (
    "SELECT call_id, attempt_id FROM attempt WHERE call_id IN (SELECT value FROM json_each(?))"
)
_ATTEMPT = (
    "UPDATE attempt SET state = ?, call_id = coalesce(?, call_id), "
    "disposition = coalesce(?, disposition), seconds = coalesce(?, seconds), "
    "cost_micros = coalesce(?, cost_micros), error = coalesce(?, error), settled_at = ? "
    "WHERE attempt_id = ?"
)
_PLACED = (
    "UPDATE attempt SET state = 2, call_id = ?, settled_at = ? "
    "WHERE attempt_id = ? AND worker = ? AND contact_id = ? AND state = 1"
)
_CONTACTS_PLACED = (
    "UPDATE contact SET state = ?, next_at = 0, reason = 'placed', detail = '' "
    "WHERE contact_id IN (SELECT value FROM json_each(?)) AND state = 1"
)
_CONTACT = (
    "UPDATE contact SET state = ?, next_at = ?, reason = ?, detail = ?, attempts = attempts - ? "
    "WHERE contact_id = ?"
)
_COUNT = "UPDATE contact SET attempts = attempts - ? WHERE contact_id = ?"
_MONEY = (
    "UPDATE campaign SET unpriced = unpriced + ?, spent_micros = spent_micros + ? "
    "WHERE campaign_id = ?"
)
_SUPPRESS = (
    "INSERT OR IGNORE INTO suppression (number, reason, source, added_at) VALUES (?, ?, ?, ?)"
)

# These did not ring, so they cost nothing.
_FREE = (AttemptState.REJECTED, AttemptState.RELEASED)

_CLOSED = (ContactState.DONE, ContactState.EXCLUDED)


_AFTER_PLACING = (ContactState.ACTIVE, ContactState.DONE)
_WORDS = {state: state.name.lower() for state in AttemptState}
_CONTACT_WORDS = {state: state.name.lower() for state in ContactState}


@attrs.define
class _Standing:
    """An attempt as it stands, moved along while a batch is gone through."""

    contact_id: int
    campaign_id: int
    state: AttemptState
    worker: str
    number: str
    cost: int | None
    is_last: bool  # of its contact's attempts
    contact: ContactState

    @property
    def is_unpriced(self) -> bool:
        return self.state not in _FREE and self.cost is None

    def moves_contact(self, to: ContactState) -> bool:
        """Whether the contact goes where the attempt's end would have it.

        It does not if it has moved on to another attempt, nor if it is done with: late news
        does not undo what a person decided meanwhile.
        """
        return self.is_last and (self.contact not in _CLOSED or to in _CLOSED)


def settle(transaction: SqliteTransaction, settlements: Sequence[Settlement]) -> Sequence[bool]:
    """See `Ledger.settle`."""
    if all(map(_is_everyday, settlements)):
        moments = [to_ms(one.at) for one in settlements]
        if _place_all(transaction.connection, settlements, moments):
            _audit_placed(transaction, settlements, moments)
            return [True] * len(settlements)
    batch = _Batch(transaction.connection, settlements)
    answers = [batch.accepts(settlement) for settlement in settlements]
    batch.write()
    for settlement, accepted in zip(settlements, answers, strict=True):
        if accepted:
            _audit(transaction, settlement)
    return answers


def _audit_placed(
    transaction: SqliteTransaction, settlements: Sequence[Settlement], moments: Sequence[int]
) -> None:
    """Say of a whole batch that it was placed, in one line for each way it goes on."""
    groups: dict[tuple[int, ContactState, str], list[tuple[int, int, str | None, int]]] = {}
    for one, at in zip(settlements, moments, strict=True):
        key = (one.campaign_id, one.contact, one.detail)
        groups.setdefault(key, []).append((one.contact_id, one.attempt_id, one.call_id, at))
    for (campaign_id, contact, detail), placed in groups.items():
        words = {"contact": _CONTACT_WORDS[contact], "reason": Reason.PLACED.value}
        if detail:
            words["detail"] = detail
        latest = max(moment for *_, moment in placed)
        transaction.audit_all(latest, "placed", to_json(words), placed, campaign_id=campaign_id)


def _is_everyday(settlement: Settlement) -> bool:
    """Say whether a call was simply placed: nothing else about it has to be weighed."""
    return (
        settlement.after is AttemptState.PLACED
        and settlement.counts
        and settlement.cost_micros is None
        and settlement.suppress is None
        and settlement.error is None
        and settlement.reason is Reason.PLACED
        and settlement.contact in _AFTER_PLACING
    )


def _place_all(
    connection: Connection, settlements: Sequence[Settlement], moments: Sequence[int]
) -> bool:
    """Settle a batch of placed calls if all of them are as they believe; otherwise change nothing.

    The compare-and-set is in the statement, and one count tells whether all were met. Of a
    contact whose attempt is dispatching that attempt is the last, so nothing else can have moved
    it.
    """
    connection.execute("SAVEPOINT placing")
    try:
        placed = connection.executemany(
            _PLACED,
            [
                (one.call_id, at, one.attempt_id, one.worker, one.contact_id)
                for one, at in zip(settlements, moments, strict=True)
            ],
        ).rowcount
    except IntegrityError:  # the id of a call that another attempt has
        placed = -1
    if placed != len(settlements):
        connection.execute("ROLLBACK TO placing")
        connection.execute("RELEASE placing")
        return False
    for state in _AFTER_PLACING:
        contacts = [one.contact_id for one in settlements if one.contact is state]
        if contacts:
            connection.execute(_CONTACTS_PLACED, (int(state), to_json(contacts)))
    connection.execute("RELEASE placing")
    return True


class _Batch:
    """The rows of one settling, gathered first and written with one statement per table."""

    def __init__(self, connection: Connection, settlements: Sequence[Settlement]) -> None:
        self._connection = connection
        ids = to_json([settlement.attempt_id for settlement in settlements])
        self._standing = {
            attempt_id: _Standing(contact_id, campaign_id, AttemptState(state), *rest)
            for attempt_id, contact_id, campaign_id, state, *rest in connection.execute(
                _ATTEMPTS, (ids,)
            )
        }
        calls = [settlement.call_id for settlement in settlements if settlement.call_id]
        self._owner_of_call: dict[str, int] = (
            dict(connection.execute(_KNOWN_CALLS, (to_json(calls),)).fetchall()) if calls else {}
        )
        self._attempts: list[tuple[Any, ...]] = []
        self._contacts: list[tuple[Any, ...]] = []
        self._given_back: list[tuple[int, int]] = []
        self._suppressed: list[tuple[Any, ...]] = []
        self._money: dict[int, tuple[int, int]] = {}

    def accepts(self, settlement: Settlement) -> bool:
        """Compare, and if the attempt is as the settlement believes, note what to write."""
        attempt = self._standing.get(settlement.attempt_id)
        if attempt is None or not self._matches(attempt, settlement):
            return False
        if settlement.call_id:
            self._owner_of_call[settlement.call_id] = settlement.attempt_id
        self._account(attempt, settlement)
        self._note(attempt, settlement)
        return True

    def write(self) -> None:
        """Write everything that was noted."""
        for statement, rows in (
            (_ATTEMPT, self._attempts),
            (_CONTACT, self._contacts),
            (_COUNT, self._given_back),
            (_SUPPRESS, self._suppressed),
            (_MONEY, [(*money, campaign) for campaign, money in self._money.items()]),
        ):
            if rows:
                self._connection.executemany(statement, rows)

    def _matches(self, attempt: _Standing, settlement: Settlement) -> bool:
        owner = settlement.attempt_id
        if settlement.call_id:
            # The history may show one call twice; it belongs to whom it was given first.
            owner = self._owner_of_call.get(settlement.call_id, owner)
        return (
            attempt.worker == settlement.worker
            and attempt.contact_id == settlement.contact_id
            and attempt.state in settlement.before
            and may_follow(attempt.state, settlement.after)
            and owner == settlement.attempt_id
        )

    def _account(self, attempt: _Standing, settlement: Settlement) -> None:
        """Move the attempt on, and the campaign's money with it."""
        before = attempt.is_unpriced
        attempt.state = settlement.after
        spent = 0
        if settlement.cost_micros is not None:
            spent = settlement.cost_micros - (attempt.cost or 0)
            attempt.cost = settlement.cost_micros
        unpriced = attempt.is_unpriced - before
        if unpriced or spent:
            old = self._money.get(attempt.campaign_id, (0, 0))
            self._money[attempt.campaign_id] = (old[0] + unpriced, old[1] + spent)

    def _note(self, attempt: _Standing, settlement: Settlement) -> None:
        at = to_ms(settlement.at)
        self._attempts.append(
            (
                int(settlement.after),
                settlement.call_id,
                None if settlement.disposition is None else settlement.disposition.value,
                settlement.seconds,
                settlement.cost_micros,
                settlement.error,
                None if settlement.after is AttemptState.UNKNOWN else at,
                settlement.attempt_id,
            )
        )
        given_back = int(not settlement.counts)
        if attempt.moves_contact(settlement.contact):
            attempt.contact = settlement.contact
            self._contacts.append((*_contact_row(settlement), given_back, attempt.contact_id))
        elif given_back:
            self._given_back.append((given_back, attempt.contact_id))
        if settlement.suppress:
            self._suppressed.append((attempt.number, settlement.suppress, "call", at))


def _contact_row(settlement: Settlement) -> tuple[Any, ...]:
    next_at = 0
    if settlement.contact is ContactState.READY:
        next_at = to_ms(settlement.next_at or settlement.at)
    return int(settlement.contact), next_at, settlement.reason.value, settlement.detail


def _audit(transaction: SqliteTransaction, settlement: Settlement) -> None:
    transaction.audit(
        to_ms(settlement.at),
        _WORDS[settlement.after],
        _detail(settlement),
        campaign_id=settlement.campaign_id,
        contact_id=settlement.contact_id,
        attempt_id=settlement.attempt_id,
    )


def _detail(settlement: Settlement) -> str:
    """Return the audit's words as JSON; most calls are placed, and need few of them."""
    contact, reason = _CONTACT_WORDS[settlement.contact], settlement.reason
    parts = [f'{{"contact":"{contact}","reason":"{reason}"']
    for name, value in (
        ("detail", settlement.detail or None),
        ("call_id", settlement.call_id),
        ("disposition", settlement.disposition),
        ("cost_micros", settlement.cost_micros),
        ("error", settlement.error),
        ("next_at", None if settlement.next_at is None else to_ms(settlement.next_at)),
        ("counts", None if settlement.counts else False),
        ("suppress", settlement.suppress),
    ):
        if value is not None:
            parts.append(f'"{name}":{to_json(value)}')
    return ",".join(parts) + "}"
