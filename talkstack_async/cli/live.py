"""The display of a running campaign: a live panel on a terminal, a line now and then elsewhere.

It looks at the runner's own counters, which are in memory, and asks the ledger only every few
seconds, and the more seldom the longer the ledger takes to count.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, assert_never

import attrs

from ..campaign.progress import Phase, RunProgress
from ..campaign.states import AttemptState, ContactState
from ..campaign.words import call_words
from ..clock import Clock
from ..errors import TalkstackError
from .moments import local, span
from .output import Screen, harmless

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.ledger.base import Counts

__all__ = ["Speed", "View", "shown_run", "view_of"]

_LIVE_SECONDS, _PLAIN_SECONDS = 0.2, 10.0
# The rate is that of the last few seconds.
_WINDOW_SECONDS = 5.0
# Counting may take a twentieth of the time, and happens every two seconds at most.
_COUNT_SECONDS, _COUNT_SHARE = 2.0, 20.0


@attrs.frozen(kw_only=True)
class View:
    """What is shown of a campaign at one moment.

    Attributes:
        settled: Contacts that are done, out, or waiting for a person.
        contacts: All there are.
        rate: Calls placed per second, lately.
        eta: How long the contacts that are due now will take at that rate.
        uncertain: Attempts that may have rung, and are being looked for.
    """

    name: str
    phase: str
    settled: int
    contacts: int
    rate: float
    eta: str
    in_flight: int
    followed: int
    waiting: int
    uncertain: int
    review: int
    ends: Mapping[str, int]


class Speed:
    """Calls per second lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque([(clock.monotonic(), 0)])

    def take(self, placed: int) -> float:
        """Note how many were placed by now; return how many per second."""
        now = self._clock.monotonic()
        self._samples.append((now, placed))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        then, before = self._samples[0]
        return (placed - before) / max(now - then, 0.001)


def view_of(
    name: str, progress: RunProgress, counts: Counts, *, rate: float, now: datetime
) -> View:
    """Make what is shown of what the run and the ledger tell."""
    contacts, uncertain = counts.contacts, counts.attempts.get(AttemptState.UNKNOWN, 0)
    ready, active = contacts.get(ContactState.READY, 0), contacts.get(ContactState.ACTIVE, 0)
    total = sum(contacts.values())
    due = max(0, ready - counts.waiting)
    return View(
        name=name,
        phase=_phase_words(progress, uncertain=uncertain, now=now),
        settled=total - ready - active,
        contacts=total,
        rate=rate,
        eta=_clock_words(due / rate) if due and rate > 0 else "-",
        in_flight=progress.in_flight,
        followed=progress.followed,
        waiting=counts.waiting,
        uncertain=uncertain,
        review=contacts.get(ContactState.REVIEW, 0),
        ends=dict(sorted(counts.dispositions.items(), key=lambda item: -item[1])),
    )


def _phase_words(progress: RunProgress, *, uncertain: int, now: datetime) -> str:
    match progress.phase:
        case Phase.DIALLING | Phase.STOPPING | Phase.BUDGET:
            return progress.phase.value
        case Phase.PAUSED:
            return "paused, until talkstack campaign resume"
        case Phase.CIRCUIT_OPEN:
            return f"interrupted: {progress.note}"
        case Phase.WAITING if progress.note:
            return f"the call history cannot be read: {progress.note}"
        case Phase.WAITING if progress.until is not None and progress.until > now:
            left = (progress.until - now).total_seconds()
            return f"waiting until {local(progress.until, now=now)}, in {span(left)}"
        case Phase.WAITING if progress.followed:
            return "following calls to their end"
        case Phase.WAITING if uncertain:
            return "looking for calls whose answer was lost"
        case Phase.WAITING:
            return "waiting"
        case _ as unreachable:
            assert_never(unreachable)


