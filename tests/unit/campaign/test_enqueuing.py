"""Contacts handed over by a program: each is told what became of it, and rubbish calls nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from talkstack_async.campaign import (
    Campaign,
    CampaignSettings,
    CampaignState,
    Contact,
    ContactState,
    Verdict,
    open_ledger,
)
from talkstack_async.campaign.ledger import Ledger
from talkstack_async.campaign.records import ContactRecord
from talkstack_async.errors import CampaignError, ConfigurationError
from talkstack_async.phone import PhoneNumber

ADA, BOB, EVE = "+12025550101", "+12025550102", "+12025550103"
SETTINGS = CampaignSettings(project_id="p", agent_id="a")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
async def campaign(ledger: Ledger) -> Campaign:
    return await Campaign.open(ledger, "spring", settings=SETTINGS)


async def contacts_of(campaign: Campaign) -> dict[str, ContactRecord]:
    exported = campaign.ledger.export(campaign.record.campaign_id)
    return {contact.number: contact async for contact, _ in exported}


async def test_each_row_is_told_what_became_of_it_in_the_order_of_the_rows(campaign: Campaign):
    results = await campaign.enqueue(
        [
            {"number": ADA, "name": "Ada"},
            {"number": "nonsense"},
            {"number": "+1 202 555 0101", "name": "Ada again"},
            {"name": "nobody"},
            {"number": BOB, "dynamicVariables": {"n": 1}, "timezone": "Europe/Atlantis"},
            {"number": EVE, "born": NOW},
            Contact(row=99, number=PhoneNumber(EVE), variables={"name": "Eve"}),
        ]
    )
    assert [each.row for each in results] == [1, 2, 3, 4, 5, 6, 7]
    assert [each.verdict for each in results] == [
        Verdict.ADDED, None, Verdict.DUPLICATE, None, None, None, Verdict.ADDED
    ]  # fmt: skip
    assert [each.is_new for each in results] == [True, *[False] * 5, True]
    reasons = [each.reason or "" for each in results]
    assert "row 1" in reasons[2]
    assert "no 'number'" in reasons[3]
    assert "time zone" in reasons[4]
    assert "JSON" in reasons[5]
    assert {number: one.variables for number, one in (await contacts_of(campaign)).items()} == {
        ADA: {"name": "Ada"},
        EVE: {"name": "Eve"},
    }
    assert ADA not in repr(results)


async def test_a_new_campaign_may_run_once_somebody_was_enqueued(campaign: Campaign):
    assert campaign.record.state is CampaignState.IMPORTING
    await campaign.enqueue([{"number": ADA}])
    assert campaign.record.state is CampaignState.RUNNING


async def test_nobody_is_called_from_half_a_list_because_somebody_was_enqueued(
    campaign: Campaign,
):
    ledger, campaign_id = campaign.ledger, campaign.record.campaign_id
    reading = await ledger.begin_import(campaign_id, source="list.csv", now=NOW)
    await campaign.enqueue([{"number": ADA}])
    await campaign.refresh()
    assert campaign.record.state is CampaignState.IMPORTING
    await ledger.finish_import(reading, counts={}, digest="d", now=NOW)
    await campaign.refresh()
    assert campaign.record.state is CampaignState.RUNNING


async def test_a_number_that_is_handed_over_again_is_not_called_again_for_it(campaign: Campaign):
    ada = {"number": ADA, "name": "Ada"}
    first, again = await campaign.enqueue([ada]), await campaign.enqueue([ada])
    changed = await campaign.enqueue([{"number": ADA, "name": "Ada Lovelace"}])
    assert [each[0].verdict for each in (first, again, changed)] == [
        Verdict.ADDED, Verdict.UNCHANGED, Verdict.UPDATED
    ]  # fmt: skip
    assert not again[0].is_new
    assert not changed[0].is_new
    assert (await contacts_of(campaign))[ADA].variables == {"name": "Ada Lovelace"}


async def test_who_lacks_a_value_the_agent_asks_for_is_excluded_and_the_caller_is_told(
    campaign: Campaign,
):
    # As another process would, after this one had read the campaign.
    await campaign.ledger.change_campaign(
        campaign.record.campaign_id, now=NOW, placeholders=["name"]
    )
    results = await campaign.enqueue([{"number": ADA, "name": " "}, {"number": BOB, "name": "Bo"}])
    assert [each.is_new for each in results] == [False, True]
    assert "name" in (results[0].reason or "")
    assert (await contacts_of(campaign))[ADA].state is ContactState.EXCLUDED


async def test_national_numbers_are_read_as_of_a_region(campaign: Campaign):
    results = await campaign.enqueue([{"number": "(202) 555-0101"}], region="US")
    assert results[0].number == ADA
    with pytest.raises(ConfigurationError):
        await campaign.enqueue([{"number": ADA}], region="Atlantis")


async def test_a_canceled_campaign_takes_nobody(campaign: Campaign):
    await campaign.cancel()
    with pytest.raises(CampaignError, match="canceled"):
        await campaign.enqueue([{"number": ADA}])
    assert await contacts_of(campaign) == {}


async def test_many_handlers_may_enqueue_at_once(campaign: Campaign):
    numbers = [f"+1202555{n:04d}" for n in range(100, 140)]
    handed_over = [numbers[n % 40] for n in range(120)]
    results = await asyncio.gather(*(campaign.enqueue([{"number": one}]) for one in handed_over))
    assert sum(each[0].is_new for each in results) == 40
    assert set(await contacts_of(campaign)) == set(numbers)


async def test_more_rows_than_one_batch_are_all_told(campaign: Campaign):
    rows = [{"number": f"+1202{n:07d}"} for n in range(2220000, 2222100)]
    results = await campaign.enqueue([*rows, rows[0]])
    assert [each.row for each in results] == list(range(1, 2102))
    assert results[-1].verdict is Verdict.DUPLICATE
    assert sum(each.is_new for each in results) == 2100


async def test_two_processes_that_open_a_new_campaign_at_once_get_the_same(tmp_path: Path):
    async def open_it() -> int:
        async with open_ledger(tmp_path / "one.db") as ledger:
            campaign = await Campaign.open(ledger, "spring", settings=SETTINGS)
            return campaign.record.campaign_id

    async with open_ledger(tmp_path / "one.db"):
        assert set(await asyncio.gather(*(open_it() for _ in range(8)))) == {1}
