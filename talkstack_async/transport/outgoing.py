"""A request on its way out, and the one mark the product is built on."""

from __future__ import annotations

from ..wire.requests import HttpRequest
from .retry import Patience

__all__ = ["Outgoing", "SentMark"]


class SentMark:
    """Whether a byte of a request may have left.

    `sent` turns true in the same step in which the first byte is handed to the operating
    system, with no await in between, on a connection that was found open in that very step.
    While it is false, trying again cannot ring anybody twice. The lane sets it and nothing
    else; the transport clears it when the service has plainly refused. Whoever must account
    for a request it may have to cancel hands in a mark of its own and reads it afterwards.
    """

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False

    def leave(self) -> None:
        """Note that the first byte leaves now. The lane writes right after it, without an await.

        A mark of another kind may raise here, and then nothing leaves: this is the last moment
        at which a call can be stopped.
        """
        self.sent = True


class Outgoing:
    """One request on its way out, with its mark, and what became of its tries so far.

    Attributes:
        mark: Its caller's, or one of its own. Never the request itself: what refers to itself
            stays until the garbage collector comes, and this holds a number and the credential.
        since: When it began, on the client's clock.
        attempts: How often it was tried.
        was_renewed: Whether another token was tried.
        patience: What is left of the tries; None before the first that failed.
    """

    __slots__ = (
        "_prefix",
        "_serial",
        "attempts",
        "credential",
        "mark",
        "patience",
        "request",
        "since",
        "was_renewed",
    )

    def __init__(
        self,
        request: HttpRequest,
        credential: bytes,
        prefix: str,
        serial: int,
        mark: SentMark | None = None,
        since: float = 0.0,
    ) -> None:
        self.request = request
        self.credential = credential
        self._prefix = prefix
        self._serial = serial
        self.mark = mark or SentMark()
        self.since = since
        self.attempts = 0
        self.was_renewed = False
        self.patience: Patience | None = None

    @property
    def request_id(self) -> str:
        """Our own id of the request, put together for whoever asks; mostly nobody does."""
        return f"{self._prefix}-{self._serial}"

    def serialise(self, *, target: bytes, headers: bytes) -> bytes:
        """Serialise head and body into one piece, so that they leave in one write."""
        body = self.request.body
        return b"%b%d\r\n\r\n%b" % (self.head(target=target, headers=headers), len(body), body)

    def head(self, *, target: bytes, headers: bytes) -> bytes:
        """Serialise the head up to the length of the body, which differs from call to call."""
        request = self.request
        return b"".join(
            (
                request.endpoint.verb.encode(),
                b" ",
                target,
                b" HTTP/1.1\r\n",
                headers,
                self.credential,
                b"Content-Type: ",
                request.content_type.encode(),
                b"\r\nContent-Length: ",
            )
        )
