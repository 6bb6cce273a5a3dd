"""The operations on agents."""

import attrs
from aiohttp import web

from .agents import Agent
from .numbers import is_e164
from .reading import object_in, text_of, texts_in
from .replies import error_reply, json_reply, success_reply
from .routing import Route, Visit

_IDS_REQUIRED = "projectId and agentId are required"
_UNKNOWN_PROJECT = "project does not exist"
_UNKNOWN = "agent not found"


async def create_agent(visit: Visit) -> web.Response:
    """Create an agent; the documentation cannot say whether it needs a phone number."""
    wanted = texts_in(visit, "projectId", "name", "systemInstruction")
    content = object_in(visit)
    if wanted is None or content is None:
        return error_reply(400, "projectId, name and systemInstruction are required")
    phone_number = text_of(content, "phoneNumber")
    if phone_number is None and visit.state.quirks.agent_needs_number:
        return error_reply(400, "projectId, name, phoneNumber, systemInstruction are required")
    if phone_number is not None and not is_e164(phone_number):
        return error_reply(400, "phoneNumber must have a plus and a country code")
    project_id, name, system_instruction = wanted
    if visit.state.workspace.project_of(visit.user.id, project_id) is None:
        return error_reply(400, _UNKNOWN_PROJECT)
    agent = visit.state.workspace.add_agent(
        project_id=project_id,
        name=name,
        system_instruction=system_instruction,
        voice_id=text_of(content, "voice_id"),
        phone_number=phone_number,
    )
    return success_reply("agent created", data=agent.as_created())


async def get_agent(visit: Visit) -> web.Response:
    """Read one agent, bare."""
    wanted = texts_in(visit, "projectId", "agentId")
    if wanted is None:
        return error_reply(400, _IDS_REQUIRED)
    agent = _agent(visit, *wanted)
    return error_reply(404, _UNKNOWN) if agent is None else json_reply(agent.as_read())


async def update_agent(visit: Visit) -> web.Response:
    """Change an agent; a new voice alone is not enough."""
    wanted = texts_in(visit, "projectId", "agentId")
    content = object_in(visit)
    if wanted is None or content is None:
        return error_reply(400, _IDS_REQUIRED)
    name, system_instruction = text_of(content, "name"), text_of(content, "systemInstruction")
    if name is None and system_instruction is None:
        return error_reply(400, "name and systemInstruction are missing")
    agent = _agent(visit, *wanted)
    if agent is None:
        return error_reply(404, _UNKNOWN)
    agent = attrs.evolve(
        agent,
        name=name or agent.name,
        system_instruction=system_instruction or agent.system_instruction,
        voice_id=text_of(content, "voice_id") or agent.voice_id,
    )
    visit.state.workspace.change_agent(agent)
    return success_reply("agent updated", data=agent.as_updated())


async def delete_agent(visit: Visit) -> web.Response:
    """Delete an agent. A DELETE that needs a JSON body."""
    wanted = texts_in(visit, "projectId", "agentId")
    if wanted is None:
        return error_reply(400, _IDS_REQUIRED)
    agent = _agent(visit, *wanted)
    if agent is None:
        return error_reply(404, _UNKNOWN)
    visit.state.workspace.remove_agent(agent)
    return success_reply("agent deleted")


async def list_agents(visit: Visit) -> web.Response:
    """Read the agents of a project as a bare array; 404 if there are none."""
    project_id = visit.path_values["projectId"]
    if visit.state.workspace.project_of(visit.user.id, project_id) is None:
        return error_reply(400, _UNKNOWN_PROJECT)
    agents = visit.state.workspace.agents_of(project_id)
    if not agents:
        return error_reply(404, "no agents")
    return json_reply([agent.as_read() for agent in agents])


def _agent(visit: Visit, project_id: str, agent_id: str) -> Agent | None:
    workspace = visit.state.workspace
    if workspace.project_of(visit.user.id, project_id) is None:
        return None
    return workspace.agent_of(project_id, agent_id)


AGENT_ROUTES = (
    Route(operation="createAgent", method="POST", path="/agent/create-agent", handle=create_agent),
    Route(operation="getAgent", method="POST", path="/agent", handle=get_agent),
    Route(operation="updateAgent", method="PUT", path="/agent", handle=update_agent),
    Route(operation="deleteAgent", method="DELETE", path="/agent", handle=delete_agent),
    Route(operation="listAgents", method="GET", path="/agent/{projectId}", handle=list_agents),
)
