"""Tokens that are renewed: ahead of their end, after a 401, and once for all tasks.

A renewal runs in a task of its own, so a caller that is cancelled while it waits takes nothing
along: the service may have replaced the refresh token already, and giving up then would lose
the account. Everybody who needs a token waits for the same renewal and shares what it brings.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

import attrs

from ..clock import Clock
from ..errors import (
    AuthenticationError,
    ClientStateError,
    ClosedError,
    ConfigurationError,
    NotFoundError,
    NotSentError,
    ReplyLostError,
    ServerError,
    TalkstackError,
)
from ..secret import Secret
from ..telemetry import logger
from ..wire.endpoints import AUTH_CHANGE_PASSWORD, Endpoint, NeededCredential
from ..wire.replies import Reply
from ..wire.requests import HttpRequest
from .credentials import bearer_line, plain_bytes
from .outgoing import Outgoing
from .tokens import Login, OnTokens, Tokens, login_request, read_tokens, refresh_request

__all__ = ["TokenKeeper"]

MARGIN = timedelta(seconds=60)
HAND_OVER_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
REMEMBERED = 8


class _Send(Protocol):
    """What a keeper needs of a transport."""

    async def __call__(
        self, request: HttpRequest, read: Callable[[Endpoint, Reply], Tokens], /
    ) -> Tokens: ...


# The header line of the new token; or why there is none; or None if it was given up.
_Outcome: TypeAlias = bytes | TalkstackError | None


@attrs.frozen
class _Renewal:
    task: asyncio.Task[_Outcome]
    # Apart from the task, so that cancelling the task is no cancellation of those who wait.
    outcome: asyncio.Future[_Outcome]


class TokenKeeper:
    """Keeps one account's token good, for every task of a client.

    Args:
        tokens: What there is to begin with, if anything.
        refresh_token: What buys the first token, if there is none yet.
        login: Buys tokens when there are none, or when the refresh token is refused.
        on_tokens: Gets what a login or a refresh handed out, so that the user can store it.
        clock: Says when a token ends.
    """

    def __init__(
        self,
        *,
        tokens: Tokens | None = None,
        refresh_token: Secret | None = None,
        login: Login | None = None,
        on_tokens: OnTokens | None,
        clock: Clock,
    ) -> None:
        self._login = login
        self._on_tokens = on_tokens
        self._clock = clock
        self._send: _Send | None = None
        self._renewal: _Renewal | None = None
        self._is_handing_over = False
        self._closed = False
        self._line = b""
        self._refresh_token: Secret | None = None
        self._renew_at: datetime | None = None
        self._ends_at: datetime | None = None
        self._is_refused = False
        self._is_proven = True
        self._failure: TalkstackError | None = None
        self._pause = 0.0
        self._not_before = float("-inf")
        self._known: deque[bytes] = deque(maxlen=REMEMBERED)
        if refresh_token is not None:
            self._keep_refresh_token(refresh_token)
        if tokens is not None:
            self._adopt(tokens)

    def attach(self, send: _Send) -> None:
        """Say who sends the requests for new tokens."""
        self._send = send

    # --- What a transport asks.

    def header_line(self, endpoint: Endpoint) -> bytes:
        return b"" if endpoint.credential is NeededCredential.NONE else self._line

    def ready_line(self) -> bytes:
        """Return the line of a token that is good by all we know, or nothing.

        A token near its end is still good; its renewal is begun and not waited for.
        """
        if self._is_refused or not self._line:
            return b""
        if self._ends_at is None or self._renew_at is None:
            return self._line
        now = self._clock.now()
        if now >= self._ends_at:
            return b""
        if now >= self._renew_at and self._renewal is None and self._may_try():
            self._begin()  # ahead of time; nobody has to wait for it
        return self._line

    async def fresh_line(self, outgoing: Outgoing) -> bytes:
        """Return the line of a good token, waiting for a renewal if need be.

        Raises:
            AuthenticationError: The service refused to renew it. Nothing was sent.
            NotSentError: It could not be renewed now. Nothing was sent.
        """
        while True:
            line = self.ready_line()
            if line:
                return line
            outcome = await self._renewed()
            if isinstance(outcome, bytes):
                return outcome
            if outcome is not None:
                raise _told(outcome, outgoing) from outcome

    def reject(self, line: bytes) -> bool:
        """Take note of a 401. Returns whether another try, with another token, makes sense."""
        if line != self._line:
            return True  # somebody has renewed it meanwhile
        if not self._is_proven and not self._may_try():
            return False  # brand-new and refused: newer ones would be, too
        self._is_refused = True
        return True

    def accept(self, line: bytes) -> None:
        """Take note that the service accepted a token."""
        if not self._is_proven and line == self._line:
            self._is_proven = True
            self._pause = 0.0
            self._not_before = float("-inf")

    def occurs_in(self, body: bytes) -> bool:
        return any(secret in body for secret in self._known)

    def redact(self, body: bytes) -> bytes:
        # Longer ones first: one may be the beginning of another.
        for secret in sorted(self._known, key=len, reverse=True):
            body = body.replace(secret, b"***")
        return body

    async def aclose(self) -> None:
        """Give up a renewal under way; but tokens that are here are handed over first."""
        self._closed = True
        renewal = self._renewal
        if renewal is None:
            return
        if not self._is_handing_over:
            renewal.task.cancel()
        await asyncio.wait([renewal.task])

    def __repr__(self) -> str:
        return "TokenKeeper('***')"

    # --- One renewal at a time.

    async def _renewed(self) -> _Outcome:
        if self._closed:
            return ClosedError("the client was closed")
        if self._renewal is None and self._failure is not None and not self._may_try():
            return self._failure
        renewal = self._renewal or self._begin()
        return await asyncio.shield(renewal.outcome)

    def _may_try(self) -> bool:
        return self._clock.monotonic() >= self._not_before

    def _begin(self) -> _Renewal:
        loop = asyncio.get_running_loop()
        renewal = _Renewal(loop.create_task(self._renew()), loop.create_future())
        self._renewal = renewal
        renewal.task.add_done_callback(lambda _: self._end(renewal))
        return renewal

    def _end(self, renewal: _Renewal) -> None:
        if self._renewal is renewal:
            self._renewal = None
        if renewal.outcome.cancelled():
            return
        task = renewal.task
        renewal.outcome.set_result(None if task.cancelled() else task.result())

    async def _renew(self) -> _Outcome:
        try:
            tokens = await self._obtain()
            self._adopt(tokens)
        except TalkstackError as failure:
            return self._failed(failure)
        except Exception as bug:
            logger.exception("renewing the token broke")
            return self._failed(NotSentError(f"{type(bug).__name__} while renewing the token"))
        self._failure = None
        self._is_proven = False
        self._hold_back()
        line = self._line
        await self._hand_over(attrs.evolve(tokens, refresh_token=self._refresh_token))
        return line

    async def _obtain(self) -> Tokens:
        if self._refresh_token is not None:
            try:
                return await self._ask(refresh_request(self._refresh_token))
            except (AuthenticationError, NotFoundError):
                if self._login is None:
                    raise
        if self._login is None:
            raise AuthenticationError("there is no refresh token", status=401)
        return await self._ask(login_request(self._login))

    async def _ask(self, request: HttpRequest) -> Tokens:
        if self._send is None:
            raise NotSentError("the token keeper was attached to no transport")
        try:
            tokens = await self._send(request, read_tokens)
        except (ReplyLostError, ServerError) as lost:
            # The service may have replaced the refresh token, and the answer went astray.
            # Asking once more rings nobody. At worst it is refused, and that is no worse than
            # to have no token.
            logger.warning("request %s is sent once more: %s", lost.request_id, lost)
            tokens = await self._send(request, read_tokens)
        if not plain_bytes(tokens.token):
            raise NotSentError("the service handed out a token that fits into no header")
        return tokens

    def _failed(self, failure: TalkstackError) -> TalkstackError:
        if isinstance(failure, ClientStateError):
            return failure
        logger.warning("the token could not be renewed: %s", failure)
        self._failure = failure
        self._hold_back()
        if isinstance(failure, AuthenticationError | NotFoundError):
            self._not_before = float("inf")  # asking again could only lock the account
        return failure

    def _hold_back(self) -> None:
        self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause))
        self._not_before = self._clock.monotonic() + self._pause

    def _adopt(self, tokens: Tokens) -> None:
        token = plain_bytes(tokens.token)
        if not token:
            raise ConfigurationError(
                "the token holds a blank, a line break or a letter outside ASCII: was more "
                "copied than the token?"
            )
        self._remember(token)
        if tokens.refresh_token is not None:
            self._keep_refresh_token(tokens.refresh_token)
        self._line = bearer_line(token)
        self._is_refused = False
        self._renew_at = self._ends_at = None
        if tokens.expires_at is None:
            return
        life = tokens.expires_at - self._clock.now()
        if life <= timedelta(0):
            logger.warning("a token that was just handed out has ended by our clock: is it right?")
            return  # the service will say when it is over
        self._ends_at = tokens.expires_at
        self._renew_at = tokens.expires_at - min(MARGIN, life / 10)

    def _keep_refresh_token(self, refresh_token: Secret) -> None:
        self._refresh_token = refresh_token
        self._remember(plain_bytes(refresh_token))

    def _remember(self, secret: bytes) -> None:
        if secret and secret not in self._known:
            self._known.append(secret)

    async def _hand_over(self, tokens: Tokens) -> None:
        if self._on_tokens is None:
            return
        self._is_handing_over = True
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS):
                waiting = self._on_tokens(tokens)
                if inspect.isawaitable(waiting):
                    await waiting
        except Exception:
            logger.exception("on_tokens failed: the new tokens were perhaps not stored")
        finally:
            self._is_handing_over = False


def may_renew_for(endpoint: Endpoint) -> bool:
    """Say whether a 401 of an operation may be about the token.

    Of change-password it may be about the old password, and a password is not tried twice.
    """
    return endpoint is not AUTH_CHANGE_PASSWORD


def _told(failure: TalkstackError, outgoing: Outgoing) -> TalkstackError:
    """Say to one of those who waited what became of the renewal."""
    if isinstance(failure, ClientStateError | ConfigurationError):
        told = copy.copy(failure)
        told.request_id = outgoing.request_id
        return told
    name = outgoing.request.endpoint.name
    why = f"request {failure.request_id}: {failure}" if failure.request_id else str(failure)
    if isinstance(failure, AuthenticationError | NotFoundError):
        return AuthenticationError(
            f"{name}: not sent, there is no good token ({why}); log in again "
            "and make a new client",
            status=failure.status,
            body=failure.body,
            request_id=outgoing.request_id,
        )
    return NotSentError(
        f"{name}: not sent, the token could not be renewed ({why})",
        request_id=outgoing.request_id,
    )
