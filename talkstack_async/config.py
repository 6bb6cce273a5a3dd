"""Settings: what a client may be told, with defaults that are safe for dialling."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

import attrs

from .errors import ConfigurationError
from .secret import Secret

__all__ = ["ClientConfig", "FollowSettings", "PoolSettings", "RetrySettings", "Timeouts"]

CALLS_URL = "https://calls.talkstack.ai"
API_URL = "https://api.talkstackai.com"

Lane: TypeAlias = Literal["auto", "public", "fast"]


def _positive(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{attribute.name} must be more than 0, not {value!r}")


def _count(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{attribute.name} must be a whole number above 0, not {value!r}")


def _one_of_lanes(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in get_args(Lane):
        raise ConfigurationError(
            f"{attribute.name} must be one of {get_args(Lane)}, not {value!r}"
        )


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{attribute.name} must be 0 or more, not {value!r}")


@attrs.frozen(kw_only=True)
class Timeouts:
    """Seconds each phase may take. The first one to run out ends the attempt.

    Attributes:
        pool: Waiting for a free connection.
        connect: Name look-up and TCP connect.
        tls: The TLS handshake. For https, `connect` and `tls` together bound the way to a
            ready connection, and the handshake alone is bounded by `tls`.
        write: Handing the request to the network.
        read: Silence from the service while we wait for the reply, or for more of it.
        total: Everything from the first try to the last byte, waits between tries included.
    """

    pool: float = attrs.field(default=30.0, validator=_positive)
    connect: float = attrs.field(default=5.0, validator=_positive)
    tls: float = attrs.field(default=10.0, validator=_positive)
    write: float = attrs.field(default=10.0, validator=_positive)
    read: float = attrs.field(default=60.0, validator=_positive)
    total: float = attrs.field(default=60.0, validator=_positive)


@attrs.frozen(kw_only=True)
class PoolSettings:
    """How many connections are kept, and for how long.

    Attributes:
        max_connections: Connections per host. None (the default) means 100, and more as soon
            as a dispatcher asks for a higher `max_concurrency`; a number is a hard cap.
        idle_seconds: A connection unused for this long is not used again. Many servers close
            idle connections after 5 s; a request that meets such a closing is lost, and a
            lost request to dial is uncertain. So we retire connections earlier than that.
        close_grace_seconds: How long `aclose()` lets requests in flight finish.
        lane: Which way requests take. "public" goes through `aiohttp.ClientSession`. "fast" is
            several times cheaper: aiohttp only connects, the rest is ours. "auto" (the default)
            takes the fast lane wherever it was tested, and the public one for a borrowed
            session, behind a proxy, and on versions and event loops nobody tried. What comes
            of a request is the same in both. "fast" refuses where "auto" would give way.
    """

    max_connections: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_count)
    )
    idle_seconds: float = attrs.field(default=4.0, validator=_positive)
    close_grace_seconds: float = attrs.field(default=10.0, validator=_not_negative)
    lane: Lane = attrs.field(default="auto", validator=_one_of_lanes)


@attrs.frozen(kw_only=True)
class RetrySettings:
    """How often, and how patiently, what may be repeated is repeated.

    Only what cannot have taken effect is ever repeated; see `docs/law.md`. The waits grow from
    `first_wait_seconds` by doubling up to `max_wait_seconds`, with full jitter. A wait asked
    for by the service (`Retry-After`) is kept to the full and never cut.
    """

    max_retries: int = attrs.field(default=4, validator=_not_negative)
    first_wait_seconds: float = attrs.field(default=0.5, validator=_not_negative)
    max_wait_seconds: float = attrs.field(default=8.0, validator=_not_negative)


@attrs.frozen(kw_only=True)
class FollowSettings:
    """How calls are followed to their end, by reading them now and then.

    Attributes:
        first_gap_seconds: Between the first two looks; each further gap is half as long again.
        longest_gap_seconds: The gaps grow up to this.
        invisible_seconds: How long after dialling a 404 means "not visible yet".
        deadline_seconds: A call that is not over by then is followed no longer.
    """

    first_gap_seconds: float = attrs.field(default=2.0, validator=_positive)
    longest_gap_seconds: float = attrs.field(default=15.0, validator=_positive)
    invisible_seconds: float = attrs.field(default=30.0, validator=_not_negative)
    deadline_seconds: float = attrs.field(default=3600.0, validator=_positive)


def is_loopback(host: str) -> bool:
    """Say whether a host name can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _trimmed(value: str) -> str:
    found: object = value  # types are not checked at run time
    return found.strip().rstrip("/") if isinstance(found, str) else value


