"""Watching a campaign until it is over: a live picture on a terminal, lines in a pipe."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Protocol

from ..campaign.campaign import Campaign
from ..campaign.standing import standing
from ..clock import Clock
from .ledgers import Place
from .output import Screen, harmless
from .status import facts_of, line_of, tables_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["watch"]

# The rate is that of the last minute or so.
_SAMPLES = 30


class _View(Protocol):
    def show(self, now: Mapping[str, Any]) -> None: ...

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...


async def watch(
    campaign: Campaign, *, path: Place, every_seconds: float, screen: Screen, clock: Clock
) -> None:
    """Show how a campaign stands, again and again, until it is over or nobody reads any more.

    It only reads the ledger: whoever runs the campaign does not notice.
    """
    console = None if screen.json else screen.console(sys.stdout)
    with ExitStack() as stack:
        view: _View = _Lines(screen) if console is None else _Picture(console, clock)
        stack.enter_context(view)
        while True:
            found = standing(await campaign.refresh(), await campaign.counts())
            view.show({**found, "ledger": str(path)})
            if found["finished"] or not screen.is_read:
                return
            await clock.sleep(every_seconds)


class _Lines:
    """A line, or a line of JSON, whenever something has changed."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._last: Mapping[str, Any] | None = None

    def show(self, now: Mapping[str, Any]) -> None:
        if now == self._last:
            return
        self._last = now
        self._screen.document(now)
        if not self._screen.json:
            self._screen.say(line_of(now))

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return


class _Picture:
    """Tables that are drawn anew in their place, and stay when watching ends."""

    def __init__(self, console: Console, clock: Clock) -> None:
        from rich.live import Live

        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        # Standard output and errors of others are not this picture's to rewrite.
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def show(self, now: Mapping[str, Any]) -> None:
        self._samples.append((self._clock.monotonic(), now["rings"]))
        with suppress(OSError, ValueError):  # the terminal is gone
            self._live.update(self._drawn(now), refresh=True)

    def __enter__(self) -> _Picture:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _drawn(self, now: Mapping[str, Any]) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        contacts = now["contacts"]
        facts = Table.grid(padding=(0, 2))
        for name, value in facts_of(now, now=self._clock.now()):
            facts.add_row(Text(name, style="dim"), Text(harmless(value)))
        facts.add_row(Text("calls per second", style="dim"), Text(f"{self._rate():.1f}"))
        over = contacts["done"] + contacts["excluded"]
        facts.add_row(Text("done", style="dim"), ProgressBar(max(now["total"], 1), over, width=40))
        parts: list[RenderableType] = [facts]
        for title, rows in tables_of(now):
            if rows:
                table = Table.grid(padding=(0, 2))
                table.add_column(justify="right")
                for name, value in rows:
                    table.add_row(Text(harmless(value)), Text(harmless(name)))
                parts += [Text(f"\n{title}", style="bold"), table]
        return Group(*parts)

    def _rate(self) -> float:
        (then, before), (now, rings) = self._samples[0], self._samples[-1]
        return (rings - before) / (now - then) if now > then else 0.0
