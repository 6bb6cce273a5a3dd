"""The reading half of a ledger, for the event loop: each question is asked in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ..records import (
    AttemptRecord,
    CampaignRecord,
    ContactRecord,
    Finding,
    OpenAttempt,
    Story,
    Suppression,
)
from .base import CampaignFacts, Counts

if TYPE_CHECKING:
    from .reading import Reading

__all__ = ["ReadsBeside"]

T = TypeVar("T")

_PAGE = 1000


class ReadsBeside:
    """Asks a `Reading`, which is made when the first question comes: SQLAlchemy is dear."""

    _reading: Reading | None = None
    _asked: set[asyncio.Future[Any]] | None = None

    def _make_reading(self) -> Reading:
        raise NotImplementedError  # each ledger makes the one of its own database

    async def campaign(self, name: str) -> CampaignRecord | None:
        return await self._ask(lambda reading: reading.campaign(name))

    async def campaigns(self) -> Sequence[CampaignRecord]:
        return await self._ask(lambda reading: reading.campaigns())

    async def counts(self, campaign_id: int, *, now: datetime) -> Counts:
        return await self._ask(lambda reading: reading.counts(campaign_id, now=now))

    async def facts(self, campaign_id: int, *, now: datetime) -> CampaignFacts:
        return await self._ask(lambda reading: reading.facts(campaign_id, now=now))

    async def story(self, number: str) -> Story:
        return await self._ask(lambda reading: reading.story(number))

    async def reviews(self, campaign_id: int) -> Sequence[tuple[ContactRecord, OpenAttempt]]:
        return await self._ask(lambda reading: reading.reviews(campaign_id))

    async def verify(self) -> Sequence[Finding]:
        return await self._ask(lambda reading: reading.verify())

    async def newest(self) -> datetime | None:
        return await self._ask(lambda reading: reading.newest())

    async def head(self) -> tuple[int, str]:
        return await self._ask(lambda reading: reading.head())

    def export(
        self, campaign_id: int
    ) -> AsyncIterator[tuple[ContactRecord, Sequence[AttemptRecord]]]:
        return self._go_through(lambda reading: reading.export(campaign_id))

    def ready_contacts(self, campaign_id: int) -> AsyncIterator[ContactRecord]:
        return self._go_through(lambda reading: reading.ready_contacts(campaign_id))

    def suppressions(self) -> AsyncIterator[Suppression]:
        return self._go_through(lambda reading: reading.suppressions())

    async def _ask(self, question: Callable[[Reading], T]) -> T:
        return await self._in_thread(lambda: question(self._opened_reading()))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do something in a thread; whoever closes the ledger waits for its end."""
        if self._asked is None:
            self._asked = set()
        asked = asyncio.ensure_future(asyncio.to_thread(work))
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        # A thread cannot be cancelled: it goes on, and holds a connection until it is done.
        return await asyncio.shield(asked)

    def _answered(self, asked: asyncio.Future[Any]) -> None:
        if self._asked is not None:
            self._asked.discard(asked)
        if not asked.cancelled():
            asked.exception()  # nobody may be left to be told

    async def _go_through(self, question: Callable[[Reading], Iterator[T]]) -> AsyncIterator[T]:
        rows = await self._ask(question)
        try:
            while page := await self._in_thread(lambda: list(itertools.islice(rows, _PAGE))):
                for row in page:
                    yield row
        finally:
            # A generator that was left in the middle still holds its connection.
            close = getattr(rows, "close", None)
            if close is not None:
                # It is at work if we were cancelled; then it closes when it is collected.
                with contextlib.suppress(ValueError):
                    close()

    def _opened_reading(self) -> Reading:
        if self._reading is None:
            self._reading = self._make_reading()
        return self._reading

    async def _close_reading(self) -> None:
        if self._asked:
            await asyncio.wait(self._asked)
        if self._reading is not None:
            self._reading.close()
