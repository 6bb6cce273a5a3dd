"""What `import talkstack_async` costs beyond `import aiohttp`, in fresh interpreters.

The two take turns and the difference is taken inside each round, like the calls. The first round
does not count: it may have to compile. Others are timed up to a client that is ready for its
first call, because some import late what they need.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any, TypeAlias

import attrs

from .machine import progress

__all__ = ["ImportResult", "measure_imports", "measure_readiness"]

# Nothing of this may come along: it is optional, or needed by few.
_OPTIONAL = (
    "aiohttp.test_utils",
    "aiohttp.web",
    "alembic",
    "click",
    "httptools",
    "msgspec",
    "orjson",
    "psycopg",
    "pydantic",
    "pytest",
    "rich",
    "sqlalchemy",
    "sqlite3",
    "talkstack_async.emulator",
    "typer",
    "uvloop",
)

_PROBE = """
import json, sys, time
since = time.perf_counter(), time.process_time()
import {module}
wall, cpu = time.perf_counter() - since[0], time.process_time() - since[1]
print(json.dumps([wall * 1e3, cpu * 1e3, sorted(sys.modules)]))
"""


# Up to a client that can call, as each documentation has it.
_READY = {
    "plain aiohttp": """
import asyncio, aiohttp
async def ready():
    async with aiohttp.ClientSession(): pass
asyncio.run(ready())
""",
    "ours": """
import asyncio
from talkstack_async import Client
async def ready():
    async with Client("k" * 64) as client: client.calls.make
asyncio.run(ready())
""",
    "twilio": """
import asyncio
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client
async def ready():
    async with AsyncTwilioHttpClient() as http_client:
        Client("AC0", "k", http_client=http_client).calls
asyncio.run(ready())
""",
    "openai": """
import asyncio
from openai import AsyncOpenAI
AsyncOpenAI(api_key="k").chat
""",
    "retell": """
import asyncio
from retell import AsyncRetell
AsyncRetell(api_key="k").call
""",
    "elevenlabs": """
import asyncio
from elevenlabs import AsyncElevenLabs
AsyncElevenLabs(api_key="k").conversational_ai.twilio
""",
    "vapi": """
import asyncio, vapi
vapi.AsyncVapi(token="k").calls
vapi.CreateCustomerDto, vapi.AssistantOverrides
""",
}

_Sample: TypeAlias = tuple[float, float, list[str]]


@attrs.frozen(kw_only=True)
class ImportResult:
    """Medians in milliseconds.

    Attributes:
        difference_ms: Median over the rounds of the difference in wall time.
        optional: Optional modules that came along; there should be none.
    """

    rounds: int
    aiohttp_ms: float
    ours_ms: float
    difference_ms: float
    aiohttp_cpu_ms: float
    ours_cpu_ms: float
    difference_cpu_ms: float
    modules: int
    modules_beyond_aiohttp: int
    optional: list[str]


def measure_imports(*, rounds: int) -> ImportResult:
    """Import both in fresh interpreters, in turns."""
    theirs: list[_Sample] = []
    ours: list[_Sample] = []
    for number in range(-1, rounds):
        pair = [(ours, "talkstack_async"), (theirs, "aiohttp")]
        for results, module in pair if number % 2 else reversed(pair):
            results.append(_import(module))
        if number < 0:
            theirs.clear()
            ours.clear()
    progress(f"imports: {rounds} rounds")
    ours_modules, their_modules = set(ours[0][2]), set(theirs[0][2])
    return ImportResult(
        rounds=rounds,
        aiohttp_ms=statistics.median(wall for wall, _, _ in theirs),
        ours_ms=statistics.median(wall for wall, _, _ in ours),
        difference_ms=statistics.median(a[0] - b[0] for a, b in zip(ours, theirs, strict=True)),
        aiohttp_cpu_ms=statistics.median(cpu for _, cpu, _ in theirs),
        ours_cpu_ms=statistics.median(cpu for _, cpu, _ in ours),
        difference_cpu_ms=statistics.median(
            a[1] - b[1] for a, b in zip(ours, theirs, strict=True)
        ),
        modules=len(ours_modules),
        modules_beyond_aiohttp=len(ours_modules - their_modules),
        optional=sorted(ours_modules.intersection(_OPTIONAL)),
    )


def measure_readiness(*, rounds: int) -> dict[str, Any]:
    """Time each up to a client that can call, in fresh interpreters, in turns."""
    samples: dict[str, list[float]] = {name: [] for name in _READY}
    failed: dict[str, str] = {}
    for number in range(rounds):
        for name, code in _READY.items():
            if name in failed:
                continue
            try:
                samples[name].append(_time(code) * 1e3)
            except RuntimeError as error:
                failed[name] = str(error)
        progress(f"ready clients: round {number + 1} of {rounds}")
    results = [
        {"client": name, "ms": statistics.median(found)}
        for name, found in samples.items()
        if found and name not in failed
    ]
    return {"rounds": rounds, "results": results, "failed": failed}


def _time(code: str) -> float:
    timed = f"import time; since = time.perf_counter()\n{code}\nprint(time.perf_counter() - since)"
    done = subprocess.run(
        [sys.executable, "-c", timed], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.splitlines() or ["no reason given"])[-1][:160])
    return float(done.stdout.splitlines()[-1])


def _import(module: str) -> _Sample:
    command = [sys.executable, "-c", _PROBE.format(module=module)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    wall, cpu, modules = json.loads(done.stdout)
    return wall, cpu, modules
