"""Clients for the tests: short timeouts, and one way to ask for the outcome of a call."""

from __future__ import annotations

from typing import Any

from talkstack_async import (
    CallRequest,
    Client,
    ClientConfig,
    PoolSettings,
    RetrySettings,
    Timeouts,
)

KEY = "k" * 64


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
    return ClientConfig(**{**settings, **changes})


def client_for(url: str, **changes: Any) -> Client:
    return Client(KEY, config=config_for(url, **changes))


def numbered(count: int, *, start: int = 0) -> list[CallRequest]:
    return [CallRequest(number(i), reference=i) for i in range(start, start + count)]


def number(i: int) -> str:
    return f"+1415{i:07d}"
