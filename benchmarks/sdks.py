"""The SDKs a user could pick instead, each driven as its documentation says.

One client for the life of the program, used by many tasks, with the settings it comes with: its
own timeouts, its own retries, its own limits on connections. Nothing is switched off and nothing
is turned up, but for twilio, whose client has no setting for its address. What a service calls
for an outbound call is asked for, with five variables where it takes any.

Every import is inside: an SDK that is not installed, or does not work, is reported as such.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from .services import TWILIO_ACCOUNT
from .target import Target
from .workload import AGENT, KEY, PROJECT, Answer, Player, Row

__all__ = [
    "elevenlabs",
    "openai",
    "openai_aiohttp",
    "retell",
    "retell_aiohttp",
    "twilio",
    "vapi",
    "vapi_aiohttp",
]

_FROM = "+12025550100"
_NUMBER_ID = "number_1"


@contextlib.asynccontextmanager
async def retell(
    target: Target, concurrency: int, http_client: Any = None
) -> AsyncIterator[Player]:
    from retell import AsyncRetell

    async with AsyncRetell(api_key=KEY, base_url=target.url, http_client=http_client) as client:

        async def call(row: Row) -> Any:
            number, variables = row
            return await client.call.create_phone_call(
                from_number=_FROM,
                to_number=number,
                override_agent_id=AGENT,
                retell_llm_dynamic_variables=variables,
            )

        def read(reply: Any) -> Answer:
            return reply.to_number, reply.call_id

        yield Player.of(call, concurrency=concurrency, read=read)


@contextlib.asynccontextmanager
async def retell_aiohttp(target: Target, concurrency: int) -> AsyncIterator[Player]:
    from retell import DefaultAioHttpClient

    async with retell(target, concurrency, DefaultAioHttpClient()) as player:
        yield player


@contextlib.asynccontextmanager
async def vapi(target: Target, concurrency: int) -> AsyncIterator[Player]:
    """With what `pip install vapi-server-sdk` brings.

    Its client takes aiohttp by itself where the package `httpx-aiohttp` happens to be installed,
    as it is here, for retell; so httpx is named, with the settings the client would give it.
    """
    import httpx

    async with httpx.AsyncClient(timeout=60, follow_redirects=True) as http_client:
        yield _vapi(target, concurrency, http_client)


@contextlib.asynccontextmanager
async def vapi_aiohttp(target: Target, concurrency: int) -> AsyncIterator[Player]:
    import httpx_aiohttp

    http_client = httpx_aiohttp.HttpxAiohttpClient(timeout=60, follow_redirects=True)
    async with http_client:
        yield _vapi(target, concurrency, http_client)


def _vapi(target: Target, concurrency: int, http_client: Any) -> Player:
    from vapi import AssistantOverrides, AsyncVapi, CreateCustomerDto

    client = AsyncVapi(token=KEY, base_url=target.url, httpx_client=http_client)

    async def call(row: Row) -> Any:
        number, variables = row
        return await client.calls.create(
            assistant_id=AGENT,
            phone_number_id=_NUMBER_ID,
            customer=CreateCustomerDto(number=number),
            assistant_overrides=AssistantOverrides(variable_values=dict(variables)),
        )

    def read(reply: Any) -> Answer:
        return reply.customer.number, reply.id

    return Player.of(call, concurrency=concurrency, read=read)


@contextlib.asynccontextmanager
async def elevenlabs(target: Target, concurrency: int) -> AsyncIterator[Player]:
    from elevenlabs import AsyncElevenLabs, ConversationInitiationClientDataRequestInput

    client = AsyncElevenLabs(api_key=KEY, base_url=target.url)

    async def call(row: Row) -> Any:
        number, variables = row
        return await client.conversational_ai.twilio.outbound_call(
            agent_id=AGENT,
            agent_phone_number_id=_NUMBER_ID,
            to_number=number,
            conversation_initiation_client_data=ConversationInitiationClientDataRequestInput(
                dynamic_variables=dict(variables)
            ),
        )

    def read(reply: Any) -> Answer:
        return "+" + reply.conversation_id.removeprefix("conv_"), reply.call_sid

    yield Player.of(call, concurrency=concurrency, read=read)


@contextlib.asynccontextmanager
async def twilio(target: Target, concurrency: int) -> AsyncIterator[Player]:
    from twilio.http.async_http_client import AsyncTwilioHttpClient
    from twilio.rest import Client

    class HereHttpClient(AsyncTwilioHttpClient):
        """Sends to the load server; the address is written into the SDK."""

        async def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
            here = url.replace("https://api.twilio.com", target.url)
            return await super().request(method, here, *args, **options)

    async with HereHttpClient() as http_client:
        client = Client(TWILIO_ACCOUNT, KEY, http_client=http_client)

        async def call(row: Row) -> Any:
            # It has no variables: the address says what is to be spoken.
            return await client.calls.create_async(
                to=row[0], from_=_FROM, url="https://example.com/twiml"
            )

        def read(reply: Any) -> Answer:
            return reply.to, reply.sid

        yield Player.of(call, concurrency=concurrency, read=read)


@contextlib.asynccontextmanager
async def openai(
    target: Target, concurrency: int, http_client: Any = None
) -> AsyncIterator[Player]:
    """The client of the generator retell's was made with, on our own endpoint and typed."""
    from openai import AsyncOpenAI, BaseModel

    class Placed(BaseModel):
        call_id: str
        to: str

    class Made(BaseModel):
        message: str
        status: str
        call: Placed

    async with AsyncOpenAI(api_key=KEY, base_url=target.url, http_client=http_client) as client:

        async def call(row: Row) -> Any:
            number, variables = row
            body = {
                "number": number,
                "projectId": PROJECT,
                "agentId": AGENT,
                "dynamicVariables": variables,
            }
            return await client.post("/call/makeCall", cast_to=Made, body=body)

        def read(reply: Any) -> Answer:
            return reply.call.to, reply.call.call_id

        yield Player.of(call, concurrency=concurrency, read=read)


@contextlib.asynccontextmanager
async def openai_aiohttp(target: Target, concurrency: int) -> AsyncIterator[Player]:
    from openai import DefaultAioHttpClient

    async with openai(target, concurrency, DefaultAioHttpClient()) as player:
        yield player
