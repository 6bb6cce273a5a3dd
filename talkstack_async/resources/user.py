"""The user this client belongs to: the API key and the active project."""

from __future__ import annotations

from ..config import ClientConfig
from ..errors import NotFoundError
from ..models.projects import Project
from ..models.users import ApiKey
from ..transport.transport import Transport
from ..wire.endpoints import (
    USER_GENERATE_API_KEY,
    USER_GET_ACTIVE_PROJECT,
    USER_SET_ACTIVE_PROJECT,
)
from ..wire.readers import is_nothing_there, reader
from ..wire.requests import build, defaulted

__all__ = ["UserAccount"]

_read_key = reader(ApiKey)
_read_project = reader(Project, "projectData")


class UserAccount:
    """The user of this client. Reached as `client.user`."""

    def __init__(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self._config = config

    async def generate_api_key(self) -> ApiKey:
        """Replace the API key of the account and return the new one.

        **The old key most likely stops working at once, for everybody who uses it.** The
        service offers this as a GET; it is never repeated here. If the reply is lost, the key
        may have been replaced all the same: call it again and use what comes.

        Needs a client with a token, not with a key.

        Raises:
            ConfigurationError: This client has an API key.
            AuthenticationError: The token is wrong or expired.
        """
        return await self._transport.send(build(USER_GENERATE_API_KEY), _read_key)

    async def set_active_project(self, project_id: str | None = None) -> Project:
        """Make a project the active one of the user; the configured default if None.

        Raises:
            BadRequestError: There is no such project: the service says 400, not 404.
        """
        wanted = defaulted("project_id", project_id or self._config.project_id)
        request = build(USER_SET_ACTIVE_PROJECT, {"projectId": wanted})
        return await self._transport.send(request, _read_project)

    async def get_active_project(self, *, required: bool = False) -> Project | None:
        """Read the active project of the user; None if none is set.

        Args:
            required: Raise the service's own `NotFoundError` instead of returning None.
        """
        try:
            return await self._transport.send(build(USER_GET_ACTIVE_PROJECT), _read_project)
        except NotFoundError as error:
            if required or not is_nothing_there(error):
                raise
            return None