def _is_address(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    name = attribute.name
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {type(value).__name__}")
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ConfigurationError(f"{name} is malformed: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise ConfigurationError(f"{name} must be an http or https address, like {CALLS_URL}")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} holds a blank or a letter that no address has")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} must not hold a user name or password")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{name} must end with the path, without ? or #")


def as_secret(name: str, value: object) -> Secret | None:
    """Wrap a credential; refuse what is none, without showing it."""
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {type(value).__name__}")
    return Secret(value)


def _api_key(value: str | Secret | None) -> Secret | None:
    return as_secret("api_key", value)


def _token(value: str | Secret | None) -> Secret | None:
    return as_secret("token", value)


def _refresh_token(value: str | Secret | None) -> Secret | None:
    return as_secret("refresh_token", value)


def _proxy(value: str | Secret | None) -> Secret | None:
    return as_secret("proxy", value)


@attrs.frozen(kw_only=True)
class ClientConfig:
    """Everything a `Client` can be told.

    Attributes:
        api_key: The key of `/user/generate-apikey`; sent as `x-api-key`. Printed as asterisks.
        token: A bearer token of a login, instead of the key. It lives for two hours.
        refresh_token: What buys the next token, with `token` or instead of it.
        calls_url: Where calls are placed (`POST /call/makeCall` only).
        api_url: Where everything else lives.
        project_id: Used where a call names no project.
        agent_id: Used where a call names no agent.
        check_numbers: Refuse numbers that are not E.164 before anything is sent. The service
            documents `+` and country code but not its own rule; switch this off to let it
            decide.
        max_reply_bytes: A larger reply is not read to its end; for a call it is uncertain.
        proxy: Address of an HTTP proxy, user and password in it if it wants any.
        trust_env: Take the proxy from `HTTPS_PROXY` and friends, as aiohttp does.
        ca_file: A PEM file of certificate authorities to trust instead of the system's.
        ssl_context: A ready TLS context, for client certificates and the like.
    """

    api_key: Secret | None = attrs.field(default=None, converter=_api_key)
    token: Secret | None = attrs.field(default=None, converter=_token)
    refresh_token: Secret | None = attrs.field(default=None, converter=_refresh_token)
    calls_url: str = attrs.field(default=CALLS_URL, converter=_trimmed, validator=_is_address)
    api_url: str = attrs.field(default=API_URL, converter=_trimmed, validator=_is_address)
    project_id: str | None = None
    agent_id: str | None = None
    check_numbers: bool = True
    timeouts: Timeouts = attrs.field(factory=Timeouts)
    pool: PoolSettings = attrs.field(factory=PoolSettings)
    retry: RetrySettings = attrs.field(factory=RetrySettings)
    follow: FollowSettings = attrs.field(factory=FollowSettings)
    max_reply_bytes: int = attrs.field(default=1024 * 1024, validator=_positive)
    proxy: Secret | None = attrs.field(default=None, converter=_proxy)
    trust_env: bool = False
    ca_file: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.ca_file is not None and self.ssl_context is not None:
            raise ConfigurationError("give ca_file or ssl_context, not both")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ClientConfig:
        """Read credential, addresses and default ids from the environment.

        Reads `TALKSTACK_API_KEY`, or `TALKSTACK_TOKEN` and `TALKSTACK_REFRESH_TOKEN`;
        `TALKSTACK_CALLS_URL`, `TALKSTACK_API_URL`, `TALKSTACK_PROJECT_ID` and
        `TALKSTACK_AGENT_ID`. An empty variable counts as absent.
        """
        env = os.environ if environ is None else environ
        return cls(
            api_key=env.get("TALKSTACK_API_KEY") or None,
            token=env.get("TALKSTACK_TOKEN") or None,
            refresh_token=env.get("TALKSTACK_REFRESH_TOKEN") or None,
            calls_url=env.get("TALKSTACK_CALLS_URL") or CALLS_URL,
            api_url=env.get("TALKSTACK_API_URL") or API_URL,
            project_id=env.get("TALKSTACK_PROJECT_ID") or None,
            agent_id=env.get("TALKSTACK_AGENT_ID") or None,
        )

    def refuse_plain_http(self) -> None:
        """Refuse to send a credential unencrypted to another machine.

        Raises:
            ConfigurationError: An address is http and its host is not this machine.
        """
        for name in ("calls_url", "api_url"):
            parts = urlsplit(getattr(self, name))
            if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
                raise ConfigurationError(
                    f"{name} is plain http to {parts.hostname}: the credential would travel "
                    "unencrypted. Use https; http is allowed to this machine only."
                )
