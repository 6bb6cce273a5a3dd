"""Credentials that stay as they are, turned into the header line that carries them.

Tokens that are renewed are the business of `keeper.py`; which of all these a client has is
decided in `choosing.py`.
"""

from __future__ import annotations

import json
from typing import Protocol

from ..errors import ConfigurationError
from ..secret import Secret
from ..wire.endpoints import Effect, Endpoint, NeededCredential

__all__ = ["Credential", "Credentials", "NoCredentials"]

_EITHER = NeededCredential.EITHER
_NONE = NeededCredential.NONE


class Credential(Protocol):
    """What a transport must know of the credential it sends with."""

    def header_line(self, endpoint: Endpoint) -> bytes:
        """Return the header line for an operation, ready for the wire; empty if it takes none.

        Raises:
            ConfigurationError: The operation wants another credential than this one.
        """
        ...

    def occurs_in(self, body: bytes) -> bool:
        """Say whether the service sent our own credential back to us."""
        ...

    def redact(self, body: bytes) -> bytes:
        """Take the credential out of a reply, before anything quotes from it."""
        ...


class Credentials:
    """An API key or a bearer token. Goes to the two configured hosts and nowhere else."""

    __slots__ = ("_bytes", "_is_key", "_line")

    def __init__(self, *, api_key: Secret | None, token: Secret | None) -> None:
        if api_key and token:
            raise ConfigurationError(
                "both an API key and a token are given: the service wants exactly one of them"
            )
        secret = api_key or token
        if not secret:
            raise ConfigurationError(
                "no credential: pass api_key=..., token=... or email=... and password=..., or "
                "set TALKSTACK_API_KEY and use Client.from_env(). To sign up or log in without "
                "one, use Client.anonymous()"
            )
        self._bytes = plain_bytes(secret)
        if not self._bytes:
            raise ConfigurationError(
                "the credential holds a blank, a line break or a letter outside ASCII: was more "
                "copied than the key?"
            )
        self._is_key = bool(api_key)
        self._line = b"x-api-key: %b\r\n" % self._bytes if api_key else bearer_line(self._bytes)

    def header_line(self, endpoint: Endpoint) -> bytes:
        if endpoint.credential is _EITHER:
            return self._line
        if endpoint.credential is _NONE:
            return b""
        if self._is_key:
            raise ConfigurationError(
                f"{endpoint.name} takes a token and no API key: make a client with token=... or "
                "with email=... and password=..."
            )
        return self._line

    def occurs_in(self, body: bytes) -> bool:
        return self._bytes in body

    def redact(self, body: bytes) -> bytes:
        return body.replace(self._bytes, b"***")

    def __repr__(self) -> str:
        return "Credentials('***')"


class NoCredentials:
    """None at all: enough to sign up, verify, log in and reset a password."""

    __slots__ = ()

    def header_line(self, endpoint: Endpoint) -> bytes:
        if endpoint.credential is _NONE:
            return b""
        raise ConfigurationError(
            f"{endpoint.name} needs a credential and this client is anonymous: make one with "
            "api_key=..., token=... or email=... and password=..."
        )

    def occurs_in(self, body: bytes) -> bool:
        return False

    def redact(self, body: bytes) -> bytes:
        return body


def hands_out(endpoint: Endpoint) -> bool:
    """Say whether the answer of an operation is a credential.

    It may be the one we have, if the service did not replace it, and must then arrive whole.
    """
    return endpoint.credential is _NONE or endpoint.effect is Effect.ROTATE


def bearer_line(token: bytes) -> bytes:
    """Return the header line of a token."""
    return b"Authorization: Bearer %b\r\n" % token


def plain_bytes(secret: Secret) -> bytes:
    """Return the secret for a header, or nothing if it cannot go there.

    Nothing is raised here: tools that show the variables of every frame would show it. A line
    break inside would let whoever supplied it write headers of their own.
    """
    text = _text_of(secret)
    fits = text.isascii() and text.isprintable() and " " not in text
    return text.encode("ascii") if fits else b""


def without(secrets: tuple[Secret, ...], body: bytes) -> bytes:
    """Take what we sent in a body out of the reply to it, however JSON may have spelt it."""
    for secret in secrets:
        text = _text_of(secret)
        spelt = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        for form in sorted(spelt, key=len, reverse=True):
            if form:
                body = body.replace(form.encode("utf-8", "surrogatepass"), b"***")
    return body


def _text_of(secret: Secret) -> str:
    return secret.reveal()
