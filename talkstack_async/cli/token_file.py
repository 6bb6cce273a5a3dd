"""The login of this user on this machine: a file that `talkstack auth login` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from ..secret import Secret
from .exits import CliError
from .private import plain, read_private, replace_private

__all__ = ["StoredLogin", "TokenFile"]


@attrs.frozen(kw_only=True)
class StoredLogin:
    """What a login handed out, and where it is good.

    Attributes:
        api_url: The address it belongs to; it is sent nowhere else.
        email: Whose it is.
    """

    api_url: str
    token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    email: str | None = attrs.field(default=None, repr=False)

    def is_expired(self, now: datetime) -> bool:
        """Whether the token is certainly not good any more."""
        return self.expires_at is not None and now >= self.expires_at


class TokenFile:
    """Where the login is kept. Only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_user(cls, environ: Mapping[str, str] | None = None) -> TokenFile:
        """Return the user's file: `TALKSTACK_TOKEN_FILE`, or one in the user's config folder.

        Raises:
            CliError: The user has no home folder.
        """
        env = os.environ if environ is None else environ
        if env.get("TALKSTACK_TOKEN_FILE"):
            return cls(Path(env["TALKSTACK_TOKEN_FILE"]))
        home = env.get("XDG_CONFIG_HOME", "")
        # The XDG page: a relative path is invalid and to be ignored.
        folder = Path(home) if Path(home).is_absolute() else _config_folder()
        return cls(folder / "talkstack" / "tokens.json")

    def read(self) -> StoredLogin | None:
        """Return the login; None if there is none.

        Raises:
            CliError: Others may read the file, or it is not one of ours.
        """
        content = read_private(self.path)
        if content is None:
            return None
        try:
            return _login_of(json.loads(content))
        except (ValueError, KeyError, TypeError, RecursionError):
            # Not chained: the cause may quote the content.
            raise CliError(
                f"{self.path} is not a login of ours: talkstack auth login writes it anew"
            ) from None

    def write(self, login: StoredLogin) -> None:
        """Keep a login instead of the one before, in one step.

        Raises:
            CliError: It cannot be written.
        """
        content: dict[str, Any] = {
            "api_url": login.api_url,
            "email": login.email,
            "token": plain(login.token),
            "refresh_token": login.refresh_token and plain(login.refresh_token),
            "expires_at": login.expires_at and login.expires_at.isoformat(),
        }
        replace_private(self.path, json.dumps(content, indent=2).encode() + b"\n")

    def delete(self) -> bool:
        """Delete the file; say whether there was one.

        Raises:
            CliError: It is there and cannot be deleted.
        """
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CliError(f"{self.path}: cannot be deleted ({error.strerror})") from error
        return True


def _config_folder() -> Path:
    try:
        return Path("~/.config").expanduser()
    except RuntimeError as error:
        raise CliError(
            "no credential in the environment, and no home folder that could hold a login: set "
            "TALKSTACK_API_KEY, or TALKSTACK_TOKEN_FILE"
        ) from error


def _login_of(content: Any) -> StoredLogin:
    api_url, token = content["api_url"], content["token"]
    refresh_token, expires_at = content.get("refresh_token"), content.get("expires_at")
    email = content.get("email")
    if not all(isinstance(one, str) and one for one in (api_url, token)):
        raise ValueError("no token")
    if not all(isinstance(one, str | None) for one in (refresh_token, email)):
        raise ValueError("no text")
    moment = datetime.fromisoformat(expires_at) if expires_at else None
    return StoredLogin(
        api_url=api_url,
        token=Secret(token),
        refresh_token=Secret(refresh_token) if refresh_token else None,
        expires_at=moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)),
        email=email,
    )
