"""One attempt: a claim is dialled, its end recorded, and its call followed.

The order that keeps the law: the claim was committed before it came here (T1); it waits for its
turn; the fence is looked at in the step in which the first byte leaves; what came of it is
handed to the settler (T2) whatever happens, cancellation included.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import attrs

from ..clock import Clock
from ..dispatch.flight import stopped
from ..dispatch.pacing import Pace
from ..errors import (
    AuthenticationError,
    ClientStateError,
    DeadlineError,
    NotFoundError,
    TalkstackError,
    ThrottledError,
)
from ..models.calls import Call, CallResult
from ..telemetry import logger
from ..transport.outgoing import SentMark
from .fence import FencedFlight, stale_claim
from .records import Claim, OpenAttempt, Settlement
from .settings import CampaignSettings
from .settling import settle_end, settle_failed, settle_placed, settle_unwatched

__all__ = ["Attempting", "Calls", "Following"]

_HELD_BACK = 1.0  # seconds, where a refusal does not say how long


class Calls(Protocol):
    """What is needed of `client.calls`."""

    def place_to(
        self,
        number: str,
        variables: Mapping[str, Any],
        *,
        project_id: str,
        agent_id: str,
        mark: SentMark,
    ) -> Awaitable[CallResult]:
        """Place one call; a refusal is not waited out."""
        ...

    async def wait_until_final(
        self, call_id: str, *, project_id: str | None, deadline_seconds: float | None
    ) -> Call:
        """Follow a call to its end."""
        ...


@attrs.frozen(kw_only=True)
class Following:
    """A placed call that is to be followed: of this run, or left by an earlier one."""

    attempt: Claim | OpenAttempt
    call_id: str


class Attempting:
    """Carries out claims, one call at a time for each of its callers.

    Args:
        record: Told what became of an attempt.
    """

    def __init__(
        self,
        calls: Calls,
        *,
        pace: Pace,
        clock: Clock,
        record: Callable[[Settlement], None],
    ) -> None:
        self._calls = calls
        self._pace = pace
        self._clock = clock
        self._record = record

    async def dial(
        self, flight: FencedFlight, settings: CampaignSettings, *, left: Callable[[], None]
    ) -> TalkstackError | None:
        """Dial a claim once; return what went wrong, None if the call was placed.

        What came of it is recorded before this returns or raises. `left` is called when the
        claim no longer waits for its turn. If the call is to be followed, the flight knows its
        id then.
        """
        claim = flight.claim
        try:
            if self._pace.is_open:
                left()
            else:
                await self._turn(left)
            if flight.waited_too_long:
                raise stale_claim()  # noqa: TRY301 # like one that the fence stops later
            result = await self._calls.place_to(
                claim.phone,
                claim.variables,
                project_id=settings.project_id,
                agent_id=settings.agent_id,
                mark=flight,
            )
        except ClientStateError:
            self._record_stopped(flight)
            raise  # the client was closed: that concerns all calls
        except Exception as error:
            failure = self._failure(error, flight)
            self._record(settle_failed(claim, failure, now=self._clock.now()))
            return failure
        except BaseException:
            self._record_stopped(flight)
            raise
        self._pace.ease()
        now, call_id = self._clock.now(), result.call_id
        self._record(settle_placed(claim, call_id, settings=settings, now=now))
        if settings.follow:
            flight.call_id = call_id
        return None

    async def follow(self, following: Following, settings: CampaignSettings) -> bool:
        """Follow a placed call to its end and record that; say whether it is settled.

        A call that cannot be read just now is not settled: it is taken up again later.
        """
        try:
            call = await self._calls.wait_until_final(
                following.call_id,
                project_id=settings.project_id,
                deadline_seconds=settings.follow_seconds,
            )
        except ClientStateError:
            raise
        except TalkstackError as error:
            if not _is_hopeless(error) and not self._is_overdue(following, error, settings):
                logger.info("call %s cannot be followed just now: %s", following.call_id, error)
                return False
            now = self._clock.now()
            self._record(settle_unwatched(following.attempt, error, settings=settings, now=now))
            return True
        now = self._clock.now()
        self._record(settle_end(following.attempt, call, settings=settings, now=now))
        return True

    def _is_overdue(
        self, following: Following, error: TalkstackError, settings: CampaignSettings
    ) -> bool:
        """Whether a call that cannot be read was to be over by now; a credential can be mended."""
        attempt = following.attempt
        began_at = attempt.claimed_at if isinstance(attempt, Claim) else attempt.sent_at
        age = (self._clock.now() - began_at).total_seconds()
        return age > settings.follow_seconds and not isinstance(error, AuthenticationError)

    async def _turn(self, left: Callable[[], None]) -> None:
        try:
            await self._pace.turn()
        finally:
            left()

    def _failure(self, error: Exception, flight: FencedFlight) -> TalkstackError:
        if isinstance(error, ThrottledError):
            self._pace.hold_back(error.retry_after or _HELD_BACK)
        if isinstance(error, TalkstackError):
            return error
        # Ours to mend; but the campaign goes on, and what may have rung is not called unrung.
        logger.error("dialling attempt %s broke", flight.claim.attempt_id, exc_info=error)
        text = f"{type(error).__name__} while placing the call"
        return TalkstackError(text, uncertain=flight.sent)

    def _record_stopped(self, flight: FencedFlight) -> None:
        self._record(settle_failed(flight.claim, stopped(flight), now=self._clock.now()))


def _is_hopeless(error: TalkstackError) -> bool:
    return isinstance(error, DeadlineError | NotFoundError)
