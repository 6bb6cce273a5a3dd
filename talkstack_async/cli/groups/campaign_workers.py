"""`talkstack campaign workers`: who works on the campaigns of a ledger that many share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from ..exits import CliError, ExitCode
from ..ledgers import LedgerFile, LedgerOrList, Place, find_ledger, on_ledger
from ..options import Json
from ..output import Screen
from ..tables import cell

if TYPE_CHECKING:
    from ...campaign.beats import WorkerRecord
    from ...campaign.ledger import Ledger
    from ...campaign.ledger.base import SharedLedger

__all__ = ["spans_of", "workers"]

_HEADINGS = ("host", "pid", "state", "began", "last heard of", "calls", "holds")


def workers(place: LedgerOrList = None, *, ledger: LedgerFile = None, json: Json = False) -> int:
    """Show the workers of a ledger: who holds what, since when, and when each was heard of.

    One that is silent may be dead or frozen: others take over what it holds by themselves.
    """
    screen = Screen(json=json)

    async def work(ledger: Ledger, place: Place) -> int:
        from ...campaign.standing import worker_standing

        if not ledger.is_shared:
            raise CliError(f"{place} is a file: it has one runner, which is talkstack dial")
        found = await cast("SharedLedger", ledger).workers()
        for each in found:
            screen.document(worker_standing(each))
        if not json and found:
            screen.columns(_HEADINGS, [_row(each) for each in found])
        elif not found:
            screen.note("nobody works on this ledger: talkstack worker, or talkstack dial")
        return ExitCode.ALL_PLACED

    return on_ledger(work, find_ledger(place, ledger))


def _row(worker: WorkerRecord) -> Sequence[str]:
    from ...campaign.standing import worker_state
    from ..moments import span

    return (
        cell(worker.host),
        cell(worker.pid),
        worker_state(worker),
        cell(worker.began_at),
        f"{span(worker.beat_seconds_ago)} ago",
        cell(worker.in_flight),
        _holdings(worker) or "-",
    )


def _holdings(worker: WorkerRecord) -> str:
    shards: dict[str, list[int]] = {}
    for campaign, shard in worker.held:
        shards.setdefault(campaign, []).append(shard)
    return "; ".join(f"{cell(name)}: {spans_of(held)}" for name, held in sorted(shards.items()))


def spans_of(numbers: Iterable[int]) -> str:
    """Write numbers as people do: `0-3, 7`."""
    ordered = sorted(set(numbers))
    breaks = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if b != a + 1), len(ordered)]
    runs = [ordered[start:end] for start, end in pairwise(breaks) if start < end]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
