"""What holds for every test: it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from tests.support.clients import lane_is

LONGEST = 120.0  # seconds; far more than any test takes, so that only a hang is cut short


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
