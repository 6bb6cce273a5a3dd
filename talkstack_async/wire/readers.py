"""Making values of good replies: enveloped or bare, under whichever key.

Every page of the service has a shape of its own (`data`, `user`, `projectData`, no envelope at
all), and some shapes were never printed. A reader takes whatever can only be meant one way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .. import errors
from .convert import structure
from .endpoints import Endpoint
from .replies import Reply, too_large, unexpected

__all__ = [
    "acknowledged",
    "is_nothing_there",
    "json_of",
    "list_in",
    "list_reader",
    "object_in",
    "reader",
    "text_reader",
]

T = TypeVar("T")
Reader = Callable[[Endpoint, Reply], T]

# The misspelt one is on get-project; `error` stands over a number that was found.
_ENVELOPE_WORDS = frozenset({"success", "succcess", "error", "ok"})
_LIST_KEYS = ("data", "items", "results", "list")


def reader(kind: type[T], *keys: str) -> Reader[T]:
    """Make a reader of one object, which may lie under one of some keys or be bare."""

    def read(endpoint: Endpoint, reply: Reply) -> T:
        body = json_of(endpoint, reply)
        try:
            return structure(object_in(body, *keys), kind)
        except ValueError as error:
            raise unexpected(endpoint, reply, str(error)) from error

    return read


def list_reader(kind: type[T], *keys: str) -> Reader[list[T]]:
    """Make a reader of a list, bare or under one of some keys. What is no object is skipped."""

    def read(endpoint: Endpoint, reply: Reply) -> list[T]:
        found = list_in(json_of(endpoint, reply), *keys)
        if found is None:
            raise unexpected(endpoint, reply, "it holds no list")
        try:
            return [structure(entry, kind) for entry in found if isinstance(entry, Mapping)]
        except ValueError as error:
            raise unexpected(endpoint, reply, str(error)) from error

    return read


def text_reader(key: str) -> Reader[str | None]:
    """Make a reader of one text beside the envelope; null and "" are None."""

    def read(endpoint: Endpoint, reply: Reply) -> str | None:
        body = json_of(endpoint, reply)
        found = body.get(key) if isinstance(body, Mapping) else None
        return found if isinstance(found, str) and found else None

    return read


def acknowledged(endpoint: Endpoint, reply: Reply) -> None:
    """Accept whatever stands in a good reply: success is the HTTP status and nothing else."""


def json_of(endpoint: Endpoint, reply: Reply) -> Any:
    """Read the JSON of a good reply.

    Raises:
        UnexpectedReplyError: It is something else, or too large.
    """
    if not reply.is_whole:
        raise too_large(endpoint, reply)
    try:
        return json.loads(reply.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise unexpected(endpoint, reply, _without_quotes(error)) from error


def object_in(body: object, *keys: str) -> object:
    """Take an object out of its envelope, if it lies in one.

    Only what looks like an envelope is opened for `data`: call data has a `data` of its own.
    """
    if not isinstance(body, Mapping):
        return body
    for key in keys:
        if isinstance(body.get(key), Mapping):
            return body[key]
    if isinstance(body.get("data"), Mapping) and _is_envelope(body):
        return body["data"]
    return body


def list_in(body: object, *keys: str) -> list[Any] | None:
    """Find the list in a reply: bare, under a known key, or the only list there is.

    A single object under a known key counts as a list of one; null as an empty one.
    """
    if isinstance(body, list):
        return body
    if not isinstance(body, Mapping):
        return None
    for key in (*keys, *_LIST_KEYS):
        if key in body:
            return _list_under(body[key], *keys)
    lists = [value for value in body.values() if isinstance(value, list)]
    return lists[0] if len(lists) == 1 else None


def _list_under(value: object, *keys: str) -> list[Any] | None:
    if value is None:
        return []
    if isinstance(value, Mapping):
        inner = list_in(value, *keys)
        return [value] if inner is None else inner
    return value if isinstance(value, list) else None


def is_nothing_there(error: errors.NotFoundError) -> bool:
    """Say whether a 404 means "there is none", and not "you are at the wrong address".

    Error bodies are documented nowhere, so only a page of HTML, which a service that speaks
    JSON does not send, counts as a wrong address.
    """
    return not error.body.lstrip().startswith("<")


def _is_envelope(body: Mapping[str, Any]) -> bool:
    status = body.get("status")
    is_word = isinstance(status, str) and status.lower() in _ENVELOPE_WORDS
    return "message" in body or is_word or set(body) == {"data"}


def _without_quotes(error: Exception) -> str:
    # The reader of JSON names a place; the reader of UTF-8 would quote the bytes.
    return str(error) if isinstance(error, json.JSONDecodeError) else "it is not JSON"
