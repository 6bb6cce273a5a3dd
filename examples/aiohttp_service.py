"""An aiohttp service with a worker inside: contacts come in by HTTP and are called from here.

Needs the extras `distributed` and `prometheus`. Run it on as many hosts as you like:

    export TALKSTACK_LEDGER=postgresql://user:password@host/database
    python examples/aiohttp_service.py

with TALKSTACK_API_KEY and its companions set. Then:

    curl localhost:8080/contacts -d '[{"number": "+14155550101", "name": "Ada"}]'
    curl localhost:8080/health/readyz
    curl localhost:8080/health/metrics
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from talkstack_async import Client
from talkstack_async.campaign import (
    CallingWindow,
    Campaign,
    CampaignSettings,
    Ledger,
    Worker,
    open_ledger,
)
from talkstack_async.integrations import health
from talkstack_async.integrations.ledger_metrics import LedgerMetrics
from talkstack_async.integrations.prometheus import Metrics, new_registry

CAMPAIGN = web.AppKey("campaign", Campaign)


async def add_contacts(request: web.Request) -> web.Response:
    """Enqueue people to be called when the rules allow it. Sending it twice rings nobody twice."""
    results = await request.app[CAMPAIGN].enqueue(await request.json())
    refused = [{"row": one.row, "reason": one.reason} for one in results if one.reason]
    answer = {"new": sum(one.is_new for one in results), "refused": refused}
    return web.json_response(answer, status=202)


def working(
    client: Client, ledger: Ledger, worker: Worker
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        async with client, ledger:
            settings = CampaignSettings(
                project_id=client.config.project_id or "",
                agent_id=client.config.agent_id or "",
                window=CallingWindow.parse(os.environ.get("CALLING_WINDOW", "08:00-21:00")),
            )
            app[CAMPAIGN] = campaign = await Campaign.open(ledger, "reminders", settings=settings)
            await campaign.check_agent(client)
            task = asyncio.create_task(worker.run())
            yield
            worker.stop()  # others take over; what has left is answered
            await task

    return context


def make_app() -> web.Application:
    metrics = Metrics(registry=new_registry())
    client = Client.from_env(observer=metrics)
    ledger = open_ledger(os.environ["TALKSTACK_LEDGER"])
    worker = Worker(client, ledger)
    metrics.show(lambda: worker.progress)
    of_ledger = LedgerMetrics(ledger, registry=metrics.registry)
    probes = health.application(health.Health(ledger, worker), scrape=of_ledger.scrape)

    app = web.Application()
    app.cleanup_ctx.append(working(client, ledger, worker))
    app.router.add_post("/contacts", add_contacts)
    app.add_subapp("/health", probes)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
