from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry

from talkstack_async.campaign.progress import Phase, RunProgress
from talkstack_async.integrations.prometheus import Metrics, exposition
from talkstack_async.telemetry import (
    AttemptChanged,
    Event,
    PoolWaited,
    RequestFinished,
    RequestRepeated,
    SlowedDown,
)

CALLEE = "+14155550123"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry=registry)


def finished(**changes: object) -> RequestFinished:
    given = {
        "request_id": "bcdfgh-1",
        "operation": "calls.make",
        "status": 200,
        "attempts": 1,
        "elapsed_seconds": 0.2,
        "uncertain": False,
    }
    return RequestFinished(**{**given, **changes})  # type: ignore[arg-type]


def changed(**changes: object) -> AttemptChanged:
    given = {
        "campaign": "spring",
        "attempt_id": 4711,
        "state": "placed",
        "disposition": None,
        "reason": "placed",
        "elapsed_seconds": 0.3,
        "is_over": False,
        "call_id": "CA1",
    }
    return AttemptChanged(**{**given, **changes})  # type: ignore[arg-type]


def test_requests_are_counted_by_operation_and_status(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for event in (finished(), finished(), finished(status=None, uncertain=True)):
        metrics(event)
    ask = registry.get_sample_value
    of_calls = {"operation": "calls.make"}
    assert ask("talkstack_requests_total", {**of_calls, "status": "200"}) == 2
    assert ask("talkstack_requests_total", {**of_calls, "status": "none"}) == 1
    assert ask("talkstack_requests_uncertain_total", of_calls) == 1
    assert ask("talkstack_request_seconds_count", of_calls) == 3
    assert ask("talkstack_request_seconds_sum", of_calls) == pytest.approx(0.6)


def test_waits_and_repetitions_are_counted(metrics: Metrics, registry: CollectorRegistry) -> None:
    again = RequestRepeated(
        request_id="b-1",
        operation="calls.make",
        attempt=1,
        wait_seconds=0.5,
        reason="ConnectError",
    )
    for event in (again, PoolWaited(host="calls", wait_seconds=0.1), SlowedDown(wait_seconds=2.5)):
        metrics(event)
    ask = registry.get_sample_value
    assert ask("talkstack_requests_repeated_total", {"operation": "calls.make"}) == 1
    assert ask("talkstack_pool_wait_seconds_sum") == pytest.approx(0.1)
    assert ask("talkstack_held_back_seconds_total") == 2.5


def test_attempts_are_counted_by_state_and_by_how_calls_ended(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    over = changed(state="final", disposition="busy", elapsed_seconds=40.0, is_over=True)
    for event in (changed(), over):
        metrics(event)
    ask, spring = registry.get_sample_value, {"campaign": "spring"}
    placed = {**spring, "state": "placed", "disposition": ""}
    assert ask("talkstack_attempts_total", placed) == 1
    busy = {**spring, "state": "final", "disposition": "busy"}
    assert ask("talkstack_attempts_total", busy) == 1
    assert ask("talkstack_attempt_answer_seconds_sum", spring) == pytest.approx(0.3)
    assert ask("talkstack_attempt_seconds_sum", spring) == pytest.approx(40.0)


def test_what_an_earlier_run_claimed_and_what_was_given_back_has_no_age(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics(changed(state="final", disposition="answered", elapsed_seconds=None, is_over=True))
    metrics(changed(state="released", is_over=True))
    ask, spring = registry.get_sample_value, {"campaign": "spring"}
    released = {**spring, "state": "released", "disposition": ""}
    assert ask("talkstack_attempts_total", released) == 1
    assert ask("talkstack_attempt_answer_seconds_count", spring) is None
    assert ask("talkstack_attempt_seconds_count", spring) is None


def test_what_is_under_way_is_asked_for_when_somebody_looks(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    now = {"in_flight": 3, "followed": 5}

    def progress() -> RunProgress:
        return RunProgress(
            phase=Phase.DIALLING, attempts={}, dispositions={}, until=None, note="", **now
        )

    metrics.show(progress)
    assert registry.get_sample_value("talkstack_calls_in_flight") == 3
    now["in_flight"] = 4
    assert registry.get_sample_value("talkstack_calls_in_flight") == 4
    assert registry.get_sample_value("talkstack_calls_followed") == 5


def test_no_label_grows_with_the_calls_or_holds_a_number(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    def samples() -> int:
        return sum(len(family.samples) for family in registry.collect())

    def round_of(n: int) -> list[Event]:
        call_id = f"CA{n:032x}"
        return [
            finished(request_id=f"bcdfgh-{n}"),
            changed(campaign=f"{CALLEE}.csv", attempt_id=n, call_id=call_id),
            changed(campaign=f"{CALLEE}.csv", attempt_id=n, state="final", is_over=True),
        ]

    for event in round_of(1):
        metrics(event)
    before = samples()
    for n in range(2, 50):
        for event in round_of(n):
            metrics(event)
    assert samples() == before
    shown = exposition(registry).decode()
    assert CALLEE not in shown
    assert CALLEE[1:] not in shown
    assert "CA0000" not in shown
    labels = Counter(
        name
        for family in registry.collect()
        for sample in family.samples
        for name in sample.labels
    )
    assert set(labels) <= {"operation", "status", "campaign", "state", "disposition", "le"}


@pytest.mark.parametrize(
    ("library", "bridge", "extra"),
    [
        ("prometheus_client", "prometheus", "prometheus"),
        ("prometheus_client", "ledger_metrics", "prometheus"),
        ("opentelemetry", "otel", "otel"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    library: str, bridge: str, extra: str
) -> None:
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from talkstack_async.errors import MissingExtraError\n"
        f"try: import talkstack_async.integrations.{bridge}\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f"pip install 'talkstack-async[{extra}]'" in done.stdout, done.stderr
