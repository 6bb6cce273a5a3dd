"""Calls: placing them, reading them, asking about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from ..clock import Clock
from ..config import ClientConfig
from ..errors import InvalidRequestError
from ..models.analyses import Analysis, Question
from ..models.batches import BatchResult
from ..models.calls import Call, CallRequest, CallResult
from ..models.history import CallFilter
from ..models.statuses import CallStatus
from ..transport.outgoing import SentMark
from ..transport.transport import Transport
from ..wire.analyses import analysis_reader, analysis_request
from ..wire.batches import batch_request, read_batch_result
from ..wire.endpoints import CALLS_GET
from ..wire.history import checked
from ..wire.readers import reader
from ..wire.replies import read_call_result
from ..wire.requests import build, call_to, defaulted, make_call_request, needed
from .agents import Agents
from .analysing import until_available
from .batching import batch_file
from .following import Following
from .variables import VariableCheck
from .walking import walk

__all__ = ["Calls"]

_read_call = reader(Call, "call")
_EVERYDAY = frozenset({dict, type(None)})  # what variables are; anything else is looked at closely
_NO_VARIABLES: Mapping[str, Any] = {}


class Calls:
    """Phone calls. Reached as `client.calls`."""

    def __init__(self, transport: Transport, config: ClientConfig, clock: Clock) -> None:
        self._transport = transport
        self._config = config
        self._clock = clock
        self._following = Following(config.follow, clock)

    async def make(
        self,
        number: str | CallRequest,
        *,
        agent_id: str | None = None,
        project_id: str | None = None,
        dynamic_variables: Mapping[str, Any] | None = None,
        check_variables: bool = False,
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
            check_variables: Read the agent first, and refuse if a placeholder has no value.
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
        elif check_variables or type(dynamic_variables) not in _EVERYDAY:
            call = CallRequest(
                number,
                agent_id=agent_id,
                project_id=project_id,
                dynamic_variables=dynamic_variables or {},
            )
        else:  # the same, without a value that nobody would look at
            config = self._config
            request = call_to(
                number,
                dynamic_variables or _NO_VARIABLES,
                project_id or config.project_id,
                agent_id or config.agent_id,
                config.check_numbers,
            )
            return await self._transport.send(
                request, read_call_result, total_seconds=total_seconds
            )
        if check_variables:
            await self.variable_check().check(call)
        return await self.place(call, total_seconds=total_seconds)

    def variable_check(self) -> VariableCheck:
        """Make a check of placeholders that reads each agent once; for lists."""
        return VariableCheck(Agents(self._transport, self._config), self._config)

    def place(
        self,
        call: CallRequest,
        *,
        total_seconds: float | None = None,
        wait_out_refusals: bool = True,
        mark: SentMark | None = None,
    ) -> Coroutine[Any, Any, CallResult]:
        """Place one call, for callers that wait out refusals and account for it themselves.

        Like `make`, but a request that has to be refused on this side is refused before there
        is anything to await. `wait_out_refusals` and `mark` are those of `Transport.send`.
        """
        config = self._config
        request = make_call_request(
            call,
            project_id=config.project_id,
            agent_id=config.agent_id,
            check_number=config.check_numbers,
        )
        return self._transport.send(
            request,
            read_call_result,
            total_seconds=total_seconds,
            wait_out_refusals=wait_out_refusals,
            mark=mark,
        )

    def place_to(
        self,
        number: str,
        variables: Mapping[str, Any],
        *,
        project_id: str,
        agent_id: str,
        mark: SentMark,
    ) -> Coroutine[Any, Any, CallResult]:
        """Place one call given by its parts, for campaigns: like `place`, refusals not waited out.

        A claim is all there is of such a call; a request made of it nobody would look at.
        """
        request = call_to(number, variables, project_id, agent_id, self._config.check_numbers)
        return self._transport.send(request, read_call_result, wait_out_refusals=False, mark=mark)

    async def get(
        self, call_id: str, *, project_id: str | None = None, total_seconds: float | None = None
    ) -> Call:
        """Read where a call stands and, once it is over, what came of it.

        A read, so it is repeated after lost replies and 5xx. Right after dialling the service
        may not know the call yet and answer 404: wait a little and ask again.

        Args:
            call_id: As `make` returned it.
            project_id: Where the call belongs; the configured default if None.
            total_seconds: Deadline for everything, instead of `Timeouts.total`.

        Raises:
            NotFoundError: The service knows no such call, or not yet.
            TalkstackError: See `talkstack_async.errors`.
        """
        body = {
            "sid": needed("call_id", call_id),  # the page of the error calls it `callSid`
            "projectId": defaulted("project_id", project_id or self._config.project_id),
        }
        request = build(CALLS_GET, body)
        call = await self._transport.send(request, _read_call, total_seconds=total_seconds)
        return call if call.call_id else attrs.evolve(call, call_id=call_id)

    async def wait_until_final(
        self,
        call_id: str,
        *,
        project_id: str | None = None,
        deadline_seconds: float | None = None,
    ) -> Call:
        """Follow a call to its end, and return it as it was read last.

        Reads the call now and then, with growing gaps (see `FollowSettings`); `notice` makes
        it look at once. An unknown status is not final.

        Args:
            call_id: As `make` returned it.
            project_id: Where the call belongs; the configured default if None.
            deadline_seconds: How long to follow, instead of `FollowSettings.deadline_seconds`.

        Raises:
            DeadlineError: The call was not over in time. It goes on all the same.
            NotFoundError: The service does not know the call, also some time after dialling.
            TalkstackError: It cannot be read, and asking again would not help.
        """

        async def read() -> Call:
            return await self.get(call_id, project_id=project_id)

        return await self._following.until_final(call_id, read, deadline_seconds=deadline_seconds)

    def notice(self, call_id: str) -> None:
        """Have everybody who follows a call look at it now; for a webhook that names it."""
        self._following.notice(call_id)

    def history(
        self,
        *,
        project_id: str | None = None,
        to: str | None = None,
        from_: str | None = None,
        status: CallStatus | str | None = None,
        started_on: date | None = None,
        started_before: date | None = None,
        started_after: date | None = None,
        ended_on: date | None = None,
        ended_before: date | None = None,
        ended_after: date | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[Call]:
        """Go through the calls of a project: `async for call in client.calls.history(...)`.

        The order is the service's own, most likely the newest first. No call comes twice. The
        service has no cursor: when a page comes back full it is asked for again, larger, and
        at last day by day. A call that was just made may be missing for a while.

        Days are days in UTC. Before and after a day mean the midnight with which it begins.

        Args:
            project_id: Whose calls; the configured default if None.
            to: Only calls to this number.
            from_: Only calls from this number.
            status: Only calls in this status. The service cannot filter by `voicemail`,
                `silence` and `canceled`.
            started_on: Only calls that began on this day.
            started_before: Only calls that began before this day.
            started_after: Only calls that began on this day or later.
            ended_on: Only calls that ended on this day.
            ended_before: Only calls that ended before this day.
            ended_after: Only calls that ended on this day or later.
            page_size: How many calls the first page may hold.

        Raises:
            InvalidRequestError: A filter cannot work. Raised here, not on the first step.
            UnexpectedReplyError: While iterating: there are more calls than the service can be
                made to show. All it did show were handed out before.
        """
        if type(page_size) is not int or page_size < 1:
            raise InvalidRequestError("page_size must be a whole number above 0")
        wanted = CallFilter(
            to=to,
            from_=from_,
            status=None if status is None else CallStatus(status),
            started_on=started_on,
            started_before=started_before,
            started_after=started_after,
            ended_on=ended_on,
            ended_before=ended_before,
            ended_after=ended_after,
        )
        project_id = defaulted("project_id", project_id or self._config.project_id)
        return walk(self._transport, checked(wanted), project_id=project_id, page_size=page_size)

    async def analyze(
        self,
        call_id: str,
        *,
        questions: Sequence[Question],
        project_id: str | None = None,
        wait: float | None = None,
    ) -> Analysis:
        """Ask questions about a call that has ended.

        A read, so it is repeated after lost replies; each asking costs the service some work.
        Right after the call the analysis may be empty: see `Analysis.is_available` and `wait`.

        Args:
            call_id: As `make` returned it.
            questions: What to ask: `BooleanQuestion`, `TextQuestion`, `NumberQuestion`,
                `SelectorQuestion`.
            project_id: Needed with `wait` only, to see whether the call goes on; the
                configured default if None.
            wait: Ask again for up to so many seconds until the call is over and its analysis
                there. None asks once.

        Raises:
            InvalidRequestError: A question cannot be asked.
            BadRequestError: Most likely the call has not ended.
            NotFoundError: The service knows no such call.
        """
        request, answers = analysis_request(call_id, questions), analysis_reader(questions)

        async def ask() -> Analysis:
            return await self._transport.send(request, answers)

        async def read() -> Call:
            return await self.get(call_id, project_id=project_id)

        if wait is None:
            return await ask()
        return await until_available(ask, read, clock=self._clock, seconds=wait)

    async def batch(
        self,
        calls: str | Path | bytes | Iterable[CallRequest],
        *,
        agent_id: str | None = None,
        project_id: str | None = None,
    ) -> BatchResult:
        """Hand a whole list to the service, which calls every number in it.

        **Prefer `client.dispatcher()`**, or a campaign, unless a file is all there is: a batch
        answers with no call ids, so nobody learns here who was rung; its pace is the
        service's; and if the reply is lost, the whole list is uncertain. It is sent once and
        never repeated after it may have arrived.

        The list is checked before anything leaves: the column `number`, every number, JSON
        objects in the column `dynamicVariables`, no number twice, at most 10 MiB. Of a
        spreadsheet only the outside is checked.

        Args:
            calls: A path to a CSV (UTF-8) or .xlsx file, its content as bytes, or call
                requests.
            agent_id: Who speaks in all of them; the configured default if None.
            project_id: Where all of them belong; the configured default if None.

        Raises:
            InvalidRequestError: The list is not fit to be sent; nothing was. Names the rows.
            ReplyLostError, ServerError, DeadlineError: With `uncertain` true any number of
                the phones may have rung. Do not simply send it again.
        """
        config = self._config
        project_id = defaulted("project_id", project_id or config.project_id)
        agent_id = defaulted("agent_id", agent_id or config.agent_id)
        file = await batch_file(
            calls, project_id=project_id, agent_id=agent_id, check_numbers=config.check_numbers
        )
        request = batch_request(file, project_id=project_id, agent_id=agent_id)
        result = await self._transport.send(request, read_batch_result)
        return attrs.evolve(result, rows=file.rows)
