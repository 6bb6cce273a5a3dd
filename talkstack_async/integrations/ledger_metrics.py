"""What a ledger knows, as metrics: how campaigns stand, and who works on them.

Prometheus asks without waiting and a ledger answers only to those who await, so whoever serves
the metrics refreshes these first. Needs the extras `campaign` and `prometheus`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from ..campaign.standing import worker_state
from ..campaign.states import CampaignState, ContactState
from ..clock import Clock, SystemClock
from ..errors import TalkstackError
from ..phone import scrub_numbers
from ..telemetry import logger
from .prometheus import CONTENT_TYPE, exposition  # first: it says what to install

from prometheus_client import REGISTRY  # isort: skip
from prometheus_client.core import GaugeMetricFamily, Metric  # isort: skip

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ..campaign.ledger.base import Counts, Ledger, SharedLedger
    from ..campaign.records import CampaignRecord

__all__ = ["LedgerMetrics"]

# Counting a million contacts takes its time: it may take a twentieth of it.
_AT_MOST_EVERY, _SHARE = 10.0, 20.0
_WATCHED = (CampaignState.RUNNING, CampaignState.PAUSED)


class LedgerMetrics:
    """Gauges of a ledger: contacts by state, money spent, workers and the shards they hold.

    Campaigns that are importing or canceled are left out. Every process that shows these shows
    the same: use `max`, not `sum`, over workers.

    Args:
        ledger: Open for as long as it is refreshed.
        registry: Where the metrics are registered; the library's own unless given.
        clock: Where the time comes from; for tests.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        registry: CollectorRegistry = REGISTRY,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock or SystemClock()
        self._families: tuple[Metric, ...] = ()
        self._again_at: float | None = None
        self._turn = asyncio.Lock()
        self._registry = registry
        registry.register(self)

    async def refresh(self) -> None:
        """Ask the ledger, unless it was asked a short while ago.

        If it cannot be read, nothing is known, and `talkstack_ledger_readable` says so.
        """
        async with self._turn:
            began = self._clock.monotonic()
            if self._again_at is not None and began < self._again_at:
                return
            try:
                found = (*await self._campaigns(), *await self._workers())
            except TalkstackError as error:
                logger.warning("the metrics of the ledger are not known: %s", error)
                self._families = (_readable(is_so=False),)
            else:
                self._families = (_readable(is_so=True), *found)
            took = self._clock.monotonic() - began
            self._again_at = began + took + max(_AT_MOST_EVERY, took * _SHARE)

    async def scrape(self) -> tuple[bytes, str]:
        """Return everything the registry holds, and its type: for `health.application`."""
        await self.refresh()
        return exposition(self._registry), CONTENT_TYPE

    def collect(self) -> Iterable[Metric]:
        """Return what the last refresh found; called by the registry."""
        return self._families

    def describe(self) -> Iterable[Metric]:
        """Say that nothing is known beforehand; called by the registry."""
        return ()

    async def _campaigns(self) -> Iterable[Metric]:
        contacts = GaugeMetricFamily(
            "talkstack_contacts", "Contacts of a campaign, by state.", labels=["campaign", "state"]
        )
        paused = GaugeMetricFamily(
            "talkstack_campaign_paused", "1 while a campaign is paused.", labels=["campaign"]
        )
        pace = GaugeMetricFamily(
            "talkstack_campaign_calls_per_second_limit",
            "The pace a campaign may not exceed; not there if it has no limit.",
            labels=["campaign"],
        )
        spent = GaugeMetricFamily(
            "talkstack_campaign_spent_micros",
            "What the calls have cost whose cost is known, in millionths.",
            labels=["campaign"],
        )
        for campaign in await self._ledger.campaigns():
            if campaign.state not in _WATCHED:
                continue
            counts = await self._ledger.counts(campaign.campaign_id, now=self._clock.now())
            name = scrub_numbers(campaign.name)
            _add_contacts(contacts, name, counts)
            paused.add_metric([name], campaign.state is CampaignState.PAUSED)
            spent.add_metric([name], campaign.spent_micros)
            _add_pace(pace, name, campaign)
        return contacts, paused, pace, spent

    async def _workers(self) -> Iterable[Metric]:
        if not self._ledger.is_shared:
            return ()
        known = await cast("SharedLedger", self._ledger).workers()
        workers = GaugeMetricFamily(
            "talkstack_workers",
            "Workers, by state; silent ones have not been heard of lately.",
            labels=["state"],
        )
        states = Counter(worker_state(each) for each in known)
        for state in ("working", "draining", "silent"):
            workers.add_metric([state], states[state])
        shards = GaugeMetricFamily(
            "talkstack_shards_held", "Shards that a worker holds.", labels=["campaign"]
        )
        held = Counter(scrub_numbers(name) for each in known for name, _ in each.held)
        for name, count in held.items():
            shards.add_metric([name], count)
        return workers, shards


def _readable(*, is_so: bool) -> Metric:
    return GaugeMetricFamily(
        "talkstack_ledger_readable", "Whether the ledger could be read.", value=is_so
    )


def _add_contacts(family: GaugeMetricFamily, name: str, counts: Counts) -> None:
    for state in ContactState:
        family.add_metric([name, state.name.lower()], counts.contacts.get(state, 0))


def _add_pace(family: GaugeMetricFamily, name: str, campaign: CampaignRecord) -> None:
    if campaign.settings.calls_per_second is not None:
        family.add_metric([name], campaign.settings.calls_per_second)
