"""The operations on a project's active agent: read by POST, set and remove by PATCH."""

import attrs
from aiohttp import web

from .reading import texts_in
from .replies import error_reply, success_reply
from .routing import Route, Visit

_UNKNOWN = "project does not exist"


async def get_active_agent(visit: Visit) -> web.Response:
    """Read the id of the active agent; 404 if there is none."""
    wanted = texts_in(visit, "projectId")
    if wanted is None:
        # The vendor copied this sentence from the operation that sets the agent.
        return error_reply(400, "projectId and active_agent are required")
    project = visit.state.workspace.project_of(visit.user.id, wanted[0])
    if project is None:
        return error_reply(400, _UNKNOWN)
    if project.active_agent is None:
        return error_reply(404, "no active agent")
    return success_reply("active agent fetched", active_agent=project.active_agent)


async def set_active_agent(visit: Visit) -> web.Response:
    """Make one of the project's agents its active one."""
    wanted = texts_in(visit, "projectId", "active_agent")
    if wanted is None:
        return error_reply(400, "projectId and active_agent are required")
    project_id, agent_id = wanted
    workspace = visit.state.workspace
    project = workspace.project_of(visit.user.id, project_id)
    if project is None:
        return error_reply(400, _UNKNOWN)
    if workspace.agent_of(project_id, agent_id) is None:
        return error_reply(400, "the project has no such agent")
    project = workspace.change_project(attrs.evolve(project, active_agent=agent_id))
    return success_reply("active agent updated", project=project.as_repointed())


async def remove_active_agent(visit: Visit) -> web.Response:
    """Clear the active agent of every project that uses it; fine if there is none."""
    workspace = visit.state.workspace
    for project in workspace.projects_of(visit.user.id):
        if project.active_agent == visit.path_values["agentId"]:
            workspace.change_project(attrs.evolve(project, active_agent=None))
    return success_reply("active agent removed")


ACTIVE_AGENT_ROUTES = (
    Route(
        operation="getActiveAgent",
        method="POST",
        path="/project/active-agent",
        handle=get_active_agent,
    ),
    Route(
        operation="setActiveAgent",
        method="PATCH",
        path="/project/active-agent",
        handle=set_active_agent,
    ),
    Route(
        operation="removeActiveAgent",
        method="PATCH",
        path="/project/active-agent/{agentId}",
        handle=remove_active_agent,
    ),
)
