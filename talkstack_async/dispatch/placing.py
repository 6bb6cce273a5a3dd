"""Placing one call of many: at the common pace, and with patience that is common too."""

from __future__ import annotations

from typing import Protocol

from ..config import RetrySettings
from ..errors import ClientStateError, TalkstackError, ThrottledError
from ..models.calls import CallRequest, CallResult
from ..telemetry import Observer, SlowedDown, logger, notify
from ..transport.outgoing import SentMark
from ..transport.retry import Patience
from .outcomes import Outcome, Placed, failed
from .pacing import Pace

__all__ = ["Calls", "Placing"]


class Calls(Protocol):
    """What a dispatcher needs of `client.calls`."""

    async def place(
        self, call: CallRequest, *, wait_out_refusals: bool, mark: SentMark
    ) -> CallResult:
        """Place one call."""
        ...


class Placing:
    """Turns requests into outcomes."""

    def __init__(
        self, calls: Calls, *, pace: Pace, retry: RetrySettings, observer: Observer | None
    ) -> None:
        self._calls = calls
        self._pace = pace
        self._retry = retry
        self._observer = observer

    async def place(self, request: CallRequest, mark: SentMark) -> Outcome:
        """Place one call and say what became of it.

        A refusal (429) holds back every call of the dispatcher, and this one is tried again
        when its turn comes.

        Raises:
            ClientStateError: The client was closed: that concerns all calls.
        """
        patience: Patience | None = None
        while True:
            await self._pace.turn()
            try:
                result = await self._calls.place(request, wait_out_refusals=False, mark=mark)
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
                return failed(request, _broken(bug, mark))
            else:
                self._pace.ease()
                return Placed(request=request, result=result)

    def _slow_down(self, seconds: float) -> None:
        self._pace.hold_back(seconds)
        notify(self._observer, SlowedDown(wait_seconds=seconds))


def _broken(bug: Exception, mark: SentMark) -> TalkstackError:
    # Ours to mend; but the list goes on, and what may have rung is not called unrung.
    logger.error("placing a call broke", exc_info=bug)
    error = TalkstackError(f"{type(bug).__name__} while placing the call", uncertain=mark.sent)
    error.__cause__ = bug
    return error
