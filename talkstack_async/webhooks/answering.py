"""From a request to its answer, whatever server it came through.

An event is handled before it is acknowledged: an event that was answered with 200 is kept, and
any other is the sender's to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from ..errors import ConfigurationError
from ..telemetry import logger
from .events import CallEvent, Handle
from .gate import DONE, FAILED, TOO_LARGE, TOO_SLOW, Answer, Asked, Gate

__all__ = ["TIMEOUT_SECONDS", "Desk", "Read"]

TIMEOUT_SECONDS = 10.0

Read: TypeAlias = Callable[[], Awaitable[bytes]]
"""Returns the next piece of the body, and nothing at its end."""


def _above_zero(_: object, __: object, seconds: float) -> None:
    if not seconds > 0:
        raise ConfigurationError("the timeout of a webhook must be above 0")


@attrs.frozen(kw_only=True)
class Desk:
    """Answers requests: looks at the head, reads the body, hands the events on.

    Attributes:
        timeout_seconds: For reading the body, and once more for handling what it holds.
    """

    gate: Gate
    handle: Handle = attrs.field(repr=False)
    timeout_seconds: float = attrs.field(default=TIMEOUT_SECONDS, validator=_above_zero)

    async def answer(self, asked: Asked, read: Read) -> Answer:
        """Answer one request. Raises only what `read` raises."""
        refusal = self.gate.refusal(asked)
        if refusal is not None:
            return refusal
        body = await self._body(read)
        if isinstance(body, Answer):
            return body
        events = self.gate.read(body, asked)
        if isinstance(events, Answer):
            logger.warning("a webhook was refused: %s", events.text)
            return events
        return await self._handled(events)

    async def _body(self, read: Read) -> bytes | Answer:
        body = bytearray()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                while piece := await read():
                    body += piece
                    if len(body) > self.gate.limit:
                        return TOO_LARGE
        except TimeoutError:
            return TOO_SLOW
        return bytes(body)

    async def _handled(self, events: tuple[CallEvent, ...]) -> Answer:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                for event in events:
                    await self.handle(event)
        except Exception:
            logger.exception("an event was not kept, so the sender is told to repeat it")
            return FAILED
        return DONE
