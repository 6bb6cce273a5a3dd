"""The examples run as they are printed, and the shipped fixtures work in somebody's suite."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from talkstack_async import Client
from talkstack_async.emulator import EmulatorThread

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(talkstack_emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = talkstack_emulator
    monkeypatch.setenv("TALKSTACK_API_KEY", emulator.api_key)
    monkeypatch.setenv("TALKSTACK_CALLS_URL", emulator.calls_url)
    monkeypatch.setenv("TALKSTACK_API_URL", emulator.api_url)
    monkeypatch.setenv("TALKSTACK_PROJECT_ID", emulator.project_id)
    monkeypatch.setenv("TALKSTACK_AGENT_ID", emulator.agent_id)


def run(*arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        # Without coverage, which would bring modules of its own.
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_quickstart_runs_as_it_is() -> None:
    out = run("examples/quickstart.py")
    assert out.count("CA") == 3
    assert "did not ring" in out
    assert "may have rung" in out


def test_the_campaign_runs_as_it_is() -> None:
    out = run("examples/campaign.py")
    assert "ended: waiting" in out
    assert "3 done" in out
    assert "Cy: ['busy']" in out
    assert "\nclean\n" in out
    assert "rings: 3" in out


def test_the_worker_dials_what_it_reads_and_ends_with_the_input(
    environment: None, talkstack_emulator: EmulatorThread
) -> None:
    out = run("examples/worker.py", text="+14155550101\n+14155550102\nrubbish\n")
    assert "placed=2" in out
    assert "not_placed=1" in out
    assert len(talkstack_emulator.rings) == 2


async def test_the_web_app_awaits_a_call_under_the_common_limit(
    environment: None, talkstack_emulator: EmulatorThread
) -> None:
    app = load("web_app").make_app()
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        bodies = [{"number": f"+141555501{end:02d}", "name": "Ada"} for end in (1, 2, 86, 91)]
        replies = await asyncio.gather(*(session.post("/calls", json=body) for body in bodies))
        assert sorted(reply.status for reply in replies) == [200, 200, 422, 502]
    assert len(talkstack_emulator.rings) == 3


async def test_the_shipped_fixtures_place_a_call(
    talkstack_client: Client, talkstack_emulator: EmulatorThread
) -> None:
    await talkstack_client.calls.make("+14155550101")
    assert [ring.number for ring in talkstack_emulator.rings] == ["+14155550101"]


def test_importing_the_package_brings_nothing_optional() -> None:
    unwanted = {
        "typer", "rich", "click", "aiohttp.web", "sqlite3", "orjson", "uvloop", "pytest",
        "talkstack_async.emulator", "talkstack_async.cli", "talkstack_async.campaign",
    }  # fmt: skip
    out = run("-c", "import talkstack_async, sys; print(*sys.modules)")
    assert unwanted.isdisjoint(out.split())


def test_the_emulator_is_there_when_it_is_asked_for() -> None:
    out = run("-c", "from talkstack_async import Emulator; print(Emulator.__name__)")
    assert out.strip() == "Emulator"
