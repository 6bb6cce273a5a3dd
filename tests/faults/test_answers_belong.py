"""Every result belongs to its request, whatever is cancelled or times out around it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from talkstack_async import CallRequest, Client, TalkstackError
from talkstack_async.transport import fast_lane
from tests.support.clients import client_for, number
from tests.support.raw_server import Plan, RawServer, http, id_for

pytestmark = pytest.mark.usefixtures("lane")


def moody(dice: random.Random) -> Plan:
    """A service that is mostly well, often late, and sometimes leaves a stray reply behind."""
    mood = dice.random()
    if mood < 0.02:
        return Plan(then="close")
    if mood < 0.03:
        return Plan(reply_bytes=dice.random(), then="reset")
    if mood < 0.04:
        return Plan(extra=http(200, b'{"call": {"call_id": "STRAY"}}'))
    if mood < 0.05:
        return Plan(reply=http(429, b"", "Retry-After: 0"), refuses=True)
    return Plan(delay=dice.choice([0.0, 0.0, 0.001, 0.002, 0.004]))


async def one(client: Client, i: int, dice: random.Random, seen: Counter[str]) -> None:
    mood = dice.random()
    seconds = dice.random() * 0.005 if mood < 0.15 else None
    call = asyncio.ensure_future(client.calls.make(CallRequest(number(i)), total_seconds=seconds))
    if mood > 0.85:
        for _ in range(dice.randrange(12)):
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.004)
        call.cancel()
    try:
        result = await call
    except asyncio.CancelledError:
        seen["cancelled"] += 1
    except TalkstackError as error:
        seen[type(error).__name__] += 1
    else:
        assert (result.to, result.call_id) == (number(i), id_for(number(i)))
        seen["answered"] += 1


async def storm(calls: int, *, at_once: int, seed: int) -> Counter[str]:
    dice = random.Random(seed)
    seen: Counter[str] = Counter()
    turns = iter(range(calls))
    async with RawServer(lambda *_: moody(dice)) as server, client_for(server.url) as client:

        async def work() -> None:
            for i in turns:
                await one(client, i, dice, seen)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
        assert max(server.rings.values()) == 1
    assert seen.total() == calls
    return seen


async def test_thousands_of_calls_with_random_endings_mix_up_no_answer(lane: str) -> None:
    seen = await storm(3_000 if lane == "public" else 8_000, at_once=50, seed=1)
    assert min(seen["answered"], seen["cancelled"], seen["DeadlineError"]) > 100


async def test_a_connection_kept_after_a_cancelled_call_mixes_up_answers(
    monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    """The negative control: the storm finds a lane that keeps what it must close."""
    if lane == "public":
        pytest.skip("that lane leaves it to aiohttp")

    def keep(self: fast_lane.FastLane, line: fast_lane.Line) -> None:
        line.waiter = None
        self._keep(line)

    monkeypatch.setattr(fast_lane.FastLane, "_give_up", keep)
    monkeypatch.setattr(fast_lane.Line, "_take_unexpected", lambda self, data: None)
    with pytest.raises(ExceptionGroup) as caught:
        await storm(20_000, at_once=50, seed=1)
    assert caught.group_contains(AssertionError)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(5))
async def test_a_million_calls_mix_up_no_answer(seed: int, lane: str) -> None:
    await storm(50_000 if lane == "public" else 200_000, at_once=80, seed=seed)
