"""A FastAPI service that works on campaigns, takes contacts for them, and makes single calls.

Needs `fastapi` and the extra `distributed`. Start as many of these as you like, on any hosts:

    export TALKSTACK_LEDGER=postgresql://user:password@host/database
    uvicorn --app-dir examples fastapi_service:app

with TALKSTACK_API_KEY and its companions set. Then:

    curl localhost:8000/contacts -d '[{"number": "+14155550101", "name": "Ada"}]' -H 'content-type: application/json'
    curl localhost:8000/calls -d '{"number": "+14155550102"}' -H 'content-type: application/json'
"""  # noqa: E501

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response

from talkstack_async import CallRequest, Client, NotPlaced, Placed
from talkstack_async.campaign import (
    CallingWindow,
    Campaign,
    CampaignSettings,
    Worker,
    open_ledger,
)
from talkstack_async.integrations.health import Health


def settings(client: Client) -> CampaignSettings:
    """The limits hold for all workers of the campaign together, wherever they run."""
    return CampaignSettings(
        project_id=client.config.project_id or "",
        agent_id=client.config.agent_id or "",
        window=CallingWindow.parse(os.environ.get("CALLING_WINDOW", "08:00-21:00")),
        max_concurrency=50,
        calls_per_second=10,
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with (
        Client.from_env() as client,
        client.dispatcher(max_concurrency=20, calls_per_second=5) as dispatcher,
        open_ledger(os.environ["TALKSTACK_LEDGER"]) as ledger,
    ):
        campaign = await Campaign.open(ledger, "reminders", settings=settings(client))
        await campaign.check_agent(client)
        worker = Worker(client, ledger)
        app.state.dispatcher = dispatcher
        app.state.campaign = campaign
        app.state.health = Health(ledger, worker)
        working = asyncio.create_task(worker.run())
        yield
        worker.stop()  # others take over; what has left is answered
        await working


app = FastAPI(lifespan=lifespan)


@app.post("/contacts", status_code=202)
async def add_contacts(rows: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Enqueue people to be called when the rules allow it. Sending it twice rings nobody twice."""
    results = await request.app.state.campaign.enqueue(rows)
    return [{"row": one.row, "verdict": one.verdict, "reason": one.reason} for one in results]


@app.post("/calls")
async def make_call(body: dict[str, Any], request: Request, response: Response) -> dict[str, Any]:
    """Make one call now, and answer once it is placed."""
    call = CallRequest(body["number"], dynamic_variables={"name": body.get("name", "")})
    outcome = await request.app.state.dispatcher.call(call)
    if isinstance(outcome, Placed):
        return {"call_id": outcome.result.call_id}
    # If it is uncertain it may have rung: say so, and let nothing try again by itself.
    response.status_code = 422 if isinstance(outcome, NotPlaced) else 502
    return {"error": str(outcome.error), "uncertain": outcome.error.uncertain}


@app.get("/readyz")
async def ready(request: Request, response: Response) -> dict[str, Any]:
    finding = await request.app.state.health.examine()
    response.status_code = 200 if finding.is_ready else 503
    return finding.document()