def _clock_words(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


class _Display(Protocol):
    seconds: float

    def show(self, view: View) -> None: ...

    def close(self) -> None: ...


class _Panel:
    """A panel that is drawn anew several times a second and gone at the end."""

    seconds = _LIVE_SECONDS

    def __init__(self, console: Any) -> None:
        from rich.live import Live

        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            # Standard output is not the panel's to rewrite.
            redirect_stdout=False,
        )
        self._live.start()

    def show(self, view: View) -> None:
        self._live.update(_panel(view), refresh=True)

    def close(self) -> None:
        self._live.stop()


class _Plain:
    """A line of text now and then, for logs."""

    seconds = _PLAIN_SECONDS

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, view: View) -> None:
        ends = "".join(f", {call_words(end).lower()} {n}" for end, n in view.ends.items())
        self._screen.note(
            f"{view.phase}: {view.settled} of {view.contacts} settled, {view.rate:.1f}/s, "
            f"ETA {view.eta}; being placed {view.in_flight}, followed {view.followed}, "
            f"waiting {view.waiting}, uncertain {view.uncertain}, need a look {view.review}{ends}"
        )

    def close(self) -> None:
        return


def _panel(view: View) -> Any:
    from rich.console import Group
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(expand=True)
    head.add_column()
    head.add_column(justify="right")
    head.add_row(
        Text(harmless(view.phase), style="bold"), Text(f"{view.rate:.1f}/s · ETA {view.eta}")
    )
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(ratio=1)
    bar.add_column(justify="right")
    bar.add_row(
        ProgressBar(total=max(1, view.contacts), completed=view.settled),
        Text(f"{view.settled:,} of {view.contacts:,} settled"),
    )
    under_way = Text.assemble(
        (f"being placed {view.in_flight}", "cyan"), " · ",
        (f"followed {view.followed}", "cyan"), " · ",
        f"waiting {view.waiting}", " · ",
        (f"uncertain {view.uncertain}", "yellow" if view.uncertain else ""), " · ",
        (f"need a look {view.review}", "bold yellow" if view.review else ""),
    )  # fmt: skip
    ends = " · ".join(f"{call_words(end).lower()} {count:,}" for end, count in view.ends.items())
    return Panel(
        Group(head, bar, under_way, Text(ends or "no call has ended yet", style="dim")),
        title=Text(harmless(view.name)),
        title_align="left",
    )


@contextlib.asynccontextmanager
async def shown_run(
    progress: Callable[[], RunProgress], campaign: Campaign, *, screen: Screen, clock: Clock
) -> AsyncIterator[None]:
    """Show how far a run has come for as long as the block lasts."""
    watch = _Watch(progress, campaign, clock=clock)
    tasks = [
        asyncio.create_task(watch.count()),
        asyncio.create_task(watch.show(screen)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class _Watch:
    """Looks at a run, and shows what it sees."""

    def __init__(
        self, progress: Callable[[], RunProgress], campaign: Campaign, *, clock: Clock
    ) -> None:
        self._progress = progress
        self._campaign = campaign
        self._clock = clock
        self._counts: Counts | None = None

    async def count(self) -> None:
        """Have the ledger count, again and again."""
        while True:
            began = self._clock.monotonic()
            # A ledger that cannot count is no reason to stop; the runner sees what is wrong.
            with contextlib.suppress(TalkstackError):
                self._counts = await self._campaign.counts()
            took = self._clock.monotonic() - began
            await self._clock.sleep(max(_COUNT_SECONDS, took * _COUNT_SHARE))

    async def show(self, screen: Screen) -> None:
        """Show what there is, again and again."""
        speed = Speed(self._clock)
        # A terminal that goes away ends the display and nothing else.
        with contextlib.suppress(OSError, ValueError):
            console = screen.console(sys.stderr)
            display: _Display = _Plain(screen) if console is None else _Panel(console)
            with contextlib.closing(display):
                while True:
                    await self._clock.sleep(display.seconds)
                    self._show_now(display, speed)

    def _show_now(self, display: _Display, speed: Speed) -> None:
        progress = self._progress()
        rate = speed.take(progress.attempts.get(AttemptState.PLACED, 0))
        if self._counts is not None:
            name, now = self._campaign.name, self._clock.now()
            display.show(view_of(name, progress, self._counts, rate=rate, now=now))
