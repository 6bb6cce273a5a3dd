"""How a command ends: the exit codes, which are promised."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CliError", "ExitCode"]


class ExitCode(IntEnum):
    """What the shell is told. `docs/command-line.md` explains each."""

    ALL_PLACED = 0
    FAILURES = 1
    USAGE = 2
    UNCERTAIN = 3
    INTERRUPTED = 130


class CliError(Exception):
    """The command cannot be carried out; the message is the one line that people see."""
