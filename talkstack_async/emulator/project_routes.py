"""The operations on projects: create, read, list, update, delete, and the webhook."""

from typing import Any

import attrs
from aiohttp import web

from .projects import Project
from .reading import NOT_JSON, object_in, text_of, texts_in
from .replies import error_reply, json_reply, success_reply
from .routing import Route, Visit

_UNKNOWN = "project does not exist"
_NAME_TAKEN = "project already exists"


async def create_project(visit: Visit) -> web.Response:
    """Create a project with a name the user has not used yet."""
    wanted = texts_in(visit, "name", "description")
    if wanted is None:
        return error_reply(400, "name and description are required")
    name, description = wanted
    if _is_taken(name, visit):
        return error_reply(400, _NAME_TAKEN)
    project = visit.state.workspace.add_project(
        user_id=visit.user.id, name=name, description=description
    )
    return success_reply("project created", data=project.as_created())


async def get_project(visit: Visit) -> web.Response:
    """Read one project. The envelope misspells its status; an unknown project is 400."""
    project = _project(visit)
    if project is None:
        return error_reply(400, _UNKNOWN)
    return json_reply(
        {"message": "project fetched", "status": "succcess", "data": project.as_read()}
    )


async def list_projects(visit: Visit) -> web.Response:
    """Read the user's projects."""
    projects = visit.state.workspace.projects_of(visit.user.id)
    return success_reply("projects fetched", data=[project.as_read() for project in projects])


async def update_project(visit: Visit) -> web.Response:
    """Change name, description or webhook; one of the first two must be there."""
    content = object_in(visit)
    if content is None:
        return error_reply(400, NOT_JSON)
    name, description = text_of(content, "name"), text_of(content, "description")
    if name is None and description is None:
        return error_reply(400, "name and description are missing")
    project = _project(visit)
    if project is None:
        return error_reply(404, _UNKNOWN)
    if name is not None and name != project.name and _is_taken(name, visit):
        return error_reply(400, _NAME_TAKEN)
    changed = attrs.evolve(
        project,
        name=name or project.name,
        description=description or project.description,
        call_status_webhook=text_of(content, "webhookUrl") or project.call_status_webhook,
    )
    changed = visit.state.workspace.change_project(changed)
    return success_reply("project updated", data=changed.as_read())


async def delete_project(visit: Visit) -> web.Response:
    """Delete a project; one that still has agents or numbers only with `cascade`."""
    cascade = _cascade_in(visit)
    if cascade is None:
        return error_reply(400, "cascade must be true or false, in a JSON object")
    project = _project(visit)
    if project is None:
        return error_reply(404, _UNKNOWN)
    if not cascade and _is_inhabited(project, visit):
        return error_reply(400, "the project still has agents or phone numbers")
    visit.state.workspace.remove_project(project)
    visit.state.accounts.leave_project(project.id)
    return success_reply("project deleted")


async def add_webhook(visit: Visit) -> web.Response:
    """Say where status changes of the project's calls are to be reported."""
    wanted = texts_in(visit, "projectId", "webhookURL")
    if wanted is None:
        return error_reply(400, "projectId and webhookURL are required")
    project_id, url = wanted
    project = visit.state.workspace.project_of(visit.user.id, project_id)
    if project is None:
        return error_reply(400, _UNKNOWN)
    visit.state.workspace.change_project(attrs.evolve(project, call_status_webhook=url))
    return success_reply("webhook url added")


def _project(visit: Visit) -> Project | None:
    return visit.state.workspace.project_of(visit.user.id, visit.path_values["projectId"])


def _is_taken(name: str, visit: Visit) -> bool:
    projects = visit.state.workspace.projects_of(visit.user.id)
    return any(project.name == name for project in projects)


def _is_inhabited(project: Project, visit: Visit) -> bool:
    workspace = visit.state.workspace
    return bool(
        workspace.agents_of(project.id)
        or workspace.numbers_where(lambda number: number.project_id == project.id)
    )


def _cascade_in(visit: Visit) -> bool | None:
    """Return whether to cascade, None if the body makes no sense. It may be left out."""
    if not visit.body:
        return False
    content: dict[str, Any] | None = object_in(visit)
    cascade = None if content is None else content.get("cascade", False)
    return cascade if isinstance(cascade, bool) else None


PROJECT_ROUTES = (
    Route(
        operation="createProject",
        method="POST",
        path="/project/create-project",
        handle=create_project,
    ),
    Route(operation="listProjects", method="GET", path="/project", handle=list_projects),
    Route(operation="getProject", method="GET", path="/project/{projectId}", handle=get_project),
    Route(
        operation="updateProject",
        method="PUT",
        path="/project/{projectId}",
        handle=update_project,
    ),
    Route(
        operation="deleteProject",
        method="DELETE",
        path="/project/{projectId}",
        handle=delete_project,
    ),
    Route(
        operation="addCallStatusWebhook",
        method="POST",
        path="/project/call-status/add-webhookurl",
        handle=add_webhook,
    ),
)
