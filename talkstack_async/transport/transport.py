"""Sending a request until it is answered, refused for good, or past its deadline.

This is the one place where a request may be sent a second time.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import Self, TypeVar

import attrs

from ..clock import Clock
from ..config import ClientConfig
from ..errors import AuthenticationError, DeadlineError, StatusError, TalkstackError
from ..telemetry import (
    Observer,
    OnReply,
    ReplyReceived,
    RequestFinished,
    RequestRepeated,
    logger,
    notify,
)
from ..wire.endpoints import Effect, Endpoint, NeededCredential
from ..wire.replies import Reply, error_of
from ..wire.requests import HttpRequest
from .credentials import Credential, hands_out, without
from .deadline import Deadline, Deadlines
from .keeper import TokenKeeper, may_renew_for
from .outgoing import Outgoing, SentMark
from .pool import HostPool
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
        credentials: Credential,
        sessions: SessionManager,
        clock: Clock,
        observer: Observer | None,
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._sessions = sessions
        self._clock = clock
        self._observer = observer
        self._on_reply: OnReply | None = None
        self._deadlines: Deadlines | None = None
        # Letters only, so that nobody takes a request's id for a phone number.
        self._prefix = "".join(secrets.choice("bcdfghjkmnpqrstvwxz") for _ in range(6))
        self._numbers = itertools.count(1)
        self._keeper = credentials if isinstance(credentials, TokenKeeper) else None
        if self._keeper is not None:
            self._keeper.attach(self.send)

    def with_config(self, config: ClientConfig, *, on_reply: OnReply | None) -> Self:
        """Make a transport that shares everything with this one but settings and listener."""
        twin = copy.copy(self)
        twin._config = config  # noqa: SLF001 # a copy of ourselves
        twin._on_reply = on_reply or self._on_reply  # noqa: SLF001
        return twin

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
            self._credentials.header_line(request.endpoint),
            self._prefix,
            next(self._numbers),
            mark,
            self._clock.monotonic(),
        )
        total = self._config.timeouts.total if total_seconds is None else total_seconds
        reply: Reply | None = None
        try:
            pool = self._sessions.ready_pool(request.endpoint.host)
            together = self._deadlines
            if together is None or together.seconds != total or pool is None:
                together = self._together(total, pool)
            with Deadline(total, together) as deadline:
                if pool is not None and self._keeper is None:  # one coroutine less for most
                    outgoing.attempts, outgoing.mark.sent = 1, False
                    try:
                        reply = self._judge(outgoing, await pool.exchange(outgoing))
                    except TalkstackError as failure:
                        await self._bear(failure, outgoing, deadline, wait_out_refusals)
                if reply is None:
                    reply = await self._until_answered(outgoing, deadline, wait_out_refusals)
            result = read(request.endpoint, reply)
        except TimeoutError as error:
            late = _deadline_passed(outgoing, total)
            self._report(outgoing, late)
            raise late from error
        except TalkstackError as failure:
            self._report(outgoing, failure)
            raise
        except asyncio.CancelledError:
            _warn_of_cancelling(outgoing)
            raise
        if self._observer is not None:
            self._notify_finished(outgoing, reply.status, uncertain=False)
        return result

    def _together(self, seconds: float, pool: HostPool | None) -> Deadlines | None:
        """Return what the deadlines of the configured span share; others stand alone."""
        if pool is None or seconds != self._config.timeouts.total:
            return None
        self._deadlines = Deadlines(pool.loop, seconds)
        return self._deadlines

    async def _until_answered(
        self,
        outgoing: Outgoing,
        deadline: Deadline,
        wait_out_refusals: bool,  # noqa: FBT001 # private, passed on
    ) -> Reply:
        keeper, host = self._keeper, outgoing.request.endpoint.host
        if keeper is not None and outgoing.request.endpoint.credential is NeededCredential.NONE:
            keeper = None
        while True:
            if keeper is not None:
                await self._equip(outgoing, keeper)
            outgoing.attempts += 1
            # Whatever was tried before had no effect, or is a read: the mark is of this try alone.
            outgoing.mark.sent = False
            try:
                pool = self._sessions.ready_pool(host) or await self._sessions.pool(host)
                reply = self._judge(outgoing, await pool.exchange(outgoing))
            except TalkstackError as failure:
                if _may_renew(outgoing, failure, keeper):
                    self._report_repetition(outgoing, failure, 0.0)
                    await self._clock.sleep(0.0)
                else:
                    await self._bear(failure, outgoing, deadline, wait_out_refusals)
            else:
                if keeper is not None:
                    keeper.accept(outgoing.credential)
                return reply

    async def _bear(
        self,
        failure: TalkstackError,
        outgoing: Outgoing,
        deadline: Deadline,
        wait_out_refusals: bool,  # noqa: FBT001 # private, passed on
    ) -> None:
        """Wait before the next try; raise the failure again if there must not be one."""
        wait = self._wait_before(outgoing, failure, wait_out_refusals)
        if wait is None or wait > deadline.seconds_left:
            raise failure
        self._report_repetition(outgoing, failure, wait)
        await self._clock.sleep(wait)

    async def _equip(self, outgoing: Outgoing, keeper: TokenKeeper) -> None:
        """Give a request the token of this moment; on its second try it may be another."""
        line = keeper.ready_line()
        if not line:
            # A client that is closed, or of another loop, says so before it waits for a token.
            await self._sessions.pool(outgoing.request.endpoint.host)
            line = await keeper.fresh_line(outgoing)
        outgoing.credential = line

    def _wait_before(
        self,
        outgoing: Outgoing,
        failure: TalkstackError,
        wait_out_refusals: bool,  # noqa: FBT001 # private, passed on
    ) -> float | None:
        """Return the seconds to wait before the next try, None if there must not be one."""
        if not may_repeat(outgoing.request.endpoint.effect, failure):
            return None
        if not wait_out_refusals and isinstance(failure, StatusError):
            return None
        outgoing.patience = outgoing.patience or Patience(self._config.retry)
        return outgoing.patience.next_wait(failure)

    def _judge(self, outgoing: Outgoing, reply: Reply) -> Reply:
        """Return a reply that is a success, without our credential in it; raise for any other."""
        request = outgoing.request
        if self._credentials.occurs_in(reply.body) or request.secrets:
            reply = self._redacted(request, reply)
        if self._on_reply is not None:
            self._hand_on(outgoing, reply)
        if 200 <= reply.status < 300:
            return reply
        error = error_of(request.endpoint, reply, now=self._clock.now())
        # What was plainly refused did not happen, although it left.
        outgoing.mark.sent = error.uncertain
        raise error

    def _redacted(self, request: HttpRequest, reply: Reply) -> Reply:
        if reply.is_success and hands_out(request.endpoint):
            return reply
        body = without(request.secrets, self._credentials.redact(reply.body))
        return reply if body == reply.body else attrs.evolve(reply, body=body)

    def _hand_on(self, outgoing: Outgoing, reply: Reply) -> None:
        received = ReplyReceived(
            request_id=outgoing.request_id,
            operation=outgoing.request.endpoint.name,
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
        )
        notify(self._on_reply, received)

    def _report(self, outgoing: Outgoing, failure: TalkstackError) -> None:
        if failure.request_id is None:
            failure.request_id = outgoing.request_id
        # An uncertain call needs somebody's eyes; the rest is told by the exception.
        logger.log(
            logging.WARNING if failure.uncertain else logging.DEBUG,
            "request %s failed: %s",
            outgoing.request_id,
            failure,
        )
        status = failure.status if isinstance(failure, StatusError) else None
        self._notify_finished(outgoing, status, uncertain=failure.uncertain)

    def _notify_finished(self, outgoing: Outgoing, status: int | None, *, uncertain: bool) -> None:
        event = RequestFinished(
            outgoing.request_id,
            outgoing.request.endpoint.name,
            status,
            outgoing.attempts,
            self._clock.monotonic() - outgoing.since,
            uncertain,
        )
        notify(self._observer, event)

    def _report_repetition(self, outgoing: Outgoing, failure: TalkstackError, wait: float) -> None:
        logger.debug("request %s is repeated in %.3f s: %s", outgoing.request_id, wait, failure)
        event = RequestRepeated(
            request_id=outgoing.request_id,
            operation=outgoing.request.endpoint.name,
            attempt=outgoing.attempts,
            wait_seconds=wait,
            reason=type(failure).__name__,
        )
        notify(self._observer, event)


def _may_renew(outgoing: Outgoing, failure: TalkstackError, keeper: TokenKeeper | None) -> bool:
    """Say whether another token may help, which is tried once."""
    if keeper is None or outgoing.was_renewed or not isinstance(failure, AuthenticationError):
        return False
    if not may_renew_for(outgoing.request.endpoint):
        return False
    outgoing.was_renewed = True
    return keeper.reject(outgoing.credential)


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
