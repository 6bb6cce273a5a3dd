"""What every ledger can do, whatever database it lives in.

A ledger keeps facts; `rules.py` decides. The hot operations are `claim`, `settle`,
`take_stale` and `note_looks`; all else is asked now and then. Every method may raise
`LedgerError`: busy, full, corrupt, or gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import attrs

from ..beats import Beat, Standing, WorkerRecord
from ..decisions import Decide
from ..records import (
    Admit,
    AttemptRecord,
    CampaignRecord,
    Claimed,
    ContactRecord,
    EventRecord,
    Finding,
    NewContact,
    OpenAttempt,
    Settlement,
    Story,
    Suppression,
    Verdict,
)
from ..settings import CampaignSettings
from ..states import AttemptState, CampaignState, ContactState

if TYPE_CHECKING:
    from .addresses import ServerAddress

__all__ = ["CampaignFacts", "Counts", "Ledger", "SharedLedger"]


@attrs.frozen(kw_only=True)
class Counts:
    """How a campaign stands, counted in one transaction.

    Attributes:
        contacts: By state.
        attempts: By state.
        dispositions: Of final attempts.
        reasons: Of contacts that are not done well: excluded, in review, and ready but waiting.
        waiting: Ready contacts that are not due yet.
        next_due_at: When the first of those is due.
        rings: Attempts that may have rung a phone.
    """

    contacts: Mapping[ContactState, int]
    attempts: Mapping[AttemptState, int]
    dispositions: Mapping[str, int]
    reasons: Mapping[str, int]
    waiting: int
    next_due_at: datetime | None
    rings: int


@attrs.frozen(kw_only=True)
class CampaignFacts:
    """What a report is made of; aggregated in the database, small whatever the campaign's size.

    Attributes:
        per_minute: Attempts begun and how they ended: (minute, disposition or state, count).
        tries: How many contacts had how many attempts.
        by_hour: Dispositions by hour of the day, of the callee's first zone if known, else UTC.
        look: Contacts in review with their last attempt, at most a thousand.
        imports: What each reading of the list brought: (moment, file name, counts).
    """

    campaign: CampaignRecord
    counts: Counts
    per_minute: Sequence[tuple[datetime, str, int]]
    tries: Mapping[int, int]
    by_hour: Sequence[tuple[int, str, int]]
    look: Sequence[tuple[ContactRecord, AttemptRecord | None]]
    imports: Sequence[tuple[datetime, str, Mapping[str, int]]]
    first_at: datetime | None
    last_at: datetime | None


class Ledger(Protocol):
    """The durable record. Open it with `open_ledger(...)`, use it with `async with`."""

    @property
    def is_exclusive(self) -> bool:
        """Whether this process holds the ledger alone, as whoever runs one in a file must."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether it is a `SharedLedger`, whose campaigns many processes may run at once."""
        ...

    # --- Hot.

    async def claim(
        self,
        campaign_id: int,
        *,
        worker: str,
        limit: int,
        now: datetime,
        decide: Decide,
        admit: Admit,
        due_by: datetime | None = None,
    ) -> Claimed:
        """Look at up to `limit` due contacts, decide on each, and take those to be called.

        Everything happens in one transaction: the campaign is read and `admit` asked how many
        may be taken (nothing is, unless it is running); each due contact is decided on; for
        `CallNow` a dispatching attempt is written in this worker's name and the contact is
        active; `Wait` sets when it is due again and why; `Stop` excludes it. What is taken is
        on disk (T1) before this returns. Due is who is due by `now`, or by `due_by`, with which
        a dry run looks ahead.

        Of a shared ledger, what another worker holds is left out, here and in `take_stale`,
        `followed` and `count_live`; and fewer may be considered than are due, where others claim
        from the same shards at the same moment.

        Raises:
            ClockJumpError: This host's clock and that of a shared ledger's database are too far
                apart: nobody may be called by it.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[bool]:
        """Write what became of attempts (T2); each is a compare-and-set of its own.

        Returns, for each, whether it changed anything. False means that the attempt is not this
        worker's any more: stop, do not argue. (Of a shared ledger it is also true for what was
        written before, when the answer was lost with the connection.)
        """
        ...

    async def take_stale(
        self,
        campaign_id: int,
        *,
        worker: str,
        before: datetime,
        limit: int,
        own_before: datetime | None = None,
    ) -> Sequence[OpenAttempt]:
        """Take over attempts that were sent before a moment and have no end.

        Those are unknown, or dispatching in somebody else's name (which become unknown). Whoever
        had them cannot settle them any more. Dispatching ones of this worker are left to it,
        unless they are older than `own_before`, too: those an earlier run of its left behind.
        """
        ...

    async def note_looks(self, attempt_ids: Sequence[int], *, worker: str, at: datetime) -> None:
        """Note that the history was searched for attempts of this worker, and nothing found."""
        ...

    # --- Now and then, while a campaign runs.

    async def recover(self, *, worker: str) -> int:
        """Take every dispatching attempt as unknown; return how many.

        Only for a ledger that this process holds alone: whoever wrote them is dead.

        Raises:
            LedgerError: It is shared, and they may be alive; `take_stale` knows when they are not.
        """
        ...

    async def followed(
        self, campaign_id: int, *, worker: str, after_id: int, limit: int
    ) -> Sequence[OpenAttempt]:
        """Take over placed attempts of active contacts, in the order of their ids.

        Not those of workers that live: they follow them to their end.
        """
        ...

    async def count_live(self, campaign_id: int) -> int:
        """Count active contacts: calls being placed, unknown, or followed."""
        ...

    async def claimed_calls(self, call_ids: Sequence[str]) -> set[str]:
        """Return which of these call ids belong to attempts of this ledger already."""
        ...

    async def receive(self, event: EventRecord) -> bool:
        """Keep an event in the inbox; False if it was there before. `event_id` is ignored."""
        ...

    async def take_events(self, *, limit: int) -> Sequence[tuple[EventRecord, OpenAttempt | None]]:
        """Return events that were not applied, with the placed attempt they are about.

        None stands for a call id no attempt has (yet): the event may have beaten T2.
        """
        ...

    async def apply_events(self, event_ids: Sequence[int], *, at: datetime) -> None:
        """Note that events were acted on."""
        ...

    # --- Campaigns and lists.

    async def create_campaign(
        self, name: str, settings: CampaignSettings, *, now: datetime
    ) -> CampaignRecord:
        """Create a campaign in the state `importing`.

        Raises:
            CampaignError: There is one of that name.
        """
        ...

    async def campaign(self, name: str) -> CampaignRecord | None:
        """Return a campaign by its name."""
        ...

    async def campaigns(self) -> Sequence[CampaignRecord]:
        """Return all campaigns, the newest first."""
        ...

    async def change_campaign(
        self,
        campaign_id: int,
        *,
        now: datetime,
        state: CampaignState | None = None,
        settings: CampaignSettings | None = None,
        placeholders: Sequence[str] | None = None,
    ) -> CampaignRecord:
        """Change what is given; the change is audited. A running campaign notices it."""
        ...

    async def begin_import(self, campaign_id: int, *, source: str, now: datetime) -> int:
        """Note that a list is being read; return the import's id."""
        ...

    async def add_contacts(
        self, campaign_id: int, *, import_id: int, contacts: Sequence[NewContact], now: datetime
    ) -> Sequence[tuple[Verdict, int | None]]:
        """Add rows of a list; say of each what was done, and for a duplicate of which row.

        A number is there once per campaign. One that came with an earlier import is unchanged,
        unless it was never tried and its row says something else now: then it is updated (and
        ready again, or excluded). One that came with this import is a duplicate.
        """
        ...

    async def finish_import(
        self,
        import_id: int,
        *,
        counts: Mapping[str, int],
        digest: str | None,
        now: datetime,
        is_list: bool = True,
    ) -> None:
        """Note that a list was read to its end, and let an importing campaign run.

        What is no list, but single contacts, starts a campaign only if no list is being read:
        nobody is called from half a list.
        """
        ...

    async def exclude(
        self, contact_ids: Sequence[int], *, reason: str, detail: Sequence[str], now: datetime
    ) -> None:
        """Exclude ready contacts, each with its own detail: after the agent was changed."""
        ...

    async def resolve(
        self,
        contact_ids: Sequence[int],
        *,
        state: ContactState,
        reason: str,
        detail: str,
        next_at: datetime | None,
        now: datetime,
    ) -> int:
        """Take contacts out of review as a person decided; return how many still were in it.

        A contact that becomes ready keeps its count of attempts, but one more is allowed if
        they are used up.
        """
        ...

    def ready_contacts(self, campaign_id: int) -> AsyncIterator[ContactRecord]:
        """Go through the ready contacts; for checking them all once more."""
        ...

    # --- Suppression.

    async def suppress(self, entries: Sequence[Suppression]) -> int:
        """Put numbers on the suppression list; return how many are new."""
        ...

    async def unsuppress(self, numbers: Sequence[str], *, now: datetime) -> int:
        """Take numbers off the suppression list; return how many were on it."""
        ...

    async def suppressed_among(self, numbers: Sequence[str]) -> set[str]:
        """Return which of these numbers are on the suppression list now."""
        ...

    def suppressions(self) -> AsyncIterator[Suppression]:
        """Go through the suppression list, in the order of the numbers."""
        ...

    # --- Reading. These run beside the writer and see what is committed.

    async def counts(self, campaign_id: int, *, now: datetime) -> Counts:
        """Count how a campaign stands."""
        ...

    async def facts(self, campaign_id: int, *, now: datetime) -> CampaignFacts:
        """Gather what a report is made of."""
        ...

    async def story(self, number: str) -> Story:
        """Gather everything known of a number, over all campaigns."""
        ...

    async def reviews(self, campaign_id: int) -> Sequence[tuple[ContactRecord, OpenAttempt]]:
        """Return the contacts a person must decide on, with their last attempt."""
        ...

    def export(
        self, campaign_id: int
    ) -> AsyncIterator[tuple[ContactRecord, Sequence[AttemptRecord]]]:
        """Go through all contacts in the order of their rows, with their attempts."""
        ...

    async def verify(self) -> Sequence[Finding]:
        """Check the chain of the audit and the invariants of the ledger; empty if all is well."""
        ...

    async def newest(self) -> datetime | None:
        """Return the latest moment anything was written at, None for an empty ledger."""
        ...

    async def head(self) -> tuple[int, str]:
        """Return number and hash of the last audit entry: whoever keeps them can prove more."""
        ...

    # --- Life.

    async def note(self, what: str, *, now: datetime, detail: Mapping[str, Any]) -> None:
        """Write a line into the audit that concerns no single contact: a run began, ended."""
        ...

    async def aclose(self) -> None:
        """Write what is waiting and close."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class SharedLedger(Ledger, Protocol):
    """A ledger that workers on many hosts use at once.

    The contacts of a campaign are in shards. A worker may hold shards, and then nobody else
    claims from them; what nobody holds is anybody's. A worker that was not heard of for a minute
    holds nothing any more, so a dead one bars nobody for longer.
    """

    @property
    def address(self) -> ServerAddress:
        """Where it is: the workers' queue and their pace are kept in the same database."""
        ...

    async def hold(self, campaign_id: int, shard: int, *, worker: str) -> None:
        """Take a shard: whoever held it before has lost it, and claims nothing from it."""
        ...

    async def let_go(self, campaign_id: int, shard: int, *, worker: str) -> None:
        """Give a shard back; nothing happens if somebody else has taken it meanwhile."""
        ...

    async def beat(self, beat: Beat) -> Standing:
        """Say that a worker lives; learn what it really holds, and who else is there."""
        ...

    async def leave_calls(self, campaign_id: int, *, worker: str) -> None:
        """Say that a worker, which lives on, follows its calls of a campaign no more."""
        ...

    async def retire(self, worker: str) -> None:
        """Take a worker and what it holds out of the ledger: it has come to its end."""
        ...

    async def workers(self) -> Sequence[WorkerRecord]:
        """Return the workers that have not retired, by name."""
        ...

    async def open_shards(self) -> Sequence[tuple[int, int]]:
        """Return campaign and shard of everything there is work in, now or later.

        That is where a contact is active, and, in campaigns that run or are paused, where one
        is ready.
        """
        ...
