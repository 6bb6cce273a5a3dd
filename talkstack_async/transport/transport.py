"""Sending a request until it is answered, refused for good, or past its deadline.

This is the one place where a request may be sent a second time.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import TypeVar

import attrs

from ..clock import Clock
from ..config import ClientConfig
from ..errors import DeadlineError, StatusError, TalkstackError
from ..telemetry import Observer, RequestFinished, RequestRepeated, logger, notify
from ..wire.endpoints import Effect, Endpoint
from ..wire.replies import Reply, error_of
from ..wire.requests import HttpRequest
from .credentials import Credentials
from .deadline import Deadline
from .outgoing import Outgoing, SentMark
from .retry import Patience, may_repeat
from .sessions import SessionManager

__all__ = ["Transport"]

T = TypeVar("T")


class Transport:
    """Sends requests with one credential through one session manager."""

    def __init__(
        self,
        *,
        config: ClientConfig,
        credentials: Credentials,
        sessions: SessionManager,
        clock: Clock,
        observer: Observer | None,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._sessions = sessions
        self._clock = clock
        self._observer = observer
        self._prefix = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    async def send(
        self,
        request: HttpRequest,
        read: Callable[[Endpoint, Reply], T],
        *,
        total_seconds: float | None = None,
        wait_out_refusals: bool = True,
        mark: SentMark | None = None,
    ) -> T:
        """Send a request and return what is read from its reply.

        Args:
            request: What to send.
            read: Makes a value of a reply with a 2xx status, or raises
                `UnexpectedReplyError`.
            total_seconds: The deadline for everything, instead of the configured one.
            wait_out_refusals: Wait and repeat after a 429. A dispatcher says no: it makes all
                its calls wait, not just this one.
            mark: Tells the caller, whatever happens, whether the request may have left.

        Raises:
            TalkstackError: It failed; `uncertain` says whether it may have happened.
        """
        outgoing = Outgoing(
            request,
            credential=self._credentials.header_line(),
            request_id=f"{self._prefix}-{next(self._numbers)}",
            mark=mark or SentMark(),
        )
        watch = _Watch(self._clock.monotonic())
        total = self._config.timeouts.total if total_seconds is None else total_seconds
        try:
            with Deadline(total) as deadline:
                reply = await self._until_answered(
                    outgoing, watch, deadline, wait_out_refusals=wait_out_refusals
                )
            result = read(request.endpoint, reply)
        except TimeoutError as error:
            failure = _deadline_passed(outgoing, total)
            self._report(outgoing, watch, failure)
            raise failure from error
        except TalkstackError as failure:
            self._report(outgoing, watch, failure)
            raise
        except asyncio.CancelledError:
            _warn_of_cancelling(outgoing)
            raise
        if self._observer is not None:
            self._report_success(outgoing, watch, reply)
        return result

    async def _until_answered(
        self,
        outgoing: Outgoing,
        watch: _Watch,
        deadline: Deadline,
        *,
        wait_out_refusals: bool,
    ) -> Reply:
        patience: Patience | None = None
        while True:
            watch.attempts += 1
            try:
                return await self._once(outgoing)
            except TalkstackError as failure:
                if not may_repeat(outgoing.request.endpoint.effect, failure):
                    raise
                if not wait_out_refusals and isinstance(failure, StatusError):
                    raise
                patience = patience or Patience(self._config.retry)
                wait = patience.next_wait(failure)
                if wait is None or wait > deadline.seconds_left:
                    raise
                self._report_repetition(outgoing, watch, failure, wait)
            await self._clock.sleep(wait)

    async def _once(self, outgoing: Outgoing) -> Reply:
        pool = await self._sessions.pool(outgoing.request.endpoint.host)
        reply = await pool.exchange(outgoing)
        if self._credentials.occurs_in(reply.body):
            reply = attrs.evolve(reply, body=self._credentials.redact(reply.body))
        if reply.is_success:
            return reply
        error = error_of(outgoing.request.endpoint, reply, now=self._clock.now())
        # What was plainly refused did not happen, although it left.
        outgoing.mark.sent = error.uncertain
        raise error

    def _report(self, outgoing: Outgoing, watch: _Watch, failure: TalkstackError) -> None:
        # An uncertain call needs somebody's eyes; the rest is told by the exception.
        logger.log(
            logging.WARNING if failure.uncertain else logging.DEBUG,
            "request %s failed: %s",
            outgoing.request_id,
            failure,
        )
        status = failure.status if isinstance(failure, StatusError) else None
        self._notify_finished(outgoing, watch, status, uncertain=failure.uncertain)

    def _report_success(self, outgoing: Outgoing, watch: _Watch, reply: Reply) -> None:
        self._notify_finished(outgoing, watch, reply.status, uncertain=False)

    def _notify_finished(
        self, outgoing: Outgoing, watch: _Watch, status: int | None, *, uncertain: bool
    ) -> None:
        event = RequestFinished(
            request_id=outgoing.request_id,
            operation=outgoing.request.endpoint.name,
            status=status,
            attempts=watch.attempts,
            elapsed_seconds=self._clock.monotonic() - watch.since,
            uncertain=uncertain,
        )
        notify(self._observer, event)

    def _report_repetition(
        self, outgoing: Outgoing, watch: _Watch, failure: TalkstackError, wait: float
    ) -> None:
        logger.debug("request %s is repeated in %.3f s: %s", outgoing.request_id, wait, failure)
        event = RequestRepeated(
            request_id=outgoing.request_id,
            operation=outgoing.request.endpoint.name,
            attempt=watch.attempts,
            wait_seconds=wait,
            reason=type(failure).__name__,
        )
        notify(self._observer, event)


@attrs.define
class _Watch:
    """When a request began, and how often it was tried."""

    since: float
    attempts: int = 0


def _deadline_passed(outgoing: Outgoing, total: float) -> DeadlineError:
    endpoint = outgoing.request.endpoint
    uncertain = outgoing.mark.sent and endpoint.effect is not Effect.READ
    where = "after the request had left" if outgoing.mark.sent else "before anything was sent"
    return DeadlineError(
        f"{endpoint.name}: the deadline of {total:g} s passed {where}",
        uncertain=uncertain,
        request_id=outgoing.request_id,
    )


def _warn_of_cancelling(outgoing: Outgoing) -> None:
    if outgoing.mark.sent and outgoing.request.endpoint.effect is Effect.DIAL:
        logger.warning(
            "request %s was cancelled after it had left: the phone may ring all the same",
            outgoing.request_id,
        )
