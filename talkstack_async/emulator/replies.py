"""Plain answers of the emulated service, and reading what it was sent."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

_JSON = "application/json"
_MESSAGES = {
    400: "bad request",
    401: "unauthorized",
    404: "not found",
    429: "too many requests",
    500: "internal error",
    502: "bad gateway",
    503: "service unavailable",
}


def json_reply(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=json.dumps(content).encode(),
        status=status,
        headers=headers,
        content_type=_JSON,
    )


def success_reply(message: str, **payload: object) -> web.Response:
    """Answer with the usual envelope and whatever the operation puts beside it."""
    return json_reply({"message": message, "status": "success", **payload})


def error_reply(
    status: int, message: str | None = None, *, retry_after: str | None = None, **more: object
) -> web.Response:
    """Answer with the error body of the contract, which the vendor never printed."""
    headers = None if retry_after is None else {"Retry-After": retry_after}
    content = {"message": message or _MESSAGES.get(status, "error"), "status": "error", **more}
    return json_reply(content, status=status, headers=headers)


def parse_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body, None if it holds anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def is_json(request: web.BaseRequest) -> bool:
    """Say whether a request claims to carry JSON."""
    declared = request.headers.get(hdrs.CONTENT_TYPE)
    return declared == _JSON or request.content_type == _JSON
