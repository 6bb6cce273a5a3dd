"""Which credential there is, without asking the service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..config import ClientConfig
from .token_file import StoredLogin, TokenFile

__all__ = ["credential_facts", "source_in_env"]


def credential_facts(config: ClientConfig, file: TokenFile, *, now: datetime) -> dict[str, Any]:
    """Say which credential other commands use, and what is known of the stored login.

    Raises:
        CliError: There is a file, and it cannot be used.
    """
    in_env = source_in_env(config)
    login = None if in_env else file.read()
    is_usable = login is not None and _is_usable(login, config, now=now)
    return {
        "credential": in_env or ("stored login" if is_usable else None),
        "api_url": config.api_url,
        "file": str(file.path) if login else None,
        "file_api_url": login and login.api_url,
        "email": login and login.email,
        "expires_at": login and login.expires_at,
        "is_renewable": login and login.refresh_token is not None,
    }


def _is_usable(login: StoredLogin, config: ClientConfig, *, now: datetime) -> bool:
    if login.api_url != config.api_url:
        return False
    return login.refresh_token is not None or not login.is_expired(now)


def source_in_env(config: ClientConfig) -> str | None:
    """Return the variable that holds the credential; None if there is none."""
    if config.api_key:
        return "TALKSTACK_API_KEY"
    return "TALKSTACK_TOKEN" if config.token or config.refresh_token else None
