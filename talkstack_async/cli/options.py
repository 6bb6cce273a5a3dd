"""Options that several verbs share."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

__all__ = ["MARKUP", "AgentId", "Json", "ProjectId", "Timeout", "Yes", "group"]

Json = Annotated[bool, typer.Option("--json", help="Only JSON on stdout; the rest on stderr.")]
ProjectId = Annotated[
    str | None, typer.Option(help="The project; otherwise TALKSTACK_PROJECT_ID.")
]
AgentId = Annotated[str | None, typer.Option(help="Who speaks; otherwise TALKSTACK_AGENT_ID.")]
Timeout = Annotated[
    float, typer.Option(min=0.1, help="Seconds to wait for the answer to one call.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

MARKUP: Literal["rich"] | None = "rich" if sys.stdout is not None and sys.stdout.isatty() else None
"""Frames and colours in the help of a terminal; plain text in a pipe."""

_EXIT_CODES = (
    "Exit codes: 0 done · 1 refused, or not reachable · 2 usage, configuration, credential, or "
    "not confirmed · 3 uncertain: it may have happened all the same."
)


def group(name: str, text: str, *, exit_codes: str = _EXIT_CODES) -> typer.Typer:
    """Make a group of verbs about one noun."""
    return typer.Typer(
        name=name,
        help=text,
        epilog=exit_codes,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=MARKUP,
    )
