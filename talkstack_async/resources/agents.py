"""Agents: who speaks."""

from __future__ import annotations

import builtins

import attrs

from ..config import ClientConfig
from ..errors import InvalidRequestError, NotFoundError
from ..models.agents import Agent
from ..models.fields import UNSET, Unset
from ..transport.transport import Transport
from ..wire.endpoints import AGENTS_CREATE, AGENTS_DELETE, AGENTS_GET, AGENTS_LIST, AGENTS_UPDATE
from ..wire.readers import acknowledged, is_nothing_there, list_reader, reader
from ..wire.requests import build, defaulted, needed

__all__ = ["Agents"]

_read_agent = reader(Agent, "agent")
_read_agents = list_reader(Agent, "agents")


class Agents:
    """Agents. Reached as `client.agents`.

    Where project or agent are to be named, None stands for the configured default.
    """

    def __init__(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self._config = config

    async def create(
        self,
        name: str,
        *,
        instruction: str,
        project_id: str | None = None,
        voice_id: str | None = None,
        phone_number: str | None = None,
    ) -> Agent:
        """Create an agent.

        Args:
            name: What it is called.
            instruction: What it is to be and do; `{{name}}` is filled in for each call.
            project_id: Where it belongs.
            voice_id: Which voice it has; see `client.voices`.
            phone_number: The vendor's text demands it, the vendor's sample leaves it out. Give
                it if the service refuses without; `client.numbers.assign` does it afterwards.

        Raises:
            BadRequestError: Something is missing; perhaps the phone number.
        """
        body = {
            "projectId": self._project(project_id),
            "name": needed("name", name),
            "systemInstruction": needed("instruction", instruction),
            "voice_id": UNSET if voice_id is None else voice_id,
            "phoneNumber": UNSET if phone_number is None else phone_number,
        }
        return await self._transport.send(build(AGENTS_CREATE, body), _read_agent)

    async def get(self, agent_id: str | None = None, *, project_id: str | None = None) -> Agent:
        """Read one agent.

        Raises:
            NotFoundError: There is no such agent in this project.
        """
        body = self._ids(agent_id, project_id)
        return self._with_ids(
            await self._transport.send(build(AGENTS_GET, body), _read_agent), body
        )

    async def update(
        self,
        agent_id: str | None = None,
        *,
        project_id: str | None = None,
        name: str | Unset = UNSET,
        instruction: str | Unset = UNSET,
        voice_id: str | Unset | None = UNSET,
    ) -> Agent:
        """Change what is given; the rest stays. `None` is sent as null.

        The service wants a name or an instruction in every update. If only the voice is
        given, the agent is read first and its name sent along.

        Raises:
            InvalidRequestError: Nothing is given to change.
            NotFoundError: There is no such agent in this project.
        """
        if name is UNSET and instruction is UNSET and voice_id is UNSET:
            raise InvalidRequestError("nothing is given that the agent should change to")
        ids = self._ids(agent_id, project_id)
        body = {
            **ids,
            "name": name if name is UNSET else needed("name", name),
            "systemInstruction": (
                instruction if instruction is UNSET else needed("instruction", instruction)
            ),
            "voice_id": voice_id,
        }
        if name is UNSET and instruction is UNSET:
            known = await self.get(ids["agentId"], project_id=ids["projectId"])
            body["name"] = known.name
        return self._with_ids(
            await self._transport.send(build(AGENTS_UPDATE, body), _read_agent), ids
        )

    async def delete(self, agent_id: str, *, project_id: str | None = None) -> None:
        """Delete an agent. A default agent is not taken here.

        Raises:
            NotFoundError: There is no such agent in this project.
        """
        body = self._ids(needed("agent_id", agent_id), project_id)
        await self._transport.send(build(AGENTS_DELETE, body), acknowledged)

    async def list(
        self, project_id: str | None = None, *, required: bool = False
    ) -> builtins.list[Agent]:
        """Read the agents of a project; an empty list if there are none.

        Args:
            project_id: Which project.
            required: Raise the service's own `NotFoundError` instead of returning [].
        """
        request = build(AGENTS_LIST, path={"project_id": self._project(project_id)})
        try:
            return await self._transport.send(request, _read_agents)
        except NotFoundError as error:
            if required or not is_nothing_there(error):
                raise
            return []

    def _project(self, project_id: str | None) -> str:
        return defaulted("project_id", project_id or self._config.project_id)

    def _ids(self, agent_id: str | None, project_id: str | None) -> dict[str, str]:
        return {
            "projectId": self._project(project_id),
            "agentId": defaulted("agent_id", agent_id or self._config.agent_id),
        }

    def _with_ids(self, agent: Agent, ids: dict[str, str]) -> Agent:
        if agent.id and agent.project_id:
            return agent
        return attrs.evolve(
            agent,
            id=agent.id or ids["agentId"],
            project_id=agent.project_id or ids["projectId"],
        )
