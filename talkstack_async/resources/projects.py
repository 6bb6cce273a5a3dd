"""Projects, their webhook and their active agent."""

from __future__ import annotations

import attrs

from ..config import ClientConfig
from ..errors import InvalidRequestError, NotFoundError
from ..models.fields import UNSET, Unset
from ..models.projects import Project
from ..transport.transport import Transport
from ..wire.endpoints import (
    PROJECTS_CREATE,
    PROJECTS_DELETE,
    PROJECTS_GET,
    PROJECTS_GET_ACTIVE_AGENT,
    PROJECTS_LIST,
    PROJECTS_REMOVE_ACTIVE_AGENT,
    PROJECTS_SET_ACTIVE_AGENT,
    PROJECTS_SET_WEBHOOK,
    PROJECTS_UPDATE,
)
from ..wire.readers import acknowledged, is_nothing_there, list_reader, reader, text_reader
from ..wire.requests import build, defaulted, needed

__all__ = ["Projects"]

_read_project = reader(Project, "data", "project", "projectData")
_read_projects = list_reader(Project, "projects")
_read_active_agent = text_reader("active_agent")


class Projects:
    """Projects. Reached as `client.projects`.

    Where a project is to be named, None stands for the configured default.
    """

    def __init__(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self._config = config

    async def create(self, name: str, *, description: str) -> Project:
        """Create a project. The name must be new among the user's projects.

        Not repeated after a lost reply: look with `list` whether it came to be.

        Raises:
            BadRequestError: There is a project of that name, or one of the two is missing.
        """
        body = {"name": needed("name", name), "description": needed("description", description)}
        return await self._transport.send(build(PROJECTS_CREATE, body), _read_project)

    async def get(self, project_id: str | None = None) -> Project:
        """Read one project.

        Raises:
            BadRequestError: There is no such project: the service says 400, not 404.
        """
        request = build(PROJECTS_GET, path={"project_id": self._chosen(project_id)})
        return await self._transport.send(request, _read_project)

    async def list(self) -> list[Project]:
        """Read all projects of the user.

        The vendor's page of this operation was never seen: address and shape are inferred.
        """
        return await self._transport.send(build(PROJECTS_LIST), _read_projects)

    async def update(
        self,
        project_id: str | None = None,
        *,
        name: str | Unset = UNSET,
        description: str | Unset | None = UNSET,
        webhook_url: str | Unset | None = UNSET,
    ) -> Project:
        """Change what is given; the rest stays. `None` is sent as null.

        The service wants a name or a description in every update. If only the webhook is
        given, the project is read first and its name sent along.

        Raises:
            InvalidRequestError: Nothing is given to change.
            BadRequestError: The name is taken.
            NotFoundError: There is no such project.
        """
        if name is UNSET and description is UNSET and webhook_url is UNSET:
            raise InvalidRequestError("nothing is given that the project should change to")
        chosen = self._chosen(project_id)
        body = {
            "name": name if name is UNSET else needed("name", name),
            "description": description,
            "webhookUrl": webhook_url,
        }
        if name is UNSET and not description:
            body["name"] = (await self.get(chosen)).name
        request = build(PROJECTS_UPDATE, body, path={"project_id": chosen})
        return await self._transport.send(request, _read_project)

    async def delete(self, project_id: str, *, cascade: bool = False) -> None:
        """Delete a project, with `cascade` its agents and numbers too.

        Without `cascade` they must be removed first. A default is not taken here.

        Raises:
            BadRequestError: Most likely it still has agents or numbers; the service does not
                document what it says then.
            NotFoundError: There is no such project.
        """
        path = {"project_id": needed("project_id", project_id)}
        request = build(PROJECTS_DELETE, {"cascade": bool(cascade)}, path=path)
        await self._transport.send(request, acknowledged)

    async def set_webhook(self, url: str, *, project_id: str | None = None) -> None:
        """Have the progress of the project's calls reported to an address.

        What the service sends there, and whether it signs or repeats it, is not documented.
        There is no operation that removes it; `update(webhook_url=None)` is worth a try.
        """
        body = {"projectId": self._chosen(project_id), "webhookURL": needed("url", url)}
        await self._transport.send(build(PROJECTS_SET_WEBHOOK, body), acknowledged)

    async def get_active_agent(
        self, project_id: str | None = None, *, required: bool = False
    ) -> str | None:
        """Read the id of the project's default agent; None if there is none.

        Args:
            project_id: Which project.
            required: Raise the service's own `NotFoundError` instead of returning None.
        """
        request = build(PROJECTS_GET_ACTIVE_AGENT, {"projectId": self._chosen(project_id)})
        try:
            return await self._transport.send(request, _read_active_agent)
        except NotFoundError as error:
            if required or not is_nothing_there(error):
                raise
            return None

    async def set_active_agent(self, agent_id: str, *, project_id: str | None = None) -> Project:
        """Make an agent the default one of a project.

        Raises:
            BadRequestError: There is no such project or agent.
        """
        chosen = self._chosen(project_id)
        body = {"projectId": chosen, "active_agent": needed("agent_id", agent_id)}
        request = build(PROJECTS_SET_ACTIVE_AGENT, body)
        project = await self._transport.send(request, _read_project)
        return project if project.id else attrs.evolve(project, id=chosen)

    async def remove_active_agent(self, agent_id: str) -> None:
        """Make an agent no longer the default one. Takes the agent's id, not the project's."""
        request = build(PROJECTS_REMOVE_ACTIVE_AGENT, path={"agent_id": agent_id})
        await self._transport.send(request, acknowledged)

    def _chosen(self, project_id: str | None) -> str:
        return defaulted("project_id", project_id or self._config.project_id)
