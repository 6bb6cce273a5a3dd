"""Reading what was pushed to us: lenient about its shape, strict about its size.

Nothing is documented, so JSON and forms are read, the ids of every page of the service and of
Twilio are known, and events may lie in an envelope or in a list. Whoever wrote the body may mean
ill: whatever it holds, the answer comes fast, and is events or a `WebhookError`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from ..errors import WebhookError
from ..models.statuses import CallStatus
from .events import CallEvent

__all__ = ["LIMIT", "receive", "receive_all"]

LIMIT = 64 * 1024
"""How many bytes a body may have."""

_IDS = ("callSid", "CallSid", "call_sid", "call_id", "callId", "CallId", "sid", "Sid")
_STATUSES = ("callStatus", "CallStatus", "call_status", "status", "Status")
_ENVELOPES = ("data", "call", "payload", "event", "calls", "events")

_LONGEST_ID = 256
_LONGEST_STATUS = 64
_LONGEST_NUMBER = 100  # digits; a longer one would only cost time
_DEEPEST = 32
_MOST_EVENTS = 1000
_MOST_FIELDS = 1000


def receive(body: bytes, *, content_type: str | None = None, limit: int = LIMIT) -> CallEvent:
    """Read a body that holds one event. Use `receive_all` where it may hold several.

    Args:
        body: As it came, decompressed.
        content_type: The header. It is a hint: the body itself decides.
        limit: How many bytes it may have.

    Raises:
        WebhookError: It is too large, cannot be read, names no call, or holds several events.
    """
    first, *more = receive_all(body, content_type=content_type, limit=limit)
    if more:
        raise WebhookError(f"the body holds {1 + len(more)} events: read it with receive_all")
    return first


def receive_all(
    body: bytes, *, content_type: str | None = None, limit: int = LIMIT
) -> tuple[CallEvent, ...]:
    """Read a body that holds one event or a list of them, in their order; never none.

    What in a list names no call is left out, as long as something else does.

    Raises:
        WebhookError: It is too large, cannot be read, or names no call.
    """
    if len(body) > limit:
        raise WebhookError(f"the body has {len(body)} bytes; at most {limit} are read")
    content = _content(_text(body), is_form=_is_form(content_type))
    _refuse_deep(content)
    events = tuple(event for found in _found(content) if (event := _event(found)) is not None)
    if not events:
        raise WebhookError(f"the body names no call: nothing stands under {', '.join(_IDS)}")
    if len(events) > _MOST_EVENTS:
        raise WebhookError(f"the body holds more than {_MOST_EVENTS} events")
    return events


# --- From bytes to content.


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        # Not chained, here and below: the cause quotes the body.
        raise WebhookError("the body is not UTF-8") from None
    if not text:
        raise WebhookError("the body is empty")
    if "\0" in text:
        raise WebhookError("the body holds a NUL")
    return text


def _is_form(content_type: str | None) -> bool:
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded"


def _content(text: str, *, is_form: bool) -> Any:
    # A form may be announced as JSON and the other way round; the first letter does not lie.
    if text[0] in "{[":
        return _json(text)
    if is_form or "=" in text:
        return _form(text)
    raise WebhookError("the body is neither a JSON object or list nor a form")


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_whole, parse_float=_decimal, parse_constant=_no_number)
    except RecursionError:
        raise WebhookError("the body is nested too deeply") from None
    except ValueError:
        raise WebhookError("the body is not valid JSON") from None


def _form(text: str) -> Mapping[str, str]:
    try:
        return dict(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
        )
    except ValueError:
        raise WebhookError("the body is not a valid form") from None


def _whole(digits: str) -> int:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else _no_number(digits)


def _decimal(digits: str) -> float:
    return float(digits) if len(digits) <= _LONGEST_NUMBER else _no_number(digits)


def _no_number(_: str) -> NoReturn:
    raise ValueError("no number anybody would send")


def _refuse_deep(content: Any) -> None:
    level: list[Any] = [content]
    depth = 0
    while level := [part for one in level for part in _parts(one)]:
        depth += 1
        if depth > _DEEPEST:
            raise WebhookError("the body is nested too deeply")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


# --- From content to events.


def _found(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that are one event each: lists are opened, and envelopes around them."""
    if isinstance(content, list):
        for each in content:
            yield from _found(each)
    elif isinstance(content, dict):
        inside = None if _names_call(content) else _list_in(content)
        if inside is None:
            yield content
        else:
            yield from _found(inside)


def _list_in(content: Mapping[str, Any]) -> list[Any] | None:
    for layer in _layers(content):
        for name in _ENVELOPES:
            if isinstance(inside := layer.get(name), list):
                return inside
    return None


def _names_call(content: Mapping[str, Any]) -> bool:
    return any(_word(layer, _IDS) for layer in _layers(content))


def _layers(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return an object and those it is an envelope of, the outer first."""
    layers = [content]
    for layer in layers:
        layers += [layer[name] for name in _ENVELOPES if isinstance(layer.get(name), dict)]
    return layers


def _word(content: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first text that stands under one of the names."""
    for name in names:
        value = content.get(name)
        if isinstance(value, str) and (word := value.strip()):
            return word
    return None


def _event(content: Mapping[str, Any]) -> CallEvent | None:
    layers = _layers(content)
    named = [(call_id, layer) for layer in layers if (call_id := _word(layer, _IDS))]
    if not named:
        return None
    call_id, nearest = named[0]
    status, text = _status([nearest, *layers])
    return CallEvent(
        call_id=_checked(call_id),
        status=status,
        status_text=text,
        digest=_digest(content),
        raw=content,
    )


def _checked(call_id: str) -> str:
    if len(call_id) > _LONGEST_ID:
        raise WebhookError(f"the call id has more than {_LONGEST_ID} characters")
    if not all("!" <= letter <= "~" for letter in call_id):
        raise WebhookError("the call id holds something that is not printable ASCII")
    return call_id


def _status(layers: list[Mapping[str, Any]]) -> tuple[CallStatus | None, str | None]:
    """Read the status beside the id, or else from elsewhere; a word we know goes first.

    An envelope may have a status of its own: `{"status": "success", "call": {...}}`.
    """
    words = [word for layer in layers if (word := _word(layer, _STATUSES))]
    if not words:
        return None, None
    known = (word for word in words if CallStatus(word[:_LONGEST_STATUS]) != CallStatus.UNKNOWN)
    word = next(known, words[0])
    fits = len(word) <= _LONGEST_STATUS and word.isprintable()
    return (CallStatus(word), word) if fits else (CallStatus.UNKNOWN, None)


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
