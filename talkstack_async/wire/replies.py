"""Reading replies: bytes in, values or an error out.

Success is decided by the HTTP status alone: the envelope's own `status` lies now and then
(`succcess`, `error` on success).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import attrs

from .. import errors
from ..models.calls import CallResult
from ..phone import scrub_numbers
from .convert import structure
from .endpoints import Effect, Endpoint, NeededCredential
from .quick_json import decode_member

__all__ = [
    "Reply",
    "error_of",
    "is_refusal",
    "read_call_result",
    "retry_after_seconds",
    "too_large",
    "unexpected",
]

EXCERPT = 2048
_FOR_EVER = 1e11  # seconds; longer than any deadline, and still a number to count with
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)

_BY_STATUS: dict[int, type[errors.StatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    422: errors.UnprocessableError,
    429: errors.ThrottledError,
}


@attrs.define  # not frozen only because that costs half a microsecond per call
class Reply:
    """What came back: a status, headers and the body.

    Attributes:
        is_whole: False if the body was larger than the limit; `body` is then its beginning.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    is_whole: bool = True

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def read_call_result(endpoint: Endpoint, reply: Reply) -> CallResult:
    """Read the answer to an accepted call.

    Raises:
        UnexpectedReplyError: It is not JSON, or names no call id. The call was probably
            placed, so the error is uncertain.
    """
    if not reply.is_whole:
        raise too_large(endpoint, reply)
    try:
        call = decode_member(reply.body, "call")
        return _usual_result(call) or structure(call, CallResult)
    except (ValueError, RecursionError) as error:
        raise unexpected(endpoint, reply, str(error)) from error


def _usual_result(call: object) -> CallResult | None:
    """Make the result from the usual fields, without asking the converter what each may be."""
    if type(call) is not dict:
        return None
    call_id, to, from_ = call.get("call_id"), call.get("to"), call.get("from")
    if (
        type(call_id) is str
        and type(to) is str
        and type(from_) is str
        and call_id
        and to
        and from_
    ):
        return CallResult(call_id=call_id, to=to, from_=from_, raw=call)
    return None


def too_large(endpoint: Endpoint, reply: Reply) -> errors.UnexpectedReplyError:
    """Make the error for a reply of which only the beginning was read."""
    return unexpected(endpoint, reply, f"it is larger than {len(reply.body):,} bytes")


def unexpected(endpoint: Endpoint, reply: Reply, why: str) -> errors.UnexpectedReplyError:
    """Make the error for a success that is not what was promised."""
    uncertain = endpoint.effect is not Effect.READ
    advice = "; the call may have been placed" if endpoint.effect is Effect.DIAL else ""
    return errors.UnexpectedReplyError(
        f"{endpoint.name}: the service answered {reply.status} but the reply cannot be used "
        f"({scrub_numbers(why)}){advice}",
        status=reply.status,
        # What cannot be read may hold a credential all the same.
        body="" if _hands_out(endpoint) else excerpt(reply.body),
        uncertain=uncertain,
    )


def _hands_out(endpoint: Endpoint) -> bool:
    return endpoint.effect is Effect.ROTATE or endpoint.credential is NeededCredential.NONE


def is_refusal(reply: Reply) -> bool:
    """Say whether the service plainly declined for now: 429, or 503 with `Retry-After`.

    A `Retry-After` that cannot be read says nothing, and a bare 503 may come from a gateway
    behind which the call was placed.
    """
    if reply.status == 503:
        return retry_after_seconds(reply, now=_ANY_TIME) is not None
    return reply.status == 429


def error_of(endpoint: Endpoint, reply: Reply, *, now: datetime) -> errors.StatusError:
    """Make the error for a reply outside 2xx."""
    return _kind(reply)(
        f"{endpoint.name}: {_explain(endpoint, reply)}",
        status=reply.status,
        body=excerpt(reply.body),
        retry_after=retry_after_seconds(reply, now=now),
        uncertain=_may_have_happened(endpoint, reply),
    )


def retry_after_seconds(reply: Reply, *, now: datetime) -> float | None:
    """Read `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3)."""
    text = reply.headers.get("Retry-After", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return min(float(text), _FOR_EVER)
    try:
        moment = parsedate_to_datetime(text)
        return None if moment.tzinfo is None else max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def excerpt(body: bytes) -> str:
    """Return the beginning of a body as text that can be shown, without credentials."""
    return _CREDENTIAL.sub(r"\1***", body[:EXCERPT].decode("utf-8", "replace"))


# A value under one of the keys in which credentials travel. It may be cut off at the end.
_CREDENTIAL = re.compile(
    r'("(?:token|refreshToken|resfreshToken|apiKey|password|oldPassword|newPassword)"'
    r'\s*:\s*")(?:[^"\\]|\\.)+'
)


def _kind(reply: Reply) -> type[errors.StatusError]:
    if is_refusal(reply):
        return errors.ThrottledError
    if reply.status in _BY_STATUS:
        return _BY_STATUS[reply.status]
    if reply.status >= 500:
        return errors.ServerError
    if 300 <= reply.status < 400:
        return errors.RedirectError
    return errors.StatusError


def _may_have_happened(endpoint: Endpoint, reply: Reply) -> bool:
    if endpoint.effect is Effect.READ or is_refusal(reply):
        return False
    # Below 200 is no final answer at all; nobody should send it here.
    return reply.status >= 500 or reply.status < 200


def _explain(endpoint: Endpoint, reply: Reply) -> str:
    said = _service_message(reply.body)
    text = f"the service answered {reply.status}" + (f" ({scrub_numbers(said)})" if said else "")
    if 300 <= reply.status < 400:
        return text + "; redirects are never followed, check the configured address"
    if _may_have_happened(endpoint, reply) and endpoint.effect is Effect.DIAL:
        return text + "; the phone may have rung, look before calling again"
    return text + _ADVICE.get(reply.status, "")


_ADVICE: dict[int, str] = {
    401: "; check the API key or token",
    429: "; slow down",
}


def _service_message(body: bytes) -> str:
    # Error bodies are documented nowhere: JSON, text, HTML and nothing all occur.
    try:
        parsed: Any = json.loads(body[: 4 * EXCERPT])
    except (ValueError, RecursionError):
        return ""
    message = parsed.get("message") if isinstance(parsed, dict) else None
    if not isinstance(message, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in message)[:200]
