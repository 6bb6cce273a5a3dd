"""What a client adds to the time of a call, while calls arrive at a fixed rate.

An open loop: a call begins when it is due, however the ones before it fare, and its time is
counted from when it was due. So a client that stalls cannot hide the calls it kept waiting. The
server answers 20 ms late, and tells afterwards how long it kept each call, from reading to
answering. The rest is the client's and the kernel's: waking up, getting the request out, and
handing over the reply.

Arrivals come from a precise timer that wakes the event loop like any socket, because the loop's
own timers are as coarse as a millisecond. A moment at which the whole machine was busy with
something else hits whoever has its turn; so the ratio to plain aiohttp is taken inside each
round, and the median of the rounds counts.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Sequence
from typing import Any

import attrs

from .lane import Lane, open_lanes, reason_for
from .machine import progress
from .paired import quartiles
from .precise import PreciseTimer
from .target import Target
from .workload import Row, rows

__all__ = ["Delay", "measure_latency"]

_CONCURRENCY = 1000  # what each may open; at these rates it is a fraction of it that it does


@attrs.frozen(kw_only=True)
class Delay:
    """What one client added, in microseconds.

    Attributes:
        p50_us, p99_us: Medians over the rounds.
        p50_ratio, p99_ratio: To the first client, inside each round; the median of these.
    """

    client: str
    rate: int
    calls: int
    p50_us: float
    p99_us: float
    p50_ratio: float
    p99_ratio: float


def measure_latency(
    names: Sequence[str],
    *,
    target: Target,
    delay_ms: float,
    rate: int,
    seconds: float,
    rounds: int,
) -> dict[str, Any]:
    """Let clients take turns at a fixed rate, and relate each to the first."""
    work = rows(max(200, int(rate * seconds)))
    lanes, failed = open_lanes(
        names, target=target, concurrency=_CONCURRENCY, warm_up=work[: max(10, rate // 20)]
    )
    found: dict[str, dict[int, tuple[float, float]]] = {lane.name: {} for lane in lanes}
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            first = number % max(1, len(lanes))
            for lane in [*lanes[first:], *lanes[:first]]:
                if lane.name in failed:
                    continue
                try:
                    target.spans()  # forget the warm-up and who came before
                    took = lane.run(_drive(lane, work, rate=rate, seconds=seconds))
                    spans = target.spans()
                    added = [span - spans[number] for number, span in took]
                except Exception as error:
                    failed[lane.name] = reason_for(error)
                    continue
                found[lane.name][number] = _percentiles(added)
            progress(f"{rate:,} calls/s: round {number + 1} of {rounds}")
    finally:
        gc.unfreeze()
        for lane in lanes:
            lane.close()
    if names[0] in failed:
        raise RuntimeError(f"{names[0]}: {failed[names[0]]}")
    well = [name for name in names if name not in failed]
    results = [
        _relate(name, found[name], found[names[0]], rate, int(rate * seconds)) for name in well
    ]
    return {
        "rate": rate,
        "rounds": rounds,
        "seconds": seconds,
        "delay_ms": delay_ms,
        "results": [attrs.asdict(result) for result in results],
        "failed": failed,
    }


async def _drive(
    lane: Lane, work: Sequence[Row], *, rate: int, seconds: float
) -> list[tuple[str, float]]:
    call = lane.player.call
    assert call is not None, "this contestant has no way to place one call"
    clock = time.monotonic
    done: list[tuple[str, float]] = []
    tasks: set[asyncio.Task[None]] = set()

    async def one(row: Row, due: float) -> None:
        await call(row)
        done.append((row[0], clock() - due))

    # So that connections that went stale meanwhile are opened again, and count nowhere.
    await asyncio.gather(*(call(row) for row in work[: max(5, rate // 20)]))
    gc.collect()
    count, began, nth = int(rate * seconds), time.monotonic() + 0.01, 0
    all_began = asyncio.get_running_loop().create_future()

    def begin() -> None:
        nonlocal nth
        for _ in range(timer.read()):
            if nth < count:
                task = asyncio.ensure_future(one(work[nth % len(work)], began + nth / rate))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            elif not all_began.done():
                all_began.set_result(None)
            nth += 1

    loop, timer = asyncio.get_running_loop(), PreciseTimer()
    loop.add_reader(timer.fileno(), begin)
    timer.set(began, every=1 / rate)
    try:
        await all_began
    finally:
        loop.remove_reader(timer.fileno())
        timer.close()
    await asyncio.gather(*tasks)
    assert len(done) == count, "some calls failed"
    return done


def _percentiles(added: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(added, n=100, method="inclusive")
    return cuts[49] * 1e6, cuts[98] * 1e6


def _relate(
    name: str,
    found: dict[int, tuple[float, float]],
    base: dict[int, tuple[float, float]],
    rate: int,
    calls: int,
) -> Delay:
    both = found.keys() & base.keys()
    return Delay(
        client=name,
        rate=rate,
        calls=calls,
        p50_us=statistics.median(p50 for p50, _ in found.values()),
        p99_us=statistics.median(p99 for _, p99 in found.values()),
        p50_ratio=quartiles([found[number][0] / base[number][0] for number in both])[1],
        p99_ratio=quartiles([found[number][1] / base[number][1] for number in both])[1],
    )
