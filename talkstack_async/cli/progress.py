"""The display of a running list: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Protocol

from ..campaign.contacts import ContactList
from ..clock import Clock
from .account import Account
from .output import Screen

__all__ = ["shown_progress"]

_LIVE_SECONDS, _PLAIN_SECONDS = 0.2, 10.0
# The rate is that of the last few seconds.
_WINDOW_SECONDS = 5.0


class Speed:
    """Outcomes per second lately, and how long the rest will take at that speed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun_at = clock.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(self._begun_at, 0)])

    def take(self, finished: int) -> float:
        """Note how many are finished by now; return how many per second."""
        now = self._clock.monotonic()
        self._samples.append((now, finished))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        then, before = self._samples[0]
        return (finished - before) / max(now - then, 0.001)

    def remaining(self, fraction: float) -> str:
        """Return the time to the end as h:mm:ss; a dash as long as nobody can tell."""
        if not fraction > 0:
            return "-"
        elapsed = self._clock.monotonic() - self._begun_at
        minutes, seconds = divmod(round(elapsed * (1 - fraction) / fraction), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


class _Display(Protocol):
    seconds: float

    def show(self, account: Account, *, fraction: float, rate: float, eta: str) -> None: ...

    def close(self) -> None: ...


class _Bar:
    """A bar that is drawn anew several times a second and gone at the end."""

    seconds = _LIVE_SECONDS

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._progress = Progress(
            # It fits 80 columns until the counts have four digits.
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TextColumn(
                "[green]placed {task.fields[placed]}[/] · "
                "[red]not placed {task.fields[not_placed]}[/] · "
                "[yellow]uncertain {task.fields[uncertain]}[/] · "
                "{task.fields[rate]:.1f}/s · ETA {task.fields[eta]}"
            ),
            console=console,
            auto_refresh=False,
            transient=True,
            # Standard output is not the bar's to rewrite.
            redirect_stdout=False,
        )
        self._task = self._progress.add_task(
            "", total=1.0, placed=0, not_placed=0, uncertain=0, rate=0.0, eta="-"
        )
        self._progress.start()

    def show(self, account: Account, *, fraction: float, rate: float, eta: str) -> None:
        self._progress.update(
            self._task,
            completed=fraction,
            placed=account.placed,
            not_placed=account.not_placed,
            uncertain=account.uncertain,
            rate=rate,
            eta=eta,
        )
        self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()


class _Plain:
    """A line of text now and then, for logs."""

    seconds = _PLAIN_SECONDS

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, account: Account, *, fraction: float, rate: float, eta: str) -> None:
        self._screen.note(
            f"{fraction:.0%} placed {account.placed}, not placed {account.not_placed}, "
            f"uncertain {account.uncertain}, {rate:.1f}/s, ETA {eta}"
        )

    def close(self) -> None:
        return


@contextlib.asynccontextmanager
async def shown_progress(
    account: Account, contacts: ContactList, *, screen: Screen, clock: Clock
) -> AsyncIterator[None]:
    """Show how far a list has come for as long as the block lasts."""
    showing = asyncio.create_task(_show(account, contacts, screen=screen, clock=clock))
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.wait((showing,))


async def _show(account: Account, contacts: ContactList, *, screen: Screen, clock: Clock) -> None:
    speed = Speed(clock)
    # A terminal that goes away ends the display and nothing else.
    with contextlib.suppress(OSError, ValueError):
        console = screen.console(sys.stderr)
        display: _Display = _Plain(screen) if console is None else _Bar(console)
        with contextlib.closing(display):
            while True:
                await clock.sleep(display.seconds)
                fraction = contacts.fraction_read
                rate = speed.take(account.finished)
                eta = speed.remaining(fraction)
                display.show(account, fraction=fraction, rate=rate, eta=eta)
