"""What became of a list: counts, reasons, and samples of what a person should look at."""

from __future__ import annotations

from collections import Counter
from typing import Any, assert_never

import attrs

from ..campaign.contacts import BadRow
from ..dispatch import Ended, NotPlaced, Outcome, Placed, Uncertain
from ..phone import mask_number
from .exits import ExitCode
from .reasons import plain_words

__all__ = ["Account", "Noted"]

_MOST_REASONS = 40
_MOST_SAMPLES = 20


@attrs.frozen(kw_only=True)
class Noted:
    """A row that is shown one by one."""

    row: int
    number: str
    reason: str


@attrs.define
class Account:
    """The counts of one run. Its size does not grow with the list."""

    placed: int = 0
    not_placed: int = 0
    uncertain: int = 0
    reasons: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    dispositions: Counter[str] = attrs.field(factory=Counter)
    bad_rows: list[Noted] = attrs.field(factory=list)
    uncertain_rows: list[Noted] = attrs.field(factory=list)
    bad: int = 0

    @property
    def finished(self) -> int:
        """Rows with an outcome."""
        return self.placed + self.not_placed + self.uncertain

    @property
    def exit_code(self) -> ExitCode:
        """The code of a run that came to its end."""
        if self.uncertain:
            return ExitCode.UNCERTAIN
        return ExitCode.FAILURES if self.not_placed else ExitCode.ALL_PLACED

    def add_outcome(self, outcome: Outcome) -> None:
        """Count what became of a request."""
        match outcome:
            case Placed():
                self.placed += 1
            case Ended(disposition=disposition):
                self.placed += 1
                self.dispositions[str(disposition)] += 1
            case NotPlaced(error=error):
                self.not_placed += 1
                self._add_reason("not_placed", plain_words(error))
            case Uncertain(request=request, error=error):
                self.uncertain += 1
                self._add_reason("uncertain", plain_words(error))
                noted = _noted(request.reference, request.number, plain_words(error))
                _sample(self.uncertain_rows, noted)
            case _ as unreachable:
                assert_never(unreachable)

    def add_bad_row(self, row: BadRow) -> None:
        """Count a row nobody was called for."""
        self.bad += 1
        self.not_placed += 1
        self._add_reason("not_placed", row.reason)
        _sample(self.bad_rows, _noted(row.row, row.number, row.reason))

    def as_json(self) -> dict[str, Any]:
        """Return the counts for programs."""
        return {
            "rows": self.finished,
            "placed": self.placed,
            "not_placed": self.not_placed,
            "uncertain": self.uncertain,
            "reasons": [
                {"outcome": outcome, "reason": reason, "count": count}
                for (outcome, reason), count in self.reasons.most_common()
            ],
            "bad_rows": [attrs.asdict(noted) for noted in self.bad_rows],
            "uncertain_rows": [attrs.asdict(noted) for noted in self.uncertain_rows],
            "dispositions": dict(self.dispositions.most_common()),
        }

    def _add_reason(self, outcome: str, reason: str) -> None:
        key = (outcome, reason)
        if key not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            key = (outcome, "other reasons; see the results")
        self.reasons[key] += 1


def _noted(row: int, number: str, reason: str) -> Noted:
    return Noted(row=row, number=mask_number(number), reason=reason)


def _sample(samples: list[Noted], one: Noted) -> None:
    if len(samples) < _MOST_SAMPLES:
        samples.append(one)
