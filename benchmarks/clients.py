"""The contestants. Each is given an address and a bound, and yields a `Burst`.

`naive` is aiohttp as people write it, dicts in and dicts out, and the measure of everything
else. Ours run with everything on: default timeouts, retries, number checks, observer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeAlias

import aiohttp

from talkstack_async import (
    CallRequest,
    CallResult,
    Client,
    ClientConfig,
    Outcome,
    Placed,
    PoolSettings,
)
from talkstack_async.config import Lane
from talkstack_async.wire import quick_json

from .floor import FloorClient
from .workload import AGENT, KEY, PROJECT, Answer, Burst, Row, Witness, bounded_by_workers

__all__ = [
    "CONTESTANTS",
    "DIAL",
    "DIAL_EXTRA",
    "FLOOR",
    "MAKE",
    "MAKE_EXTRA",
    "MAKE_PUBLIC",
    "NAIVE",
    "NAIVE_GATHER",
    "Contestant",
    "Counter",
    "make_client",
    "request_of",
]

Contestant: TypeAlias = Callable[[str, int], AbstractAsyncContextManager[Burst]]

NAIVE = "naive aiohttp"
NAIVE_GATHER = "naive aiohttp, Semaphore and gather"
MAKE = "ours, calls.make"
DIAL = "ours, dispatcher.dial"
MAKE_PUBLIC = "ours, calls.make, public lane"
# With the extra `fast`, if it is installed: on uvloop, and with orjson.
MAKE_EXTRA = "ours, calls.make, uvloop and orjson"
DIAL_EXTRA = "ours, dispatcher.dial, uvloop and orjson"
FLOOR = "floor, bare Protocol"


class Counter:
    """An observer and an outcome watcher that does what the smallest real one would."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, _: object) -> None:
        self.seen += 1


# --- aiohttp as people write it -----------------------------------------------------------------


@contextlib.asynccontextmanager
async def _session(concurrency: int) -> AsyncIterator[aiohttp.ClientSession]:
    if concurrency <= 100:
        async with aiohttp.ClientSession() as session:
            yield session
    else:  # aiohttp's own limit is 100 connections
        connector = aiohttp.TCPConnector(limit=concurrency)
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
async def naive(url: str, concurrency: int) -> AsyncIterator[Burst]:
    async with _session(concurrency) as session:
        yield partial(
            bounded_by_workers,
            call=_naive_call(session, url),
            concurrency=concurrency,
            read=_read_json,
        )


@contextlib.asynccontextmanager
async def naive_gather(url: str, concurrency: int) -> AsyncIterator[Burst]:
    async with _session(concurrency) as session:
        call = _naive_call(session, url)
        bound = asyncio.Semaphore(concurrency)

        async def one(row: Row) -> Any:
            async with bound:
                return await call(row)

        async def burst(rows: Sequence[Row], witness: Witness | None) -> int:
            answers = await asyncio.gather(*(one(row) for row in rows))
            if witness is not None:
                for row, answer in zip(rows, answers, strict=True):
                    witness(row[0], _read_json(answer))
            return len(answers)

        yield burst


# --- ours ---------------------------------------------------------------------------------------


def make_client(url: str, *, max_connections: int | None = None, lane: Lane = "auto") -> Client:
    """Make a client with nothing switched off and nothing turned down."""
    config = ClientConfig(
        calls_url=url,
        api_url=url,
        project_id=PROJECT,
        agent_id=AGENT,
        pool=PoolSettings(max_connections=max_connections, lane=lane),
    )
    return Client(KEY, config=config, observer=Counter())


def request_of(row: Row) -> CallRequest:
    number, variables = row
    return CallRequest(number, dynamic_variables=variables)


def _read_result(result: CallResult) -> Answer:
    return result.to, result.call_id


@contextlib.asynccontextmanager
async def ours_make(url: str, concurrency: int, *, lane: Lane = "auto") -> AsyncIterator[Burst]:
    async with make_client(url, max_connections=concurrency, lane=lane) as client:

        async def call(row: Row) -> CallResult:
            return await client.calls.make(request_of(row))

        yield partial(bounded_by_workers, call=call, concurrency=concurrency, read=_read_result)


@contextlib.asynccontextmanager
async def ours_dial(url: str, concurrency: int, *, lane: Lane = "auto") -> AsyncIterator[Burst]:
    told = Counter()
    async with (
        make_client(url, lane=lane) as client,
        client.dispatcher(max_concurrency=concurrency, on_outcome=told) as dispatcher,
    ):

        async def burst(rows: Sequence[Row], witness: Witness | None) -> int:
            before, placed = told.seen, 0
            async for outcome in dispatcher.dial(request_of(row) for row in rows):
                if isinstance(outcome, Placed):
                    placed += 1
                if witness is not None:
                    witness(outcome.request.number, _read_result(_placed(outcome)))
            assert told.seen - before == len(rows)
            return placed

        yield burst


def required_only(contestant: Contestant) -> Contestant:
    """Let a contestant do without orjson, also where it is installed."""

    @contextlib.asynccontextmanager
    async def deprived(url: str, concurrency: int) -> AsyncIterator[Burst]:
        async with contestant(url, concurrency) as inner:

            async def burst(rows: Sequence[Row], witness: Witness | None) -> int:
                found, quick_json._orjson = quick_json._orjson, lambda: None
                try:
                    return await inner(rows, witness)
                finally:
                    quick_json._orjson = found

            yield burst

    return deprived


def _placed(outcome: Outcome) -> CallResult:
    assert isinstance(outcome, Placed), outcome
    return outcome.result


# --- the floor ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def floor(url: str, concurrency: int) -> AsyncIterator[Burst]:
    client = FloorClient(url)

    async def call(row: Row) -> CallResult:
        return await client.make(request_of(row))

    try:
        yield partial(bounded_by_workers, call=call, concurrency=concurrency, read=_read_result)
    finally:
        await client.aclose()


CONTESTANTS: dict[str, Contestant] = {
    NAIVE: naive,
    NAIVE_GATHER: naive_gather,
    MAKE_PUBLIC: required_only(partial(ours_make, lane="public")),
    MAKE: required_only(ours_make),
    DIAL: required_only(ours_dial),
    FLOOR: floor,
}
if find_spec("uvloop") and find_spec("orjson"):
    CONTESTANTS |= {MAKE_EXTRA: ours_make, DIAL_EXTRA: ours_dial}
