"""What ledgers do alike: everything that is written is handed to one thread.

Each method describes its work as an operation on a transaction; which transaction that is, and
how the thread writes it, is the matter of each database.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from ...clock import Clock
from ..decisions import Decide, Reason
from ..records import (
    Admit,
    CampaignRecord,
    Claim,
    Claimed,
    EventRecord,
    NewContact,
    OpenAttempt,
    Settlement,
    Suppression,
    Verdict,
)
from ..settings import CampaignSettings
from ..states import AttemptState, CampaignState, ContactState
from . import campaigns, lists, resolving, watching
from .beside import ReadsBeside
from .moments import to_ms
from .transaction import Transaction

__all__ = ["QueuedLedger"]

T = TypeVar("T")


class QueuedLedger(ReadsBeside, ABC):
    """The writing half of a ledger, on one event loop.

    What was handed over is written even if the task that waits for it is cancelled. Claims
    nobody waits for any more are given back.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        # Names under which this process holds shards.
        self._names: set[str] = set()
        # Claims whose task was cancelled, until it is known what to give back.
        self._abandoned: set[asyncio.Future[Claimed]] = set()

    # --- The matter of each database.

    @property
    @abstractmethod
    def is_exclusive(self) -> bool: ...

    @property
    @abstractmethod
    def is_shared(self) -> bool: ...

    @abstractmethod
    async def recover(self, *, worker: str) -> int: ...

    @abstractmethod
    async def aclose(self) -> None: ...

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    def _submit(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]: ...

    @abstractmethod
    def _claim(self, campaign_id: int, **given: Any) -> asyncio.Future[Claimed]: ...

    @abstractmethod
    def _settle(self, settlements: Sequence[Settlement]) -> asyncio.Future[Sequence[bool]]: ...

    def _check_time(self, transaction: Transaction) -> None:
        """Raise a `ClockJumpError` if moments of this host cannot be trusted."""

    # --- Hot.

    async def claim(
        self,
        campaign_id: int,
        *,
        worker: str,
        limit: int,
        now: datetime,
        decide: Decide,
        admit: Admit,
        due_by: datetime | None = None,
    ) -> Claimed:
        future = self._claim(
            campaign_id,
            worker=worker,
            limit=limit,
            now=now,
            decide=decide,
            admit=admit,
            due_by=due_by,
        )
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._abandoned.add(future)
            future.add_done_callback(self._give_back)
            raise

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        return await self._settle(settlements) if settlements else []

    async def take_stale(
        self,
        campaign_id: int,
        *,
        worker: str,
        before: datetime,
        limit: int,
        own_before: datetime | None = None,
    ) -> Sequence[OpenAttempt]:
        now = self._clock.now()

        def operation(transaction: Transaction) -> Sequence[OpenAttempt]:
            self._check_time(transaction)
            return watching.take_stale(
                transaction,
                campaign_id,
                worker=worker,
                before=before,
                limit=limit,
                own_before=own_before,
                now=now,
            )

        return await self._submit(operation)

    async def note_looks(self, attempt_ids: Sequence[int], *, worker: str, at: datetime) -> None:
        await self._submit(
            lambda transaction: watching.note_looks(transaction, attempt_ids, worker=worker, at=at)
        )

    def _give_back(self, future: asyncio.Future[Claimed]) -> None:
        """Release what was claimed for a task that is gone: it certainly was never sent."""
        self._abandoned.discard(future)
        if not future.cancelled() and future.exception() is None:
            self._release(future.result().claims)

    def _release(self, claims: Sequence[Claim]) -> None:
        released = [
            Settlement(
                attempt_id=claim.attempt_id,
                contact_id=claim.contact_id,
                campaign_id=claim.campaign_id,
                worker=claim.worker,
                before=(AttemptState.DISPATCHING,),
                after=AttemptState.RELEASED,
                contact=ContactState.READY,
                at=self._clock.now(),
                reason=Reason.NOT_SENT,
                detail="whoever claimed it was stopped",
                counts=False,
            )
            for claim in claims
        ]
        if released:
            # If that fails as well, they are found by age.
            self._settle(released).add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )

    # --- Now and then, while a campaign runs.

    async def followed(
        self, campaign_id: int, *, worker: str, after_id: int, limit: int
    ) -> Sequence[OpenAttempt]:
        now = self._clock.now()
        return await self._submit(
            lambda transaction: watching.followed(
                transaction, campaign_id, worker=worker, after_id=after_id, limit=limit, now=now
            )
        )

    async def count_live(self, campaign_id: int) -> int:
        workers = frozenset(self._names)
        return await self._submit(
            lambda transaction: watching.count_live(transaction, campaign_id, workers=workers)
        )

    async def claimed_calls(self, call_ids: Sequence[str]) -> set[str]:
        return await self._submit(
            lambda transaction: watching.claimed_calls(transaction, call_ids)
        )

    async def receive(self, event: EventRecord) -> bool:
        return await self._submit(lambda transaction: watching.receive(transaction, event))

    async def take_events(self, *, limit: int) -> Sequence[tuple[EventRecord, OpenAttempt | None]]:
        return await self._submit(
            lambda transaction: watching.take_events(transaction, limit=limit)
        )

    async def apply_events(self, event_ids: Sequence[int], *, at: datetime) -> None:
        await self._submit(
            lambda transaction: watching.apply_events(transaction, event_ids, at=at)
        )

    # --- Campaigns and lists.

    async def create_campaign(
        self, name: str, settings: CampaignSettings, *, now: datetime
    ) -> CampaignRecord:
        return await self._submit(
            lambda transaction: campaigns.create_campaign(
                transaction, name, settings=settings, now=now
            )
        )

    async def change_campaign(
        self,
        campaign_id: int,
        *,
        now: datetime,
        state: CampaignState | None = None,
        settings: CampaignSettings | None = None,
        placeholders: Sequence[str] | None = None,
    ) -> CampaignRecord:
        return await self._submit(
            lambda transaction: campaigns.change_campaign(
                transaction,
                campaign_id,
                now=now,
                state=state,
                settings=settings,
                placeholders=placeholders,
            )
        )

    async def begin_import(self, campaign_id: int, *, source: str, now: datetime) -> int:
        return await self._submit(
            lambda transaction: lists.begin_import(
                transaction, campaign_id, source=source, now=now
            )
        )

    async def add_contacts(
        self, campaign_id: int, *, import_id: int, contacts: Sequence[NewContact], now: datetime
    ) -> Sequence[tuple[Verdict, int | None]]:
        return await self._submit(
            lambda transaction: lists.add_contacts(
                transaction, campaign_id, import_id=import_id, contacts=contacts, now=now
            )
        )

    async def finish_import(
        self,
        import_id: int,
        *,
        counts: Mapping[str, int],
        digest: str | None,
        now: datetime,
        is_list: bool = True,
    ) -> None:
        await self._submit(
            lambda transaction: lists.finish_import(
                transaction, import_id, counts=counts, digest=digest, now=now, is_list=is_list
            )
        )

    async def exclude(
        self, contact_ids: Sequence[int], *, reason: str, detail: Sequence[str], now: datetime
    ) -> None:
        await self._submit(
            lambda transaction: lists.exclude(
                transaction, contact_ids, reason=reason, detail=detail, now=now
            )
        )

    async def resolve(
        self,
        contact_ids: Sequence[int],
        *,
        state: ContactState,
        reason: str,
        detail: str,
        next_at: datetime | None,
        now: datetime,
    ) -> int:
        return await self._submit(
            lambda transaction: resolving.resolve(
                transaction,
                contact_ids,
                state=state,
                reason=reason,
                detail=detail,
                next_at=next_at,
                now=now,
            )
        )

    async def suppress(self, entries: Sequence[Suppression]) -> int:
        return await self._submit(lambda transaction: lists.suppress(transaction, entries))

    async def unsuppress(self, numbers: Sequence[str], *, now: datetime) -> int:
        return await self._submit(
            lambda transaction: lists.unsuppress(transaction, numbers, now=now)
        )

    async def suppressed_among(self, numbers: Sequence[str]) -> set[str]:
        return await self._submit(lambda transaction: lists.suppressed_among(transaction, numbers))

    # --- Life.

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def note(self, what: str, *, now: datetime, detail: Mapping[str, Any]) -> None:
        await self._submit(lambda transaction: transaction.audit(to_ms(now), what, detail))

    async def _all_given_back(self) -> None:
        while self._abandoned:
            await asyncio.wait(self._abandoned)
