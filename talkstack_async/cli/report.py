"""What is shown when a list is over: counts, reasons, and what a person should look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..phone import mask_number
from .account import Account, Noted
from .output import Screen
from .results import Line, ResultsFile

__all__ = ["recognisable", "show_account", "show_unwritten"]

_LOOK = (
    "These phones may have rung. Look each one up in the call history of your TalkStack "
    "account before calling again."
)


def show_account(account: Account, *, screen: Screen, results: ResultsFile) -> None:
    """Show a list's end to people."""
    screen.table(
        f"{account.finished} rows",
        [
            ("placed", account.placed, "the service accepted the call"),
            ("not placed", account.not_placed, "the phone certainly did not ring"),
            ("uncertain", account.uncertain, "the phone may have rung"),
        ],
    )
    ended = account.dispositions.most_common()
    screen.table("How the calls ended", [(count, disposition) for disposition, count in ended])
    for outcome, title in (("not_placed", "Why not placed"), ("uncertain", "Why uncertain")):
        counted = account.reasons.most_common()
        screen.table(title, [(n, why) for (kind, why), n in counted if kind == outcome])
    _show_samples("Rows with nobody to call", account.bad_rows, total=account.bad, screen=screen)
    _show_samples(
        "Uncertain calls", account.uncertain_rows, total=account.uncertain, screen=screen
    )
    if account.uncertain:
        screen.say(_LOOK)
    screen.say(f"Results: {results.path}")


def show_unwritten(lines: Sequence[Line], *, screen: Screen) -> None:
    """Show what the results file should hold and does not, so that it is not lost."""
    for line in lines:
        screen.note(f"not in the results: {json.dumps(recognisable(line), ensure_ascii=False)}")


def recognisable(line: Line) -> dict[str, Any]:
    """Return a line of the results as it may be shown on a screen."""
    return {
        "row": line["row"],
        "number": mask_number(line["number"]),
        "outcome": line["outcome"],
        "call_id": line["call_id"],
    }


def _show_samples(title: str, samples: Sequence[Noted], *, total: int, screen: Screen) -> None:
    screen.table(title, [(f"row {one.row}", one.number, one.reason) for one in samples])
    if total > len(samples):
        screen.say(f"and {total - len(samples)} more; see the results")
