"""The ledger in a SQLite file: one writer thread, group commit, readers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ...clock import Clock
from ...errors import ClosedError, LedgerError, MissingExtraError, NotStartedError
from ..records import Claimed, Settlement
from . import sqlite_claims as claims
from . import sqlite_settling as settling
from .files import check_file, connect, create_file
from .lock import RunnerLock
from .queued import QueuedLedger
from .sqlite_recovering import recover
from .sqlite_transaction import SqliteTransaction
from .sqlite_writer import SqliteWriter

if TYPE_CHECKING:
    from .reading import Reading

__all__ = ["SqliteLedger"]

T = TypeVar("T")


class SqliteLedger(QueuedLedger):
    """A `Ledger` in a file. Made by `open_ledger`; used with `async with`, on one event loop."""

    def __init__(
        self, path: Path, *, exclusive: bool, clock: Clock, create: bool, busy_seconds: float
    ) -> None:
        super().__init__(clock=clock)
        self.path = path
        self._create = create
        self._busy_seconds = busy_seconds
        self._lock = RunnerLock(path) if exclusive else None
        self._writer: SqliteWriter | None = None
        self._is_closed = False

    @property
    def is_exclusive(self) -> bool:
        return self._lock is not None

    @property
    def is_shared(self) -> bool:
        return False

    async def recover(self, *, worker: str) -> int:
        now = self._clock.now()
        return await self._submit(lambda transaction: recover(transaction, worker=worker, now=now))

    # --- Life.

    async def aclose(self) -> None:
        self._is_closed = True
        writer = self._writer
        if writer is not None:
            await self._all_given_back()
            await writer.close()
        await self._close_reading()
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
            writer = SqliteWriter(self._connect, path=self.path)
            await writer.open()
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self._writer = writer
        return self

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

    # --- Handing over to the writer.

    def _claim(self, campaign_id: int, **given: Any) -> asyncio.Future[Claimed]:
        return self._write(lambda transaction: claims.claim(transaction, campaign_id, **given))

    def _settle(self, settlements: Sequence[Settlement]) -> asyncio.Future[Sequence[bool]]:
        return self._write(lambda transaction: settling.settle(transaction, settlements))

    def _submit(self, operation: Callable[[SqliteTransaction], T]) -> asyncio.Future[T]:
        return self._write(operation)

    def _write(self, operation: Callable[[SqliteTransaction], T]) -> asyncio.Future[T]:
        if self._writer is None:
            raise NotStartedError("open the ledger with 'async with' first")
        return self._writer.submit(operation)
