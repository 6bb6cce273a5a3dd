"""Tokens, and the two operations that hand them out: login and refresh."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs

from ..errors import UnexpectedReplyError
from ..secret import Secret
from ..wire.endpoints import AUTH_LOGIN, AUTH_REFRESH, Endpoint
from ..wire.replies import Reply
from ..wire.requests import HttpRequest, build

__all__ = ["Login", "OnTokens", "Tokens"]


@attrs.frozen(kw_only=True)
class Tokens:
    """What a login or a refresh handed out. Store it, and a later process goes on from there.

    Attributes:
        token: The bearer token; good for two hours, by the service's documentation.
        refresh_token: What buys the next token. It may have replaced the one before.
        expires_at: When the token stops being good, None if the service did not say.
    """

    token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None


OnTokens: TypeAlias = Callable[[Tokens], Awaitable[object] | None]


@attrs.frozen(kw_only=True)
class Login:
    """An e-mail address and its password."""

    email: str = attrs.field(repr=False)
    password: Secret


def login_request(login: Login) -> HttpRequest:
    """Build the request that exchanges a password for tokens."""
    return build(AUTH_LOGIN, {"email": login.email, "password": login.password})


def refresh_request(refresh_token: Secret) -> HttpRequest:
    """Build the request that exchanges a refresh token for tokens."""
    return build(AUTH_REFRESH, {"refreshToken": refresh_token})


def read_tokens(endpoint: Endpoint, reply: Reply) -> Tokens:
    """Read what a login or a refresh handed out.

    Raises:
        UnexpectedReplyError: There is no token in it. The error quotes nothing: what cannot be
            read may hold a token all the same.
    """
    try:
        body: Any = json.loads(reply.body) if reply.is_whole else None
    except (ValueError, RecursionError):
        body = None
    token = _text(body, "token")
    if token is None:
        raise UnexpectedReplyError(
            f"{endpoint.name}: the service answered {reply.status} without a token",
            status=reply.status,
            uncertain=True,
        )
    # The vendor's page promises the first spelling and shows the second.
    refresh_token = _text(body, "refreshToken") or _text(body, "resfreshToken")
    return Tokens(
        token=Secret(token),
        refresh_token=None if refresh_token is None else Secret(refresh_token),
        expires_at=_moment(_text(body, "expirationTime")),
    )


def _text(body: object, name: str) -> str | None:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) and value else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
