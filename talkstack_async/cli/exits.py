"""How a command ends: the exit codes, which are promised."""

from __future__ import annotations

from enum import IntEnum

from ..errors import (
    AuthenticationError,
    CampaignError,
    ConfigurationError,
    ContactListError,
    InvalidRequestError,
    LedgerError,
    MissingExtraError,
    TalkstackError,
)

__all__ = ["CliError", "ExitCode", "exit_code_of"]

_USAGE = (
    AuthenticationError,
    CampaignError,
    ConfigurationError,
    ContactListError,
    InvalidRequestError,
    LedgerError,
    MissingExtraError,
)


class ExitCode(IntEnum):
    """What the shell is told. `docs/command-line.md` explains each."""

    ALL_PLACED = 0
    FAILURES = 1
    USAGE = 2
    UNCERTAIN = 3
    INTERRUPTED = 130


class CliError(Exception):
    """The command cannot be carried out; the message is the one line that people see."""


def exit_code_of(error: CliError | TalkstackError) -> ExitCode:
    """Say how a command ends that asked the service for one thing and failed."""
    if isinstance(error, CliError):
        return ExitCode.USAGE
    if error.uncertain:
        return ExitCode.UNCERTAIN
    return ExitCode.USAGE if isinstance(error, _USAGE) else ExitCode.FAILURES
