"""What `import talkstack_async` costs beyond `import aiohttp`, in fresh interpreters.

The two take turns and the difference is taken inside each round, like the calls. The first round
does not count: it may have to compile.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TypeAlias

import attrs

from .machine import progress

__all__ = ["ImportResult", "measure_imports"]

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


def _import(module: str) -> _Sample:
    command = [sys.executable, "-c", _PROBE.format(module=module)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    wall, cpu, modules = json.loads(done.stdout)
    return wall, cpu, modules
