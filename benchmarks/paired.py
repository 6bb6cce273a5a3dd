"""Clients compared in one process, turn by turn: the only comparison a busy machine leaves whole.

Every client has an event loop of its own and takes turns of some hundred calls; each round begins
with another client. Noise of the machine then hits all of them alike, and the ratio to the naive
client is taken inside each round, where both had the same neighbours and the same clock speed.
The median of these ratios is the result.

A client that lost its core for a while comes back to a full batch of replies and looks cheaper
than it is. So a turn with less than 85 % of the core is repeated, and discarded after three
tries. Where that leaves less than half of the rounds, the least disturbed turns count as well,
and the table says how many. With fewer than 10 calls in flight, or a server that answers late,
the client waits most of the time; its share of the core says nothing then, and all turns count.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Mapping, Sequence

import attrs

from .contestants import CONTESTANTS
from .lane import Lane, open_lanes, reason_for
from .machine import progress
from .target import Target
from .workload import Row, rows

__all__ = ["Comparison", "Result", "compare", "quartiles"]

LEAST_SHARE = 0.85
_TRIES = 3
# An SDK of others gets a fifth of the calls, for it costs ten times as much and more. Nor are its
# turns repeated: a tenth more or less says nothing then, and each takes a second.
_FEWER = 5


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


class _Seat:
    """One client at the table, and the turns of it that counted."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.name = lane.name
        self.turns: dict[int, Turn] = {}
        self.discarded = 0
        self.disturbed = 0
        self._poor: dict[int, Turn] = {}

    def take_turn(self, number: int, work: Sequence[Row], *, least_share: float) -> None:
        for _ in range(_TRIES):
            gc.collect()
            # Connections that went stale while the others had their turns are not our subject.
            self.lane.place(work[: self.lane.concurrency])
            turn = self._measure(work)
            if turn.share >= least_share:
                self.turns[number] = turn
                return
            self.discarded += 1
            if number not in self._poor or turn.share > self._poor[number].share:
                self._poor[number] = turn

    def make_do(self, rounds: int) -> None:
        """Let the least disturbed turns count if there are too few good ones."""
        if 2 * len(self.turns) < rounds:
            missed = {nth: turn for nth, turn in self._poor.items() if nth not in self.turns}
            self.turns |= missed
            self.disturbed = len(missed)
            self.discarded -= len(missed)

    def has_met(self, other: _Seat) -> bool:
        """Say whether both have turns that counted in some round."""
        return not self.turns.keys().isdisjoint(other.turns)

    def _measure(self, work: Sequence[Row]) -> Turn:
        server = self.lane.target.cpu_seconds()
        cpu, wall = self.lane.run(self._timed(work))
        server = self.lane.target.cpu_seconds() - server
        return Turn(
            cpu_us=cpu / len(work) * 1e6,
            calls_per_second=len(work) / wall,
            share=cpu / wall,
            server_share=server / wall,
        )

    async def _timed(self, work: Sequence[Row]) -> tuple[float, float]:
        await asyncio.sleep(0)
        cpu, wall = time.process_time(), time.perf_counter()
        placed = await self.lane.player.burst(work, None)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert placed == len(work), f"{self.name} placed {placed} of {len(work)} calls"
        return cpu, wall


