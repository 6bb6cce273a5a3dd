"""What a worker tells whoever reads its log: a line when something has changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..campaign.progress import RunProgress
from ..campaign.states import AttemptState
from ..clock import Clock
from .output import Screen

if TYPE_CHECKING:
    from ..campaign.worker import Worker, WorkerStanding

__all__ = ["line_of", "log_standing"]

_EVERY_SECONDS = 10.0


@contextlib.contextmanager
def log_standing(worker: Worker, *, screen: Screen, clock: Clock) -> Iterator[None]:
    """Tell every few seconds how a worker stands, if that has changed, while the block lasts."""
    task = asyncio.create_task(_log(worker, screen=screen, clock=clock))
    try:
        yield
    finally:
        task.cancel()


async def _log(worker: Worker, *, screen: Screen, clock: Clock) -> None:
    last = ""
    while True:
        await clock.sleep(_EVERY_SECONDS)
        line = line_of(worker.standing, worker.progress)
        if line != last:
            screen.note(line)
        last = line


def line_of(standing: WorkerStanding, progress: RunProgress) -> str:
    """Say in a line what a worker does."""
    shards = len(standing.held)
    doing = f"{standing.state}, {shards} shard{'' if shards == 1 else 's'}, {progress.phase}"
    if progress.note:
        doing += f" ({progress.note})"
    placed, ended, uncertain = (
        progress.attempts.get(state, 0)
        for state in (AttemptState.PLACED, AttemptState.FINAL, AttemptState.UNKNOWN)
    )
    return (
        f"{doing}: being placed {progress.in_flight}, followed {progress.followed}; "
        f"placed {placed:,}, ended {ended:,}, uncertain {uncertain:,}"
    )
