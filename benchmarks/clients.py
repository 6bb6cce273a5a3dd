"""The contestants without an SDK of somebody else's: ours, plain aiohttp, and the floor.

Each is given a target and a bound, and yields a `Player`. `naive` is aiohttp as people write it,
dicts in and dicts out, and the measure of everything else. Ours run with everything on: default
timeouts, retries, number checks, observer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias, cast

import aiohttp

from talkstack_async import (
    CallRequest,
    CallResult,
    Client,
    ClientConfig,
    Placed,
    PoolSettings,
)
from talkstack_async.config import Lane
from talkstack_async.wire import quick_json

from .floor import FloorClient
from .target import Target
from .workload import AGENT, KEY, PROJECT, Answer, Player, Row, Witness

__all__ = [
    "Counter",
    "Opener",
    "extra_is",
    "floor",
    "floor_extra",
    "make_client",
    "naive",
    "naive_gather",
    "ours_dial",
    "ours_make",
    "read_result",
    "request_of",
]

Opener: TypeAlias = Callable[[Target, int], AbstractAsyncContextManager[Player]]


class Counter:
    """An observer and an outcome watcher that does what the smallest real one would."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, _: object) -> None:
        self.seen += 1


# --- aiohttp as people write it -----------------------------------------------------------------


@contextlib.asynccontextmanager
async def _session(target: Target, concurrency: int) -> AsyncIterator[aiohttp.ClientSession]:
    # aiohttp's own limit is 100 connections; below that its settings stay untouched.
    options: dict[str, Any] = {"limit": concurrency} if concurrency > 100 else {}
    if target.ca_file is not None:
        options["ssl"] = target.tls
    connector = aiohttp.TCPConnector(**options) if options else None
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def _naive_call(session: aiohttp.ClientSession, url: str) -> Callable[[Row], Awaitable[Any]]:
    headers = {"x-api-key": KEY}

    async def call(row: Row) -> Any:
        number, variables = row
        body = {
            "number": number,
            "projectId": PROJECT,
            "agentId": AGENT,
            "dynamicVariables": variables,
        }
        async with session.post(f"{url}/call/makeCall", json=body, headers=headers) as response:
            return await response.json()

    return call


def _read_json(reply: Mapping[str, Any]) -> Answer:
    return reply["call"]["to"], reply["call"]["call_id"]


@contextlib.asynccontextmanager
async def naive(target: Target, concurrency: int) -> AsyncIterator[Player]:
    async with _session(target, concurrency) as session:
        call = _naive_call(session, target.url)
        yield Player.of(call, concurrency=concurrency, read=_read_json)


@contextlib.asynccontextmanager
async def naive_gather(target: Target, concurrency: int) -> AsyncIterator[Player]:
    async with _session(target, concurrency) as session:
        call = _naive_call(session, target.url)
        bound = asyncio.Semaphore(concurrency)

        async def one(row: Row) -> Any:
            async with bound:
                return await call(row)

        async def burst(rows: Iterable[Row], witness: Witness | None) -> int:
            work = list(rows)
            answers = await asyncio.gather(*(one(row) for row in work))
            if witness is not None:
                for row, answer in zip(work, answers, strict=True):
                    witness(row[0], _read_json(answer))
            return len(answers)

        yield Player(burst)


# --- ours ---------------------------------------------------------------------------------------


def make_client(
    target: Target, *, max_connections: int | None = None, lane: Lane = "auto"
) -> Client:
    """Make a client with nothing switched off and nothing turned down."""
    config = ClientConfig(
        calls_url=target.url,
        api_url=target.url,
        project_id=PROJECT,
        agent_id=AGENT,
        pool=PoolSettings(max_connections=max_connections, lane=lane),
        ssl_context=target.tls,
    )
    return Client(KEY, config=config, observer=Counter())


def request_of(row: Row) -> CallRequest:
    number, variables = row
    return CallRequest(number, dynamic_variables=variables)


def read_result(result: CallResult) -> Answer:
    return result.to, result.call_id


@contextlib.asynccontextmanager
async def ours_make(
    target: Target, concurrency: int, *, lane: Lane = "auto"
) -> AsyncIterator[Player]:
    async with make_client(target, max_connections=concurrency, lane=lane) as client:

        async def call(row: Row) -> CallResult:
            number, variables = row
            return await client.calls.make(number, dynamic_variables=variables)

        yield Player.of(call, concurrency=concurrency, read=read_result)


@contextlib.asynccontextmanager
async def ours_dial(
    target: Target, concurrency: int, *, lane: Lane = "auto"
) -> AsyncIterator[Player]:
    told = Counter()
    async with (
        make_client(target, lane=lane) as client,
        client.dispatcher(max_concurrency=concurrency, on_outcome=told) as dispatcher,
    ):

        async def burst(rows: Iterable[Row], witness: Witness | None) -> int:
            before, outcomes, placed = told.seen, 0, 0
            async for outcome in dispatcher.dial(request_of(row) for row in rows):
                outcomes += 1
                if isinstance(outcome, Placed):
                    placed += 1
                    if witness is not None:
                        witness(outcome.request.number, read_result(outcome.result))
                elif witness is not None:
                    witness.failed(_error_of(outcome))
            assert told.seen - before == outcomes
            return placed

        yield Player(burst)


def _error_of(outcome: object) -> Exception:
    error = getattr(outcome, "error", None)
    return error if isinstance(error, Exception) else AssertionError(repr(outcome))


def _none() -> None: ...


@contextlib.contextmanager
def extra_is(wanted: bool) -> Iterator[None]:
    """Let ours use orjson, or do without it also where it is installed."""
    found = quick_json._orjson
    quick_json._orjson = found if wanted else cast("Any", _none)
    try:
        yield
    finally:
        quick_json._orjson = found


# --- the floor ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def floor(
    target: Target,
    concurrency: int,
    *,
    encode: Callable[[Any], bytes] | None = None,
    decode: Callable[[bytes], Any] = json.loads,
) -> AsyncIterator[Player]:
    client = FloorClient(target.url, tls=target.tls, encode=encode, decode=decode)

    async def call(row: Row) -> CallResult:
        return await client.make(request_of(row))

    try:
        yield Player.of(call, concurrency=concurrency, read=read_result)
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def floor_extra(target: Target, concurrency: int) -> AsyncIterator[Player]:
    orjson = import_module("orjson")
    encode = partial(orjson.dumps, default=dict)  # what a `CallRequest` holds is no dict
    async with floor(target, concurrency, encode=encode, decode=orjson.loads) as player:
        yield player
