"""Exceptions of aiohttp and the operating system, said in our own words.

The mark decides before the exception's type does: nothing left, so the request may be tried
again; or something left, and then only a whole reply counts.
"""

from __future__ import annotations

import ssl

import aiohttp

from .. import errors
from ..wire.endpoints import Effect
from .outgoing import Outgoing

__all__ = ["translate"]

_TLS = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ServerFingerprintMismatch,
    ssl.SSLError,
)


def translate(failure: Exception, outgoing: Outgoing) -> errors.TalkstackError:
    """Make our error for what went wrong in one exchange."""
    return (
        _after_sending(failure, outgoing) if outgoing.mark.sent else _not_sent(failure, outgoing)
    )


def _not_sent(failure: Exception, outgoing: Outgoing) -> errors.TalkstackError:
    name, request_id = outgoing.request.endpoint.name, outgoing.request_id
    match failure:
        case errors.TalkstackError():
            return failure
        case TimeoutError():
            return errors.ConnectTimeoutError(
                f"{name}: no connection in time; nothing was sent", request_id=request_id
            )
        case Exception() if isinstance(failure, _TLS):
            return errors.TlsError(
                f"{name}: the TLS handshake failed ({_reason(failure)}); nothing was sent",
                request_id=request_id,
            )
        case aiohttp.ClientError() | OSError():
            return errors.ConnectError(
                f"{name}: no connection ({_reason(failure)}); nothing was sent",
                request_id=request_id,
            )
        case _:
            return errors.NotSentError(
                f"{name}: {type(failure).__name__} before anything was sent",
                request_id=request_id,
            )


def _after_sending(failure: Exception, outgoing: Outgoing) -> errors.TalkstackError:
    endpoint = outgoing.request.endpoint
    kind, what = _how_it_was_lost(failure)
    uncertain = endpoint.effect is not Effect.READ
    advice = ""
    if endpoint.effect is Effect.DIAL:
        advice = "; the phone may have rung, look before calling again"
    return kind(
        f"{endpoint.name}: {what} after the request had left{advice}",
        uncertain=uncertain,
        request_id=outgoing.request_id,
    )


def _how_it_was_lost(failure: Exception) -> tuple[type[errors.ReplyLostError], str]:
    match failure:
        case errors.WriteTimeoutError():
            return errors.WriteTimeoutError, "the service did not take the whole request"
        case TimeoutError():
            return errors.ReplyTimeoutError, "the service stayed silent too long"
        case _:
            return errors.ReplyLostError, f"the reply was lost ({_reason(failure)})"


def _reason(failure: Exception) -> str:
    # Type and error number only: texts of exceptions may quote what came over the wire.
    number = getattr(failure, "errno", None)
    cause = getattr(failure, "os_error", None)
    detail = cause or failure
    text = detail.strerror if isinstance(detail, OSError) and detail.strerror else ""
    parts = [type(failure).__name__, str(text or ""), f"errno {number}" if number else ""]
    return ", ".join(part for part in parts if part)
