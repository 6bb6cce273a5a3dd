"""A campaign: a list of people, how they are to be called, and the record of what happened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Self

from ..client import Client
from ..clock import Clock, SystemClock
from ..errors import CampaignError
from ..phone import PhoneNumber
from .contacts import read_contacts
from .decisions import Reason
from .enqueuing import Given, RowResult, enqueue_rows
from .importing import digest_of, import_contacts
from .ledger.base import Counts, Ledger
from .placeholders import recheck
from .places import Places
from .records import CampaignRecord, ImportSummary, Story, Suppression
from .rejects import Rejects
from .rows import Row
from .settings import CampaignSettings
from .states import CampaignState, ContactState

__all__ = ["Campaign", "Resolution"]


class Resolution(StrEnum):
    """What a person decides about a contact in review."""

    REDIAL = "redial"  # it certainly did not ring, or may ring again
    DONE = "done"
    SUPPRESS = "suppress"  # never call this number again


class Campaign:
    """A campaign in a ledger. Make one with `Campaign.open`.

    Attributes:
        record: The campaign as it was read or changed last through this object.
    """

    def __init__(self, ledger: Ledger, record: CampaignRecord, *, clock: Clock) -> None:
        self.ledger = ledger
        self.record = record
        self._clock = clock

    @classmethod
    async def open(
        cls,
        ledger: Ledger,
        name: str,
        *,
        settings: CampaignSettings | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Continue the campaign of a name, or create it.

        Args:
            ledger: Where it is kept.
            name: Of the campaign; one ledger may hold several.
            settings: For a new campaign; of an existing one they replace what was stored. None
                leaves an existing one as it is.
            clock: Where the time comes from; for tests.

        Raises:
            CampaignError: There is none of that name, and no settings to create it with; or it
                was canceled.
        """
        clock = clock or SystemClock()
        record = await ledger.campaign(name)
        if record is None:
            if settings is None:
                raise CampaignError(f"there is no campaign {name!r} in this ledger")
            try:
                record = await ledger.create_campaign(name, settings, now=clock.now())
            except CampaignError:
                # Another process, perhaps of the same app, may have been quicker.
                record = await ledger.campaign(name)
                if record is None:
                    raise
        elif settings is not None and settings != record.settings:
            record = await ledger.change_campaign(
                record.campaign_id, now=clock.now(), settings=settings
            )
        return cls(ledger, record, clock=clock)

    @property
    def name(self) -> str:
        """The name it has in its ledger."""
        return self.record.name

    # --- Its list.

    async def check_agent(self, client: Client) -> int:
        """Read the agent's instruction, and check every ready contact if it has changed.

        Call it before the list is read, and before each run. Returns how many contacts were
        excluded because a placeholder of the instruction has no value for them.

        Raises:
            TalkstackError: The agent cannot be read.
        """
        settings = self.record.settings
        agent = await client.agents.get(settings.agent_id, project_id=settings.project_id)
        placeholders = agent.placeholders()
        if set(placeholders) == set(self.record.placeholders):
            return 0
        now = self._clock.now()
        excluded = await recheck(self.ledger, self.record, placeholders, now=now)
        self.record = await self.ledger.change_campaign(
            self.record.campaign_id, now=now, placeholders=placeholders
        )
        return excluded

    async def read_list(
        self,
        path: Path,
        *,
        region: str | None = None,
        rejects: Path | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> ImportSummary | None:
        """Read a list into the ledger; None if it is the one that was read last.

        New numbers are added; those that are there already are not dialled again. A row that
        nobody can be called from is written to `rejects`, with its reason.

        Args:
            path: CSV, XLSX or JSON lines.
            region: Like `US` or `DE`, for numbers in national form.
            rejects: Where rejected rows go; replaced if it exists.
            on_progress: Told how many rows were read so far.

        Raises:
            ContactListError: It cannot be read to its end. What was read before that is in the
                ledger, but a new campaign calls nobody until a list was read whole.
        """
        digest = await digest_of(path)
        if region:
            digest = f"{digest}:{region}"
        if self.record.placeholders:
            # Who lacked a value may be complete once the agent asks for others.
            digest = f"{digest}:{','.join(sorted(self.record.placeholders))}"
        if digest == self.record.list_digest:
            return None
        places = Places()
        with (
            read_contacts(path, region=region, places=places) as rows,
            contextlib.nullcontext() if rejects is None else Rejects(rejects) as rejected,
        ):
            return await self._add(
                rows,
                source=path.name,
                places=places,
                rejects=rejected,
                digest=digest,
                on_progress=on_progress,
            )

    async def add(self, rows: Iterable[Row], *, source: str = "rows") -> ImportSummary:
        """Add contacts from any iterable of `Contact`; it is read to its end first."""
        return await self._add(rows, source=source, places=Places())

    async def enqueue(
        self, rows: Iterable[Given], *, region: str | None = None, source: str = "enqueued"
    ) -> list[RowResult]:
        """Add contacts while the campaign runs, and learn of each what became of it.

        For web handlers and task queues: whoever runs the campaign dials them as soon as the
        rules allow it. They are checked like the rows of a list. A number is in a campaign
        once, so handing it over again, as after a lost answer, rings nobody twice.

        Args:
            rows: Objects with a key `number`, whose other keys are variables, as in a JSON lines
                list; or contacts. They are read to their end first.
            region: Like `US` or `DE`, for numbers in national form.
            source: Where they come from, for the audit and the report.

        Returns:
            What became of each row, in the order of the rows.

        Raises:
            CampaignError: The campaign was canceled.
            LedgerError: The ledger cannot be written.
        """
        if (await self.refresh()).state is CampaignState.CANCELED:
            raise CampaignError(f"the campaign {self.name!r} was canceled: it calls nobody")
        results = await enqueue_rows(
            self.ledger, self.record, rows, source=source, region=region, now=self._clock.now
        )
        await self.refresh()
        return results

    async def _add(
        self,
        rows: Iterable[Row],
        *,
        source: str,
        places: Places,
        rejects: Rejects | None = None,
        digest: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> ImportSummary:
        summary = await import_contacts(
            self.ledger,
            self.record,
            rows,
            source=source,
            places=places,
            placeholders=self.record.placeholders,
            rejects=rejects,
            digest=digest,
            now=self._clock.now,
            on_progress=on_progress,
        )
        await self.refresh()
        return summary

    # --- What the operator wants.

    async def change(self, settings: CampaignSettings) -> None:
        """Give it other settings. A running campaign takes them over within a second or two."""
        self.record = await self.ledger.change_campaign(
            self.record.campaign_id, now=self._clock.now(), settings=settings
        )

    async def pause(self) -> None:
        """Dial nothing more until it is resumed. Calls under way are followed all the same."""
        await self._turn(CampaignState.PAUSED)

    async def resume(self) -> None:
        """Go on dialling."""
        await self._turn(CampaignState.RUNNING)

    async def cancel(self) -> None:
        """Dial nothing more, for good."""
        await self._turn(CampaignState.CANCELED)

    async def _turn(self, state: CampaignState) -> None:
        await self.refresh()
        if self.record.state is CampaignState.CANCELED and state is not CampaignState.CANCELED:
            raise CampaignError(f"the campaign {self.name!r} was canceled, which is for good")
        if self.record.state is CampaignState.IMPORTING and state is not CampaignState.CANCELED:
            raise CampaignError(
                "its list was not read to the end, so nobody is called yet: run talkstack dial"
            )
        self.record = await self.ledger.change_campaign(
            self.record.campaign_id, now=self._clock.now(), state=state
        )

    async def resolve(
        self, resolution: Resolution, *, numbers: Sequence[str] | None = None
    ) -> int:
        """Decide about contacts in review; return how many those were.

        Args:
            resolution: What becomes of them.
            numbers: Whom it concerns, in E.164 form; None for all that are in review.
        """
        wanted = None if numbers is None else {PhoneNumber.parse(each) for each in numbers}
        chosen = [
            contact
            for contact, _ in await self.ledger.reviews(self.record.campaign_id)
            if wanted is None or contact.number in wanted
        ]
        now = self._clock.now()
        if resolution is Resolution.SUPPRESS:
            await self.ledger.suppress(
                [
                    Suppression(
                        number=one.number, reason="resolved", source="resolve", added_at=now
                    )
                    for one in chosen
                ]
            )
        is_redial = resolution is Resolution.REDIAL
        return await self.ledger.resolve(
            [contact.contact_id for contact in chosen],
            state=ContactState.READY if is_redial else ContactState.DONE,
            reason=Reason.SUPPRESSED if resolution is Resolution.SUPPRESS else Reason.RESOLVED,
            detail=str(resolution),
            next_at=now if is_redial else None,
            now=now,
        )

    # --- How it stands.

    async def refresh(self) -> CampaignRecord:
        """Read the campaign afresh."""
        record = await self.ledger.campaign(self.name)
        if record is None:
            raise CampaignError(f"the campaign {self.name!r} is gone from the ledger")
        self.record = record
        return record

    async def counts(self) -> Counts:
        """Count how it stands."""
        return await self.ledger.counts(self.record.campaign_id, now=self._clock.now())

    async def explain(self, number: str) -> Story:
        """Tell everything that is known of a number, over all campaigns of the ledger."""
        return await self.ledger.story(PhoneNumber.parse(number))
