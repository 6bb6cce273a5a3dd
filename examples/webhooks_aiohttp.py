"""A web app that makes a call and waits for its end, woken by webhooks instead of much polling.

Run it with `python examples/webhooks_aiohttp.py`, with TALKSTACK_API_KEY and its companions set,
and HOOK_TOKEN, which `talkstack_async.webhooks.new_token()` makes. Register the address
https://your.host/hooks/talkstack/$HOOK_TOKEN with `talkstack projects set-webhook`. Then:

    curl -X POST localhost:8080/calls -d '{"number": "+14155550101"}'
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from talkstack_async import Client, webhooks

CLIENT = web.AppKey("client", Client)


async def talkstack(app: web.Application) -> AsyncIterator[None]:
    async with app[CLIENT]:
        yield


async def make_call(request: web.Request) -> web.Response:
    calls = request.app[CLIENT].calls
    result = await calls.make((await request.json())["number"])
    call = await calls.wait_until_final(result.call_id)
    return web.json_response({"call_id": call.call_id, "disposition": call.disposition})


def make_app() -> web.Application:
    app = web.Application()
    app[CLIENT] = client = Client.from_env()
    app.cleanup_ctx.append(talkstack)
    app.router.add_post("/calls", make_call)
    wake = webhooks.notify(client.calls)
    app.add_subapp("/hooks", webhooks.application(wake, token=os.environ["HOOK_TOKEN"]))
    return app


if __name__ == "__main__":
    # The usual access log would print the token.
    web.run_app(
        make_app(), host="127.0.0.1", port=8080, access_log_class=webhooks.MaskedAccessLogger
    )
