"""Clients compared in one process, turn by turn: the only comparison a busy machine leaves whole.

Every client has an event loop of its own and takes turns of some hundred calls; each round begins
with another client. Noise of the machine then hits all of them alike, and the ratio to the naive
client is taken inside each round, where both had the same neighbours and the same clock speed.
The median of these ratios is the result.

A client that lost its core for a while comes back to a full batch of replies and looks cheaper
than it is. So a turn with less than 85 % of the core is repeated, and discarded after three
tries. With fewer than 10 calls in flight the client waits for the server most of the time; its
share of the core says nothing then, and all turns count.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module

import attrs

from .clients import CONTESTANTS, DIAL_EXTRA, MAKE_EXTRA, Contestant
from .machine import progress
from .target import Target
from .workload import Burst, Row, Witness, rows

__all__ = ["Comparison", "Result", "compare"]

LEAST_SHARE = 0.85
_TRIES = 3


@attrs.frozen(kw_only=True)
class Turn:
    """One turn of one client.

    Attributes:
        cpu_us: Processor time of the client's process per call, user and system.
        share: How much of its core the client had.
        server_share: How much of its core the server used meanwhile.
    """

    cpu_us: float
    calls_per_second: float
    share: float
    server_share: float


class _Lane:
    """One client with its event loop, and the turns that counted."""

    def __init__(self, name: str, contestant: Contestant, target: Target, concurrency: int):
        self.name = name
        self.turns: dict[int, Turn] = {}
        self.discarded = 0
        self._target = target
        self._concurrency = concurrency
        self._runner = asyncio.Runner(loop_factory=_loop_factory(name))
        self._context = contestant(target.url, concurrency)
        self._burst: Burst = self._runner.run(self._context.__aenter__())

    def warm_up(self, work: Sequence[Row]) -> None:
        """Open the connections, and see that each answer belongs to its request."""
        for _ in range(2):
            self._burst_now(work, Witness())

    def take_turn(self, number: int, work: Sequence[Row], *, least_share: float) -> None:
        for _ in range(_TRIES):
            gc.collect()
            # Connections that went stale while the others had their turns are not our subject.
            self._burst_now(work[: self._concurrency], None)
            turn = self._measure(work)
            if turn.share >= least_share:
                self.turns[number] = turn
                return
            self.discarded += 1

    def has_met(self, other: _Lane) -> bool:
        """Say whether both have turns that counted in some round."""
        return not self.turns.keys().isdisjoint(other.turns)

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))
        self._runner.close()

    def _measure(self, work: Sequence[Row]) -> Turn:
        server = self._target.cpu_seconds()
        cpu, wall = self._burst_now(work, None)
        server = self._target.cpu_seconds() - server
        return Turn(
            cpu_us=cpu / len(work) * 1e6,
            calls_per_second=len(work) / wall,
            share=cpu / wall,
            server_share=server / wall,
        )

    def _burst_now(self, work: Sequence[Row], witness: Witness | None) -> tuple[float, float]:
        async def timed() -> tuple[float, float]:
            cpu, wall = time.process_time(), time.perf_counter()
            placed = await self._burst(work, witness)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            assert placed == len(work), f"{self.name} placed {placed} of {len(work)} calls"
            return cpu, wall

        return self._runner.run(timed())


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name not in (MAKE_EXTRA, DIAL_EXTRA):
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return factory


@attrs.frozen(kw_only=True)
class Result:
    """What became of one client.

    Attributes:
        ratio: Median over the rounds of CPU per call relative to the first client.
        ratio_quartiles: The first and third quartile of the same.
        turns: How many turns counted.
        paired: How many of them have a turn of the first client in the same round.
        discarded: How many did not, for want of the core.
    """

    client: str
    cpu_us: float
    calls_per_second: float
    ratio: float
    ratio_quartiles: tuple[float, float]
    speed_ratio: float
    server_share: float
    turns: int
    paired: int
    discarded: int


@attrs.frozen(kw_only=True)
class Comparison:
    """Several clients at one number of calls in flight; the first is what others relate to.

    Attributes:
        missing: Clients without a turn that counted in the same round as one of the first.
    """

    concurrency: int
    rounds: int
    calls: int
    results: list[Result]
    missing: list[str]


def compare(
    names: Sequence[str], *, target: Target, concurrency: int, rounds: int, calls: int
) -> Comparison:
    """Let clients take turns, and relate each to the first.

    Raises:
        AssertionError: An answer belonged to another request, or a call was not placed.
    """
    with ExitStack() as stack:
        lanes: list[_Lane] = []
        for name in names:
            lanes.append(_Lane(name, CONTESTANTS[name], target, concurrency))
            stack.callback(lanes[-1].close)
        _take_turns(lanes, concurrency=concurrency, rounds=rounds, calls=calls)
    base = lanes[0]
    return Comparison(
        concurrency=concurrency,
        rounds=rounds,
        calls=calls,
        results=[_result(lane, base) for lane in lanes if lane.has_met(base)],
        missing=[lane.name for lane in lanes if not lane.has_met(base)],
    )


def _take_turns(lanes: Sequence[_Lane], *, concurrency: int, rounds: int, calls: int) -> None:
    work = rows(max(calls, concurrency))
    for lane in lanes:
        lane.warm_up(work[: 2 * concurrency])
    gc.collect()
    gc.freeze()
    try:
        least_share = LEAST_SHARE if concurrency >= 10 else 0.0
        for number in range(rounds):
            first = number % len(lanes)
            for lane in [*lanes[first:], *lanes[:first]]:
                lane.take_turn(number, work[:calls], least_share=least_share)
            progress(f"{concurrency} in flight: round {number + 1} of {rounds}")
    finally:
        gc.unfreeze()


def _result(lane: _Lane, base: _Lane) -> Result:
    turns, both = lane.turns.values(), lane.turns.keys() & base.turns.keys()
    ratios = [lane.turns[number].cpu_us / base.turns[number].cpu_us for number in both]
    speeds = [
        lane.turns[number].calls_per_second / base.turns[number].calls_per_second
        for number in both
    ]
    low, middle, high = _quartiles(ratios)
    return Result(
        client=lane.name,
        cpu_us=statistics.median(turn.cpu_us for turn in turns),
        calls_per_second=statistics.median(turn.calls_per_second for turn in turns),
        ratio=middle,
        ratio_quartiles=(low, high),
        speed_ratio=_quartiles(speeds)[1],
        server_share=statistics.median(turn.server_share for turn in turns),
        turns=len(turns),
        paired=len(both),
        discarded=lane.discarded,
    )


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
