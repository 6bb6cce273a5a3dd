"""Accounts: signing up, logging in, passwords."""

from __future__ import annotations

from ..models.users import Session, Signup, TokenPair, Verification
from ..secret import Secret
from ..transport.transport import Transport
from ..wire.endpoints import (
    AUTH_CHANGE_PASSWORD,
    AUTH_FORGOT_PASSWORD,
    AUTH_LOGIN,
    AUTH_REFRESH,
    AUTH_RESEND_CODE,
    AUTH_RESET_PASSWORD,
    AUTH_SIGNUP,
    AUTH_VERIFY_EMAIL,
)
from ..wire.readers import acknowledged, reader
from ..wire.requests import build, needed, secret

__all__ = ["Auth"]

_read_signup = reader(Signup)
_read_verification = reader(Verification)
_read_session = reader(Session)
_read_tokens = reader(TokenPair)


class Auth:
    """Accounts and tokens. Reached as `client.auth`.

    Most of these need no credential; `Client.anonymous()` can call them. What a login returns
    does not change this client: make a new one with the token. A worker that runs for longer
    than a token lives (two hours) is better off with an API key.

    Passwords, codes and tokens may be given as text or as `Secret`. They are in no log line and
    in no error. None of these is repeated once it may have arrived: a repeated sign-up mails a
    second code, a repeated refresh may find its token spent.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def signup(self, email: str, *, password: str | Secret, name: str) -> Signup:
        """Register a user; the service mails a code for `verify_email`.

        Log in after verifying: contrary to the vendor's text the answer holds no token.

        Raises:
            BadRequestError: The address is malformed or already registered.
        """
        body = {
            "email": needed("email", email),
            "password": secret("password", password),
            "name": needed("name", name),
        }
        return await self._transport.send(build(AUTH_SIGNUP, body), _read_signup)

    async def verify_email(self, email: str, *, code: str | Secret) -> Verification:
        """Confirm an address with the code that was mailed to it.

        Raises:
            BadRequestError: The code is wrong, or the address is verified already.
            NotFoundError: The address was never registered.
        """
        body = {"email": needed("email", email), "code": secret("code", code)}
        return await self._transport.send(build(AUTH_VERIFY_EMAIL, body), _read_verification)

    async def resend_code(self, email: str) -> None:
        """Have the verification code mailed again.

        Raises:
            BadRequestError: The address is malformed or already verified.
            NotFoundError: The address was never registered.
        """
        request = build(AUTH_RESEND_CODE, {"email": needed("email", email)})
        await self._transport.send(request, acknowledged)

    async def login(self, email: str, *, password: str | Secret) -> Session:
        """Trade address and password for a token and a refresh token.

        Raises:
            AuthenticationError: The password is wrong, or the address not verified yet.
            NotFoundError: There is no such user.
        """
        body = {"email": needed("email", email), "password": secret("password", password)}
        return await self._transport.send(build(AUTH_LOGIN, body), _read_session)

    async def refresh(self, refresh_token: str | Secret) -> TokenPair:
        """Trade a refresh token for a new token.

        If the answer holds no refresh token, go on with the old one; whether the old one stays
        good otherwise is not documented. If the reply is lost, the old one may be spent: try
        it once, and log in if it is refused.

        Raises:
            AuthenticationError: The refresh token is invalid or expired.
        """
        body = {"refreshToken": secret("refresh_token", refresh_token)}
        return await self._transport.send(build(AUTH_REFRESH, body), _read_tokens)

    async def change_password(
        self, *, old_password: str | Secret, new_password: str | Secret
    ) -> None:
        """Change the password of the account this client belongs to.

        Raises:
            AuthenticationError: The old password is wrong, or the credential of this client:
                the service answers both with 401.
        """
        body = {
            "oldPassword": secret("old_password", old_password),
            "newPassword": secret("new_password", new_password),
        }
        await self._transport.send(build(AUTH_CHANGE_PASSWORD, body), acknowledged)

    async def forgot_password(self, email: str) -> None:
        """Have a link mailed that lets a user set a new password.

        Success does not say that the address is registered; the service may or may not answer
        an unknown one with an error.

        Raises:
            BadRequestError, NotFoundError: The address is malformed or not registered.
        """
        request = build(AUTH_FORGOT_PASSWORD, {"email": needed("email", email)})
        await self._transport.send(request, acknowledged)

    async def reset_password(self, token: str | Secret, *, new_password: str | Secret) -> None:
        """Set a new password with the token of the link that was mailed.

        Raises:
            BadRequestError: The token is invalid or expired; it is good once.
        """
        body = {
            "token": secret("token", token),
            "newPassword": secret("new_password", new_password),
        }
        await self._transport.send(build(AUTH_RESET_PASSWORD, body), acknowledged)
