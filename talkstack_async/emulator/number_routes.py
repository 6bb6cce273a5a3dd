"""The operations on phone numbers."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .numbers import PhoneNumber, is_e164
from .reading import NOT_JSON, object_in, texts_in
from .replies import error_reply, json_reply, success_reply
from .routing import Route, Visit

# In order of precedence.
_IDENTIFIERS = ("phoneNumberId", "agentId", "projectId")


async def get_phone_number(visit: Visit) -> web.Response:
    """Look numbers up. One comes as an object in an envelope that says `error`, as printed."""
    content = object_in(visit)
    if content is None:
        return error_reply(400, NOT_JSON)
    chosen = _identifier_in(content)
    if chosen is None:
        return error_reply(400, "one of phoneNumberId, agentId and projectId is required")
    numbers = _look_up(visit, *chosen)
    if not numbers:
        return error_reply(404, "phone number not found")
    if len(numbers) > 1:
        return success_reply("phone numbers fetched", data=[one.as_read() for one in numbers])
    return json_reply(
        {"message": "phone number fetched", "status": "error", "data": numbers[0].as_read()}
    )


async def assign_phone_number(visit: Visit) -> web.Response:
    """Assign a number, known or not, to an agent."""
    wanted = texts_in(visit, "e164", "agentId", "projectId")
    if wanted is None:
        return error_reply(400, "e164, agentId and projectId are required")
    e164, agent_id, project_id = wanted
    if not is_e164(e164):
        return error_reply(400, "e164 must have a plus and a country code")
    workspace = visit.state.workspace
    if workspace.project_of(visit.user.id, project_id) is None:
        return error_reply(400, "project does not exist")
    agent = workspace.agent_of(project_id, agent_id)
    if agent is None:
        return error_reply(400, "agent not found")
    workspace.assign_number(e164, agent=agent)
    return success_reply("number assigned")


def _identifier_in(content: Mapping[str, Any]) -> tuple[str, str] | None:
    for key in _IDENTIFIERS:
        value = content.get(key)
        if isinstance(value, str) and value:
            return key, value
    return None


def _look_up(visit: Visit, key: str, value: str) -> list[PhoneNumber]:
    def applies(number: PhoneNumber) -> bool:
        known = {
            "phoneNumberId": number.id,
            "agentId": number.agent_id,
            "projectId": number.project_id,
        }
        return known[key] == value and workspace.project_of(owner, number.project_id) is not None

    workspace, owner = visit.state.workspace, visit.user.id
    return workspace.numbers_where(applies)


NUMBER_ROUTES = (
    Route(
        operation="getPhoneNumber", method="POST", path="/phone-number", handle=get_phone_number
    ),
    Route(
        operation="assignPhoneNumber",
        method="POST",
        path="/phone-number/add-number",
        handle=assign_phone_number,
    ),
)
