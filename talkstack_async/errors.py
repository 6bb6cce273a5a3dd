"""Every exception this package raises, in one tree.

Each error answers two questions. `uncertain`: may it have happened all the same, so that a
phone may have rung? And, through its class: who should act?

* `ConfigurationError`, `ClientStateError`, `InvalidRequestError`: whoever wrote the call.
* `NotSentError`: nobody; not one byte left, so trying again is safe.
* `StatusError`: whoever the status names. A 4xx did not ring anybody.
* `ReplyLostError`, `UnexpectedReplyError`, `DeadlineError`, `StoppedError` with
  `uncertain=True`: a person has to look. Never repeat such a call blindly.

None of them derives from `OSError` or `TimeoutError`, on purpose: a generic "retry on network
errors" decorator around a call that rings phones would ring them again.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "CampaignError",
    "ClientStateError",
    "ClockJumpError",
    "ClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectTimeoutError",
    "ContactListError",
    "DeadlineError",
    "InvalidNumberError",
    "InvalidRequestError",
    "LedgerBusyError",
    "LedgerCorruptError",
    "LedgerError",
    "LedgerFullError",
    "LedgerInUseError",
    "LedgerVersionError",
    "MissingExtraError",
    "NotFoundError",
    "NotSentError",
    "NotStartedError",
    "PermissionDeniedError",
    "PoolTimeoutError",
    "RedirectError",
    "ReplyLostError",
    "ReplyTimeoutError",
    "ServerError",
    "StaleClaimError",
    "StaleConnectionError",
    "StatusError",
    "StoppedError",
    "TalkstackError",
    "ThrottledError",
    "TlsError",
    "UnexpectedReplyError",
    "UnprocessableError",
    "WebhookError",
    "WriteTimeoutError",
    "WrongEventLoopError",
]


class TalkstackError(Exception):
    """Root of all errors of this package.

    Attributes:
        message: What was attempted, what came back and what to do. Holds no secret and no
            whole phone number, so it may be logged.
        uncertain: True if the operation may have happened although it failed here. For a call
            that means: the phone may have rung.
        request_id: Our own id of the request, the one that stands in the log lines; None if
            the error came before there was a request.
    """

    def __init__(
        self, message: str, *, uncertain: bool = False, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.uncertain = uncertain
        self.request_id = request_id

    def __reduce__(self) -> tuple[Any, ...]:
        # The keyword-only constructors of the subclasses do not survive the default pickling.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(
    kind: type[TalkstackError], args: tuple[Any, ...], state: dict[str, Any]
) -> TalkstackError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(TalkstackError, ValueError):
    """The settings cannot work: no credential, two of them, an unsafe or malformed address."""


class ClientStateError(TalkstackError, RuntimeError):
    """The object cannot be used in the state it is in."""


class NotStartedError(ClientStateError):
    """Used before `async with` was entered."""


class ClosedError(ClientStateError):
    """Used after it was closed."""


class WrongEventLoopError(ClientStateError):
    """Used from another event loop than the one it was opened on."""


class InvalidRequestError(TalkstackError, ValueError):
    """The request was refused on this side, before anything was sent."""


class InvalidNumberError(InvalidRequestError):
    """The phone number is not in E.164 form: a plus, the country code, at most 15 digits."""


class ContactListError(TalkstackError, ValueError):
    """A contact list cannot be read, or not any further. What concerns one row is an outcome."""


class NotSentError(TalkstackError):
    """Not one byte of the request left this machine. Never uncertain; safe to repeat."""


class PoolTimeoutError(NotSentError):
    """No connection became free in time: more calls at once than the pool has connections."""


class ConnectError(NotSentError):
    """No connection could be made: name look-up, TCP or proxy failed."""


class ConnectTimeoutError(ConnectError):
    """Name look-up, TCP connect and TLS handshake together took too long."""


class TlsError(ConnectError):
    """The TLS handshake failed or the certificate was not accepted. Not repeated."""


class StaleConnectionError(NotSentError):
    """The pooled connection was found closed just before the first byte was written."""


class StaleClaimError(NotSentError):
    """The claim was older than the fence at the moment of sending, so it was given up unsent."""


class ReplyLostError(TalkstackError):
    """The request left, but no whole reply came back: reset, closed or garbled.

    For a call `uncertain` is true: the service may have dialled before the reply was lost.
    """


class ReplyTimeoutError(ReplyLostError):
    """The request left and the service stayed silent for longer than the read timeout."""


class WriteTimeoutError(ReplyLostError):
    """The service did not take the whole request in time; a part of it left."""


class DeadlineError(TalkstackError):
    """The total deadline passed. `uncertain` tells whether the request had left by then."""


class StoppedError(TalkstackError):
    """We stopped waiting: the dispatcher or the client was closed, or the task cancelled.

    `uncertain` is true if the request had left. Stopping does not hang up: the service knows
    no cancel operation, so the phone may ring all the same.
    """


class UnexpectedReplyError(TalkstackError):
    """The service answered with success, but not with what was promised.

    For a call `uncertain` is true: it was probably placed, but its id is not known.

    Attributes:
        status: HTTP status of the reply.
        body: The beginning of the reply as text, at most 2,048 characters.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: str = "",
        uncertain: bool = False,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, uncertain=uncertain, request_id=request_id)
        self.status = status
        self.body = body


