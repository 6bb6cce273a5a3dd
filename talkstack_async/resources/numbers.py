"""Phone numbers that the account can call from."""

from __future__ import annotations

from ..config import ClientConfig
from ..errors import InvalidRequestError
from ..models.numbers import Number
from ..transport.transport import Transport
from ..wire.endpoints import NUMBERS_ASSIGN, NUMBERS_GET
from ..wire.readers import acknowledged, list_reader
from ..wire.requests import build, defaulted, needed, number_text

__all__ = ["Numbers"]

_read_numbers = list_reader(Number)


class Numbers:
    """The account's phone numbers. Reached as `client.numbers`."""

    def __init__(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self._config = config

    async def get(
        self,
        *,
        number_id: str | None = None,
        agent_id: str | None = None,
        project_id: str | None = None,
    ) -> list[Number]:
        """Look numbers up by exactly one id; by the configured project if none is given.

        Always a list: a project may have several numbers.

        Raises:
            InvalidRequestError: More than one id is given, or none and none is configured.
            NotFoundError: There is no such number.
        """
        given = {"phoneNumberId": number_id, "agentId": agent_id, "projectId": project_id}
        body = {key: needed(key, value) for key, value in given.items() if value is not None}
        if len(body) > 1:
            raise InvalidRequestError(
                "give one of number_id, agent_id and project_id: the service looks at one only"
            )
        if not body:
            body = {"projectId": defaulted("project_id", self._config.project_id)}
        return await self._transport.send(build(NUMBERS_GET, body), _read_numbers)

    async def assign(
        self, number: str, *, agent_id: str | None = None, project_id: str | None = None
    ) -> None:
        """Let an agent call from a number, which must be bought from or verified with Twilio.

        Args:
            number: The number in E.164 form.
            agent_id: Which agent; the configured default if None.
            project_id: Where the agent belongs; the configured default if None.

        Raises:
            InvalidNumberError: The number is not in E.164 form.
            BadRequestError: The service refuses the number, the agent or the project.
        """
        config = self._config
        body = {
            "e164": number_text(number, check=config.check_numbers),
            "agentId": defaulted("agent_id", agent_id or config.agent_id),
            "projectId": defaulted("project_id", project_id or config.project_id),
        }
        await self._transport.send(build(NUMBERS_ASSIGN, body), acknowledged)
