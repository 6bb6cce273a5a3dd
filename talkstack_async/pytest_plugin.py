"""Fixtures for your own test-suite: `talkstack_emulator` and `talkstack_client`.

Installed with the package and found by pytest by itself. Nothing is imported until a fixture is
asked for, so a suite that does not use them pays nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .emulator import EmulatorThread


Fixture = TypeVar("Fixture", bound=Callable[..., object])


def _async_fixture(function: Fixture) -> Fixture:
    if importlib.util.find_spec("pytest_asyncio") is None:
        decorate: Any = pytest.fixture  # anyio's plugin runs plain fixtures
    else:
        import pytest_asyncio

        decorate = pytest_asyncio.fixture
    return cast("Fixture", decorate(function))


@pytest.fixture
def talkstack_emulator() -> Iterator[EmulatorThread]:
    """The service in miniature, fresh for each test, in a thread of its own.

    Its ledger, `talkstack_emulator.rings`, holds every phone that would have rung.
    """
    from .emulator import EmulatorThread

    with EmulatorThread() as emulator:
        yield emulator


@_async_fixture
async def talkstack_client(talkstack_emulator: EmulatorThread) -> AsyncIterator[Client]:
    """A client of the emulator, on the loop of the test."""
    from .client import Client
    from .config import ClientConfig

    config = ClientConfig(
        calls_url=talkstack_emulator.calls_url,
        api_url=talkstack_emulator.api_url,
        project_id=talkstack_emulator.project_id,
        agent_id=talkstack_emulator.agent_id,
    )
    async with Client(talkstack_emulator.api_key, config=config) as client:
        yield client