@attrs.frozen(kw_only=True)
class Result:
    """What became of one client.

    Attributes:
        ratio: Median over the rounds of CPU per call relative to the first client.
        ratio_quartiles: The first and third quartile of the same.
        turns: How many turns counted.
        paired: How many of them have a turn of the first client in the same round.
        disturbed: How many of them had too little of the core, and count for want of others.
        discarded: How many did not count.
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
    disturbed: int
    discarded: int


@attrs.frozen(kw_only=True)
class Comparison:
    """Several clients at one number of calls in flight; the first is what others relate to.

    Attributes:
        missing: Clients without a turn that counted in the same round as one of the first.
        failed: Clients that did not work, and why.
    """

    concurrency: int
    delay_ms: float
    rounds: int
    calls: int
    results: list[Result]
    missing: list[str]
    failed: Mapping[str, str]


def compare(
    names: Sequence[str],
    *,
    target: Target,
    concurrency: int,
    rounds: int,
    calls: int,
    delay_ms: float = 0.0,
    least_share: float | None = None,
) -> Comparison:
    """Let clients take turns, and relate each to the first. Whoever fails is reported.

    Args:
        delay_ms: How late this target answers.
        least_share: Turns with less of the core do not count; by itself 0.85, where a client
            has enough in flight to be busy all the time.

    Raises:
        RuntimeError: The first one failed, so there is nothing to relate to.
    """
    if least_share is None:
        least_share = LEAST_SHARE if concurrency >= 10 and not delay_ms else 0.0
    work = rows(max(calls, 2 * concurrency))
    warm_up = work[: min(2 * concurrency, concurrency + 200)]
    lanes, failed = open_lanes(names, target=target, concurrency=concurrency, warm_up=warm_up)
    try:
        if names[0] in failed:
            raise RuntimeError(f"{names[0]}: {failed[names[0]]}")
        seats = [_Seat(lane) for lane in lanes]
        broken = _take_turns(seats, work, calls, rounds=rounds, least_share=least_share)
    finally:
        for lane in lanes:
            lane.close()
    for seat in seats:
        seat.make_do(rounds)
    base = seats[0]
    well = [seat for seat in seats if seat.name not in broken]
    return Comparison(
        concurrency=concurrency,
        delay_ms=delay_ms,
        rounds=rounds,
        calls=calls,
        results=[_result(seat, base) for seat in well if seat.has_met(base)],
        missing=[seat.name for seat in well if not seat.has_met(base)],
        failed=failed | broken,
    )


def _take_turns(
    seats: Sequence[_Seat], work: Sequence[Row], calls: int, *, rounds: int, least_share: float
) -> dict[str, str]:
    """Let all take their turns; return who failed, and why."""
    failed: dict[str, str] = {}
    gc.collect()
    gc.freeze()
    try:
        for number in range(rounds):
            for seat in _in_turn(seats, number):
                if seat.name in failed:
                    continue
                count, share = calls, least_share
                if CONTESTANTS[seat.name].is_sdk:
                    count, share = max(1, calls // _FEWER), 0.0
                try:
                    seat.take_turn(number, work[:count], least_share=share)
                except Exception as error:
                    if seat is seats[0]:
                        raise
                    failed[seat.name] = reason_for(error)
            progress(f"{seats[0].lane.concurrency} in flight: round {number + 1} of {rounds}")
    finally:
        gc.unfreeze()
    return failed


def _in_turn(seats: Sequence[_Seat], number: int) -> list[_Seat]:
    """Begin each round with another client; the dear ones last, so that the others are close."""
    cheap = [seat for seat in seats if not CONTESTANTS[seat.name].is_sdk]
    dear = [seat for seat in seats if CONTESTANTS[seat.name].is_sdk]
    first, second = number % len(cheap), number % max(1, len(dear))
    return [*cheap[first:], *cheap[:first], *dear[second:], *dear[:second]]


def _result(seat: _Seat, base: _Seat) -> Result:
    turns, both = seat.turns.values(), seat.turns.keys() & base.turns.keys()
    ratios = [seat.turns[number].cpu_us / base.turns[number].cpu_us for number in both]
    speeds = [
        seat.turns[number].calls_per_second / base.turns[number].calls_per_second
        for number in both
    ]
    low, middle, high = quartiles(ratios)
    return Result(
        client=seat.name,
        cpu_us=statistics.median(turn.cpu_us for turn in turns),
        calls_per_second=statistics.median(turn.calls_per_second for turn in turns),
        ratio=middle,
        ratio_quartiles=(low, high),
        speed_ratio=quartiles(speeds)[1],
        server_share=statistics.median(turn.server_share for turn in turns),
        turns=len(turns),
        paired=len(both),
        disturbed=seat.disturbed,
        discarded=seat.discarded,
    )


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
