from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from talkstack_async.clock import ManualClock
from talkstack_async.integrations.otel import Traces
from talkstack_async.telemetry import SlowedDown
from tests.unit.integrations.test_prometheus import CALLEE, changed


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def traces(provider: TracerProvider, clock: ManualClock) -> Traces:
    return Traces(tracer_provider=provider, clock=clock)


def lasted(span: ReadableSpan) -> float:
    assert span.end_time is not None
    assert span.start_time is not None
    return (span.end_time - span.start_time) / 1e9


async def test_a_followed_attempt_is_one_span_from_its_claim_to_its_end(
    traces: Traces, clock: ManualClock, exporter: InMemorySpanExporter
) -> None:
    traces(changed(elapsed_seconds=0.5))
    assert exporter.get_finished_spans() == ()
    await clock.advance(60)
    traces(changed(state="final", disposition="answered", reason="answered", is_over=True))
    (span,) = exporter.get_finished_spans()
    assert span.name == "talkstack.attempt"
    assert lasted(span) == pytest.approx(60.5)
    assert [event.name for event in span.events] == ["placed", "final"]
    assert span.attributes == {
        "talkstack.campaign": "spring",
        "talkstack.attempt.id": 4711,
        "talkstack.attempt.state": "final",
        "talkstack.attempt.reason": "answered",
        "talkstack.attempt.is_over": True,
        "talkstack.call.disposition": "answered",
        "talkstack.call.id": "CA1",
    }
    assert span.status.status_code is StatusCode.UNSET


def test_an_attempt_that_reached_nobody_is_an_error(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    traces(changed(state="rejected", reason="refused", is_over=True, call_id=None))
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "refused")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "rejected"
    assert "talkstack.call.id" not in span.attributes


def test_what_has_no_end_yet_is_ended_when_the_program_closes(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    traces(changed(state="unknown", attempt_id=1))
    traces(changed(attempt_id=2))
    traces.close()
    traces.close()
    spans = exporter.get_finished_spans()
    assert len(spans) == 2
    assert all(
        span.attributes and span.attributes["talkstack.attempt.is_over"] is False for span in spans
    )


async def test_what_another_run_claimed_has_a_span_from_when_it_was_heard_of(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    traces(changed(state="lost", reason="lost", elapsed_seconds=None, is_over=True))
    (span,) = exporter.get_finished_spans()
    assert lasted(span) == 0


def test_an_attempt_is_a_trace_of_its_own(
    traces: Traces, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with provider.get_tracer("app").start_as_current_span("the life of the worker") as around:
        traces(changed(is_over=True))
        (span,) = exporter.get_finished_spans()
        assert span.parent is None
        assert span.context is not None
        assert span.context.trace_id != around.get_span_context().trace_id


def test_a_number_in_a_campaigns_name_is_masked(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    traces(changed(campaign=f"{CALLEE}.csv", is_over=True))
    (span,) = exporter.get_finished_spans()
    assert CALLEE[1:] not in span.to_json()


def test_other_facts_make_no_spans_and_without_an_sdk_nothing_happens(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    traces(SlowedDown(wait_seconds=1))
    assert exporter.get_finished_spans() == ()
    bare = Traces(tracer_provider=trace.NoOpTracerProvider())
    bare(changed())
    bare(changed(state="final", is_over=True))
    bare.close()
