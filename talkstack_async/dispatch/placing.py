"""Placing one call of many: at the common pace, and with patience that is common too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeAlias

from ..config import RetrySettings
from ..errors import ClientStateError, TalkstackError, ThrottledError
from ..models.calls import Call, CallRequest, CallResult
from ..telemetry import Observer, SlowedDown, logger, notify
from ..transport.outgoing import SentMark
from ..transport.retry import Patience
from .flight import Flight
from .outcomes import Ended, Outcome, Placed, failed
from .pacing import Pace

__all__ = ["Calls", "Placing", "Steps"]


class Calls(Protocol):
    """What a dispatcher needs of `client.calls`."""

    def place(
        self, call: CallRequest, *, wait_out_refusals: bool, mark: SentMark
    ) -> Awaitable[CallResult]:
        """Place one call."""
        ...

    async def wait_until_final(self, call_id: str, *, project_id: str | None) -> Call:
        """Follow a call to its end."""
        ...

    def variable_check(self) -> Check:
        """Make a check of placeholders for a list."""
        ...


class Check(Protocol):
    """What refuses a call before it is placed."""

    async def check(self, call: CallRequest) -> None:
        """Raise if the call must not be placed."""
        ...


Steps: TypeAlias = Callable[[CallRequest, Flight], Awaitable[Outcome]]


class Placing:
    """Turns requests into outcomes."""

    def __init__(
        self, calls: Calls, *, pace: Pace, retry: RetrySettings, observer: Observer | None
    ) -> None:
        self._calls = calls
        self._pace = pace
        self._retry = retry
        self._observer = observer

    def steps(self, *, follow: bool, check_variables: bool) -> Steps:
        """Return what is to be done with each request: placing it, and what was asked for."""
        if not follow and not check_variables:
            return self.place
        check = self._calls.variable_check() if check_variables else None
        return partial(self._place_with_care, check=check, follow=follow)

    async def place(self, request: CallRequest, flight: Flight) -> Outcome:
        """Place one call and say what became of it.

        A refusal (429) holds back every call of the dispatcher, and this one is tried again
        when its turn comes.

        Raises:
            ClientStateError: The client was closed: that concerns all calls.
        """
        patience: Patience | None = None
        while True:
            if not self._pace.is_open:
                await self._pace.turn()
            try:
                result = await self._calls.place(request, wait_out_refusals=False, mark=flight)
            except ThrottledError as refusal:
                patience = patience or Patience(self._retry)
                wait = patience.next_wait(refusal)
                if wait is None:
                    return failed(request, refusal)
                self._slow_down(wait)
            except ClientStateError:
                raise
            except TalkstackError as error:
                return failed(request, error)
            except Exception as bug:
                return failed(request, _broken(bug, flight))
            else:
                self._pace.ease()
                return Placed(request=request, result=result)

    async def _place_with_care(
        self, request: CallRequest, flight: Flight, *, check: Check | None, follow: bool
    ) -> Outcome:
        try:
            if check is not None:
                await check.check(request)
        except ClientStateError:
            raise
        except TalkstackError as error:
            return failed(request, error)
        except Exception as bug:
            return failed(request, _broken(bug, flight))
        outcome = await self.place(request, flight)
        if follow and flight.may_follow and isinstance(outcome, Placed):
            return await self._follow(outcome, flight)
        return outcome

    async def _follow(self, outcome: Placed, flight: Flight) -> Outcome:
        """Follow a call to its end. If that cannot be learnt, it is `Placed` all the same."""
        flight.placed = outcome
        request, result = outcome.request, outcome.result
        try:
            call = await self._calls.wait_until_final(
                result.call_id, project_id=request.project_id
            )
        except TalkstackError as error:
            logger.info("the end of call %s is not known: %s", result.call_id, error)
            return outcome
        except Exception:
            # Ours to mend; but the call was placed, and its row must not be lost.
            logger.exception("following call %s broke", result.call_id)
            return outcome
        return Ended(request=request, result=result, call=call)

    def _slow_down(self, seconds: float) -> None:
        self._pace.hold_back(seconds)
        notify(self._observer, SlowedDown(wait_seconds=seconds))


def _broken(bug: Exception, mark: SentMark) -> TalkstackError:
    # Ours to mend; but the list goes on, and what may have rung is not called unrung.
    logger.error("placing a call broke", exc_info=bug)
    error = TalkstackError(f"{type(bug).__name__} while placing the call", uncertain=mark.sent)
    error.__cause__ = bug
    return error
