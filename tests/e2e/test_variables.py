"""Placeholders are checked before anything rings."""

from __future__ import annotations

import pytest

from talkstack_async import CallRequest, Client, NotPlaced, Placed
from talkstack_async.emulator import EmulatorThread
from talkstack_async.errors import InvalidRequestError
from tests.support.clients import number


async def agent_with(client: Client, instruction: str) -> str:
    agent = await client.agents.create("Checker", instruction=instruction)
    assert agent.id is not None
    return agent.id


async def test_a_call_that_lacks_a_value_is_refused_and_names_it(
    talkstack_client: Client, talkstack_emulator: EmulatorThread
) -> None:
    agent_id = await agent_with(talkstack_client, "Hello {{ name }}, your {{item}} is here.")
    with pytest.raises(InvalidRequestError, match="no value for item"):
        await talkstack_client.calls.make(
            number(1),
            agent_id=agent_id,
            dynamic_variables={"name": "Ada"},
            check_variables=True,
        )
    assert not talkstack_emulator.rings
    await talkstack_client.calls.make(
        number(1),
        agent_id=agent_id,
        dynamic_variables={"name": "Ada", "item": ""},
        check_variables=True,
    )
    assert len(talkstack_emulator.rings) == 1


async def test_a_list_is_checked_row_by_row_and_each_agent_is_read_once(
    talkstack_client: Client, talkstack_emulator: EmulatorThread
) -> None:
    agent_id = await agent_with(talkstack_client, "Hello {{name}}.")
    rows = [
        CallRequest(number(i), agent_id=agent_id, dynamic_variables={"name": "A"} if i % 2 else {})
        for i in range(20)
    ]
    reads = talkstack_emulator.calls_of("getAgent")
    async with talkstack_client.dispatcher() as dispatcher:
        outcomes = await dispatcher.dial_all(rows, check_variables=True)
    assert [type(outcome) for outcome in outcomes] == [NotPlaced, Placed] * 10
    assert talkstack_emulator.calls_of("getAgent") == reads + 1


async def test_an_agent_that_cannot_be_read_places_no_call(
    talkstack_client: Client, talkstack_emulator: EmulatorThread
) -> None:
    async with talkstack_client.dispatcher() as dispatcher:
        outcome = await dispatcher.call(
            CallRequest(number(1), agent_id="nobody"), check_variables=True
        )
    assert isinstance(outcome, NotPlaced)
    assert not talkstack_emulator.rings


async def test_without_the_check_a_call_is_placed_as_it_is(
    talkstack_client: Client, talkstack_emulator: EmulatorThread
) -> None:
    agent_id = await agent_with(talkstack_client, "Hello {{name}}.")
    await talkstack_client.calls.make(number(1), agent_id=agent_id)
    assert len(talkstack_emulator.rings) == 1
