"""The operations on calls: place one, read one."""

import json
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from .calls import CallState
from .clock import pause
from .faults import Fault
from .misbehaviour import act_out
from .replies import error_reply, is_json, json_reply, parse_object
from .rings import DialRequest
from .routing import Route, Visit
from .state import ServiceState

_REQUIRED = "projectId, agentId and number are required"
_NOT_JSON = "the body must be a JSON object, sent as application/json"


async def make_call(visit: Visit) -> web.StreamResponse:
    """Dial, unless the request is bad or a fault forbids it, and answer."""
    content = parse_object(visit.body)
    if content is None or not is_json(visit.request):
        return error_reply(400, _NOT_JSON)
    wanted = read_dial_request(content)
    if isinstance(wanted, str):
        return error_reply(400, wanted)
    stranger = stranger_in(wanted, visit)
    if stranger is not None:
        return error_reply(400, stranger)
    fault = visit.state.dial_fault(wanted.number)
    if fault is None:
        return await _place(wanted, visit)
    return await _place_badly(wanted, visit, fault=fault)


def read_dial_request(content: dict[str, Any]) -> DialRequest | str:
    """Return what a makeCall body asks for, or the message that refuses it."""
    wanted = [content.get(key) for key in ("number", "projectId", "agentId")]
    if not all(isinstance(value, str) and value for value in wanted):
        return _REQUIRED
    variables = content.get("dynamicVariables")
    if not isinstance(variables, dict | None):
        return "dynamicVariables must be an object"
    number, project_id, agent_id = wanted
    return DialRequest(
        number=str(number),
        project_id=str(project_id),
        agent_id=str(agent_id),
        variables=json.dumps(variables).encode() if variables else None,
    )


def stranger_in(wanted: DialRequest, visit: Visit) -> str | None:
    """Say which id is unknown, if ids matter."""
    if not visit.state.strict_ids:
        return None
    workspace = visit.state.workspace
    if workspace.project_of(visit.user.id, wanted.project_id) is None:
        return "project not found"
    if workspace.agent_of(wanted.project_id, wanted.agent_id) is None:
        return "agent not found"
    return None


async def _place(wanted: DialRequest, visit: Visit) -> web.Response:
    index = visit.state.dial(wanted, connection=visit.connection.number)
    reply = _placed(wanted, visit.state, index=index)
    await pause(visit.state.script.latency)
    return reply


async def _place_badly(wanted: DialRequest, visit: Visit, *, fault: Fault) -> web.StreamResponse:
    """Ring if the fault says so, then let it have its way."""
    good = json_reply({})
    if fault.rings:
        index = visit.state.dial(wanted, connection=visit.connection.number)
        good = _placed(wanted, visit.state, index=index)
    if fault.kind != "slow":
        return await act_out(fault, request=visit.request, connection=visit.connection, good=good)
    await pause(fault.seconds)
    return good if fault.rings else await _place(wanted, visit)


def _placed(wanted: DialRequest, state: ServiceState, *, index: int) -> web.Response:
    call = {
        "call_id": state.identity.call_id(index),
        "to": wanted.number,
        "from": state.identity.caller_id(index),
    }
    return json_reply({"message": "call made", "status": "success", "call": call})


async def get_call(visit: Visit) -> web.StreamResponse:
    """Read one call. The body is flat and its `status` is that of the call."""
    content = parse_object(visit.body)
    if content is None or not is_json(visit.request):
        return error_reply(400, _NOT_JSON)
    call_id = content.get("sid")
    if not isinstance(call_id, str) or not call_id:
        return error_reply(400, "callSid is required")
    index = find_call(call_id, visit.state, project_id=content.get("projectId"))
    if index is None:
        return error_reply(404, "call not found")
    return json_reply(_call_data(visit.state, index))


def find_call(call_id: str, state: ServiceState, *, project_id: object = None) -> int | None:
    """Return the position of a call that is known, visible and, if given, of this project."""
    index = state.identity.index_of(call_id)
    if index is None or index >= len(state.ledger):
        return None
    if state.age_of(index) < state.script.visible_after:
        return None
    if project_id is not None and project_id != state.ledger.project(index):
        return None
    return index


def _call_data(state: ServiceState, index: int) -> dict[str, object]:
    ring = state.ledger[index]
    now = state.call_state(index)
    dialled_on = state.clock.wall(state.ledger.virtual_moment(index))
    return {
        "seconds": now.seconds,
        "cost": now.cost,
        "status": now.status,
        "from": state.identity.caller_id(index),
        "to": ring.number,
        "date": None if now.status == "queued" else format_datetime(dialled_on),
        "recordingUrls": _recordings(now, ring.call_id),
        "phoneNumber": ring.number,
        "callSid": ring.call_id,
        "data": _extracted(now, state.identity.draw(index, "interested")),
    }


def _recordings(now: CallState, call_id: str) -> list[str]:
    if now.status != "completed":
        return []
    # `.invalid` never resolves: nobody can be sent a credential by following it.
    return [f"https://recordings.talkstack.invalid/RE{call_id[2:]}.mp3"]


def _extracted(now: CallState, chance: float) -> dict[str, str] | None:
    if now.status == "completed":
        # The vendor's sample writes booleans as text.
        return {"interested": "true" if chance < 0.5 else "false"}
    return {} if now.is_final else None


CALL_ROUTES = (
    Route(operation="makeCall", method="POST", path="/call/makeCall", handle=make_call),
    Route(operation="getCall", method="POST", path="/call", handle=get_call),
)
