"""The benchmarks still run. What they measure is judged by `make bench`, not here."""

import subprocess
import sys
from pathlib import Path

from benchmarks.clients import CONTESTANTS

ROOT = Path(__file__).parent.parent.parent


def test_every_client_places_its_calls_and_gets_its_own_answers():
    command = [sys.executable, "-m", "benchmarks", "calls"]
    shape = ["--concurrency", "5", "--rounds", "1", "--calls", "20"]
    done = subprocess.run([*command, *shape], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(CONTESTANTS), done.stdout
