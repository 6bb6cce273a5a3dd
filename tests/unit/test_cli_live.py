"""What is shown of a running campaign, and how a wish to stop is heard."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from talkstack_async.campaign.ledger.base import Counts
from talkstack_async.campaign.progress import Phase, RunProgress
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.cli.live import Speed, View, view_of
from talkstack_async.cli.moments import span
from talkstack_async.cli.stopping import Stop, StopRequestedError
from talkstack_async.clock import ManualClock

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def progress(phase: Phase = Phase.DIALLING, **more: object) -> RunProgress:
    facts: dict[str, object] = {
        "attempts": {}, "dispositions": {}, "in_flight": 2, "followed": 0, "until": None,
        "note": "",
    }  # fmt: skip
    return RunProgress(phase=phase, **{**facts, **more})  # type: ignore[arg-type]


COUNTS = Counts(
    contacts={
        ContactState.READY: 60,
        ContactState.ACTIVE: 5,
        ContactState.DONE: 30,
        ContactState.REVIEW: 3,
        ContactState.EXCLUDED: 2,
    },
    attempts={AttemptState.UNKNOWN: 4},
    dispositions={"busy": 1, "answered": 29},
    reasons={},
    waiting=20,
    next_due_at=None,
    rings=34,
)


def shown(what: RunProgress, *, rate: float = 2.0) -> View:
    return view_of("list.csv", what, COUNTS, rate=rate, now=NOW)


def test_what_is_settled_and_what_is_left_is_told_apart():
    view = shown(progress())

    assert (view.settled, view.contacts) == (35, 100)
    assert (view.waiting, view.uncertain, view.review) == (20, 4, 3)
    assert list(view.ends) == ["answered", "busy"]


def test_the_time_left_counts_who_is_due_and_nobody_who_waits():
    assert shown(progress(), rate=2.0).eta == "0:00:20"
    assert shown(progress(), rate=0.0).eta == "-"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (progress(), "dialling"),
        (progress(Phase.STOPPING), "stopping"),
        (progress(Phase.PAUSED), "paused, until talkstack campaign resume"),
        (progress(Phase.CIRCUIT_OPEN, note="too many fail"), "interrupted: too many fail"),
        (progress(Phase.WAITING, followed=1), "following calls to their end"),
        (progress(Phase.WAITING), "looking for calls whose answer was lost"),
    ],
)
def test_the_phase_is_said_in_words(what: RunProgress, words: str):
    assert shown(what).phase == words


def test_a_wait_says_until_when_and_how_long():
    until = NOW + timedelta(hours=3, minutes=12)
    here = until.astimezone()

    words = shown(progress(Phase.WAITING, until=until)).phase

    assert words.startswith("waiting until ")
    assert words.endswith(", in 3 h 12 min")
    assert f"{here:%H:%M}" in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (11520, "3 h 12 min"),
     (200_000, "2 d 7 h")],
)  # fmt: skip
def test_spans_have_two_units_at_most(seconds: float, words: str):
    assert span(seconds) == words


async def test_the_rate_is_that_of_the_last_seconds():
    clock = ManualClock()
    speed = Speed(clock)
    rates = []
    for second in range(1, 21):
        await clock.advance(1)
        rates.append(speed.take(10 * min(second, 10)))

    assert rates[0] == pytest.approx(10)
    assert rates[9] == pytest.approx(10)
    assert rates[19] == 0


async def test_work_is_dropped_when_a_stop_is_requested():
    stop = Stop(tell=lambda _: None)
    dropped = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()

    asyncio.get_running_loop().call_soon(stop.interrupt)
    with pytest.raises(StopRequestedError):
        await stop.unless_requested(endless())

    assert dropped.is_set()


async def test_work_that_is_done_hands_out_its_result_or_its_error():
    stop = Stop(tell=lambda _: None)

    async def fine() -> int:
        return 7

    async def broken() -> None:
        raise ValueError("broken")

    assert await stop.unless_requested(fine()) == 7
    with pytest.raises(ValueError, match="broken"):
        await stop.unless_requested(broken())


async def test_each_wish_reaches_its_actions_once_also_if_they_come_late():
    stop, done = Stop(tell=done_nothing), []
    stop.when_requested(lambda: done.append("stop"))

    stop.interrupt()
    stop.interrupt()
    stop.when_hurried(lambda: done.append("hurry"))
    stop.when_requested(lambda: done.append("late"))

    assert done == ["stop", "hurry", "late"]


def done_nothing(text: str) -> None:
    assert "stopping" in text
