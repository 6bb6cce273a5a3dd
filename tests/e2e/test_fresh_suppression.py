"""A number that is suppressed after it was claimed, and before its call has left."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from talkstack_async.campaign.decisions import Reason
from talkstack_async.campaign.records import Suppression
from talkstack_async.campaign.settings import EvidenceSettings
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.emulator import EmulatorThread
from tests.support.campaigns import phone, rings, stage


async def test_a_claimed_contact_that_is_suppressed_before_its_call_is_not_called(tmp_path: Path):
    everybody = [phone(n) for n in range(20)]
    # At this pace and with this fence all of them are claimed at once, and wait for their turn.
    slow = {"calls_per_second": 6.0, "evidence": EvidenceSettings(fence_seconds=60.0)}
    with EmulatorThread() as emulator:
        async with stage(emulator, tmp_path, everybody, follow=False, **slow) as opened:
            runner = opened.runner()
            run = asyncio.create_task(runner.run())
            while not rings(emulator):
                await asyncio.sleep(0.02)
            campaign_id = opened.campaign.record.campaign_id
            assert await opened.ledger.count_live(campaign_id) > 15
            now = datetime.now(UTC)
            await opened.ledger.suppress(
                [
                    Suppression(number=each, reason="asked", source="test", added_at=now)
                    for each in everybody
                ]
            )
            result = await run
        # It takes a second to hear of it; seven or eight calls have left by then.
        left = sum(rings(emulator).values())
        assert left <= 14
        assert result.counts.attempts[AttemptState.RELEASED] == 20 - left
        assert result.counts.contacts[ContactState.EXCLUDED] == 20 - left
        assert result.counts.reasons[Reason.SUPPRESSED] == 20 - left
