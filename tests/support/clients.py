"""Clients for the tests: short timeouts, and one way to ask for the outcome of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from talkstack_async import (
    CallRequest,
    Client,
    ClientConfig,
    PoolSettings,
    RetrySettings,
    Timeouts,
)

KEY = "k" * 64

_lane: Any = "auto"


@contextmanager
def lane_is(name: str) -> Iterator[None]:
    """Let the clients made meanwhile take this lane; "auto" is the fast one where it can be."""
    global _lane
    before, _lane = _lane, name
    try:
        yield
    finally:
        _lane = before


def config_for(url: str, **changes: Any) -> ClientConfig:
    settings: dict[str, Any] = {
        "calls_url": url,
        "api_url": url,
        "project_id": "p1",
        "agent_id": "a1",
        "timeouts": Timeouts(connect=5, read=10, total=20),
        "retry": RetrySettings(max_retries=3, first_wait_seconds=0.001, max_wait_seconds=0.002),
        "pool": PoolSettings(close_grace_seconds=0.5),
    }
    config = ClientConfig(**{**settings, **changes})
    return attrs.evolve(config, pool=attrs.evolve(config.pool, lane=_lane))


def client_for(url: str, **changes: Any) -> Client:
    return Client(KEY, config=config_for(url, **changes))


def numbered(count: int, *, start: int = 0) -> list[CallRequest]:
    return [CallRequest(number(i), reference=i) for i in range(start, start + count)]


def number(i: int) -> str:
    return f"+1415{i:07d}"
