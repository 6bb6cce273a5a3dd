"""The dispatcher against the emulator: limits, pace, accounting and clean endings."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from talkstack_async import (
    CallDispatcher,
    CallRequest,
    Client,
    ClientConfig,
    NotPlaced,
    Outcome,
    Placed,
    RetrySettings,
    Timeouts,
    Uncertain,
)
from talkstack_async.emulator import Emulator, Fault, Script
from talkstack_async.errors import (
    ClosedError,
    ConfigurationError,
    DeadlineError,
    InvalidNumberError,
    InvalidRequestError,
    NotStartedError,
    StoppedError,
    ThrottledError,
)
from tests.support.clients import number, numbered

pytestmark = pytest.mark.usefixtures("lane")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[Client]:
    async with Client(emulator.api_key, config=config_of(emulator)) as opened:
        yield opened


def config_of(emulator: Emulator, **changes: object) -> ClientConfig:
    settings: dict[str, object] = {
        "calls_url": emulator.calls_url,
        "api_url": emulator.api_url,
        "project_id": emulator.project_id,
        "agent_id": emulator.agent_id,
        "timeouts": Timeouts(total=30),
        "retry": RetrySettings(first_wait_seconds=0.001, max_wait_seconds=0.01),
    }
    return ClientConfig(**{**settings, **changes})  # type: ignore[arg-type]


def rings_per_number(emulator: Emulator) -> dict[str, int]:
    counts: dict[str, int] = {}
    for ring in emulator.rings:
        counts[ring.number] = counts.get(ring.number, 0) + 1
    return counts


def assert_accounted(emulator: Emulator, outcomes: list[Outcome]) -> None:
    """Whoever rang is Placed or Uncertain, exactly once; whoever is NotPlaced did not ring."""
    rings = rings_per_number(emulator)
    assert max(rings.values(), default=0) <= 1
    by_number = {outcome.request.number: outcome for outcome in outcomes}
    assert len(by_number) == len(outcomes)
    assert set(rings) <= set(by_number)
    for rung in rings:
        assert not isinstance(by_number[rung], NotPlaced)
    for outcome in outcomes:
        if isinstance(outcome, Placed):
            assert outcome.result.to == outcome.request.number
            assert outcome.request.number in rings


def assert_nothing_left(client: Client, dispatcher: CallDispatcher) -> None:
    assert dispatcher._slots.taken == 0
    assert not dispatcher._runs
    assert not dispatcher._singles
    for pool in client.pool_statistics():
        assert (pool.in_use, pool.waiting) == (0, 0)
    # The emulator's connections live on the same loop; only tasks of ours count.
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    ours = ("Run.", "CallDispatcher.", "HostPool.", "finish", "Dial.")
    assert not [name for name in names if name.startswith(ours)]


async def test_every_request_of_a_list_comes_back_once_with_its_own_result(
    client: Client, emulator: Emulator
) -> None:
    async with client.dispatcher(max_concurrency=50) as dispatcher:
        outcomes = [outcome async for outcome in dispatcher.dial(iter(numbered(500)))]
    assert_accounted(emulator, outcomes)
    assert sorted(outcome.request.reference for outcome in outcomes) == list(range(500))
    ids = {o.request.number: o.result.call_id for o in outcomes if isinstance(o, Placed)}
    assert ids == {ring.number: ring.call_id for ring in emulator.rings}
    assert dispatcher.progress.placed == dispatcher.progress.taken == 500
    assert_nothing_left(client, dispatcher)


async def test_dial_all_keeps_the_order_of_the_requests(client: Client) -> None:
    async with client.dispatcher(max_concurrency=20) as dispatcher:
        outcomes = await dispatcher.dial_all(numbered(100))
    assert [outcome.request.reference for outcome in outcomes] == list(range(100))


async def test_an_async_source_is_pulled_one_at_a_time_and_closed(client: Client) -> None:
    state = {"inside": 0, "closed": False}

    async def source() -> AsyncIterator[CallRequest]:
        try:
            for request in numbered(40):
                assert state["inside"] == 0
                state["inside"] += 1
                await asyncio.sleep(0)
                state["inside"] -= 1
                yield request
        finally:
            state["closed"] = True

    async with client.dispatcher(max_concurrency=10) as dispatcher:
        assert len(await dispatcher.dial_all(source())) == 40
    assert state["closed"]


async def test_bad_rows_are_outcomes_and_the_list_goes_on(
    client: Client, emulator: Emulator
) -> None:
    rows = [
        CallRequest(number(1)),
        CallRequest("not a number"),
        CallRequest(""),
        CallRequest(number(2), dynamic_variables={"when": object()}),
        {"number": number(3)},
        None,
        CallRequest(12345678901),  # type: ignore[arg-type]
        CallRequest(number(4)),
    ]
    async with client.dispatcher() as dispatcher:
        outcomes = await dispatcher.dial_all(rows)  # type: ignore[arg-type]
    kinds = [type(outcome).__name__ for outcome in outcomes]
    assert kinds == ["Placed", *["NotPlaced"] * 6, "Placed"]
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, NotPlaced)]
    assert all(isinstance(error, InvalidRequestError) for error in errors)
    assert isinstance(errors[0], InvalidNumberError)
    assert len(emulator.rings) == 2


async def test_faults_in_the_middle_of_a_list_are_outcomes_and_nobody_is_rung_twice(
    emulator: Emulator,
) -> None:
    faults = ("drop", "reset", "half_reply", "garbage", "html", "no_call_id", "redirect")
    for kind in faults:
        emulator.add_fault(Fault(kind, rings=kind not in ("redirect", "html"), rate=0.04))
    emulator.add_fault(Fault("status", status=500, rings=True, rate=0.03))
    emulator.add_fault(Fault("status", status=500, rings=False, rate=0.03))
    emulator.add_fault(Fault("reset", moment="on_head", rate=0.03))
    async with (
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=40) as dispatcher,
    ):
        outcomes = await dispatcher.dial_all(numbered(1500))
    assert_accounted(emulator, outcomes)
    assert {type(outcome) for outcome in outcomes} == {Placed, NotPlaced, Uncertain}
    assert len(outcomes) == 1500
    assert_nothing_left(client, dispatcher)


async def test_thousands_of_calls_never_exceed_a_thousand_at_once() -> None:
    async with (
        # Long enough for a slow machine to have most of a thousand under way.
        Emulator(script=Script(latency=2.0)) as emulator,
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=1000) as dispatcher,
    ):
        outcomes = [outcome async for outcome in dispatcher.dial(numbered(2000))]
        (pool,) = client.pool_statistics()
        assert 500 < emulator.statistics.max_in_flight <= 1000
        assert emulator.statistics.connections <= 1000
        assert pool.opened <= 1000
        assert dispatcher.progress.placed == 2000
        assert_accounted(emulator, outcomes)


async def test_the_limit_is_kept_by_lists_and_single_calls_together() -> None:
    async with (
        Emulator(script=Script(latency=0.01)) as emulator,
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=7) as dispatcher,
    ):
        await asyncio.gather(
            dispatcher.dial_all(numbered(40)),
            dispatcher.dial_all(numbered(40, start=100)),
            *(dispatcher.call(request) for request in numbered(40, start=200)),
        )
        assert emulator.statistics.max_in_flight == 7
        assert dispatcher.progress.placed == 120


async def test_a_slow_source_does_not_keep_a_slot_from_single_calls(client: Client) -> None:
    release = asyncio.Event()

    async def source() -> AsyncIterator[CallRequest]:
        await release.wait()
        yield CallRequest(number(1))

    async with client.dispatcher(max_concurrency=1) as dispatcher:
        listing = asyncio.create_task(dispatcher.dial_all(source()))
        await asyncio.sleep(0)
        assert isinstance(await dispatcher.call(CallRequest(number(2))), Placed)
        release.set()
        assert len(await listing) == 1


async def test_the_concurrency_can_be_raised_and_lowered_while_running() -> None:
    async with (
        Emulator(script=Script(latency=0.02)) as emulator,
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=2) as dispatcher,
    ):
        seen = []
        async for _ in dispatcher.dial(numbered(120)):
            seen.append(emulator.statistics.max_in_flight)
            if len(seen) == 10:
                assert max(seen) <= 2
                dispatcher.max_concurrency = 150  # more than the pool had at first
        assert 2 < emulator.statistics.max_in_flight <= 150


async def test_requests_are_pulled_only_as_outcomes_are_fetched(client: Client) -> None:
    pulled = 0

    def source() -> Iterator[CallRequest]:
        nonlocal pulled
        for request in numbered(10_000):
            pulled += 1
            yield request

    async with client.dispatcher(max_concurrency=5) as dispatcher:
        dial = dispatcher.dial(source())
        for _ in range(20):
            await anext(dial)
        for _ in range(50):
            await asyncio.sleep(0.002)  # nobody fetches: the workers must come to rest
        assert pulled <= 20 + 5 + 5 + 1
        await dial.aclose()


async def test_leaving_the_loop_early_stops_dialling_and_loses_no_outcome(
    client: Client, emulator: Emulator
) -> None:
    got: list[Outcome] = []
    async with client.dispatcher(max_concurrency=20) as dispatcher:
        async for outcome in dispatcher.dial(iter(numbered(5000))):
            got.append(outcome)
            if len(got) == 30:
                break
        await asyncio.sleep(0.05)
        rung_after_break = len(emulator.rings)
        await asyncio.sleep(0.05)
        assert len(emulator.rings) == rung_after_break
    assert len(emulator.rings) < 150
    assert_accounted(emulator, got + list(dispatcher.undelivered))
    assert_nothing_left(client, dispatcher)


async def test_an_exception_in_the_loop_leaves_nothing_behind_and_loses_no_outcome(
    client: Client, emulator: Emulator
) -> None:
    got: list[Outcome] = []
    with pytest.raises(KeyError):
        async with client.dispatcher(max_concurrency=20) as dispatcher:
            async for outcome in dispatcher.dial(iter(numbered(5000))):
                got.append(outcome)
                if len(got) == 25:
                    raise KeyError("user code")
    assert_accounted(emulator, got + list(dispatcher.undelivered))
    assert_nothing_left(client, dispatcher)


@pytest.mark.parametrize("after", [0, 1, 3, 20, 60])
async def test_cancelling_the_consumer_leaves_nothing_behind_and_loses_no_outcome(
    emulator: Emulator, after: int
) -> None:
    got: list[Outcome] = []
    dispatchers: list[CallDispatcher] = []
    async with Client(emulator.api_key, config=config_of(emulator)) as client:

        async def consume() -> None:
            async with client.dispatcher(max_concurrency=20) as dispatcher:
                dispatchers.append(dispatcher)
                async for outcome in dispatcher.dial(iter(numbered(100_000))):
                    got.append(outcome)

        task = asyncio.create_task(consume())
        while len(got) < after:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = list(dispatchers[0].undelivered) if dispatchers else []
        assert_accounted(emulator, got + left)
        if dispatchers:
            assert_nothing_left(client, dispatchers[0])


async def test_a_source_that_raises_ends_the_list_after_every_outcome(
    client: Client, emulator: Emulator
) -> None:
    def source() -> Iterator[CallRequest]:
        yield from numbered(37)
        raise LookupError("row 38 is broken")

    got: list[Outcome] = []
    async with client.dispatcher(max_concurrency=10) as dispatcher:
        with pytest.raises(LookupError, match="row 38"):
            async for outcome in dispatcher.dial(source()):
                got.append(outcome)
    assert len(got) == len(emulator.rings) == 37
    assert_nothing_left(client, dispatcher)


async def test_dial_all_that_is_cancelled_hands_its_outcomes_to_undelivered(
    emulator: Emulator,
) -> None:
    async with (
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=5) as dispatcher,
    ):
        task = asyncio.create_task(dispatcher.dial_all(numbered(5000)))
        await emulator.wait_for_rings(50)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert_accounted(emulator, list(dispatcher.undelivered))
    assert_nothing_left(client, dispatcher)


async def test_a_cancelled_single_call_that_had_left_is_recorded_when_it_is_answered() -> None:
    async with (
        Emulator(script=Script(latency=0.03)) as emulator,
        Client(emulator.api_key, config=config_of(emulator)) as client,
    ):
        async with client.dispatcher() as dispatcher:
            task = asyncio.create_task(dispatcher.call(CallRequest(number(1))))
            await emulator.wait_for_rings(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        (outcome,) = dispatcher.undelivered
        assert isinstance(outcome, Placed)
        assert outcome.result.call_id == emulator.rings[0].call_id


async def test_a_single_call_cancelled_before_it_left_rings_nobody(
    client: Client, emulator: Emulator
) -> None:
    async with client.dispatcher(calls_per_second=0.01) as dispatcher:
        await dispatcher.call(CallRequest(number(1)))
        task = asyncio.create_task(dispatcher.call(CallRequest(number(2))))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (outcome,) = dispatcher.undelivered
    assert isinstance(outcome, NotPlaced)
    assert isinstance(outcome.error, StoppedError)
    assert len(emulator.rings) == 1


async def test_calls_without_a_reply_when_the_grace_is_over_are_uncertain(
    emulator: Emulator,
) -> None:
    emulator.add_fault(Fault("stall", rings=True))
    async with Client(emulator.api_key, config=config_of(emulator)) as client:
        async with client.dispatcher(max_concurrency=5, grace_seconds=0.05) as dispatcher:
            dial = dispatcher.dial(numbered(100))
            await emulator.wait_for_rings(5)
        outcomes = list(dispatcher.undelivered)
        assert len(outcomes) == 5
        assert all(isinstance(outcome, Uncertain) for outcome in outcomes)
        assert all(isinstance(o.error, StoppedError) for o in outcomes if isinstance(o, Uncertain))
        assert_accounted(emulator, outcomes)
        assert_nothing_left(client, dispatcher)
        del dial


async def test_a_second_cancellation_ends_the_grace_and_still_records(emulator: Emulator) -> None:
    emulator.add_fault(Fault("stall", rings=True))
    async with Client(emulator.api_key, config=config_of(emulator)) as client:
        dispatcher = client.dispatcher(max_concurrency=5, grace_seconds=3600)

        async def run() -> None:
            async with dispatcher:
                await dispatcher.dial_all(numbered(10))

        task = asyncio.create_task(run())
        await emulator.wait_for_rings(5)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert_accounted(emulator, list(dispatcher.undelivered))
        assert len(dispatcher.undelivered) == 5
        assert_nothing_left(client, dispatcher)


async def test_the_deadline_ends_the_list_and_says_so(emulator: Emulator) -> None:
    async with (
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=2, calls_per_second=50) as dispatcher,
    ):
        got: list[Outcome] = []
        with pytest.raises(DeadlineError):
            async for outcome in dispatcher.dial(numbered(10_000), deadline_seconds=0.2):
                got.append(outcome)
        assert 0 < len(emulator.rings) < 100
        assert_accounted(emulator, got)
    assert_nothing_left(client, dispatcher)


async def arrivals_at(emulator: Emulator, pace: float, *, calls: int) -> list[float]:
    async with (
        Client(emulator.api_key, config=config_of(emulator)) as client,
        client.dispatcher(max_concurrency=20, calls_per_second=pace) as dispatcher,
    ):
        await dispatcher.dial_all(numbered(calls))
    return emulator.arrivals


def most_in_a_second(moments: list[float]) -> int:
    return max(sum(1 for other in moments if at <= other < at + 1) for at in moments)


async def test_ten_per_second_arrive_as_ten_per_second(emulator: Emulator) -> None:
    # Slow enough that the jitter of a loaded machine stays far below the gap between two calls.
    assert most_in_a_second(await arrivals_at(emulator, 10, calls=22)) <= 11


@pytest.mark.deep
async def test_on_a_quiet_machine_fifty_per_second_are_kept_to_the_full(
    emulator: Emulator,
) -> None:
    arrivals = await arrivals_at(emulator, 50, calls=1000)
    assert most_in_a_second(arrivals) <= 51
    assert (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) >= 48


async def test_a_429_slows_every_task_and_is_waited_out(emulator: Emulator) -> None:
    emulator.add_fault(Fault("throttle", times=3, retry_after="1"))
    waits: list[float] = []
    async with (
        Client(
            emulator.api_key,
            config=config_of(emulator),
            observer=lambda event: waits.append(getattr(event, "wait_seconds", 0.0)),
        ) as client,
        client.dispatcher(max_concurrency=3) as dispatcher,
    ):
        outcomes = await dispatcher.dial_all(numbered(30))
    arrivals = emulator.arrivals
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    assert max(gaps) >= 1.0  # the whole dispatcher was silent, not one task of it
    assert gaps.index(max(gaps)) <= 4
    assert dispatcher.progress.placed == 30
    assert_accounted(emulator, outcomes)


async def test_a_service_that_refuses_for_ever_is_given_up_as_not_placed(
    emulator: Emulator,
) -> None:
    emulator.add_fault(Fault("throttle", retry_after="0"))
    config = config_of(emulator, retry=RetrySettings(max_retries=2, first_wait_seconds=0.001))
    async with (
        Client(emulator.api_key, config=config) as client,
        client.dispatcher() as dispatcher,
    ):
        (outcome,) = await dispatcher.dial_all(numbered(1))
    assert isinstance(outcome, NotPlaced)
    assert isinstance(outcome.error, ThrottledError)
    assert not emulator.rings


async def test_what_on_outcome_raises_does_not_disturb_the_list(client: Client) -> None:
    def broken(_: Outcome) -> None:
        raise RuntimeError("observer")

    async with client.dispatcher(on_outcome=broken) as dispatcher:
        assert len(await dispatcher.dial_all(numbered(20))) == 20


async def test_a_client_closed_under_a_list_ends_it_with_one_clear_error(
    emulator: Emulator,
) -> None:
    got: list[Outcome] = []
    client = Client(emulator.api_key, config=config_of(emulator))
    async with client.dispatcher(max_concurrency=5) as dispatcher:
        with pytest.raises(ClosedError):
            async for outcome in dispatcher.dial(numbered(10_000)):
                got.append(outcome)
                if len(got) == 20:
                    await client.aclose()
    assert_accounted(emulator, got + list(dispatcher.undelivered))


async def test_used_outside_its_block_a_dispatcher_says_so(client: Client) -> None:
    dispatcher = client.dispatcher()
    with pytest.raises(NotStartedError, match="async with"):
        dispatcher.dial([])
    async with dispatcher:
        assert await dispatcher.dial_all([]) == []
    with pytest.raises(NotStartedError):
        await dispatcher.call(CallRequest(number(1)))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        Client("k").dispatcher(max_concurrency=limit)


async def test_random_endings_at_random_moments_lose_and_double_nothing(
    emulator: Emulator,
) -> None:
    dice = random.Random(20261122)
    start = 0
    async with Client(emulator.api_key, config=config_of(emulator)) as client:
        everything: list[Outcome] = []
        for _ in range(40):
            got: list[Outcome] = []
            # No ending may need the grace: everything that left is answered at once.
            dispatcher = client.dispatcher(
                max_concurrency=dice.choice([1, 3, 25]), grace_seconds=3600
            )

            async def consume(
                dispatcher: CallDispatcher = dispatcher,
                got: list[Outcome] = got,
                first: int = start,
                stop_at: int = dice.randrange(1, 60),
            ) -> None:
                async with dispatcher:
                    async for outcome in dispatcher.dial(iter(numbered(1000, start=first))):
                        got.append(outcome)
                        if len(got) == stop_at:
                            break

            task = asyncio.create_task(consume())
            for _ in range(dice.randrange(400)):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=60)
            assert done
            everything += [*got, *dispatcher.undelivered]
            start += 1000
            assert_nothing_left(client, dispatcher)
        gc.collect()
        assert_accounted(emulator, everything)
