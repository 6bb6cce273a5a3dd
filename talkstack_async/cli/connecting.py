"""A client from the environment, the stored login and the options, checked beforehand."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..client import Client
from ..clock import SystemClock
from ..config import ClientConfig, Timeouts
from ..errors import ConfigurationError
from ..telemetry import Observer, configure_from_env
from ..transport.tokens import Tokens
from .exits import CliError
from .token_file import StoredLogin, TokenFile

__all__ = [
    "anonymous_client",
    "any_client",
    "client_from_env",
    "client_with_timeout",
    "token_client",
]

_Tell = Callable[[str], None]

_RENEWED = (
    "the token of the environment was renewed for this run; its refresh token may be spent by "
    "that. talkstack auth login keeps what is renewed"
)


def client_from_env(
    *,
    project_id: str | None,
    agent_id: str | None,
    timeout_seconds: float,
    tell: _Tell = lambda _: None,
) -> Client:
    """Make a client whose calls need nothing but a number.

    Raises:
        ConfigurationError: A setting is missing or cannot work.
        CliError: There is no project or no agent, or the stored login cannot be used.
    """
    config = ClientConfig.from_env()
    config = attrs.evolve(
        config,
        project_id=project_id or config.project_id,
        agent_id=agent_id or config.agent_id,
        timeouts=Timeouts(read=timeout_seconds, total=timeout_seconds),
    )
    client = _client(config, tell=tell)
    for name in ("project_id", "agent_id"):
        if not getattr(config, name):
            option = name.replace("_", "-")
            raise CliError(f"no {name}: give --{option} or set TALKSTACK_{name.upper()}")
    return client


def client_with_timeout(
    timeout_seconds: float, *, tell: _Tell, observer: Observer | None = None
) -> Client:
    """Make a client that waits so long for an answer; project and agent may be missing.

    Raises:
        ConfigurationError: There is no credential, or a setting cannot work.
        CliError: The stored login cannot be used.
    """
    timeouts = Timeouts(read=timeout_seconds, total=timeout_seconds)
    config = attrs.evolve(ClientConfig.from_env(), timeouts=timeouts)
    return _client(config, tell=tell, observer=observer)


def any_client(*, tell: _Tell) -> Client:
    """Make a client of the environment's credential, or else of the stored login.

    Raises:
        ConfigurationError: There is none, or a setting cannot work.
        CliError: The stored login cannot be used.
    """
    return _client(ClientConfig.from_env(), tell=tell)


def token_client(*, tell: _Tell) -> Client:
    """Make a client of a login; an API key in the environment does not count.

    Raises:
        ConfigurationError: There is none, or a setting cannot work.
        CliError: The stored login cannot be used.
    """
    return _client(attrs.evolve(ClientConfig.from_env(), api_key=None), tell=tell)


def anonymous_client() -> Client:
    """Make a client without a credential.

    Raises:
        ConfigurationError: A setting cannot work.
    """
    configure_from_env()
    return Client.anonymous(config=ClientConfig.from_env())


def _client(config: ClientConfig, *, tell: _Tell, observer: Observer | None = None) -> Client:
    configure_from_env()
    if config.api_key or config.token or config.refresh_token:
        return Client(config=config, on_tokens=lambda _: tell(_RENEWED), observer=observer)
    file = TokenFile.of_user()
    login = file.read()
    if login is None:
        raise ConfigurationError(
            "no credential: set TALKSTACK_API_KEY (or TALKSTACK_TOKEN) in the environment, or "
            "run talkstack auth login"
        )
    if login.api_url != config.api_url:
        raise ConfigurationError(
            f"no credential: the login in {file.path} belongs to {login.api_url}, not to "
            f"{config.api_url}"
        )
    return _client_of(login, file, config=config, tell=tell, observer=observer)


def _client_of(
    login: StoredLogin,
    file: TokenFile,
    *,
    config: ClientConfig,
    tell: _Tell,
    observer: Observer | None,
) -> Client:
    is_expired = login.is_expired(SystemClock().now())
    if is_expired and login.refresh_token is None:
        raise ConfigurationError("the stored login has expired: talkstack auth login")
    known = login

    def keep(tokens: Tokens) -> None:
        nonlocal known
        known = attrs.evolve(
            known,
            token=tokens.token,
            refresh_token=tokens.refresh_token or known.refresh_token,
            expires_at=tokens.expires_at,
        )
        try:
            file.write(known)
        except CliError as error:
            tell(f"the renewed login is good for this run only: {error}")

    return Client(
        token=None if is_expired else login.token,
        refresh_token=login.refresh_token,
        on_tokens=keep,
        config=config,
        observer=observer,
    )
