"""Does memory grow with the list? A generator of requests, dialled to its end, watched all along.

Runs in a fresh process, because what earlier benchmarks freed would hide what this one takes.
The growth is counted from the first 10,000 calls on: until then connections are opened, caches
fill and the allocator finds its size. The highest point counts, not the last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import attrs

from .clients import extra_is, make_client, request_of
from .machine import allow_many_sockets, progress, resident_mib
from .target import Target
from .workload import endless_rows

__all__ = ["MemoryResult", "measure_memory"]

SETTLED_AFTER = 10_000
_SAMPLE_EVERY = 5_000
_CONCURRENCY = 100


@attrs.frozen(kw_only=True)
class MemoryResult:
    """Resident memory in MiB while requests stream through `dispatcher.dial`.

    Attributes:
        settled_mib: After the first 10,000.
        highest_mib: The highest sample after that.
        growth_mib: The difference of the two.
    """

    requests: int
    concurrency: int
    settled_mib: float
    highest_mib: float
    last_mib: float
    growth_mib: float
    samples: int
    calls_per_second: float
    cpu_us: float


def measure_memory(target: Target, *, requests: int) -> MemoryResult:
    """Stream requests through a dispatcher in a fresh process, and report its memory."""
    if requests < 2 * SETTLED_AFTER:
        raise SystemExit(f"--requests must be {2 * SETTLED_AFTER} or more")
    command = [sys.executable, "-m", "benchmarks.memory", str(target.port), str(requests)]
    done = subprocess.run(
        command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True, check=True
    )
    return MemoryResult(**json.loads(done.stdout))


async def _stream(target: Target, requests: int) -> MemoryResult:
    settled, samples = 0.0, []
    cpu, wall = time.process_time(), time.perf_counter()
    async with (
        make_client(target) as client,
        client.dispatcher(max_concurrency=_CONCURRENCY) as dispatcher,
    ):
        wanted = (request_of(row) for row, _ in zip(endless_rows(), range(requests), strict=False))
        done = 0
        async for _ in dispatcher.dial(wanted):
            done += 1
            if done == SETTLED_AFTER:
                settled = resident_mib()
            elif done > SETTLED_AFTER and done % _SAMPLE_EVERY == 0:
                samples.append(resident_mib())
                if done % (requests // 20) < _SAMPLE_EVERY:
                    progress(f"{done:,} of {requests:,} calls, {samples[-1] - settled:+.2f} MiB")
        assert dispatcher.progress.placed == requests, dispatcher.progress
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return MemoryResult(
        requests=requests,
        concurrency=_CONCURRENCY,
        settled_mib=settled,
        highest_mib=max(samples),
        last_mib=samples[-1],
        growth_mib=max(samples) - settled,
        samples=len(samples),
        calls_per_second=requests / wall,
        cpu_us=cpu / requests * 1e6,
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=int)
    chosen = parser.parse_args()
    allow_many_sockets()
    with extra_is(False):
        result = asyncio.run(_stream(Target(chosen.port), chosen.requests))
    print(json.dumps(attrs.asdict(result)))


if __name__ == "__main__":
    _main()
