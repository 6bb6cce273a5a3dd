"""Who holds which shard, who lives, and where there is work. All moments are the database's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..beats import SILENT_SECONDS, Beat, Standing, WorkerRecord
from ..states import AttemptState
from .moments import from_ms, to_ms
from .postgres_transaction import DATABASE_MS, PostgresTransaction
from .stored import OPEN_ATTEMPT_COLUMNS, open_attempt_of
from .watching import take_over

__all__ = ["beat", "hold", "leave_calls", "let_go", "open_shards", "retire", "workers"]

# Who is silent is shown for so long, so that an operator can see that somebody is missing.
_REMEMBERED_SECONDS = 86_400

_HOLD = (
    "INSERT INTO holding (campaign_id, shard, worker, since_at) "  # noqa: S608  # a constant
    f"VALUES (%s, %s, %s, {DATABASE_MS}) "
    "ON CONFLICT (campaign_id, shard) DO UPDATE SET worker = excluded.worker, "
    "since_at = CASE WHEN holding.worker = excluded.worker THEN holding.since_at "
    "ELSE excluded.since_at END"
)
_LET_GO = "DELETE FROM holding WHERE campaign_id = %s AND shard = %s AND worker = %s"
_BEAT = (
    "INSERT INTO worker (name, host, pid, began_at, beat_at, state, in_flight) "  # noqa: S608  # constants
    f"VALUES (%s, %s, %s, %s, {DATABASE_MS}, %s, %s) "
    "ON CONFLICT (name) DO UPDATE SET beat_at = excluded.beat_at, state = excluded.state, "
    "in_flight = excluded.in_flight"
)
_HELD = "SELECT campaign_id, shard FROM holding WHERE worker = %s"
# The condition on two states is the one of the partial index.
_OTHERS = (
    "SELECT c.campaign_id, count(h.worker), count(*) FILTER (WHERE a.state = 2) FROM contact c "
    "JOIN attempt a ON a.contact_id = c.contact_id AND a.n = c.tries "
    "LEFT JOIN holding h ON h.campaign_id = c.campaign_id AND h.shard = c.shard "
    "AND h.worker = %s WHERE c.campaign_id = ANY(%s::integer[]) "
    "AND c.state IN (1, 3) AND c.state = 1 AND a.worker <> %s GROUP BY c.campaign_id"
)
_LIVE = (
    "SELECT count(*) FROM worker "  # noqa: S608  # constants
    f"WHERE state = 'working' AND beat_at > {DATABASE_MS} - %s"
)
_FORGET = (
    "DELETE FROM worker w "  # noqa: S608  # constants
    f"WHERE w.beat_at < {DATABASE_MS} - %s "
    "AND NOT EXISTS (SELECT 1 FROM holding h WHERE h.worker = w.name)"
)
_LEAVE = (
    f"SELECT {OPEN_ATTEMPT_COLUMNS} FROM contact c "  # noqa: S608  # columns
    "JOIN attempt a ON a.contact_id = c.contact_id AND a.n = c.tries "
    "WHERE c.campaign_id = %s AND c.state IN (1, 3) AND c.state = 1 AND a.state = 2 "
    "AND a.worker = %s FOR UPDATE OF a"
)
_RETIRE = ("DELETE FROM holding WHERE worker = %s", "DELETE FROM worker WHERE name = %s")
_WORKERS = (
    "SELECT name, host, pid, began_at, "  # noqa: S608  # constants
    f"greatest(0, {DATABASE_MS} - beat_at), state, in_flight FROM worker ORDER BY name"
)
_HOLDINGS = (
    "SELECT h.worker, p.name, h.shard FROM holding h "
    "JOIN campaign p ON p.campaign_id = h.campaign_id ORDER BY p.name, h.shard"
)
_OPEN_SHARDS = (
    "SELECT p.campaign_id, s.shard::integer FROM campaign p "
    "CROSS JOIN LATERAL generate_series(0, p.shards - 1) AS s (shard) "
    "WHERE (p.state IN ('running', 'paused') AND EXISTS (SELECT 1 FROM contact c "
    "WHERE c.campaign_id = p.campaign_id AND c.shard = s.shard AND c.state = 0)) "
    "OR EXISTS (SELECT 1 FROM contact c WHERE c.campaign_id = p.campaign_id "
    "AND c.shard = s.shard AND c.state IN (1, 3) AND c.state = 1) ORDER BY 1, 2"
)


def hold(transaction: PostgresTransaction, campaign_id: int, shard: int, *, worker: str) -> None:
    """See `SharedLedger.hold`."""
    transaction.connection.execute(_HOLD, (campaign_id, shard, worker))


def let_go(transaction: PostgresTransaction, campaign_id: int, shard: int, *, worker: str) -> None:
    """See `SharedLedger.let_go`."""
    transaction.connection.execute(_LET_GO, (campaign_id, shard, worker))


def beat(transaction: PostgresTransaction, beat: Beat) -> Standing:
    """See `SharedLedger.beat`."""
    connection, worker = transaction.connection, beat.worker
    began_at = to_ms(beat.began_at)
    connection.execute(_BEAT, (worker, beat.host, beat.pid, began_at, beat.state, beat.in_flight))
    held = frozenset(connection.execute(_HELD, (worker,)).fetchall())
    campaigns = sorted({campaign_id for campaign_id, _ in held})
    others = connection.execute(_OTHERS, (worker, campaigns, worker)).fetchall()
    connection.execute(_FORGET, (_REMEMBERED_SECONDS * 1000,))
    ((live,),) = connection.execute(_LIVE, (int(SILENT_SECONDS * 1000),)).fetchall()
    return Standing(
        held=held,
        foreign={campaign_id: count for campaign_id, count, _ in others if count},
        elsewhere={campaign_id: count for campaign_id, _, count in others if count},
        live_workers=live,
    )


def leave_calls(
    transaction: PostgresTransaction, campaign_id: int, *, worker: str, now: datetime
) -> None:
    """See `SharedLedger.leave_calls`."""
    rows = transaction.connection.execute(_LEAVE, (campaign_id, worker)).fetchall()
    attempts = [open_attempt_of(row) for row in rows]
    take_over(transaction, attempts, "", why="left", now=now, state=AttemptState.PLACED)


def retire(transaction: PostgresTransaction, worker: str) -> None:
    """See `SharedLedger.retire`."""
    for statement in _RETIRE:
        transaction.connection.execute(statement, (worker,))


def workers(transaction: PostgresTransaction) -> Sequence[WorkerRecord]:
    """See `SharedLedger.workers`."""
    held: dict[str, list[tuple[str, int]]] = {}
    for worker, campaign, shard in transaction.connection.execute(_HOLDINGS):
        held.setdefault(worker, []).append((campaign, shard))
    return [
        WorkerRecord(
            name=name,
            host=host,
            pid=pid,
            began_at=from_ms(began_at),
            beat_seconds_ago=silent / 1000,
            state=state,
            in_flight=in_flight,
            held=tuple(held.get(name, ())),
        )
        for name, host, pid, began_at, silent, state, in_flight in (
            transaction.connection.execute(_WORKERS)
        )
    ]


def open_shards(transaction: PostgresTransaction) -> Sequence[tuple[int, int]]:
    """See `SharedLedger.open_shards`."""
    return transaction.connection.execute(_OPEN_SHARDS).fetchall()
