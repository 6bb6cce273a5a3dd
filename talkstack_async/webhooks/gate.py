"""Who is let in, and what is answered: decided from values, the same for every server.

The address is the only credential there is, so whoever does not know it learns nothing: a wrong
token is answered as any address that leads nowhere, and as fast.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

import attrs

from ..errors import ConfigurationError, WebhookError
from .events import CallEvent
from .receive import LIMIT, receive_all

__all__ = [
    "DONE",
    "FAILED",
    "NOT_FOUND",
    "PREFIX",
    "TOO_LARGE",
    "TOO_SLOW",
    "Answer",
    "Asked",
    "Gate",
    "check_token",
    "new_token",
]

PREFIX = "talkstack"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}", re.ASCII)
_FEWEST_LETTERS = 8  # of 32 drawn at random there are about 14 different ones even in hex
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", re.ASCII)


@attrs.frozen(kw_only=True)
class Asked:
    """A request as far as its head tells.

    Attributes:
        path: Below the place the app is mounted at. Holds the token, so it does not print.
        length: What the head says of the body's length.
    """

    method: str
    path: str = attrs.field(repr=False)
    length: str | None = None
    encoding: str | None = None
    content_type: str | None = None


@attrs.frozen
class Answer:
    """What is sent back. The sender needs the status only."""

    status: int
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()


DONE = Answer(200)
NOT_FOUND = Answer(404, "404: Not Found")
TOO_SLOW = Answer(408, "the body came too slowly")
TOO_LARGE = Answer(413, "the body is too large")
FAILED = Answer(500, "not kept; send it again")
_NO_POST = Answer(405, "POST it", (("Allow", "POST"),))
_ENCODED = Answer(415, "send it without a content encoding")


@attrs.frozen
class Gate:
    """The address that is open, and how much may come in. Knows only the token's digest."""

    limit: int
    _digest: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, token: str, *, prefix: str = PREFIX, limit: int = LIMIT) -> Gate:
        """Open an address.

        Raises:
            ConfigurationError: The token can be guessed, or another setting cannot work.
        """
        check_token(token)
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                "the prefix of a webhook address has letters, digits, - and _, with / between"
            )
        if limit < 1:
            raise ConfigurationError("the limit of a webhook's body must be above 0")
        return cls(limit, _hashed(f"{prefix}/{token}"))

    def refusal(self, asked: Asked) -> Answer | None:
        """Say why a request is refused before its body is read; None if it may come in."""
        # Digests have one length, and what their comparison takes says nothing of the token.
        if not hmac.compare_digest(_hashed(asked.path.lstrip("/")), self._digest):
            return NOT_FOUND
        if asked.method != "POST":
            return _NO_POST
        if (asked.encoding or "identity").strip().lower() != "identity":
            return _ENCODED
        if asked.length is not None and _exceeds(asked.length, self.limit):
            return TOO_LARGE
        return None

    def read(self, body: bytes, asked: Asked) -> tuple[CallEvent, ...] | Answer:
        """Read the events of a body, or say what is wrong with it."""
        try:
            return receive_all(body, content_type=asked.content_type, limit=self.limit)
        except WebhookError as error:
            return Answer(400, error.message)


def new_token() -> str:
    """Return a token nobody can guess: 43 characters that fit into an address. Keep it secret."""
    return secrets.token_urlsafe(32)


def check_token(token: str) -> None:
    """Refuse a token that might be guessed.

    Raises:
        ConfigurationError: It is too short, too monotonous, or does not fit into an address.
    """
    if not _TOKEN.fullmatch(token) or len(set(token)) < _FEWEST_LETTERS:
        raise ConfigurationError(
            "the token of a webhook address needs 32 to 256 random letters, digits, - or _; "
            "new_token() makes one"
        )


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _exceeds(length: str, limit: int) -> bool:
    digits = length.strip().lstrip("0")
    # What is no number is left to the server; the body is counted all the same.
    if not (digits.isascii() and digits.isdigit()):
        return False
    return len(digits) > len(str(limit)) or int(digits) > limit
