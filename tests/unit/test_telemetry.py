from __future__ import annotations

import logging

import attrs
import pytest

from talkstack_async import telemetry
from talkstack_async.telemetry import (
    Event,
    PoolWaited,
    RequestFinished,
    RequestRepeated,
    SlowedDown,
    notify,
    several,
)

EVENTS: list[Event] = [
    RequestRepeated(
        request_id="a-1",
        operation="calls.make",
        attempt=1,
        wait_seconds=0.5,
        reason="ConnectError",
    ),
    RequestFinished(
        request_id="a-1",
        operation="calls.make",
        status=200,
        attempts=2,
        elapsed_seconds=0.1,
        uncertain=False,
    ),
    PoolWaited(host="calls", wait_seconds=1.0),
    SlowedDown(wait_seconds=2.0),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_observer_gets_each_event_once(event: Event) -> None:
    seen: list[Event] = []
    notify(seen.append, event)
    assert seen == [event]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_nobody_watching_is_fine(event: Event) -> None:
    notify(None, event)


def test_an_observer_that_fails_is_logged_and_disturbs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("the dashboard is down")

    with caplog.at_level(logging.ERROR, "talkstack_async"):
        notify(broken, EVENTS[-1])
    assert "SlowedDown" in caplog.text
    assert "the dashboard is down" in caplog.text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_observer_may_stop_the_program(stop: type[BaseException]) -> None:
    def stopper(event: Event) -> None:
        raise stop

    with pytest.raises(stop):
        notify(stopper, EVENTS[0])


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_no_event_has_room_for_a_number_or_a_credential(event: Event) -> None:
    names = {field.name for field in attrs.fields(type(event))}
    assert not names & {"number", "to", "from_", "body", "headers", "request", "credential", "url"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_cannot_be_changed_by_one_observer_for_the_next(event: Event) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.wait_seconds = 0  # type: ignore[misc,union-attr]


def test_a_library_is_silent_unless_asked() -> None:
    handlers = telemetry.logger.handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)


def test_several_observers_are_each_told_and_one_that_fails_keeps_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first: list[Event] = []
    last: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("the dashboard is down")

    observer = several(first.append, None, broken, last.append)
    for event in EVENTS:
        notify(observer, event)
    assert first == last == EVENTS
    assert caplog.text.count("the dashboard is down") >= len(EVENTS)


def test_one_observer_among_several_is_taken_as_it_is_and_nobody_is_nobody() -> None:
    seen: list[Event] = []
    append = seen.append
    assert several(None, append) is append
    assert several(None) is None
