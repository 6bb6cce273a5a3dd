"""The runners of a worker: one for each campaign it has shards of."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence

import attrs

from ..errors import ConfigurationError, LedgerError
from ..telemetry import logger
from .part import Part
from .progress import Phase, RunProgress
from .runner import PartRunner
from .shared_pace import SharedPace
from .states import AttemptState

__all__ = ["Run", "Runs", "sum_up"]

# Of several campaigns, the one that tells most.
_TELLING = (
    Phase.STOPPING,
    Phase.DIALLING,
    Phase.CIRCUIT_OPEN,
    Phase.BUDGET,
    Phase.PAUSED,
    Phase.WAITING,
)


@attrs.define(eq=False)
class Run:
    """A runner at work, and the part of its campaign that it has."""

    runner: PartRunner
    part: Part
    pace: SharedPace
    is_stopping: bool = False

    def stop(self) -> None:
        """Dial nothing more; calls that have left are answered."""
        self.is_stopping = True
        self.runner.stop()


class Runs:
    """Starts, stops and counts runners.

    Args:
        make: Makes the run of a campaign.
        when_over: Told that a run ended of trouble that may pass. Whoever still holds a shard of
            the campaign is to give it back, and to try again later.
        when_failing: Told of trouble that concerns the whole worker.

    Attributes:
        ended: Campaigns of which a run ended. Calls that it followed are to be left to others.
    """

    def __init__(
        self,
        make: Callable[[int], Awaitable[Run]],
        *,
        when_over: Callable[[int], None],
        when_failing: Callable[[BaseException], None],
    ) -> None:
        self._make = make
        self._when_over = when_over
        self._when_failing = when_failing
        self._runs: dict[int, tuple[Run, asyncio.Task[None]]] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._past: list[RunProgress] = []
        self._is_stopped = False
        self.ended: set[int] = set()

    def get(self, campaign_id: int) -> Run | None:
        """Return the run of a campaign."""
        run, _ = self._runs.get(campaign_id, (None, None))
        return run

    @property
    def all(self) -> list[tuple[int, Run]]:
        """The campaigns that are being run, or wound up."""
        return [(campaign_id, run) for campaign_id, (run, _) in self._runs.items()]

    @property
    def busy(self) -> int:
        """How many calls are under way."""
        return sum(run.runner.busy for _, run in self.all)

    @property
    def progress(self) -> RunProgress:
        """How far all of them have come, those that are over included."""
        return sum_up([run.runner.progress for _, run in self.all], past=self._past)

    async def join(self, campaign_id: int) -> Run:
        """Return the run of a campaign; start it if need be.

        Raises:
            LedgerError: The campaign cannot be read.
            ConfigurationError: It cannot be run here.
        """
        async with self._locks[campaign_id]:
            if campaign_id in self._runs:
                run, task = self._runs[campaign_id]
                if not run.is_stopping:
                    return run
                await asyncio.wait((task,))
            run = await self._make(campaign_id)
            task = asyncio.create_task(self._go(run))
            self._runs[campaign_id] = run, task
            if self._is_stopped:  # while this one was being made
                run.stop()
            task.add_done_callback(lambda task: self._dismiss(campaign_id, run, task))
            return run

    def stop(self) -> None:
        """Dial nothing more, also in runs that are just being made."""
        self._is_stopped = True
        for _, run in self.all:
            run.stop()

    def hurry(self) -> None:
        """Stop waiting for answers."""
        self._is_stopped = True
        for _, run in self.all:
            run.is_stopping = True
            run.runner.hurry()

    async def finish(self) -> None:
        """Wait for the end of all of them."""
        while self._runs:
            await asyncio.wait([task for _, task in self._runs.values()])

    @staticmethod
    async def _go(run: Run) -> None:
        async with run.pace:
            await run.runner.run()

    def _dismiss(self, campaign_id: int, run: Run, task: asyncio.Task[None]) -> None:
        del self._runs[campaign_id]
        self.ended.add(campaign_id)
        run.is_stopping = True
        self._past = [sum_up([run.runner.progress], past=self._past)]
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if isinstance(error, LedgerError | ConfigurationError):
            logger.warning(
                "the campaign %r stops for a while: %s", run.runner.campaign.name, error
            )
            self._when_over(campaign_id)
        else:
            self._when_failing(error)


def sum_up(present: Sequence[RunProgress], *, past: Iterable[RunProgress] = ()) -> RunProgress:
    """Add up how far several runs have come."""
    attempts: Counter[AttemptState] = Counter()
    dispositions: Counter[str] = Counter()
    for one in (*past, *present):
        attempts.update(one.attempts)
        dispositions.update(one.dispositions)
    telling = min(present, key=lambda one: _TELLING.index(one.phase), default=None)
    return RunProgress(
        phase=Phase.WAITING if telling is None else telling.phase,
        attempts=dict(attempts),
        dispositions=dict(dispositions),
        in_flight=sum(one.in_flight for one in present),
        followed=sum(one.followed for one in present),
        until=None if telling is None else telling.until,
        note="" if telling is None else telling.note,
    )
