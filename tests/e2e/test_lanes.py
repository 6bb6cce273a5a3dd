"""Which lane a client takes, and that uvloop takes the fast one, too."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import pytest
import trustme

from talkstack_async import Client, ClientConfig, PoolSettings
from talkstack_async.errors import ConfigurationError
from talkstack_async.transport import fast_lane
from tests.faults import test_answers_belong, test_both_lanes
from tests.support.clients import KEY, client_for, config_for, number
from tests.support.raw_server import RawServer


async def lane_of(client: Client) -> str:
    async with client:
        await client.calls.make(number(1))
        (pool,) = client.pool_statistics()
        return pool.lane


async def test_by_itself_a_client_takes_the_fast_lane() -> None:
    async with RawServer() as server:
        assert await lane_of(client_for(server.url)) == "fast"


async def test_a_borrowed_session_keeps_the_public_lane() -> None:
    async with RawServer() as server, aiohttp.ClientSession() as session:
        client = Client(KEY, config=config_for(server.url), session=session)
        assert await lane_of(client) == "public"


async def test_a_proxy_from_the_environment_keeps_the_public_lane() -> None:
    async with RawServer() as server:
        assert await lane_of(client_for(server.url, trust_env=True)) == "public"


@pytest.mark.parametrize("version", ["3.11.18", "3.99.0", "4.0.0a1", "odd"])
async def test_an_untested_aiohttp_keeps_the_public_lane(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_lane.aiohttp, "__version__", version)
    async with RawServer() as server:
        assert await lane_of(client_for(server.url)) == "public"


def settings(url: str, lane: Any, **changes: Any) -> ClientConfig:
    return ClientConfig(
        calls_url=url,
        api_url=url,
        project_id="p",
        agent_id="a",
        pool=PoolSettings(lane=lane),
        **changes,
    )


async def test_the_lane_can_be_set() -> None:
    async with RawServer() as server:
        assert await lane_of(Client(KEY, config=settings(server.url, "public"))) == "public"
        assert await lane_of(Client(KEY, config=settings(server.url, "fast"))) == "fast"


async def test_a_fast_lane_that_is_insisted_on_and_cannot_be_had_is_refused() -> None:
    async with RawServer() as server:
        config = settings(server.url, "fast", trust_env=True)
        async with Client(KEY, config=config) as client:
            with pytest.raises(ConfigurationError, match="there may be a proxy"):
                await client.calls.make(number(1))


def test_a_lane_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lane must be one of"):
        settings("http://localhost", "middle")


class TestUvloop:
    @pytest.fixture
    @staticmethod
    def runner() -> Any:
        uvloop = pytest.importorskip("uvloop", reason="the extra `fast`")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            yield runner

    def test_it_takes_the_fast_lane(self, runner: asyncio.Runner) -> None:
        runner.run(test_by_itself_a_client_takes_the_fast_lane())

    def test_a_storm_mixes_up_no_answer(self, runner: asyncio.Runner) -> None:
        seen = runner.run(test_answers_belong.storm(5_000, at_once=50, seed=2))
        assert seen["answered"] > 1000

    @pytest.mark.parametrize("name", [*test_both_lanes.WELL, *test_both_lanes.BADLY])
    def test_every_reply_ends_as_in_the_public_lane(
        self, name: str, runner: asyncio.Runner
    ) -> None:
        runner.run(test_both_lanes.test_both_lanes_make_the_same_of_a_reply(name, False))

    @pytest.mark.parametrize("style", ["plain", "chunked"])
    def test_a_reply_cut_at_any_byte(self, style: str, runner: asyncio.Runner) -> None:
        runner.run(test_both_lanes.test_a_reply_cut_at_any_byte_is_the_same_reply(style))

    def test_an_early_answer(self, runner: asyncio.Runner) -> None:
        module = test_both_lanes
        runner.run(module.test_an_early_answer_to_a_request_that_is_read_to_its_end_is_an_answer())
        runner.run(module.test_an_early_answer_to_a_request_that_is_never_taken_is_uncertain())

    def test_https(self, runner: asyncio.Runner) -> None:
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)

        async def use() -> None:
            async with (
                RawServer(tls=context) as server,
                client_for(server.url, ssl_context=trusting) as client,
            ):
                for _ in range(3):
                    await asyncio.gather(*(client.calls.make(number(i)) for i in range(20)))
                assert server.connections == 20

        runner.run(use())
