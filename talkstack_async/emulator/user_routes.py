"""The operations on the user: the API key and the active project."""

from aiohttp import web

from .reading import texts_in
from .replies import error_reply, success_reply
from .routing import Route, Visit


async def generate_api_key(visit: Visit) -> web.Response:
    """Replace the API key. A GET, although the old key dies at once."""
    key = visit.state.accounts.replace_key(visit.user)
    return success_reply("api key generated", apiKey=key)


async def set_active_project(visit: Visit) -> web.Response:
    """Make a project the user's active one. An unknown project is 400."""
    wanted = texts_in(visit, "projectId")
    if wanted is None:
        return error_reply(400, "projectId is required")
    project = visit.state.workspace.project_of(visit.user.id, wanted[0])
    if project is None:
        return error_reply(400, "project does not exist")
    user = visit.state.accounts.change(visit.user, active_project=project.id)
    return success_reply(
        "project set active", userData=user.full_profile(), projectData=project.as_active()
    )


async def get_active_project(visit: Visit) -> web.Response:
    """Read the active project; 404 if there is none."""
    project = visit.state.workspace.project_of(visit.user.id, visit.user.active_project)
    if project is None:
        return error_reply(404, "Bad Request: no active project")
    return success_reply("fetched active project", projectData=project.as_active())


USER_ROUTES = (
    Route(
        operation="generateApiKey",
        method="GET",
        path="/user/generate-apikey",
        handle=generate_api_key,
        credential="token",
    ),
    Route(
        operation="setActiveProject",
        method="POST",
        path="/user/set-active-project",
        handle=set_active_project,
    ),
    Route(
        operation="getActiveProject",
        method="GET",
        path="/user/get-active-project",
        handle=get_active_project,
    ),
)
