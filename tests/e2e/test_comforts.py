"""Copies of a client with other options, and replies as they came."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from talkstack_async import Client, Placed
from talkstack_async.emulator import Emulator, Fault
from talkstack_async.errors import (
    AuthenticationError,
    ClosedError,
    ConfigurationError,
    DeadlineError,
    ServerError,
    TalkstackError,
    ThrottledError,
)
from talkstack_async.telemetry import ReplyReceived
from tests.support.clients import config_for, number, numbered


def client_of(emulator: Emulator) -> Client:
    return Client(emulator.api_key, config=config_for(emulator.url))


class TestOptions:
    async def test_a_copy_has_its_own_defaults_and_the_original_keeps_its_own(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:
            twin = client.with_options(project_id="p2", agent_id="a2")
            await twin.calls.make(number(1))
            await client.calls.make(number(2))
            first, second = emulator.rings
            assert (first.project_id, first.agent_id) == ("p2", "a2")
            assert (second.project_id, second.agent_id) == ("p1", "a1")

    async def test_what_is_not_given_stays_also_in_a_copy_of_a_copy(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:
            twin = client.with_options(project_id="p2", total_seconds=3).with_options(
                agent_id="a2"
            )
            assert (twin.config.project_id, twin.config.agent_id) == ("p2", "a2")
            assert twin.config.timeouts.total == 3
            assert twin.config.timeouts.read == client.config.timeouts.read
            assert twin.config.retry == client.config.retry

    async def test_a_copy_shares_the_connections(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:
            for _ in range(5):
                await client.with_options(max_retries=0).calls.make(number(1))
            (pool,) = client.pool_statistics()
            assert (pool.opened, pool.reused) == (1, 4)

    async def test_closing_a_copy_closes_nothing_and_closing_the_original_closes_both(
        self,
    ) -> None:
        async with Emulator() as emulator:
            client = client_of(emulator)
            async with client.with_options(max_retries=0) as twin:
                await twin.calls.make(number(1))
            await client.calls.make(number(2))
            await twin.calls.make(number(3))
            await client.aclose()
            with pytest.raises(ClosedError):
                await twin.calls.make(number(4))
            assert len(emulator.rings) == 3

    async def test_a_copy_has_its_own_deadline(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:
            emulator.add_fault(Fault("stall", times=1))
            with pytest.raises(DeadlineError, match=r"0\.05 s"):
                await client.with_options(total_seconds=0.05).calls.make(number(1))
            await client.calls.make(number(2))

    async def test_a_copy_has_its_own_number_of_tries(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:
            emulator.add_fault(Fault("throttle", retry_after="0"))
            with pytest.raises(ThrottledError):
                await client.with_options(max_retries=0).calls.make(number(1))
            assert emulator.calls_of("makeCall") == 1

    async def test_a_copy_makes_dispatchers_with_its_own_defaults(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:
            twin = client.with_options(project_id="p2")
            async with twin.dispatcher(max_concurrency=3) as dispatcher:
                outcomes = await dispatcher.dial_all(numbered(5))
            assert all(isinstance(outcome, Placed) for outcome in outcomes)
            assert {ring.project_id for ring in emulator.rings} == {"p2"}

    async def test_a_copy_shares_the_token_and_its_renewal(self) -> None:
        async with Emulator() as emulator:
            client = Client(
                token=emulator.token,
                refresh_token=emulator.refresh_token,
                config=config_for(emulator.url),
            )
            async with client:
                emulator.expire_token()
                twins = [client.with_options(project_id=f"p{i}") for i in range(20)]
                await asyncio.gather(*(twin.calls.make(number(i)) for i, twin in enumerate(twins)))
            assert emulator.calls_of("refreshToken") == 1
            assert len(emulator.rings) == 20

    @pytest.mark.parametrize("options", [{"total_seconds": 0}, {"max_retries": -1}])
    async def test_an_option_that_cannot_work_is_refused(self, options: dict[str, int]) -> None:
        client = Client("k")
        with pytest.raises(ConfigurationError):
            client.with_options(**options)  # type: ignore[arg-type]

    async def test_ids_of_requests_differ_between_copies(self) -> None:
        async with Emulator() as emulator, Client("k", config=config_for(emulator.url)) as client:
            ids: set[str | None] = set()
            for each in (client, client.with_options(), client.with_options()):
                with pytest.raises(AuthenticationError) as caught:
                    await each.calls.make(number(1))
                ids.add(caught.value.request_id)
            assert len(ids) == 3


class TestReplies:
    async def test_a_reply_can_be_had_as_it_came_beside_what_is_read_from_it(self) -> None:
        replies: list[ReplyReceived] = []
        async with Emulator() as emulator, client_of(emulator) as client:
            result = await client.with_options(on_reply=replies.append).calls.make(number(1))
            await client.calls.make(number(2))
        (reply,) = replies
        assert (reply.operation, reply.status) == ("calls.make", 200)
        assert reply.headers["content-type"].startswith("application/json")
        assert json.loads(reply.body)["call"]["call_id"] == result.call_id
        assert number(1) not in repr(reply)

    async def test_replies_of_many_tasks_are_not_mixed_up(self) -> None:
        async with Emulator() as emulator, client_of(emulator) as client:

            async def one(i: int) -> bool:
                mine: list[ReplyReceived] = []
                result = await client.with_options(on_reply=mine.append).calls.make(number(i))
                (reply,) = mine
                return json.loads(reply.body)["call"]["call_id"] == result.call_id

            assert all(await asyncio.gather(*(one(i) for i in range(50))))

    async def test_replies_to_each_try_and_of_failures_are_told_too(self) -> None:
        replies: list[ReplyReceived] = []
        async with Emulator() as emulator, client_of(emulator) as client:
            twin = client.with_options(on_reply=replies.append)
            emulator.add_fault(Fault("throttle", times=2, retry_after="0"))
            await twin.calls.make(number(1))
            emulator.add_fault(Fault("status", status=500))
            with pytest.raises(ServerError) as caught:
                await twin.calls.make(number(2))
        assert [reply.status for reply in replies] == [429, 429, 200, 500]
        first, second, third, last = (reply.request_id for reply in replies)
        assert first == second == third != last == caught.value.request_id

    async def test_a_listener_that_fails_is_logged_and_disturbs_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(reply: ReplyReceived) -> None:
            raise RuntimeError("the file is full")

        async with Emulator() as emulator, client_of(emulator) as client:
            result = await client.with_options(on_reply=broken).calls.make(number(1))
        assert result.call_id
        assert "the file is full" in caplog.text


async def test_every_error_and_every_log_line_names_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "talkstack_async")
    faults = ("drop", "reset", "status", "html", "garbage", "no_call_id", "half_reply", "redirect")
    async with Emulator() as emulator, client_of(emulator) as client:
        for kind in faults:
            emulator.clear_faults()
            emulator.add_fault(Fault(kind))
            caplog.clear()
            with pytest.raises(TalkstackError) as caught:
                await client.calls.make(number(1))
            assert caught.value.request_id
            assert caught.value.request_id in caplog.text
        await client.aclose()
        with pytest.raises(ClosedError) as closed:
            await client.calls.make(number(1))
    assert closed.value.request_id
