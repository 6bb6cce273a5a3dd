"""A campaign in a program of yours. Runs on the emulator: `python examples/campaign.py`.

Kill it at any moment and start it again with the same ledger: it goes on, and rings nobody
twice. In a web app, keep the runner in a task and await `runner.run()` when you shut down.
"""

import asyncio
import tempfile
from pathlib import Path

from talkstack_async import Client, ClientConfig, Disposition, PhoneNumber
from talkstack_async.campaign import (
    CallingWindow,
    Campaign,
    CampaignRunner,
    CampaignSettings,
    Contact,
    RedialPolicy,
    open_ledger,
)
from talkstack_async.config import FollowSettings
from talkstack_async.emulator import Emulator, Script

PEOPLE = {
    "+14155550101": "Ada",
    "+14155550102": "Bo",
    "+14155550180": "Cy, who is always busy",
    "+14155550186": "Di, whom the service refuses",
}


async def main() -> None:
    short = Script(queued_for=0.1, ringing_for=0.2, talking_for=0.5)
    async with Emulator(script=short) as service:
        config = ClientConfig(
            calls_url=service.calls_url,
            api_url=service.api_url,
            follow=FollowSettings(first_gap_seconds=0.2, longest_gap_seconds=0.5),
        )
        settings = CampaignSettings(
            project_id=service.project_id,
            agent_id=service.agent_id,
            # For a show at any hour. Leave it out, and nobody is called at night.
            window=CallingWindow.parse("00:00-24:00"),
            redial=RedialPolicy(max_attempts=2, gaps={Disposition.BUSY: 3600.0}),
            max_concurrency=20,
            calls_per_second=50,
        )
        ledger_file = Path(tempfile.mkdtemp()) / "spring.talkstack.db"
        async with (
            Client(service.api_key, config=config) as client,
            open_ledger(ledger_file, exclusive=True) as ledger,
        ):
            campaign = await Campaign.open(ledger, "spring", settings=settings)
            await campaign.check_agent(client)
            await campaign.add(
                Contact(row=row, number=PhoneNumber.parse(number), variables={"name": name})
                for row, (number, name) in enumerate(PEOPLE.items(), start=1)
            )
            runner = CampaignRunner(client, ledger, campaign.record)
            # With `wait=True`, the default, it would wait for Cy's second attempt.
            result = await runner.run(wait=False)

            print("ended:", result.ending, "- go on at", result.next_due_at)
            for state, count in result.counts.contacts.items():
                print(count, state.name.lower())
            story = await campaign.explain("+14155550180")
            print("Cy:", [str(attempt.disposition) for attempt in story.attempts])
            print("clean" if not await ledger.verify() else "not clean")
        print("rings:", len(service.rings))


asyncio.run(main())