class StatusError(TalkstackError):
    """The service answered with a status outside 2xx.

    Attributes:
        status: HTTP status of the reply.
        body: The beginning of the reply as text, at most 2,048 characters.
        retry_after: Seconds the service asked us to wait, None if it did not ask.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: str = "",
        retry_after: float | None = None,
        uncertain: bool = False,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, uncertain=uncertain, request_id=request_id)
        self.status = status
        self.body = body
        self.retry_after = retry_after


class RedirectError(StatusError):
    """3xx. Redirects are never followed: the credential would go along. Check the address."""


class BadRequestError(StatusError):
    """400. Something is missing or wrong; an unknown project is a 400 too."""


class AuthenticationError(StatusError):
    """401. The API key or token is wrong or expired."""


class PermissionDeniedError(StatusError):
    """403. The credential is known but not allowed to do this."""


class NotFoundError(StatusError):
    """404. There is no such thing, or nothing at this address."""


class ConflictError(StatusError):
    """409. The request collides with the present state."""


class UnprocessableError(StatusError):
    """422. The request is well formed but its content is refused."""


class ThrottledError(StatusError):
    """429, or 503 with `Retry-After`: a plain refusal. Nothing happened; slow down."""


class ServerError(StatusError):
    """5xx. The service failed while working on the request.

    For a call `uncertain` is true: it may have dialled before it failed.
    """


class CampaignError(TalkstackError):
    """A campaign cannot do what was asked of it: its name is taken, or it was canceled."""


class ClockJumpError(CampaignError):
    """The machine's clock jumped, so local hours cannot be trusted. Check it and run again."""


class LedgerError(TalkstackError):
    """The ledger cannot be read or written. Nothing leaves without it, and nothing is lost."""


class LedgerInUseError(LedgerError):
    """Another runner holds this ledger. Wait for it, or stop it."""


class LedgerBusyError(LedgerError):
    """Another program kept the ledger locked for the whole timeout. Close it and run again."""


class LedgerFullError(LedgerError):
    """The disk is full. Make room and run the same command again."""


class LedgerCorruptError(LedgerError):
    """The ledger is damaged, or is no ledger. Keep the file and restore a copy."""


class LedgerVersionError(LedgerError):
    """The ledger was written by another version of this package."""


class WebhookError(TalkstackError, ValueError):
    """What came to the webhook address names no call, or cannot be read. Nothing was kept."""


class MissingExtraError(TalkstackError, ImportError):
    """Something optional is not installed; the message says what to install."""
