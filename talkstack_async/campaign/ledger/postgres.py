"""The ledger in PostgreSQL: as many workers as you like, on as many hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from ...clock import Clock
from ...errors import ClosedError, LedgerError, MissingExtraError, NotStartedError
from ..beats import Beat, Standing, WorkerRecord
from ..records import Claimed, Settlement
from . import postgres_claims as claims
from . import postgres_settling as settling
from . import postgres_sharing as sharing
from .addresses import ServerAddress
from .postgres_transaction import PostgresTransaction
from .postgres_writer import PostgresWriter
from .queued import QueuedLedger
from .schema import prepare_server
from .transaction import Transaction

if TYPE_CHECKING:
    from .reading import Reading

__all__ = ["PostgresLedger"]

T = TypeVar("T")


class PostgresLedger(QueuedLedger):
    """A `SharedLedger`. Made by `open_ledger`; used with `async with`, on one event loop.

    Args:
        address: Of the database.
        clock: This host's.
        create: Make the ledger in an empty database.
        max_clock_skew_seconds: By how much this host's clock and the database's may differ when
            contacts are claimed; None to do without looking.
        reconnect_seconds: How long a server that went away is waited for.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        clock: Clock,
        create: bool,
        max_clock_skew_seconds: float | None,
        reconnect_seconds: float,
    ) -> None:
        super().__init__(clock=clock)
        self.address = address
        self._create = create
        self._most_skew = max_clock_skew_seconds
        self._patience = reconnect_seconds
        self._writer: PostgresWriter | None = None
        self._is_closed = False

    @property
    def is_exclusive(self) -> bool:
        return False

    @property
    def is_shared(self) -> bool:
        return True

    async def recover(self, *, worker: str) -> int:
        raise LedgerError(
            f"other workers may be using {self.address}: what the dead have left is found by age"
        )

    # --- Sharing.

    async def hold(self, campaign_id: int, shard: int, *, worker: str) -> None:
        self._names.add(worker)
        await self._write(
            lambda transaction: sharing.hold(transaction, campaign_id, shard, worker=worker)
        )

    async def let_go(self, campaign_id: int, shard: int, *, worker: str) -> None:
        await self._write(
            lambda transaction: sharing.let_go(transaction, campaign_id, shard, worker=worker)
        )

    async def beat(self, beat: Beat) -> Standing:
        return await self._write(lambda transaction: sharing.beat(transaction, beat))

    async def leave_calls(self, campaign_id: int, *, worker: str) -> None:
        now = self._clock.now()
        await self._write(
            lambda transaction: sharing.leave_calls(
                transaction, campaign_id, worker=worker, now=now
            )
        )

    async def retire(self, worker: str) -> None:
        await self._write(lambda transaction: sharing.retire(transaction, worker))
        self._names.discard(worker)

    async def workers(self) -> Sequence[WorkerRecord]:
        return await self._write(sharing.workers)

    async def open_shards(self) -> Sequence[tuple[int, int]]:
        return await self._write(sharing.open_shards)

    # --- Life.

    async def aclose(self) -> None:
        self._is_closed = True
        if self._writer is not None:
            await self._all_given_back()
            await self._writer.close()
        await self._close_reading()

    async def __aenter__(self) -> Self:
        if self._is_closed or self._writer is not None:
            raise ClosedError("a ledger is opened once: make another one")
        await asyncio.to_thread(prepare_server, self.address, create=self._create)
        writer = PostgresWriter(
            self.address,
            clock=self._clock,
            most_skew=self._most_skew,
            patience=self._patience,
            orphaned=self._take_back,
        )
        await writer.open()
        self._writer = writer
        return self

    def _make_reading(self) -> Reading:
        try:
            from .reading import Reading
        except ImportError as error:
            raise MissingExtraError(
                "a ledger needs SQLAlchemy: pip install 'talkstack-async[distributed]'"
            ) from error
        return Reading(self.address)

    def _take_back(self, result: object) -> None:
        """Release what was claimed although whoever asked was told that it failed."""
        if isinstance(result, Claimed) and not self._is_closed:
            self._release(result.claims)

    # --- Handing over to the writer.

    def _claim(self, campaign_id: int, **given: Any) -> asyncio.Future[Claimed]:
        return self._write(lambda transaction: claims.claim(transaction, campaign_id, **given))

    def _settle(self, settlements: Sequence[Settlement]) -> asyncio.Future[Sequence[bool]]:
        return self._write(lambda transaction: settling.settle(transaction, settlements))

    def _check_time(self, transaction: Transaction) -> None:
        cast("PostgresTransaction", transaction).check_time()

    def _submit(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]:
        return self._write(operation)

    def _write(self, operation: Callable[[PostgresTransaction], T]) -> asyncio.Future[T]:
        if self._writer is None:
            raise NotStartedError("open the ledger with 'async with' first")
        return self._writer.submit(operation)
