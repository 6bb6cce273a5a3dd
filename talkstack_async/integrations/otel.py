"""Traces for OpenTelemetry: one span for each attempt of a campaign, from its claim to its end.

    traces = Traces()
    worker = Worker(client, ledger, observer=traces)

Needs the extra `otel`, which is the API alone; where the spans go is up to the SDK your program
sets up. Attributes hold no phone number and no secret.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from ..clock import Clock, SystemClock
from ..errors import MissingExtraError
from ..phone import scrub_numbers
from ..telemetry import AttemptChanged, Event

try:
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        Span,
        SpanKind,
        Status,
        StatusCode,
        TracerProvider,
        get_tracer,
    )
except ImportError as error:
    raise MissingExtraError(
        "traces need opentelemetry-api: pip install 'talkstack-async[otel]'"
    ) from error

__all__ = ["Traces"]

_Key: TypeAlias = tuple[str, int]

_NAME = "talkstack.attempt"
# Nobody was reached, and not because nobody picked up.
_FAILED = ("rejected", "lost")


class Traces:
    """An observer that makes a span of each attempt.

    An attempt is a trace of its own, whatever span its worker was started in: it would keep
    that one open for days. What an earlier run or another worker had claimed gets a span from
    the moment it is heard of here.

    Args:
        tracer_provider: Whose spans they are; the global one unless given.
        clock: Where the time comes from; for tests.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, clock: Clock | None = None
    ) -> None:
        self._tracer = get_tracer("talkstack_async", tracer_provider=tracer_provider)
        self._clock = clock or SystemClock()
        self._open: dict[_Key, Span] = {}

    def __call__(self, event: Event) -> None:
        """Take in a fact: this is what makes it an observer."""
        if isinstance(event, AttemptChanged):
            self._note(event, self._clock.now())

    def close(self) -> None:
        """End the spans of attempts whose end is not known; the next run makes new ones."""
        for span in self._open.values():
            span.set_attribute("talkstack.attempt.is_over", False)  # noqa: FBT003
            span.end(_nanoseconds(self._clock.now()))
        self._open.clear()

    def _note(self, event: AttemptChanged, now: datetime) -> None:
        key = event.campaign, event.attempt_id
        span = self._open.pop(key, None) or self._begin(event, now)
        span.add_event(event.state, timestamp=_nanoseconds(now))
        _describe(span, event)
        if event.is_over:
            span.end(_nanoseconds(now))
        else:
            self._open[key] = span

    def _begin(self, event: AttemptChanged, now: datetime) -> Span:
        began_at = now - timedelta(seconds=event.elapsed_seconds or 0.0)
        return self._tracer.start_span(
            _NAME,
            context=Context(),
            kind=SpanKind.CLIENT,
            attributes={
                "talkstack.campaign": scrub_numbers(event.campaign),
                "talkstack.attempt.id": event.attempt_id,
            },
            start_time=_nanoseconds(began_at),
        )


def _describe(span: Span, event: AttemptChanged) -> None:
    span.set_attribute("talkstack.attempt.state", event.state)
    span.set_attribute("talkstack.attempt.reason", event.reason)
    span.set_attribute("talkstack.attempt.is_over", event.is_over)
    if event.disposition is not None:
        span.set_attribute("talkstack.call.disposition", event.disposition)
    if event.call_id is not None:
        span.set_attribute("talkstack.call.id", event.call_id)
    if event.state in _FAILED:
        span.set_attribute("error.type", event.state)
        span.set_status(Status(StatusCode.ERROR, event.reason))


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000
