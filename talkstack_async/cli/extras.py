"""Whether what campaigns need is installed."""

from __future__ import annotations

from importlib.util import find_spec

from .exits import CliError

__all__ = [
    "CAMPAIGN_MODULES",
    "is_installed",
    "refuse_missing_extras",
    "refuse_missing_worker_extras",
    "told_to_install",
]

CAMPAIGN_MODULES = ("sqlalchemy", "alembic", "phonenumbers", "tzdata", "jinja2")
_WORKER_MODULES = ("psycopg", "pgqueuer", "pyrate_limiter")


def refuse_missing_extras() -> None:
    """Complain before anything happens that a campaign could not go through with.

    Raises:
        CliError: Something is not installed.
    """
    missing = [name for name in CAMPAIGN_MODULES if not is_installed(name)]
    if missing:
        raise CliError(told_to_install(*missing))


def refuse_missing_worker_extras() -> None:
    """Complain before anything happens that a worker on PostgreSQL could not go through with.

    Raises:
        CliError: Something is not installed.
    """
    refuse_missing_extras()
    missing = [name for name in _WORKER_MODULES if not is_installed(name)]
    if missing:
        raise CliError(
            f"workers need {', '.join(missing)}: pip install 'talkstack-async[cli,distributed]'"
        )


def told_to_install(*missing: str) -> str:
    """Say what to do about modules that are not there."""
    return f"campaigns need {', '.join(missing)}: pip install 'talkstack-async[cli,campaign]'"


def is_installed(name: str) -> bool:
    """Say whether a module can be imported."""
    try:
        return find_spec(name) is not None
    except ValueError:  # its import was forbidden
        return False
