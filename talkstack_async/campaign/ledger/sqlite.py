"""The ledger in a SQLite file: one writer thread, group commit, readers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ...clock import Clock
from ...errors import ClosedError, LedgerError, MissingExtraError, NotStartedError
from ..records import (
    Admit,
    CampaignRecord,
    Claimed,
    Decide,
    EventRecord,
    NewContact,
    OpenAttempt,
    Reason,
    Settlement,
    Suppression,
    Verdict,
)
from ..settings import CampaignSettings
from ..states import AttemptState, CampaignState, ContactState
from . import sqlite_campaigns as campaigns
from . import sqlite_claims as claims
from . import sqlite_lists as lists
from . import sqlite_resolving as resolving
from . import sqlite_settling as settling
from . import sqlite_watching as watching
from .beside import ReadsBeside
from .files import check_file, connect, create_file
from .lock import RunnerLock
from .moments import to_ms
from .writer import Operation, Writer

if TYPE_CHECKING:
    from .reading import Reading

__all__ = ["SqliteLedger"]

T = TypeVar("T")


class SqliteLedger(ReadsBeside):
    """A `Ledger` in a file. Made by `open_ledger`; used with `async with`, on one event loop.

    What was handed over is written even if the task that waits for it is cancelled. Claims
    nobody waits for any more are given back.
    """

    def __init__(
        self, path: Path, *, exclusive: bool, clock: Clock, create: bool, busy_seconds: float
    ) -> None:
        self.path = path
        self._clock = clock
        self._create = create
        self._busy_seconds = busy_seconds
        self._lock = RunnerLock(path) if exclusive else None
        self._writer: Writer | None = None
        self._is_closed = False
        # Claims whose task was cancelled, until it is known what to give back.
        self._abandoned: set[asyncio.Future[Claimed]] = set()

    @property
    def is_exclusive(self) -> bool:
        return self._lock is not None

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
        future = self._submit(
            lambda transaction: claims.claim(
                transaction,
                campaign_id,
                worker=worker,
                limit=limit,
                now=now,
                decide=decide,
                admit=admit,
                due_by=due_by,
            )
        )
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self._abandoned.add(future)
            future.add_done_callback(self._give_back)
            raise

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        if not settlements:
            return []
        return await self._submit(lambda transaction: settling.settle(transaction, settlements))

    async def take_stale(
        self, campaign_id: int, *, worker: str, before: datetime, limit: int
    ) -> Sequence[OpenAttempt]:
        now = self._clock.now()
        return await self._submit(
            lambda transaction: watching.take_stale(
                transaction, campaign_id, worker=worker, before=before, limit=limit, now=now
            )
        )

    async def note_looks(self, attempt_ids: Sequence[int], *, worker: str, at: datetime) -> None:
        await self._submit(
            lambda transaction: watching.note_looks(transaction, attempt_ids, worker=worker, at=at)
        )

    def _give_back(self, future: asyncio.Future[Claimed]) -> None:
        """Release what was claimed for a task that is gone: it certainly was never sent."""
        self._abandoned.discard(future)
        if future.cancelled() or future.exception() is not None:
            return
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
            for claim in future.result().claims
        ]
        if released and self._writer is not None:
            self._writer.submit(lambda transaction: settling.settle(transaction, released))

    # --- Now and then, while a campaign runs.

    async def recover(self, *, worker: str) -> int:
        now = self._clock.now()
        return await self._submit(
            lambda transaction: watching.recover(transaction, worker=worker, now=now)
        )

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
        return await self._submit(
            lambda transaction: watching.count_live(transaction, campaign_id)
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
        self, import_id: int, *, counts: Mapping[str, int], digest: str | None, now: datetime
    ) -> None:
        await self._submit(
            lambda transaction: lists.finish_import(
                transaction, import_id, counts=counts, digest=digest, now=now
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

    # --- Life.

    async def note(self, what: str, *, now: datetime, detail: Mapping[str, Any]) -> None:
        await self._submit(lambda transaction: transaction.audit(to_ms(now), what, detail))

    async def aclose(self) -> None:
        self._is_closed = True
        writer = self._writer
        if writer is not None:
            while self._abandoned:
                await asyncio.wait(self._abandoned)
            await writer.close()
        self._close_reading()
        if self._lock is not None:
            self._lock.release()

    async def __aenter__(self) -> Self:
        if self._is_closed or self._writer is not None:
            raise ClosedError("a ledger is opened once: make another one")
        if not self._create and not self.path.exists():
            raise LedgerError(f"there is no ledger at {self.path}")
        if self._lock is not None:
            self._lock.acquire()
        try:
            await asyncio.to_thread(self._prepare)
            writer = Writer(self._connect, path=self.path)
            await writer.open()
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self._writer = writer
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _prepare(self) -> None:
        if self._create:
            create_file(self.path)
        thoroughly = self._lock is not None
        check_file(self.path, thoroughly=thoroughly, busy_seconds=self._busy_seconds)

    def _connect(self) -> Any:
        return connect(self.path, busy_seconds=self._busy_seconds)

    def _make_reading(self) -> Reading:
        try:
            from .reading import Reading
        except ImportError as error:
            raise MissingExtraError(
                "a ledger needs SQLAlchemy: pip install 'talkstack-async[campaign]'"
            ) from error
        return Reading(f"sqlite:///{self.path}")

    def _submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        if self._writer is None:
            raise NotStartedError("open the ledger with 'async with' first")
        return self._writer.submit(operation)
