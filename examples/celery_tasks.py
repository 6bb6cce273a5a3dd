"""A Celery task that hands people to a campaign; whoever runs the campaign calls them.

The task writes to the ledger and ends: no call waits for a Celery worker, and no Celery worker
waits for a call. With arq, dramatiq or a cron job it is the same coroutine. Start it with

    celery --workdir examples -A celery_tasks worker

where TALKSTACK_LEDGER names the ledger, in PostgreSQL or a file on this machine. Run the campaign
elsewhere, with `talkstack worker` or `talkstack dial`; it must be there already.
"""

import asyncio
import os
from typing import Any

from celery import Celery

from talkstack_async.campaign import Campaign, open_ledger
from talkstack_async.errors import LedgerError

app = Celery("reminders", broker=os.environ.get("CELERY_BROKER_URL", "memory://"))


# Late, and again: a number is in a campaign once, so a task that runs twice rings nobody twice.
@app.task(acks_late=True, autoretry_for=(LedgerError,), retry_backoff=True, max_retries=10)
def remind(number: str, **variables: Any) -> str:
    """Have somebody called. Returns what became of it, in words."""
    return asyncio.run(enqueue({"number": number, **variables}))


async def enqueue(row: dict[str, Any]) -> str:
    async with open_ledger(os.environ["TALKSTACK_LEDGER"], create=False) as ledger:
        campaign = await Campaign.open(ledger, os.environ.get("CAMPAIGN", "reminders"))
        (result,) = await campaign.enqueue([row], source="celery")
    return result.reason or str(result.verdict)
