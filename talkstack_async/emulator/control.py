"""The control plane: the emulator's own API under `/_emulator/`.

JSON without a credential, so that other processes and other languages can use
it. A web page in a browser on the same machine must not, hence the check of
`Host` (DNS rebinding) and `Origin` (cross-site requests).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from .control_actions import ACTIONS, CONTROL_PREFIX, Command
from .loopback import host_of, is_loopback
from .replies import error_reply, is_json, json_reply
from .state import ServiceState, Statistics


async def control(
    request: web.BaseRequest, *, state: ServiceState, statistics: Callable[[], Statistics]
) -> web.Response:
    """Answer one control request."""
    if not _is_local(request):
        return error_reply(403, "the control plane answers local requests only")
    action = ACTIONS.get((request.method, request.path.removeprefix(CONTROL_PREFIX)))
    if action is None:
        return error_reply(404, f"nothing here; GET {CONTROL_PREFIX} lists what exists")
    try:
        command = Command(
            content=await _content_of(request),
            query=request.query,
            state=state,
            statistics=statistics,
        )
        return json_reply(action(command))
    except (ValueError, TypeError) as problem:
        return error_reply(400, str(problem))


def _is_local(request: web.BaseRequest) -> bool:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not is_loopback(host_of(origin)):
        return False
    return is_loopback(host_of(f"//{request.headers.get(hdrs.HOST, '')}"))


async def _content_of(request: web.BaseRequest) -> Mapping[str, Any]:
    """Return the JSON object a request carries; an empty body is an empty object.

    Raises:
        ValueError: It carries something else.
    """
    body = await request.read()
    if not body:
        return {}
    if not is_json(request):
        raise ValueError("the body must be sent as application/json")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - one kind of bad input
    return content
