"""Which credential a client has: exactly one family, passed or configured."""

from __future__ import annotations

from ..clock import Clock
from ..config import ClientConfig, as_secret
from ..errors import ConfigurationError
from .credentials import Credentials
from .keeper import TokenKeeper
from .tokens import Login, OnTokens, Tokens

__all__ = ["choose_credential"]


def choose_credential(
    config: ClientConfig,
    *,
    api_key: object = None,
    token: object = None,
    refresh_token: object = None,
    email: str | None = None,
    password: object = None,
    on_tokens: OnTokens | None = None,
    clock: Clock,
) -> Credentials | TokenKeeper:
    """Take what was passed, or else what the configuration holds.

    Raises:
        ConfigurationError: There is no credential, or more than one.
    """
    passed = (api_key, token, refresh_token, email, password)
    if all(value is None for value in passed):
        api_key, token, refresh_token = config.api_key, config.token, config.refresh_token
    families = {
        "api_key": api_key,
        "token": token if token is not None else refresh_token,
        "email": email if email is not None else password,
    }
    given = [name for name, value in families.items() if value is not None]
    if len(given) > 1:
        raise ConfigurationError(
            f"both {' and '.join(given)} are given: choose exactly one of an API key, a "
            "token (with or without its refresh token), and e-mail with password"
        )
    if given == ["email"]:
        return _by_login(email, password, on_tokens=on_tokens, clock=clock)
    if refresh_token is not None:
        return _by_refresh(token, refresh_token, on_tokens=on_tokens, clock=clock)
    return Credentials(api_key=as_secret("api_key", api_key), token=as_secret("token", token))


def _by_login(
    email: object, password: object, *, on_tokens: OnTokens | None, clock: Clock
) -> TokenKeeper:
    secret = as_secret("password", password)
    if not isinstance(email, str) or not email or not secret:
        raise ConfigurationError("no credential: email and password are needed, both of them")
    login = Login(email=email, password=secret)
    return TokenKeeper(login=login, on_tokens=on_tokens, clock=clock)


def _by_refresh(
    token: object, refresh_token: object, *, on_tokens: OnTokens | None, clock: Clock
) -> TokenKeeper:
    first, renewing = as_secret("token", token), as_secret("refresh_token", refresh_token)
    if not renewing:
        raise ConfigurationError("no credential: the refresh token is empty")
    if first is not None and not first:
        raise ConfigurationError("no credential: the token is empty")
    return TokenKeeper(
        tokens=None if first is None else Tokens(token=first),
        refresh_token=renewing,
        on_tokens=on_tokens,
        clock=clock,
    )
