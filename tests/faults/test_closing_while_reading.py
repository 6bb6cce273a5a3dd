"""A ledger that is closed while somebody still reads leaves no connection behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkstack_async.campaign import Campaign, CampaignSettings, open_ledger
from tests.support.postgres import on_server

SETTINGS = CampaignSettings(project_id="p", agent_id="a")


@pytest.fixture(params=["postgres", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.db")
    else:
        yield request.getfixturevalue("postgres_url")


async def test_a_question_that_was_cancelled_is_waited_for_when_the_ledger_is_closed(place: str):
    for _ in range(10):
        async with open_ledger(place) as ledger:
            campaign = await Campaign.open(ledger, "spring", settings=SETTINGS)
            asked = [asyncio.create_task(campaign.counts()) for _ in range(3)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for each in asked:
                each.cancel()
            await asyncio.wait(asked)
        if place.startswith("postgresql:"):
            ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'talkstack'"
            ours += " AND datname = current_database()"
            async with asyncio.timeout(5):
                while on_server(place, ours):  # the server takes a moment to notice
                    await asyncio.sleep(0.01)
    # A connection that was left open warns when it is collected, and warnings are errors.
    gc.collect()
