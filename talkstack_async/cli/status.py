"""How a campaign stands, for people: tables, and a single line for pipes.

Both are made from `campaign.standing`, which is what `--json` prints: nobody sees more than
the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ..campaign.states import AttemptState, CampaignState, ContactState
from ..campaign.words import (
    attempt_word,
    call_words,
    campaign_words,
    contact_words,
    reason_words,
)
from .moments import local_and_utc, span
from .output import Screen
from .tables import cell

__all__ = ["Rows", "facts_of", "line_of", "show_standing", "tables_of"]

Rows: TypeAlias = "Sequence[tuple[str, object]]"


def show_standing(standing: Mapping[str, Any], *, now: datetime, screen: Screen) -> None:
    """Show how a campaign stands: a document for programs, tables for people."""
    screen.document(standing)
    if screen.json:
        return
    screen.facts(facts_of(standing, now=now))
    for title, rows in tables_of(standing):
        screen.table(title, rows)
    if standing["contacts"]["review"]:
        screen.say()
        screen.say("To see and to decide who needs a look: talkstack campaign resolve")


def facts_of(standing: Mapping[str, Any], *, now: datetime) -> Rows:
    """Return names and values that say the most important first."""
    state = (
        "Finished" if standing["finished"] else campaign_words(CampaignState(standing["state"]))
    )
    rows: list[tuple[str, object]] = [
        ("campaign", standing["campaign"]),
        ("ledger", standing.get("ledger") or "-"),
        ("state", state),
        ("contacts", f"{standing['total']:,}"),
        ("calls that may have rung", f"{standing['rings']:,}"),
    ]
    if standing["waiting"]:
        rows.append(("waiting", f"{standing['waiting']:,}"))
    if standing["next_due_at"]:
        due = datetime.fromisoformat(standing["next_due_at"])
        soon = f", in {span((due - now).total_seconds())}" if due > now else ""
        rows.append(("next due", f"{local_and_utc(due)}{soon}"))
    if standing["spent"] or standing["budget"] is not None:
        rows.append(("spent", cell(standing["spent"])))
    if standing["budget"] is not None:
        rows.append(("reserved", cell(standing["reserved"])))
        rows.append(("budget", cell(standing["budget"])))
    return rows


def tables_of(standing: Mapping[str, Any]) -> Sequence[tuple[str, Rows]]:
    """Return what is counted, under titles; nothing that is zero."""
    return [
        ("Contacts", _counted(standing["contacts"], _contact)),
        ("Attempts", _counted(standing["attempts"], _attempt)),
        ("How calls ended", _counted(standing["dispositions"], call_words)),
        ("Why not called, or not yet", _counted(standing["reasons"], reason_words)),
    ]


def line_of(standing: Mapping[str, Any]) -> str:
    """Return how a campaign stands in one line."""
    contacts = standing["contacts"]
    parts = [
        "finished" if standing["finished"] else standing["state"],
        f"done {contacts['done'] + contacts['excluded']} of {standing['total']}",
        f"being called {contacts['active']}",
        f"waiting {standing['waiting']}",
        f"to look at {contacts['review']}",
    ]
    ended = [f"{word} {count}" for word, count in standing["dispositions"].items() if count]
    return ", ".join(parts + ended)


def _counted(counts: Mapping[str, int], words: Any) -> Rows:
    return [(words(name), f"{count:,}") for name, count in counts.items() if count]


def _contact(name: str) -> str:
    return contact_words(ContactState[name.upper()])


def _attempt(name: str) -> str:
    state = AttemptState[name.upper()]
    return "Ended" if state is AttemptState.FINAL else call_words(attempt_word(state, None))
