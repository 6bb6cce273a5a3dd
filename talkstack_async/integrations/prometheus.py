"""Metrics for Prometheus, from the facts observers are told.

    metrics = Metrics()
    client = Client.from_env(observer=metrics)

Needs the extra `prometheus`. No label holds a number, a secret, or the id of a call: each has as
many values as there are operations, states or campaigns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from ..errors import MissingExtraError
from ..phone import scrub_numbers
from ..telemetry import (
    AttemptChanged,
    Event,
    PoolWaited,
    RequestFinished,
    RequestRepeated,
    SlowedDown,
)

try:
    from prometheus_client import (
        REGISTRY,
        CollectorRegistry,
        Counter,
        Gauge,
        GCCollector,
        Histogram,
        PlatformCollector,
        ProcessCollector,
    )
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
except ImportError as error:
    raise MissingExtraError(
        "metrics need prometheus-client: pip install 'talkstack-async[prometheus]'"
    ) from error

if TYPE_CHECKING:
    from ..campaign.progress import RunProgress

__all__ = ["CONTENT_TYPE", "Metrics", "exposition", "new_registry"]

CONTENT_TYPE = CONTENT_TYPE_LATEST

_ANSWER_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CALL_SECONDS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class Metrics:
    """An observer that counts. One for each registry; it may watch any number of clients.

    Attributes:
        registry: Where the metrics are registered; the library's own unless given.
    """

    def __init__(self, *, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self._in_flight = Gauge(
            "talkstack_calls_in_flight", "Calls being placed.", registry=registry
        )
        self._followed = Gauge(
            "talkstack_calls_followed", "Calls being followed to their end.", registry=registry
        )
        self._requests = Counter(
            "talkstack_requests",
            "Requests that are over, by operation and HTTP status (none: no answer).",
            ["operation", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "talkstack_request_seconds",
            "From asking for a request to its end, repetitions included.",
            ["operation"],
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self._uncertain = Counter(
            "talkstack_requests_uncertain",
            "Requests that may have taken effect, and nobody can tell.",
            ["operation"],
            registry=registry,
        )
        self._repeated = Counter(
            "talkstack_requests_repeated",
            "Requests sent again, which had certainly had no effect.",
            ["operation"],
            registry=registry,
        )
        self._pool_seconds = Histogram(
            "talkstack_pool_wait_seconds",
            "What requests that found no free connection waited for one.",
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self._held_back = Counter(
            "talkstack_held_back_seconds",
            "What the service asked us to wait (429).",
            registry=registry,
        )
        self._attempts = Counter(
            "talkstack_attempts",
            "Attempts of campaigns that came to a state, and how their calls ended.",
            ["campaign", "state", "disposition"],
            registry=registry,
        )
        self._answer_seconds = Histogram(
            "talkstack_attempt_answer_seconds",
            "From the claim of a contact to the answer to its call.",
            ["campaign"],
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self._attempt_seconds = Histogram(
            "talkstack_attempt_seconds",
            "From the claim of a contact to the end of its attempt.",
            ["campaign"],
            buckets=_CALL_SECONDS,
            registry=registry,
        )

    def __call__(self, event: Event) -> None:
        """Take in a fact: this is what makes it an observer."""
        match event:
            case AttemptChanged():
                self._note_attempt(event)
            case RequestFinished():
                self._note_request(event)
            case RequestRepeated(operation=operation):
                self._repeated.labels(operation).inc()
            case PoolWaited(wait_seconds=seconds):
                self._pool_seconds.observe(seconds)
            case SlowedDown(wait_seconds=seconds):
                self._held_back.inc(seconds)
            case _ as unreachable:
                assert_never(unreachable)

    def show(self, progress: Callable[[], RunProgress]) -> None:
        """Show how many calls are under way, as a runner or a worker tells it when asked.

        `metrics.show(lambda: worker.progress)`
        """
        self._in_flight.set_function(lambda: progress().in_flight)
        self._followed.set_function(lambda: progress().followed)

    def _note_request(self, event: RequestFinished) -> None:
        status = "none" if event.status is None else str(event.status)
        self._requests.labels(event.operation, status).inc()
        self._request_seconds.labels(event.operation).observe(event.elapsed_seconds)
        if event.uncertain:
            self._uncertain.labels(event.operation).inc()

    def _note_attempt(self, event: AttemptChanged) -> None:
        # A campaign may be called like its list, and a list may be called like a number.
        campaign = scrub_numbers(event.campaign)
        self._attempts.labels(campaign, event.state, event.disposition or "").inc()
        if event.elapsed_seconds is None:
            return
        if event.state in ("placed", "rejected", "unknown"):
            self._answer_seconds.labels(campaign).observe(event.elapsed_seconds)
        if event.is_over and event.state != "released":
            self._attempt_seconds.labels(campaign).observe(event.elapsed_seconds)


def new_registry() -> CollectorRegistry:
    """Make a registry of one's own that knows what is generally told of a Python process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry = REGISTRY) -> bytes:
    """Return everything a registry holds, as Prometheus reads it; its type is CONTENT_TYPE."""
    return generate_latest(registry)
