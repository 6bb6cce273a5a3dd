"""One contestant with an event loop of its own, in the same process as the others."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from .clients import extra_is
from .contestants import CONTESTANTS
from .machine import progress
from .target import Target
from .workload import Player, Row, Witness

__all__ = ["Lane", "open_lanes", "reason_for"]

T = TypeVar("T")

_LONGEST_SECONDS = 120.0


class Lane:
    """A contestant that waits for its turns; its tasks run during them only."""

    def __init__(self, name: str, target: Target, concurrency: int) -> None:
        contestant = CONTESTANTS[name]
        self.name = name
        self.target = target
        self.concurrency = concurrency
        self._extra = contestant.extra
        self._runner = asyncio.Runner(loop_factory=contestant.loop_factory)
        # What a client leaves open at its end is no news.
        self._runner.get_loop().set_exception_handler(lambda *_: None)
        self._context = contestant.open(target, concurrency)
        try:
            self.player: Player = self.run(self._context.__aenter__())
        except BaseException:
            self._runner.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on this contestant's loop, with or without orjson, but not for ever."""

        async def bounded() -> T:
            return await asyncio.wait_for(work, _LONGEST_SECONDS)

        with extra_is(self._extra):
            return self._runner.run(bounded())

    def place(self, work: Iterable[Row], witness: Witness | None = None) -> int:
        async def burst() -> int:
            return await self.player.burst(work, witness)

        return self.run(burst())

    def warm_up(self, work: Sequence[Row]) -> None:
        """Open the connections, and see that each answer belongs to its request."""
        for _ in range(2):
            self.place(work, Witness())

    def close(self) -> None:
        with suppress(Exception):  # of a contestant that has failed already
            self.run(self._context.__aexit__(None, None, None))
        with suppress(Exception):
            self._runner.close()


def open_lanes(
    names: Sequence[str], *, target: Target, concurrency: int, warm_up: Sequence[Row]
) -> tuple[list[Lane], dict[str, str]]:
    """Open and warm up contestants; return those that work, and why the others do not."""
    lanes: list[Lane] = []
    failed: dict[str, str] = {}
    for name in names:
        lane = None
        try:
            lane = Lane(name, target, concurrency)
            lane.warm_up(warm_up)
        except Exception as error:
            failed[name] = reason_for(error)
            if lane is not None:
                lane.close()
        else:
            lanes.append(lane)
    return lanes, failed


def reason_for(error: BaseException) -> str:
    """Say in a line why a contestant does not take part."""
    if isinstance(error, ImportError):
        text = f"not installed ({error.name})"
    elif isinstance(error, subprocess.CalledProcessError):  # its text names the machine's paths
        text = f"a part of it ended with code {error.returncode}"
    else:
        text = f"{type(error).__name__}: {error}"
    text = text.splitlines()[0][:160] if text.strip() else type(error).__name__
    progress(f"a contestant failed: {text}")
    return text
