"""Exactly one credential, turned into the header line that carries it."""

from __future__ import annotations

from ..config import ClientConfig
from ..errors import ConfigurationError
from ..secret import Secret

__all__ = ["Credentials"]


class Credentials:
    """An API key or a bearer token. Goes to the two configured hosts and nowhere else."""

    __slots__ = ("_line", "_secret")

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
        self._secret = secret
        self._line = _header_line(b"x-api-key: " if api_key else b"Authorization: Bearer ", secret)

    @classmethod
    def of(
        cls, config: ClientConfig, *, api_key: str | Secret | None, token: str | Secret | None
    ) -> Credentials:
        """Take what was passed, or else what the configuration holds."""
        if api_key is None and token is None:
            return cls(api_key=config.api_key, token=config.token)
        return cls(api_key=_as_secret(api_key), token=_as_secret(token))

    def header_line(self) -> bytes:
        """Return the header line, ready for the wire."""
        return self._line

    def redact(self, text: str) -> str:
        """Take the credential out of a text that the service sent back."""
        return self._secret.redact(text)

    def __repr__(self) -> str:
        return "Credentials('***')"


def _as_secret(value: str | Secret | None) -> Secret | None:
    return Secret(value) if isinstance(value, str) else value


def _header_line(name: bytes, secret: Secret) -> bytes:
    text = secret.reveal()
    # A line break inside would let whoever supplied it write headers of their own.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(
            "the credential holds a blank, a line break or a letter outside ASCII: was more "
            "copied than the key?"
        )
    return name + text.encode("ascii") + b"\r\n"
