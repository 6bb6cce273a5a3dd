"""Exactly one credential, turned into the header line that carries it."""

from __future__ import annotations

from ..config import ClientConfig, as_secret
from ..errors import ConfigurationError
from ..secret import Secret

__all__ = ["Credentials"]


class Credentials:
    """An API key or a bearer token. Goes to the two configured hosts and nowhere else."""

    __slots__ = ("_bytes", "_line")

    def __init__(self, *, api_key: Secret | None, token: Secret | None) -> None:
        if api_key and token:
            raise ConfigurationError(
                "both an API key and a token are given: the service wants exactly one of them"
            )
        secret = api_key or token
        if not secret:
            raise ConfigurationError(
                "no credential: pass api_key=... or token=..., or set TALKSTACK_API_KEY and use "
                "Client.from_env()"
            )
        self._bytes = _plain_bytes(secret)
        if not self._bytes:
            raise ConfigurationError(
                "the credential holds a blank, a line break or a letter outside ASCII: was more "
                "copied than the key?"
            )
        name = b"x-api-key: " if api_key else b"Authorization: Bearer "
        self._line = name + self._bytes + b"\r\n"

    @classmethod
    def of(
        cls, config: ClientConfig, *, api_key: str | Secret | None, token: str | Secret | None
    ) -> Credentials:
        """Take what was passed, or else what the configuration holds."""
        if api_key is None and token is None:
            return cls(api_key=config.api_key, token=config.token)
        return cls(api_key=as_secret("api_key", api_key), token=as_secret("token", token))

    def header_line(self) -> bytes:
        """Return the header line, ready for the wire."""
        return self._line

    def occurs_in(self, body: bytes) -> bool:
        """Say whether the service sent our own credential back to us."""
        return self._bytes in body

    def redact(self, body: bytes) -> bytes:
        """Take the credential out of a reply, before anything quotes from it."""
        return body.replace(self._bytes, b"***")

    def __repr__(self) -> str:
        return "Credentials('***')"


def _plain_bytes(secret: Secret) -> bytes:
    """Return the secret for the wire, or nothing if it cannot go there.

    Nothing is raised here: tools that show the variables of every frame would show it. A line
    break inside would let whoever supplied it write headers of their own.
    """
    text = secret.reveal()
    fits = text.isascii() and text.isprintable() and " " not in text
    return text.encode("ascii") if fits else b""
