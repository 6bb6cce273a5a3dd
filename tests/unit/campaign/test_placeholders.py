"""Contacts that lack a value the agent asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.importing import import_contacts
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.placeholders import recheck
from talkstack_async.campaign.places import Places
from talkstack_async.campaign.rows import Contact
from talkstack_async.campaign.rules import missing
from talkstack_async.campaign.settings import CampaignSettings
from talkstack_async.campaign.states import ContactState
from talkstack_async.phone import PhoneNumber

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)

VALUES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "all there": ({"name": "Ada", "day": "Monday"}, ()),
    "one is absent": ({"name": "Ada"}, ("day",)),
    "one is null": ({"name": None, "day": "Monday"}, ("name",)),
    "one is empty": ({"name": "", "day": "Monday"}, ("name",)),
    "one is blank": ({"name": " \t\u00a0", "day": "Monday"}, ("name",)),
    "zero and no are values": ({"name": 0, "day": False}, ()),
    "both, in the instruction's order": ({}, ("name", "day")),
    "the case matters": ({"Name": "Ada", "day": "Monday"}, ("name",)),
}


@pytest.mark.parametrize("case", VALUES)
def test_what_has_no_value_is_missing(case: str):
    variables, expected = VALUES[case]

    assert missing(variables, ("name", "day")) == expected


def test_an_instruction_without_placeholders_misses_nothing():
    assert missing({}, ()) == ()


async def test_after_the_agent_was_changed_those_without_a_value_are_excluded(tmp_path: Path):
    people = [
        Contact(
            row=row,
            number=PhoneNumber(f"+1202555{row:04d}"),
            variables={"name": "Ada", "day": "Monday" if row % 3 else " "},
        )
        for row in range(1, 4001)
    ]
    async with open_ledger(tmp_path / "ledger.db") as ledger:
        settings = CampaignSettings(project_id="p", agent_id="a")
        campaign = await ledger.create_campaign("spring", settings, now=NOW)
        await import_contacts(
            ledger,
            campaign,
            people,
            source="list.csv",
            places=Places(),
            placeholders=("name",),
            rejects=None,
            digest=None,
            now=lambda: NOW,
        )

        unchanged = await recheck(ledger, campaign, ("name",), now=NOW)
        excluded = await recheck(ledger, campaign, ("name", "day"), now=NOW)
        again = await recheck(ledger, campaign, ("name", "day"), now=NOW)

        assert (unchanged, excluded, again) == (0, 1333, 0)
        async for contact, _ in ledger.export(campaign.campaign_id):
            if contact.row % 3:
                assert contact.state is ContactState.READY
            else:
                assert contact.state is ContactState.EXCLUDED
                assert contact.reason == Reason.PLACEHOLDER
                assert contact.detail == "no value for day"
