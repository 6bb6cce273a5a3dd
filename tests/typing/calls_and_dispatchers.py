"""The types users see when they place calls. Read by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, assert_type

from talkstack_async import (
    CallDispatcher,
    CallRequest,
    CallResult,
    Client,
    ClientConfig,
    Outcome,
    PhoneNumber,
    Progress,
    Timeouts,
)


async def placing_a_call_returns_its_result(client: Client) -> None:
    result = await client.calls.make(
        "+14155550123", agent_id="a1", project_id="p1", dynamic_variables={"name": "Ada"}
    )
    assert_type(result, CallResult)
    assert_type(result.call_id, str)
    assert_type(result.to, str | None)
    assert_type(result.from_, str | None)
    assert_type(result.raw, Mapping[str, Any])
    assert_type(await client.calls.make(CallRequest("+14155550123")), CallResult)
    assert_type(await client.calls.make(PhoneNumber.parse("+14155550123")), CallResult)


async def everything_after_the_number_is_keyword_only(client: Client) -> None:
    await client.calls.make("+14155550123", "a1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CallRequest("+14155550123", "a1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Client("key", "token")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ClientConfig("key")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Timeouts(5.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.dispatcher(10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def a_misspelt_or_mistyped_argument_is_a_type_error(client: Client) -> None:
    await client.calls.make("+14155550123", agent="a1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.calls.make(14155550123)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CallRequest("+14155550123", project_id=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.dispatcher(calls_per_second="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def a_client_opens_itself_and_says_so() -> None:
    async with Client("key") as client:
        assert_type(client, Client)
    assert_type(Client.from_env(), Client)
    assert_type(ClientConfig.from_env({}), ClientConfig)
    Client(config=ClientConfig(api_key="key", timeouts=Timeouts(total=5)))


def rows() -> Iterator[CallRequest]:
    yield CallRequest("+14155550123", reference={"row": 1})


async def rows_from_afar() -> AsyncIterator[CallRequest]:
    yield CallRequest("+14155550123")


async def many_calls_yield_outcomes(client: Client) -> None:
    async with client.dispatcher(max_concurrency=200, calls_per_second=50) as dispatcher:
        assert_type(dispatcher, CallDispatcher)
        async for outcome in dispatcher.dial(rows()):
            assert_type(outcome, Outcome)
        async for outcome in dispatcher.dial(rows_from_afar(), deadline_seconds=60):
            assert_type(outcome, Outcome)
        assert_type(await dispatcher.dial_all([CallRequest("+1")]), list[Outcome])
        assert_type(await dispatcher.dial_all(rows_from_afar()), list[Outcome])
        assert_type(await dispatcher.call(CallRequest("+1")), Outcome)
        assert_type(dispatcher.progress, Progress)
        assert_type(dispatcher.undelivered, tuple[Outcome, ...])
        assert_type(dispatcher.max_concurrency, int)
        assert_type(dispatcher.calls_per_second, float | None)
        dispatcher.max_concurrency = 20
        dispatcher.calls_per_second = None


async def numbers_are_not_requests(dispatcher: CallDispatcher) -> None:
    dispatcher.dial(["+14155550123"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await dispatcher.call("+14155550123")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await dispatcher.dial_all(CallRequest("+1"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_request_and_a_result_are_frozen(request: CallRequest, result: CallResult) -> None:
    request.number = "+1"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    result.call_id = "CA1"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
