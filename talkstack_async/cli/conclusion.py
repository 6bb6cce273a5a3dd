"""How a run of a campaign ended: what people and programs are told, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

import attrs

from ..campaign.decisions import Reason
from ..campaign.ledger.base import Counts
from ..campaign.records import CampaignRecord, ContactRecord, ImportSummary
from ..campaign.runner import Ending
from ..campaign.standing import standing
from ..campaign.states import OPEN, ContactState
from ..campaign.words import call_words, contact_words, reason_words
from ..phone import mask_number
from .exits import ExitCode
from .ledgers import Place, ledger_option
from .moments import local_and_utc
from .output import Screen

__all__ = ["Conclusion"]


@attrs.frozen(kw_only=True)
class Conclusion:
    """The end of one run.

    Attributes:
        ending: None if the run could not go on; `trouble` says why.
        look: The first of the contacts that need a look.
        imported: What became of the list's rows; None if it had not changed.
        rejected: Rows of the list nobody can be called from.
        next_due_at: When to go on, if everything that is left waits for a moment.
        rejects: Where the rejected rows are.
        report: Where the report is, if one was written.
        interrupted: Whether somebody asked for the end.
    """

    campaign: CampaignRecord
    ending: Ending | None
    counts: Counts
    look: tuple[ContactRecord, ...] = ()
    imported: ImportSummary | None
    rejected: int
    next_due_at: datetime | None
    ledger: Place
    rejects: Path
    report: Path | None
    trouble: str | None
    interrupted: bool

    @property
    def exit_code(self) -> ExitCode:
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.trouble is not None:
            return ExitCode.USAGE
        if self._in_doubt:
            return ExitCode.UNCERTAIN
        return ExitCode.FAILURES if self._left_out else ExitCode.ALL_PLACED

    @property
    def _in_doubt(self) -> int:
        return self._contacts(ContactState.REVIEW) + self._uncertain

    @property
    def _uncertain(self) -> int:
        attempts = self.counts.attempts
        # Without a ledger that can be written, what is being placed has no other record.
        return sum(attempts.get(state, 0) for state in OPEN)

    @property
    def _left_out(self) -> int:
        """Count who is not called although the list names them, waiting apart."""
        out = self.rejected + self._contacts(ContactState.EXCLUDED)
        out += self.counts.reasons.get(Reason.REFUSED, 0)
        if self.ending in (Ending.BUDGET, Ending.CANCELED):
            out += self._contacts(ContactState.READY)
        return out

    def _contacts(self, state: ContactState) -> int:
        return self.counts.contacts.get(state, 0)

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            **standing(self.campaign, self.counts),
            "ending": self.ending and self.ending.value,
            "import": self.imported and attrs.asdict(self.imported),
            "rejected": self.rejected,
            "next_due_at": self.next_due_at and self.next_due_at.isoformat(),
            "ledger": str(self.ledger),
            "rejects": str(self.rejects) if self.rejected else None,
            "report": self.report and str(self.report),
            "error": self.trouble,
            "exit_code": int(self.exit_code),
        }

    def show(self, *, screen: Screen) -> None:
        """Show it to people."""
        contacts = self.counts.contacts
        screen.table(
            f"{self.campaign.name}: {sum(contacts.values()):,} contacts",
            [
                (contact_words(state), f"{contacts[state]:,}")
                for state in ContactState
                if contacts.get(state)
            ],
        )
        screen.table("How the calls ended", _counted(self.counts.dispositions, call_words))
        screen.table("Why somebody was not reached", _counted(self.counts.reasons, reason_words))
        screen.table(
            "Need a look",
            [
                (f"row {one.row}", mask_number(one.number), reason_words(one.reason or ""))
                for one in self.look
            ],
        )
        for line in self._lines():
            screen.say(line)
        if self.trouble:
            screen.note(f"talkstack: {self.trouble}")

    def _lines(self) -> Iterator[str]:
        yield self._of_ending()
        if in_review := self._contacts(ContactState.REVIEW):
            yield (
                f"need a look before anybody calls again: {in_review:,}; "
                f"talkstack campaign resolve{self._ledger_option}"
            )
        if self._uncertain:
            yield (
                f"may have rung, and not found yet: {self._uncertain:,}; the next run looks for "
                "them before it calls them"
            )
        if going_on := self._contacts(ContactState.ACTIVE) - self._uncertain:
            yield f"calls that went on: {going_on:,}; the next run follows them to their end"
        if self.rejected:
            yield f"rejected rows of the list: {self.rejected:,}, see {self.rejects}"
        yield f"ledger: {self.ledger}"
        if self.report is not None:
            yield f"report: {self.report}"

    def _of_ending(self) -> str:
        left = f"{self._contacts(ContactState.READY):,}"
        match self.ending:
            case Ending.FINISHED:
                return "every contact is accounted for"
            case Ending.WAITING if self.next_due_at is not None:
                until = local_and_utc(self.next_due_at)
                return f"waiting: {left}, the first until {until}; the same command goes on then"
            case Ending.WAITING:
                return (
                    f"the campaign is paused; left to be called: {left}; "
                    f"talkstack campaign resume{self._ledger_option}"
                )
            case Ending.STOPPED | None:
                return f"left to be called: {left}; the same command goes on"
            case Ending.CANCELED:
                return f"the campaign was canceled; not called: {left}"
            case Ending.BUDGET:
                return (
                    f"the budget is used up; left to be called: {left}; the same command with a "
                    "larger --budget goes on"
                )
            case Ending.UNCERTAIN:
                return (
                    f"the call history cannot be read; left to be called: {left}; the same "
                    "command looks again"
                )
            case _ as unreachable:
                assert_never(unreachable)

    @property
    def _ledger_option(self) -> str:
        option = ledger_option(self.ledger)
        return f" {option}" if option else ""


def _counted(counts: Mapping[str, int], words: Callable[[str], str]) -> list[tuple[str, str]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(words(word), f"{count:,}") for word, count in ordered]
