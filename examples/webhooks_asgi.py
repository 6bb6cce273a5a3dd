"""Webhooks in any ASGI server: prints which call may have changed.

Run it with HOOK_TOKEN set (see `webhooks_aiohttp.py`) in the server of your choice, for example:

    uvicorn --no-access-log --app-dir examples webhooks_asgi:app

In FastAPI or Starlette: `app.mount("/hooks", asgi_app(handle, token=...))`.
"""

import os

from talkstack_async.webhooks import CallEvent, asgi_app


async def handle(event: CallEvent) -> None:
    """Keep the event: once this returns, the sender forgets it. Raise to have it sent again."""
    print(event.call_id, event.status_text)


app = asgi_app(handle, token=os.environ["HOOK_TOKEN"])
