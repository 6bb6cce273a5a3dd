"""Feeding the crew: claiming what is due, as much as can leave right away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from ..dispatch.pacing import Pace
from ..errors import (
    AuthenticationError,
    ClockJumpError,
    InvalidRequestError,
    LedgerError,
    StaleClaimError,
    StoppedError,
    TalkstackError,
    ThrottledError,
)
from .breaker import Breaker
from .crew import Crew
from .feeding import Load, rate_after, room_for_claims
from .fence import Stamp
from .ledger.base import Ledger
from .progress import Phase
from .records import CampaignRecord, Claim, Claimed
from .rules import Rulebook, admit, budget_left
from .run_state import RunState
from .states import CampaignState

__all__ = ["CLOCK_TOLERANCE_SECONDS", "Ending", "Feeder"]

# Clocks are set right by fractions of a second; more than this is somebody's mistake.
CLOCK_TOLERANCE_SECONDS = 60.0
# A pause, a cancellation, a new pace and new contacts are noticed within this many seconds.
_NOTICE = 1.0
# So much of a second's calls may have ended before a claim is written: on a slow disk, or behind
# a large group. It is also how much is claimed ahead.
_CLAIM_TAKES = 0.1
_GATHER_SECONDS = 0.005
# Of a pace, so much is claimed ahead: enough to be smooth, and little to look for after a crash.
_CLAIMED_AHEAD = 0.1
_MANY = 1_000_000
_LARGEST_REACH = 1000


# These do not tell whether calls work.
_SAYS_NOTHING = (StaleClaimError, ThrottledError, InvalidRequestError, StoppedError)


class Ending(StrEnum):
    """Why a run ended."""

    FINISHED = "finished"  # every contact is done, excluded or in review
    WAITING = "waiting"  # all that is left waits for a moment, or for the campaign to be resumed
    STOPPED = "stopped"
    CANCELED = "canceled"
    BUDGET = "budget"  # what is left cannot be paid for
    UNCERTAIN = "uncertain"  # some may have rung, and the history cannot be read


class Feeder:
    """Claims contacts for a crew until there is nothing left to do."""

    def __init__(
        self,
        run: RunState,
        ledger: Ledger,
        *,
        pace: Pace,
        rulebook: Callable[[CampaignRecord], Rulebook],
        reserve: Callable[[int], None],
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._pace = pace
        self._make_rulebook = rulebook
        self._rulebook = rulebook(run.campaign)
        self._reserve = reserve
        self._breaker = Breaker.new(run.settings.breaker)
        self._began = Stamp.of(run.clock)
        self._jobs_per_second = 0.0
        self._quiet_since = -1
        self._claimed_at = self._began.boot
        self._reach = 0

    def judge(self, error: TalkstackError | None, stamp: Stamp) -> None:
        """Let the breaker learn from a call, and stop for what concerns every call."""
        if error is None:
            if self._breaker.is_calm:
                return  # the everyday case, once per call
        elif not error.uncertain:
            if isinstance(error, AuthenticationError):
                self._run.fail(error)
                return
            if isinstance(error, _SAYS_NOTHING):
                return
        now = self._run.clock.since_boot()
        self._breaker = self._breaker.after(error is None, now, begun=stamp.boot)

    async def feed(self, crew: Crew, *, wait: bool) -> tuple[Ending, datetime | None]:
        """Claim for a crew until the campaign is over; say why, and when to go on."""
        while not self._run.stopping:
            self._check_clock()
            room = self._room(crew)
            if room == 0 and self._run.campaign.state is CampaignState.RUNNING:
                await self._pause(crew)
                if self._run.clock.since_boot() - self._claimed_at > _NOTICE:
                    await self._claim(crew, 0)  # to hear of a pause, a cancellation, a new pace
                continue
            limit = max(room, self._reach, 1)
            claimed = await self._claim(crew, room, limit=limit)
            self._reach = 0
            if claimed is None or claimed.claims:
                continue
            if claimed.considered >= limit:
                # All have to wait. The next are put off in larger groups: each is a commit.
                self._reach = min(2 * limit, _LARGEST_REACH)
                continue
            # A part of a campaign is never over by itself: whoever gave it says when.
            if self._run.part is None and await self._is_quiet(crew):
                if self._quiet_since != self._run.recorded:
                    # What was recorded meanwhile may have made somebody ready: claim once more.
                    self._quiet_since = self._run.recorded
                    continue
                if (ending := await self._ending(claimed, wait=wait)) is not None:
                    return ending
            elif not wait and self._cannot_go_on(crew):
                return Ending.UNCERTAIN, None
            await self._wait(crew, claimed)
        is_canceled = self._run.campaign.state is CampaignState.CANCELED
        return (Ending.CANCELED if is_canceled else Ending.STOPPED), None

    def _room(self, crew: Crew) -> int:
        settings = self._run.settings
        now = self._run.clock.since_boot()
        admitted = self._breaker.admits(now)
        if admitted == 0:
            opens_at = self._breaker.opens_at(now) or now
            note = f"too many calls fail; one is tried in {max(0.0, opens_at - now):.0f} s"
            self._run.tally.turn_to(Phase.CIRCUIT_OPEN, note=note)
        return room_for_claims(
            Load(
                slots=self._run.slots,
                busy=crew.busy,
                queued=crew.queued,
                unsent=crew.unsent,
                turns=self._pace.turns_within(settings.evidence.fence_seconds / 4, at_most=_MANY),
                soon=int(self._jobs_per_second * _CLAIM_TAKES),
                breaker=admitted,
            )
        )

    async def _claim(self, crew: Crew, room: int, *, limit: int = 0) -> Claimed | None:
        # Before the claim is written, never after: it may take long, and age counts from here.
        stamp = Stamp.of(self._run.clock)
        try:
            claimed = await self._ask_ledger(room, stamp, limit=limit)
        except LedgerError as failure:
            self._run.fail(failure)
            return None
        self._claimed_at = stamp.boot
        # First of all, because settings that cannot work raise: who is claimed must be given back.
        self._hand_over(crew, claimed.claims, stamp)
        before = self._pace.calls_per_second
        self._take_in(claimed.campaign)
        # What was claimed for a quicker pace would grow old at a slower one, and use up its turns.
        if claimed.campaign.state is CampaignState.CANCELED or self._is_slower_than(before):
            crew.give_back()
        return claimed

    async def _ask_ledger(self, room: int, stamp: Stamp, *, limit: int) -> Claimed:
        return await self._ledger.claim(
            self._run.campaign.campaign_id,
            worker=self._run.worker,
            limit=limit,
            now=stamp.wall,
            decide=self._rulebook.decide,
            admit=lambda campaign: admit(campaign, wanted=room),
        )

    def _hand_over(self, crew: Crew, claims: Sequence[Claim], stamp: Stamp) -> None:
        self._run.claimed(claims, stamp.boot)
        crew.dial(claims, stamp)
        if self._run.stopping:
            crew.stand_down()
        else:
            if claims:
                self._breaker = self._breaker.tried(self._run.clock.since_boot())
                self._run.tally.turn_to(Phase.DIALLING)
            crew.staff()

    def _take_in(self, campaign: CampaignRecord) -> None:
        """Notice what was changed from outside: pace, limits, rules, state."""
        before, self._run.campaign = self._run.campaign, campaign
        if campaign.settings == before.settings and campaign.placeholders == before.placeholders:
            return
        settings = campaign.settings
        self._rulebook = self._make_rulebook(campaign)
        self._pace.calls_per_second = settings.calls_per_second
        if settings.max_concurrency != before.settings.max_concurrency:
            self._reserve(settings.max_concurrency)

    def _is_slower_than(self, before: float | None) -> bool:
        now = self._pace.calls_per_second
        return now is not None and (before is None or now < before)

    async def _pause(self, crew: Crew) -> None:
        """Wait until there may be room, and let some of it come together."""
        before, began = crew.finished, self._run.clock.monotonic()
        await self._run.wait_for_news(min(_NOTICE, max(0.05, self._pace.next_in() / 2)))
        await self._run.clock.sleep(_GATHER_SECONDS)
        elapsed = self._run.clock.monotonic() - began
        self._jobs_per_second = rate_after(
            self._jobs_per_second, jobs=crew.finished - before, seconds=elapsed
        )

    async def _is_quiet(self, crew: Crew) -> bool:
        """Say whether nothing is under way, also nothing whose end is not known yet."""
        if crew.is_busy or not await self._run.settler.flush(within_seconds=_NOTICE):
            return False
        live = await self._ledger.count_live(self._run.campaign.campaign_id)
        return not live and not crew.is_busy

    def _cannot_go_on(self, crew: Crew) -> bool:
        """Say whether all that is left to do here is to look, and looking is in vain."""
        is_alone = self._run.part is None
        return is_alone and bool(self._run.cannot_look) and not crew.is_busy

    async def _ending(
        self, claimed: Claimed, *, wait: bool
    ) -> tuple[Ending, datetime | None] | None:
        """Say whether there is nothing more to do, and why; None to go on."""
        campaign = claimed.campaign
        now = self._run.clock.now()
        if campaign.state is CampaignState.CANCELED:
            return Ending.CANCELED, None
        if claimed.next_due_at is None:
            return Ending.FINISHED, None
        if campaign.state is CampaignState.PAUSED:
            return None if wait else (Ending.WAITING, None)
        if budget_left(campaign) == 0:
            return Ending.BUDGET, None
        if claimed.next_due_at <= now:
            return None  # it has become due meanwhile
        return None if wait else (Ending.WAITING, claimed.next_due_at)

    async def _wait(self, crew: Crew, claimed: Claimed) -> None:
        until, seconds = claimed.next_due_at, _NOTICE
        if claimed.campaign.state is CampaignState.PAUSED:
            self._run.tally.turn_to(Phase.PAUSED)
        elif not crew.is_busy:
            self._run.tally.turn_to(Phase.WAITING, until=until, note=self._run.cannot_look)
        if until is not None and not _is_held(claimed.campaign):
            left = (until - self._run.clock.now()).total_seconds()
            seconds = min(_NOTICE, max(left, _GATHER_SECONDS))
        await self._run.wait_for_news(seconds)

    def _check_clock(self) -> None:
        drift = self._began.drift(self._run.clock)
        if abs(drift) > CLOCK_TOLERANCE_SECONDS:
            way = "forward" if drift > 0 else "back"
            self._run.fail(
                ClockJumpError(
                    f"the clock was set {way} by {abs(drift):.0f} s while the campaign ran, so "
                    "local hours are in doubt: check the clock and run again"
                )
            )


def _is_held(campaign: CampaignRecord) -> bool:
    """Whether nobody is called although somebody may be due: no use in asking all the time."""
    return campaign.state is not CampaignState.RUNNING or budget_left(campaign) == 0
