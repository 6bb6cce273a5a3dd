"""Dialling without a campaign, to the end or to the moment somebody wants it to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from ..dispatch import CallDispatcher, Dial
from ..models.calls import CallRequest
from .stopping import Stop

__all__ = ["drive"]


async def drive(
    dispatcher: CallDispatcher,
    requests: AsyncIterable[CallRequest],
    *,
    stop: Stop,
) -> None:
    """Dial until there is no more or a stop is requested; outcomes go to the watcher.

    After a stop nothing new leaves, and the answers to what has left are waited for as long as
    the dispatcher's grace lasts, or until the stop is hurried.
    """
    if stop.requested.is_set():
        return
    dial = dispatcher.dial(requests)
    # At once: by the time a task learns of it, more calls would have left.
    stop.when_requested(dial.stop)
    reading = asyncio.create_task(_read_to_the_end(dial))
    try:
        if not await _first(reading, stop.requested):
            closing = asyncio.create_task(dial.aclose())
            if not await _first(closing, stop.hurried):
                closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
        await reading
    finally:
        reading.cancel()
        await asyncio.wait((reading,))


async def _read_to_the_end(dial: Dial) -> None:
    async for _ in dial:
        pass


async def _first(work: asyncio.Task[Any], event: asyncio.Event) -> bool:
    """Wait for either; say whether the work is done."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return work.done()
