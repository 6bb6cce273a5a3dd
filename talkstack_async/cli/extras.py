"""Whether what campaigns need is installed."""

from __future__ import annotations

from importlib.util import find_spec

from .exits import CliError

__all__ = ["CAMPAIGN_MODULES", "refuse_missing_extras", "told_to_install"]

CAMPAIGN_MODULES = ("sqlalchemy", "alembic", "phonenumbers", "tzdata", "jinja2")


def refuse_missing_extras() -> None:
    """Complain before anything happens that a campaign could not go through with.

    Raises:
        CliError: Something is not installed.
    """
    missing = [name for name in CAMPAIGN_MODULES if not _is_there(name)]
    if missing:
        raise CliError(told_to_install(*missing))


def told_to_install(*missing: str) -> str:
    """Say what to do about modules that are not there."""
    return f"campaigns need {', '.join(missing)}: pip install 'talkstack-async[cli,campaign]'"


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # its import was forbidden
        return False
