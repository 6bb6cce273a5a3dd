"""Building requests: values in, bytes out."""

from __future__ import annotations

import json
from typing import Any, cast

import attrs

from ..errors import InvalidRequestError
from ..models.calls import CallRequest
from ..phone import PhoneNumber
from .endpoints import CALLS_MAKE, Endpoint

__all__ = ["HttpRequest", "make_call_request"]

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


@attrs.frozen
class HttpRequest:
    """One request, complete but for host and credential."""

    endpoint: Endpoint
    target: str
    body: bytes = attrs.field(default=b"", repr=False)
    content_type: str = "application/json"


def build(endpoint: Endpoint, body: dict[str, Any]) -> HttpRequest:
    """Build a request with a JSON body."""
    return HttpRequest(endpoint, endpoint.path, _encode(body).encode())


def make_call_request(
    call: CallRequest,
    *,
    project_id: str | None = None,
    agent_id: str | None = None,
    check_number: bool = True,
) -> HttpRequest:
    """Build the request that places a call.

    Args:
        call: Whom to call, and with what.
        project_id: Used if the call names no project.
        agent_id: Used if the call names no agent.
        check_number: Refuse a number that is not E.164.

    Raises:
        InvalidRequestError: The service would have to refuse it: nothing is sent.
    """
    if not isinstance(call, CallRequest):
        raise InvalidRequestError(f"a CallRequest was expected, not {type(call).__name__}")
    body: dict[str, Any] = {
        "number": _number(call.number, check=check_number),
        "projectId": _needed("project_id", call.project_id or project_id),
        "agentId": _needed("agent_id", call.agent_id or agent_id),
    }
    variables = call.dynamic_variables
    if not variables:
        return build(CALLS_MAKE, body)
    if not isinstance(variables, dict) or not all(isinstance(name, str) for name in variables):
        raise InvalidRequestError(_unfit_variable(call))
    body["dynamicVariables"] = variables
    try:
        return build(CALLS_MAKE, body)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(_unfit_variable(call)) from error


def _number(number: object, *, check: bool) -> str:
    if not isinstance(number, str):
        raise InvalidRequestError(f"the number must be text, not {type(number).__name__}")
    if check:
        return PhoneNumber.parse(number)
    if not number.strip():
        raise InvalidRequestError("the number is empty")
    return number


def _needed(name: str, value: object) -> str:
    if not value:
        raise InvalidRequestError(
            f"no {name}: give it with the call, or as a default in ClientConfig({name}=...) or "
            f"TALKSTACK_{name.upper()}"
        )
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}")
    return value


def _unfit_variable(call: CallRequest) -> str:
    if not isinstance(call.dynamic_variables, dict):
        return f"dynamic variables must be a mapping, not {type(call.dynamic_variables).__name__}"
    for name, value in cast("dict[object, object]", call.dynamic_variables).items():
        if not isinstance(name, str):
            return f"dynamic variable names must be text, not {type(name).__name__}"
        try:
            _encode(value)
        except (TypeError, ValueError, RecursionError):
            return (
                f"the dynamic variable {name!r} cannot be sent as JSON "
                f"({type(value).__name__}): turn it into text or a number first"
            )
    return "the dynamic variables cannot be sent as JSON"
