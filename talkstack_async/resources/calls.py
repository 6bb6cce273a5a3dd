"""Calls: placing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import ClientConfig
from ..errors import InvalidRequestError
from ..models.calls import CallRequest, CallResult
from ..transport.outgoing import SentMark
from ..transport.transport import Transport
from ..wire.replies import read_call_result
from ..wire.requests import make_call_request

__all__ = ["Calls"]


class Calls:
    """Phone calls. Reached as `client.calls`."""

    def __init__(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self._config = config

    async def make(
        self,
        number: str | CallRequest,
        *,
        agent_id: str | None = None,
        project_id: str | None = None,
        dynamic_variables: Mapping[str, Any] | None = None,
        total_seconds: float | None = None,
    ) -> CallResult:
        """Place one call and return its id.

        The phone rings at most once: what may have rung is never repeated. Name look-up,
        connect and TLS failures and plain refusals (429) are repeated, within the deadline.
        Cancelling the task after the request has left does not stop the call; the service
        knows no cancel operation.

        Args:
            number: The number to dial in E.164 form, or a whole `CallRequest`.
            agent_id: Who speaks; the configured default if None.
            project_id: Where the call belongs; the configured default if None.
            dynamic_variables: Values for the `{{name}}` placeholders of the agent.
            total_seconds: Deadline for everything, instead of `Timeouts.total`.

        Raises:
            InvalidRequestError: Refused on this side; nothing was sent.
            NotSentError: No connection; nothing was sent.
            StatusError: The service refused (4xx), or failed (5xx: `uncertain`).
            ReplyLostError, UnexpectedReplyError, DeadlineError: With `uncertain` true the
                phone may have rung. Look at the call history; do not simply call again.
        """
        if isinstance(number, CallRequest):
            if agent_id or project_id or dynamic_variables:
                raise InvalidRequestError("give a CallRequest, or its parts, not both")
            call = number
        else:
            call = CallRequest(
                number,
                agent_id=agent_id,
                project_id=project_id,
                dynamic_variables=dynamic_variables or {},
            )
        return await self.place(call, total_seconds=total_seconds)

    async def place(
        self,
        call: CallRequest,
        *,
        total_seconds: float | None = None,
        wait_out_refusals: bool = True,
        mark: SentMark | None = None,
    ) -> CallResult:
        """Place one call, for callers that wait out refusals and account for it themselves.

        Like `make`; `wait_out_refusals` and `mark` are those of `Transport.send`.
        """
        config = self._config
        request = make_call_request(
            call,
            project_id=config.project_id,
            agent_id=config.agent_id,
            check_number=config.check_numbers,
        )
        return await self._transport.send(
            request,
            read_call_result,
            total_seconds=total_seconds,
            wait_out_refusals=wait_out_refusals,
            mark=mark,
        )
