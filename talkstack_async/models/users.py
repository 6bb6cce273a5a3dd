# ruff: noqa: RUF009 # `wire` and `raw` declare attrs fields, which is not a default
"""The user of the service: account, tokens and key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any

import attrs

from ..secret import Secret
from .fields import raw, wire

__all__ = [
    "ApiKey",
    "LoginStatus",
    "Session",
    "Signup",
    "SignupStatus",
    "TokenPair",
    "User",
    "Verification",
    "VerificationStatus",
]


class SignupStatus(IntEnum):
    """The numbers of `Signup.status`. The list is open, so the field is a plain number."""

    CREDENTIALS_MISSING = 0
    ACCOUNT_ALREADY_EXISTS = 1
    EMAIL_NOT_VERIFIED = 2
    SUCCESS = 3
    SIGNUP_FAILED = 4
    INVALID_EMAIL = 5
    EMAIL_NOT_SENT = 6


class LoginStatus(IntEnum):
    """The numbers of `Session.status`. The list is open, so the field is a plain number."""

    CREDENTIALS_MISSING = 0
    ACCOUNT_ALREADY_EXISTS = 1
    ACCOUNT_NOT_VERIFIED = 2
    USER_NOT_FOUND = 3
    INVALID_PASSWORD = 4
    HUBSPOT_INTEGRATION_FAILED = 5
    HUBSPOT_INTEGRATION_SUCCESS = 6
    SUCCESS = 7
    LOGIN_FAILED = 8
    INVALID_EMAIL = 9


class VerificationStatus(IntEnum):
    """The numbers of `Verification.status`. The list is open, so the field is a plain number."""

    CREDENTIALS_MISSING = 0
    INVALID_CODE = 1
    SUCCESS = 2
    RESEND_INVITE = 3
    ACCOUNT_EXISTS = 4
    ACCOUNT_NOT_FOUND = 5


def _masked(email: str | None) -> str:
    if not email:
        return str(email)
    name, at, host = email.partition("@")
    return f"{name[:1]}\u2022\u2022\u2022{at}{host}"


@attrs.frozen(kw_only=True)
class User:
    """A user of the service.

    Attributes:
        id: Left out of most answers.
        email: The address the user logs in with.
        is_verified: Whether the address was confirmed, if the answer says so.
        active_project: Id of the project that is active, if any.
        raw: The whole object.
    """

    id: str | None = wire("id", default=None)
    email: str | None = wire("email", default=None, repr=_masked)
    name: str | None = wire("name", default=None, repr=False)
    is_verified: bool | None = wire("verified", default=None)
    active_project: str | None = wire("active_project", default=None)
    company_name: str | None = wire("company_name", default=None, repr=False)
    created_at: datetime | None = wire("created_at", default=None)
    updated_at: datetime | None = wire("updated_at", default=None)
    raw: Mapping[str, Any] = raw()


@attrs.frozen(kw_only=True)
class TokenPair:
    """A bearer token and what renews it.

    Attributes:
        token: Lives for two hours. Make a client of it: `Client(token=pair.token)`.
        refresh_token: For `client.auth.refresh`; keep the old one if this is None.
        expires_at: When the token dies, in UTC; None if it was not said or cannot be read.
        expires_text: The same as it was written.
        raw: The whole object, without the tokens.
    """

    token: Secret = wire("token")
    # The vendor's sample misspells it in the answer to a refresh.
    refresh_token: Secret | None = wire("refreshToken", "resfreshToken", default=None)
    expires_at: datetime | None = wire("expirationTime", default=None)
    expires_text: str | None = wire("expirationTime", default=None, repr=False)
    raw: Mapping[str, Any] = raw()


@attrs.frozen(kw_only=True)
class Session(TokenPair):
    """What a login returns: tokens, and whose they are.

    Attributes:
        user: Who logged in.
        status: A number of `LoginStatus`, or one that is not on the list. HTTP decides
            whether the login went well; 5 and 6 speak of HubSpot only.
    """

    user: User | None = wire("user", default=None)
    status: int | None = wire("loginStatus", default=None)


@attrs.frozen(kw_only=True)
class Signup:
    """What signing up returns. There are no tokens in it: verify the address and log in.

    Attributes:
        user: Who was registered.
        status: A number of `SignupStatus`, or one that is not on the list.
        token: Promised by the vendor's text, missing in its sample: usually None.
        refresh_token: The same.
    """

    user: User | None = wire("user", default=None)
    status: int | None = wire("signupStatus", default=None)
    token: Secret | None = wire("token", default=None)
    refresh_token: Secret | None = wire("refreshToken", "resfreshToken", default=None)
    raw: Mapping[str, Any] = raw()


@attrs.frozen(kw_only=True)
class Verification:
    """What verifying an address returns.

    Attributes:
        user: Whose address it is.
        status: A number of `VerificationStatus`, or one that is not on the list.
    """

    user: User | None = wire("userData", default=None)
    status: int | None = wire("verificationStatus", default=None)
    raw: Mapping[str, Any] = raw()


@attrs.frozen(kw_only=True)
class ApiKey:
    """A new API key. Keep it: the service shows it once.

    Attributes:
        key: Make a client of it: `Client(made.key)`. Its `reveal` gives the text.
        raw: The rest of the answer, without the key.
    """

    key: Secret = wire("apiKey")
    raw: Mapping[str, Any] = raw()
