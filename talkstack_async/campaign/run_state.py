"""What the parts of one run share: the campaign as it stands, and the wish to stop."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from os import getpid

from ..clock import Clock
from ..telemetry import AttemptChanged, Observer, logger, notify
from .decisions import Reason
from .part import Part
from .progress import Tally
from .records import CampaignRecord, Claim, Settlement
from .settings import CampaignSettings
from .settler import Settler
from .states import AttemptState, ContactState

__all__ = ["RunState", "name_of_worker"]

_WORDS = {state: state.name.lower() for state in AttemptState}
_REASONS = {reason: reason.value for reason in Reason}


def name_of_worker() -> str:
    """Make up a name for whoever claims: of this process, and never given twice."""
    return f"{socket.gethostname()}:{getpid()}:{secrets.token_hex(4)}"


class RunState:
    """One run of a campaign.

    Attributes:
        campaign: As the last claim found it.
        part: What this run has of a campaign that other workers run, too; None if it is alone.
        worker: The name under which this run claims.
        began_at: When it was made; no earlier run of its worker dials this campaign any more.
        stopping: Nothing more is to be dialled.
        failure: What ended the run, if something did.
        cannot_look: Why calls whose answer was lost cannot be looked for; empty if they can.
        recorded: How many settlements were recorded.
        news: Set whenever something happened that may give the feeder work.
    """

    def __init__(
        self,
        campaign: CampaignRecord,
        *,
        settler: Callable[[Callable[[Exception], None]], Settler],
        clock: Clock,
        observer: Observer | None,
        part: Part | None = None,
    ) -> None:
        self.campaign = campaign
        self.clock = clock
        self.began_at = clock.now()
        self.part = part
        self.worker = name_of_worker() if part is None else part.worker
        self.tally = Tally()
        self.settler = settler(self.fail)
        self.stopping = False
        self.recorded = 0
        self.failure: BaseException | None = None
        self.cannot_look = ""
        self.news = asyncio.Event()
        self._observer = observer
        self._claimed_at: dict[int, float] = {}
        self._when_stopping: list[Callable[[], None]] = []

    @property
    def settings(self) -> CampaignSettings:
        return self.campaign.settings

    @property
    def slots(self) -> int:
        """How many calls may go on at once in this run."""
        limit = self.campaign.settings.max_concurrency
        return limit if self.part is None else self.part.slots(limit)

    def when_stopping(self, action: Callable[[], None]) -> None:
        """Have something done in the step in which stopping is asked for."""
        self._when_stopping.append(action)

    def stop(self) -> None:
        """Dial nothing more."""
        if not self.stopping:
            self.stopping = True
            for action in self._when_stopping:
                action()
        self.news.set()

    def fail(self, error: BaseException) -> None:
        """Stop because of something that concerns the whole campaign."""
        if self.failure is None:
            logger.warning("the campaign stops: %s", error)
            self.failure = error
        self.stop()

    def claimed(self, claims: Sequence[Claim], at: float) -> None:
        """Note the moment of claims, in seconds since boot, for whoever watches."""
        if self._observer is not None:
            self._claimed_at |= dict.fromkeys([claim.attempt_id for claim in claims], at)

    def record(self, settlement: Settlement) -> None:
        """Have a settlement written, counted and told."""
        self.recorded += 1
        self.settler.add(settlement)
        self.tally.settled(settlement)
        if self._observer is not None:
            self._tell(self._observer, settlement)

    async def wait_for_news(self, seconds: float) -> None:
        """Wait until something happens, or for a while; not at all once it is to stop."""
        self.news.clear()
        if self.stopping:
            return
        alarm = asyncio.create_task(self.clock.sleep(seconds))
        alarm.add_done_callback(self._ring)
        try:
            await self.news.wait()
        finally:
            alarm.cancel()

    def _ring(self, alarm: asyncio.Task[None]) -> None:
        if not alarm.cancelled():
            self.news.set()

    def _tell(self, observer: Observer, settlement: Settlement) -> None:
        is_over = settlement.contact is not ContactState.ACTIVE
        known, attempt_id = self._claimed_at, settlement.attempt_id
        claimed_at = known.pop(attempt_id, None) if is_over else known.get(attempt_id)
        event = AttemptChanged(
            self.campaign.name,
            attempt_id,
            _WORDS[settlement.after],
            settlement.disposition and str(settlement.disposition),
            _REASONS[settlement.reason],
            None if claimed_at is None else self.clock.since_boot() - claimed_at,
            is_over,
            settlement.call_id,
        )
        notify(observer, event)
