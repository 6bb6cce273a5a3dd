from __future__ import annotations

import subprocess
import sys

import pytest
from aiohttp import web

import talkstack_async
from talkstack_async.emulator.clock import VirtualClock
from talkstack_async.emulator.loopback import is_loopback
from talkstack_async.emulator.routing import Route, RouteTable, Visit


async def nothing(_visit: Visit) -> web.StreamResponse:
    return web.Response()


TABLE = RouteTable(
    [
        Route(operation="readAgents", method="GET", path="/agent/{projectId}", handle=nothing),
        Route(operation="special", method="GET", path="/agent/special", handle=nothing),
        Route(operation="remove", method="DELETE", path="/agent/{id}", handle=nothing),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "operation", "values"),
    [
        ("GET", "/agent/p1", "readAgents", {"projectId": "p1"}),
        ("GET", "/agent/special", "special", {}),
        ("DELETE", "/agent/a1", "remove", {"id": "a1"}),
    ],
)
def test_a_request_finds_its_route(
    method: str, path: str, operation: str, values: dict[str, str]
) -> None:
    found = TABLE.find(method, path)
    assert found is not None
    assert (found[0].operation, dict(found[1])) == (operation, values)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/agent/p1"), ("GET", "/agent/"), ("GET", "/agent"), ("GET", "/agent/a/b")],
)
def test_a_path_that_is_not_there_is_not_found(method: str, path: str) -> None:
    assert TABLE.find(method, path) is None


def test_the_clock_goes_forward_only() -> None:
    clock = VirtualClock()
    before = clock.now()
    clock.advance(3600)
    assert 3600 <= clock.now() - before < 3660
    with pytest.raises(ValueError, match="only goes forward"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="only goes forward"):
        clock.advance(float("nan"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "localhost.evil.example", "192.168.0.1"],
)
def test_everything_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_the_emulator_shares_no_code_with_the_client() -> None:
    # The package root imports the client, so an empty root stands in for it here.
    program = (
        "import sys, types; root = types.ModuleType('talkstack_async');"
        "root.__path__ = sys.argv[1:]; sys.modules['talkstack_async'] = root;"
        "import talkstack_async.emulator;"
        "print(*sorted({name.split('.')[1] for name in sys.modules"
        " if name.startswith('talkstack_async.')}))"
    )
    (package,) = talkstack_async.__path__
    shown = subprocess.run(
        [sys.executable, "-c", program, package], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["emulator"]
