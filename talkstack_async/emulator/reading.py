"""Reading what a request carries: JSON objects and the texts in them."""

from collections.abc import Mapping
from typing import Any

from .replies import is_json, parse_object
from .routing import Visit

NOT_JSON = "the body must be a JSON object, sent as application/json"


def object_in(visit: Visit) -> dict[str, Any] | None:
    """Return the JSON object that was sent as such, None if there is none."""
    return parse_object(visit.body) if is_json(visit.request) else None


def text_of(content: Mapping[str, Any], name: str) -> str | None:
    """Return a text that is not empty; whatever else stands there counts as missing."""
    value = content.get(name)
    return value if isinstance(value, str) and value else None


def texts_in(visit: Visit, *names: str) -> tuple[str, ...] | None:
    """Return the texts under these keys, None if the body does not hold all of them."""
    content = object_in(visit)
    if content is None:
        return None
    found = [text_of(content, name) for name in names]
    texts = tuple(value for value in found if value is not None)
    return texts if len(texts) == len(names) else None
