"""A web app that awaits a call: one client and one dispatcher for the life of the app.

Run it with `python examples/web_app.py`, with TALKSTACK_API_KEY and its companions set (the
command `talkstack emulator` prints a set for trying). Then:

    curl -X POST localhost:8080/calls -d '{"number": "+14155550101", "name": "Ada"}'
"""

from collections.abc import AsyncIterator

from aiohttp import web

from talkstack_async import CallDispatcher, CallRequest, Client, NotPlaced, Placed

DISPATCHER = web.AppKey("dispatcher", CallDispatcher)


async def talkstack(app: web.Application) -> AsyncIterator[None]:
    async with (
        Client.from_env() as client,
        client.dispatcher(max_concurrency=50, calls_per_second=5) as dispatcher,
    ):
        app[DISPATCHER] = dispatcher
        yield


async def make_call(request: web.Request) -> web.Response:
    body = await request.json()
    call = CallRequest(body["number"], dynamic_variables={"name": body.get("name", "")})
    outcome = await request.app[DISPATCHER].call(call)
    if isinstance(outcome, Placed):
        return web.json_response({"call_id": outcome.result.call_id})
    if isinstance(outcome, NotPlaced):
        return web.json_response({"error": str(outcome.error)}, status=422)
    # It may have rung. Tell the caller so, and do not let anything try again by itself.
    return web.json_response({"error": str(outcome.error), "uncertain": True}, status=502)


def make_app() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(talkstack)
    app.router.add_post("/calls", make_call)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8080)
