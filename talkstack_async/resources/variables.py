"""Checking, before anything rings, that every `{{placeholder}}` has a value."""

from __future__ import annotations

import asyncio

from ..config import ClientConfig
from ..errors import InvalidRequestError
from ..models.calls import CallRequest
from .agents import Agents

__all__ = ["VariableCheck"]


class VariableCheck:
    """Compares calls with the instruction of their agent. Each agent is read once.

    An instruction that is changed later is not noticed: make a new check for each list.
    """

    def __init__(self, agents: Agents, config: ClientConfig) -> None:
        self._agents = agents
        self._config = config
        self._placeholders: dict[tuple[str | None, str | None], tuple[str, ...]] = {}
        self._reading = asyncio.Lock()

    async def check(self, call: CallRequest) -> None:
        """Refuse a call that would leave a placeholder unfilled.

        Raises:
            InvalidRequestError: It names the placeholders that have no value.
            TalkstackError: The agent cannot be read.
        """
        row: object = call
        if not isinstance(row, CallRequest) or not isinstance(call.dynamic_variables, dict):
            return  # refused for that, with better words, when it is to be placed
        wanted = await self._placeholders_of(call)
        missing = [name for name in wanted if call.dynamic_variables.get(name) is None]
        if missing:
            raise InvalidRequestError(
                f"no value for {', '.join(missing)}: the agent would say the braces; give it in "
                "dynamic_variables"
            )

    async def _placeholders_of(self, call: CallRequest) -> tuple[str, ...]:
        project_id = call.project_id or self._config.project_id
        key = (project_id, call.agent_id or self._config.agent_id)
        if key not in self._placeholders:
            async with self._reading:
                if key not in self._placeholders:
                    agent = await self._agents.get(key[1], project_id=project_id)
                    self._placeholders[key] = agent.placeholders()
        return self._placeholders[key]
