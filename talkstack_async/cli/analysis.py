"""Questions about a call as people write them, and the answers as they read them."""

from __future__ import annotations

from typing import Any

from ..models.analyses import Analysis, SelectorQuestion
from .exits import CliError
from .output import Screen
from .tables import as_json, free_text, record_of

__all__ = ["choice_of", "show_analysis"]


def choice_of(text: str) -> SelectorQuestion:
    """Read `question=a,b,c`; the last equals sign counts.

    Raises:
        CliError: There is no question, or no option.
    """
    question, sign, options = text.rpartition("=")
    chosen = [option.strip() for option in options.split(",") if option.strip()]
    if not sign or not question.strip() or not chosen:
        raise CliError(f"--ask-choice wants QUESTION=A,B,C, not {text!r}")
    return SelectorQuestion(question.strip(), options=chosen)


def show_analysis(analysis: Analysis, *, screen: Screen) -> None:
    """Show the answers, and whatever else the service made of the call."""
    answers = [
        {
            "question": answer.question.text,
            "kind": answer.question.kind,
            "value": answer.value,
            "raw": as_json(answer.raw),
        }
        for answer in analysis.answers
    ]
    document: dict[str, Any] = record_of(analysis) | {
        "answers": answers,
        "is_available": analysis.is_available,
    }
    screen.document(document)
    if screen.json:
        return
    rows = [(answer.question.text, free_text(answer.value)) for answer in analysis.answers]
    rows += [(name, free_text(document[name])) for name in ("sentiment", "status", "summary")]
    rows += [(f"custom {name}", free_text(value)) for name, value in analysis.custom.items()]
    screen.facts(rows)
    if not analysis.is_available:
        screen.note("the analysis is empty; right after a call it may come later (--wait)")
