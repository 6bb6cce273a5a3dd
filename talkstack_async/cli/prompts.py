"""What a person is asked: passwords without echo, and whether something is really meant."""

from __future__ import annotations

import getpass
import os
import sys
import warnings

from ..secret import Secret
from .exits import CliError
from .output import Screen

__all__ = ["ask_secret", "confirm"]


def ask_secret(what: str, *, variable: str, twice: bool = False) -> Secret:
    """Take a secret from the environment, or else ask for it; it is never shown.

    Args:
        what: What is asked for: `Password`.
        variable: The environment variable that scripts set.
        twice: Ask again, for what nobody could correct later.

    Raises:
        CliError: There is neither the variable nor a person at a terminal.
    """
    given = os.environ.get(variable)
    if given:
        return Secret(given)
    if not _at_a_terminal():
        raise CliError(f"{what.lower()}: set {variable}, or run this at a terminal")
    typed = _typed(what)
    if twice and _typed(f"{what} once more") != typed:
        raise CliError("the two are not the same; nothing was done")
    return typed


def confirm(question: str, *, yes: bool, screen: Screen) -> None:
    """Ask whether something is really meant; only `y` and `yes` say so.

    Raises:
        CliError: It is not, or there is nobody to say so.
    """
    if yes:
        return
    screen.note(f"{question} [y/N]")
    try:
        answer = sys.stdin.readline() if sys.stdin is not None else ""
    except (OSError, ValueError):
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise CliError("not confirmed; nothing was done (--yes confirms in scripts)")


def _at_a_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:
        return False


def _typed(what: str) -> Secret:
    with warnings.catch_warnings():
        # Where the echo cannot be switched off, nothing is asked.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            text = getpass.getpass(f"{what}: ")
        except (EOFError, OSError, getpass.GetPassWarning) as error:
            raise CliError(f"{what.lower()}: nothing was typed") from error
    if not text:
        raise CliError(f"{what.lower()}: nothing was typed")
    return Secret(text)
