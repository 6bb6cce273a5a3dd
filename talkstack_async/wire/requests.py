"""Building requests: values in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import attrs

from ..errors import InvalidRequestError
from ..models.calls import CallRequest, EncodedVariables
from ..models.fields import UNSET
from ..phone import E164, PhoneNumber
from ..secret import Secret
from .endpoints import CALLS_MAKE, Endpoint
from .quick_json import encode_object, quote_text

__all__ = [
    "HttpRequest",
    "build",
    "call_to",
    "defaulted",
    "make_call_request",
    "needed",
    "number_text",
    "secret",
]


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} is no JSON")


_is_e164 = E164.fullmatch
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_revealed).encode
_encode_strictly = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


@attrs.define(unsafe_hash=True)  # not frozen only because that costs a microsecond per call
class HttpRequest:
    """One request, complete but for host and credential.

    Attributes:
        endpoint: Which operation it asks for.
        target: Path and query, percent-encoded.
        body: What is sent; nothing for a GET.
        content_type: What the body is.
        secrets: Passwords and the like that stand in the body. A reply that echoes one is
            quoted without it.
    """

    endpoint: Endpoint
    target: str
    body: bytes = attrs.field(default=b"", repr=False)
    content_type: str = "application/json"
    secrets: tuple[Secret, ...] = attrs.field(default=(), repr=False, eq=False)


def build(
    endpoint: Endpoint,
    body: Mapping[str, Any] | None = None,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str | None] | None = None,
) -> HttpRequest:
    """Build a request; its body, if any, is JSON, whatever the verb.

    A value of the body that is `UNSET` is left out, `None` is sent as null. Of the query,
    `None` is left out. A `Secret` in the body is sent, and remembered as one.

    Raises:
        InvalidRequestError: An id is empty or would leave its place in the path.
    """
    if body is None:
        return HttpRequest(endpoint, target_of(endpoint, path, query))
    kept = {name: value for name, value in body.items() if value is not UNSET}
    return HttpRequest(
        endpoint,
        target_of(endpoint, path, query),
        _encode(kept).encode(),
        secrets=tuple(value for value in kept.values() if isinstance(value, Secret)),
    )


def target_of(
    endpoint: Endpoint,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str | None] | None = None,
) -> str:
    """Fill ids into a path and add the query."""
    target = endpoint.path
    for name, value in (path or {}).items():
        target = target.replace(f"{{{name}}}", _segment(name, value))
    # `quote_plus` is not used: a plus in the query would arrive as a blank, and `+` itself
    # must be %2B or the filter by number finds nothing.
    pairs = [f"{name}={quote(value, safe='')}" for name, value in (query or {}).items() if value]
    return f"{target}?{'&'.join(pairs)}" if pairs else target


def _segment(name: str, value: object) -> str:
    text = needed(name, value)
    # An encoded slash is decoded by some gateways, so it is no help against `a/../b`.
    if set(text) & set("/\\") or text.strip(". ") == "" or not text.isprintable():
        raise InvalidRequestError(f"{name} is no id: it would lead to another address")
    return quote(text, safe="")


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
    return call_to(
        call.number,
        call.dynamic_variables,
        call.project_id or project_id,
        call.agent_id or agent_id,
        check_number,
    )


def call_to(
    number: str,
    variables: Mapping[str, Any],
    project_id: str | None,
    agent_id: str | None,
    check_number: bool,  # noqa: FBT001 # once per call, and by position it is cheaper
) -> HttpRequest:
    """Build the request that places a call, from its parts. See `make_call_request`."""
    if not check_number or type(number) is not str or not _is_e164(number):
        number = number_text(number, check=check_number)
    quoted = f'"{number}"' if check_number else _encode_strictly(number)
    try:
        if type(variables) is EncodedVariables and variables.text != "{}":
            body = _frames[project_id, agent_id, EncodedVariables] % (quoted, variables.text)
        else:
            # Everyday rows of one list differ in the number and in the texts of the variables.
            frame = _frames[project_id, agent_id, *variables]
            body = frame % (quoted, *map(quote_text, variables.values()))
    except (KeyError, TypeError, AttributeError):
        body = _body_anew(variables, quoted, project_id, agent_id)
    return HttpRequest(CALLS_MAKE, CALLS_MAKE.path, body.encode())


def _body_anew(
    variables: Mapping[str, Any], quoted: str, project_id: object, agent_id: object
) -> str:
    """Put a body together that has no frame yet, or may have none."""
    ids = {
        "projectId": defaulted("project_id", project_id),
        "agentId": defaulted("agent_id", agent_id),
    }
    if type(variables) is EncodedVariables:
        _keep_frame(ids, ',"dynamicVariables":%s}', EncodedVariables)
        variables = dict(variables)
    variables = variables or {}
    if not isinstance(variables, dict) or not all(isinstance(name, str) for name in variables):
        raise InvalidRequestError(_unfit_variable(variables))
    if all(type(text) is str for text in (*ids.values(), *variables, *variables.values())):
        _keep_frame(ids, _rest_of_frame(variables), *variables)
    start = f'{{"number":{quoted},{_encode_strictly(ids)[1:-1]}'
    if not variables:
        return start + "}"
    try:
        return f'{start},"dynamicVariables":{encode_object(variables)}}}'
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(_unfit_variable(variables)) from error


def _keep_frame(ids: Mapping[str, str], rest: str, *variables: object) -> None:
    """Keep what is the same in all bodies with these ids and variables of such names."""
    if len(_frames) >= _FRAMES_KEPT:
        _frames.clear()
    start = '{"number":%s,' + _encode_strictly(ids)[1:-1].replace("%", "%%")
    _frames[(*ids.values(), *variables)] = start + rest


def _rest_of_frame(variables: Mapping[str, object]) -> str:
    if not variables:
        return "}"
    texts = ",".join(quote_text(name).replace("%", "%%") + ":%s" for name in variables)
    return f',"dynamicVariables":{{{texts}}}}}'


# Frames of bodies by project, agent and the names of the variables, or that those are encoded.
_frames: dict[tuple[object, ...], str] = {}
_FRAMES_KEPT = 256


def number_text(number: object, *, check: bool) -> str:
    """Return a number for the wire, in E.164 form if it is to be checked."""
    if type(number) is str and check and _is_e164(number):
        return number
    if not isinstance(number, str):
        raise InvalidRequestError(f"the number must be text, not {type(number).__name__}")
    if check:
        return PhoneNumber.parse(number)
    if not number.strip():
        raise InvalidRequestError("the number is empty")
    return number


def secret(name: str, value: object) -> Secret:
    """Wrap a password, a code or a token that is to be sent; refuse what is none, unseen."""
    if isinstance(value, Secret):
        found = value
    elif isinstance(value, str):
        found = Secret(value)
    else:
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}")
    if not found:
        raise InvalidRequestError(f"{name} is empty")
    return found


def needed(name: str, value: object) -> str:
    """Return a text that must be there.

    Raises:
        InvalidRequestError: It is empty or no text. The message does not show it.
    """
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}")
    if not value.strip():
        raise InvalidRequestError(f"{name} is empty")
    return value


def defaulted(name: str, value: object) -> str:
    """Return an id, given or configured; if there is neither, say how to give one."""
    if not value:
        raise InvalidRequestError(
            f"no {name}: give it with the call, or as a default in ClientConfig({name}=...) or "
            f"TALKSTACK_{name.upper()}"
        )
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be text, not {type(value).__name__}")
    return value


def _unfit_variable(variables: object) -> str:
    if not isinstance(variables, dict):
        return f"dynamic variables must be a mapping, not {type(variables).__name__}"
    for name, value in cast("dict[object, object]", variables).items():
        if not isinstance(name, str):
            return f"dynamic variable names must be text, not {type(name).__name__}"
        try:
            _encode_strictly(value)
        except (TypeError, ValueError, RecursionError):
            return (
                f"the dynamic variable {name!r} cannot be sent as JSON "
                f"({type(value).__name__}): turn it into text or a number first"
            )
    return "the dynamic variables cannot be sent as JSON"
