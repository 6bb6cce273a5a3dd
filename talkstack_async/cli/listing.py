"""One list on its way: rows in, requests out, outcomes recorded the moment they are known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_never

from ..campaign.contacts import BadRow, Contact, ContactList, Row
from ..clock import Clock
from ..dispatch import NotPlaced, Outcome
from ..errors import AuthenticationError, ContactListError
from ..models.calls import CallRequest
from .account import Account
from .results import Line, ResultsFile, line_of_outcome, line_of_row
from .stopping import Stop

__all__ = ["ListRun"]

_DUPLICATE = "a duplicate: the same number stands further up in the list"
# So many rows in a row that need no call, and the event loop gets a turn.
_AT_A_STRETCH = 200


class ListRun:
    """Feeds a dispatcher from a list and keeps the record.

    Attributes:
        account: What became of the rows so far.
        trouble: Why the list cannot go on, if it cannot: one line.
        unwritten: Lines that could not be written to the results.
    """

    def __init__(
        self,
        contacts: ContactList,
        *,
        results: ResultsFile,
        stop: Stop,
        clock: Clock,
        allow_duplicates: bool = False,
    ) -> None:
        self.account = Account()
        self.trouble: str | None = None
        self.unwritten: list[Line] = []
        self._contacts = contacts
        self._results = results
        self._stop = stop
        self._clock = clock
        self._seen: set[int] | None = None if allow_duplicates else set()

    async def requests(self) -> AsyncIterator[CallRequest]:
        """Yield a request for each row that can be called; record the others."""
        at_a_stretch = 0
        for row in self._contacts:
            checked = self._without_duplicate(row)
            match checked:
                case Contact(number=number, variables=variables):
                    at_a_stretch = 0
                    yield CallRequest(number, dynamic_variables=variables, reference=row.row)
                case BadRow():
                    at_a_stretch += 1
                    self._note_bad(checked)
                case _ as unreachable:
                    assert_never(unreachable)
            if self._stop.requested.is_set():
                return
            if at_a_stretch >= _AT_A_STRETCH:
                at_a_stretch = 0
                await self._clock.sleep(0)

    def note(self, outcome: Outcome) -> None:
        """Record an outcome. The dispatcher calls this in the step in which it is known."""
        self.account.add_outcome(outcome)
        self._write(line_of_outcome(outcome))
        if isinstance(outcome, NotPlaced) and isinstance(outcome.error, AuthenticationError):
            # It would be the same for every other row.
            self._give_up(outcome.error.message)

    async def count_the_rest(self) -> tuple[int, bool]:
        """Read on without calling; return how many rows are left, and whether those are all.

        Another signal ends the counting, and so does a row that cannot be read.
        """
        left, signals = 0, self._stop.signals
        try:
            for _ in self._contacts:
                left += 1
                if left % _AT_A_STRETCH == 0:
                    await self._clock.sleep(0)
                    if self._stop.signals > signals:
                        return left, False
        except ContactListError as error:
            self.trouble = self.trouble or error.message
            return left, False
        return left, True

    def _without_duplicate(self, row: Row) -> Row:
        if self._seen is None or not isinstance(row, Contact):
            return row
        digits = int(row.number[1:])
        if digits in self._seen:
            return BadRow(row=row.row, number=row.number.e164, reason=_DUPLICATE)
        self._seen.add(digits)
        return row

    def _note_bad(self, row: BadRow) -> None:
        self.account.add_bad_row(row)
        self._write(line_of_row(row))

    def _write(self, line: Line) -> None:
        if self.unwritten:
            self.unwritten.append(line)
            return
        try:
            self._results.write(line)
        except OSError as error:
            self.unwritten.append(line)
            self._give_up(
                f"{self._results.path} cannot be written ({error.strerror}): no new calls"
            )

    def _give_up(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble
        self._stop.request()
