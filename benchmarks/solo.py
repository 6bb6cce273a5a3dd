"""One contestant alone in a fresh process: for what the company of others would blur.

That is memory, connections, rings after a dropped connection, thousands of calls in flight, and
several processes at once. Prints one line of JSON; whatever goes wrong is a reason in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .clients import extra_is
from .contestants import CONTESTANTS
from .lane import reason_for
from .machine import allow_many_sockets, pin, resident_mib
from .target import Target
from .workload import Row, Tally, Until, Witness, endless_rows, rows

__all__ = ["Solo", "solo"]

_LONGEST_SECONDS = 100.0


class Solo:
    """A running child with one contestant. It begins to measure when it is told to."""

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        concurrency: int,
        calls: int = 0,
        seconds: float = 0.0,
        expects_failures: bool = False,
        core: int | None = None,
    ) -> None:
        told = {
            "name": name,
            "port": target.port,
            "concurrency": concurrency,
            "calls": calls,
            "seconds": seconds,
            "expects_failures": expects_failures,
            "core": core,
        }
        command = [sys.executable, "-m", "benchmarks.solo", json.dumps(told)]
        self._process = subprocess.Popen(
            command,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def wait_until_ready(self) -> None:
        """Wait until it is warm, or has failed."""
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def go(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has failed, and says so below
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """Return what it measured, or the reason why not as `failed`."""
        try:
            out, _ = self._process.communicate(timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return {"failed": f"not done after {_LONGEST_SECONDS:g} s"}
        try:
            found: dict[str, Any] = json.loads(out.splitlines()[-1])
        except (ValueError, IndexError):
            return {"failed": f"ended with code {self._process.returncode}"}
        return found


def solo(name: str, target: Target, **options: Any) -> dict[str, Any]:
    """Run one contestant in a fresh process from beginning to end."""
    child = Solo(name, target, **options)
    child.wait_until_ready()
    child.go()
    return child.result()


# --- the child ----------------------------------------------------------------------------------


async def _measure(told: dict[str, Any]) -> dict[str, Any]:
    target, concurrency = Target(told["port"]), told["concurrency"]
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with CONTESTANTS[told["name"]].open(target, concurrency) as player:
        ready_mib = resident_mib()
        if not told["expects_failures"]:
            await player.burst(rows(concurrency), Witness())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        witness = Tally() if told["expects_failures"] else None
        work: list[Row] | Until = (
            Until(rows(10_000), seconds=told["seconds"]) if told["seconds"] else []
        )
        if told["calls"]:
            work = [row for row, _ in zip(endless_rows(), range(told["calls"]), strict=False)]
        gc.collect()
        gc.freeze()
        cpu, wall = time.process_time(), time.perf_counter()
        placed = await player.burst(work, witness)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        full_mib = resident_mib()
    return {
        "placed": placed,
        "calls_per_second": placed / wall,
        "cpu_us": cpu / max(1, placed) * 1e6,
        "ready_mib": ready_mib,
        "full_mib": full_mib,
        "told": dict(witness.told) if witness else {},
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("told", help="what to do, as JSON")
    told = json.loads(parser.parse_args().told)
    pin(told["core"])
    allow_many_sockets()
    contestant = CONTESTANTS[told["name"]]
    try:
        with (
            extra_is(contestant.extra),
            asyncio.Runner(loop_factory=contestant.loop_factory) as runner,
        ):
            found = runner.run(_measure(told))
    except Exception as error:
        found = {"failed": reason_for(error)}
        print("failed", flush=True)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    _main()
