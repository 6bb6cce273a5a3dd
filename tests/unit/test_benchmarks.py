"""The benchmarks still run. What they measure is judged by `make bench`, not here."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart, report
from benchmarks.contestants import CONTESTANTS, MAKE, NAIVE, OURS_AND_AIOHTTP, Contestant
from benchmarks.dropping import measure_dropping
from benchmarks.guard import _judge
from benchmarks.lane import open_lanes
from benchmarks.paired import Comparison, Result, compare
from benchmarks.services import SERVICES
from benchmarks.target import running_target
from benchmarks.workload import Player, rows

ROOT = Path(__file__).parent.parent.parent


def test_every_client_places_its_calls_and_gets_its_own_answers():
    command = [sys.executable, "-m", "benchmarks", "calls"]
    shape = ["--concurrency", "5", "--rounds", "1", "--calls", "20"]
    done = subprocess.run([*command, *shape], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    named = [line for line in lines if line.startswith(tuple(f"| {one} |" for one in CONTESTANTS))]
    # Whoever lacks the extra `fast` is named, with the reason.
    missing = [line for line in lines if "not installed" in line]
    assert len(named) + len(missing) == len(OURS_AND_AIOHTTP), done.stdout


def test_a_contestant_that_cannot_take_part_is_reported_and_the_others_go_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "retell", None)
    with running_target(core=None) as target:
        found = compare([NAIVE, "retell"], target=target, concurrency=2, rounds=1, calls=5)
    assert [result.client for result in found.results] == [NAIVE]
    assert found.failed == {"retell": "not installed (retell)"}


def test_a_contestant_that_mixes_up_answers_is_disqualified(monkeypatch):
    @contextlib.asynccontextmanager
    async def mixing_up(_, concurrency):
        async def call(row):
            return row

        yield Player.of(call, concurrency=concurrency, read=lambda _: ("+14155559999", "CA1"))

    monkeypatch.setitem(CONTESTANTS, "mixing up", Contestant("mixing up", mixing_up))
    with running_target(core=None) as target:
        lanes, failed = open_lanes(["mixing up"], target=target, concurrency=2, warm_up=rows(3))
    assert not lanes
    assert "is about +14155559999" in failed["mixing up"]


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.decode())
def test_a_service_names_the_number_it_was_asked_to_call(service):
    asked = {b"/2010": b"From=%2B1202&To=%2B14155550101"}.get(service[:5])
    asked = asked or b'{"to_number": "+14155550101", "number": "+14155550101"}'
    request = b"POST " + service + b" HTTP/1.1\r\n\r\n" + asked
    found = SERVICES[service].find(request, 0, len(request))
    assert found is not None
    reply = json.loads(SERVICES[service].body % {b"id": 7, b"number": found[1]})
    assert "14155550101" in json.dumps(reply)


def test_a_lost_answer_is_counted_as_a_ring_and_ours_never_rings_again():
    found = measure_dropping([MAKE], core=None, calls=5)
    assert not found["failed"]
    assert {one["lost"]: one["rings"] for one in found["results"]} == {"connection": 5, "reply": 5}
    assert all(one["rung_again"] == 0 for one in found["results"])


def result(client: str, ratio: float) -> Result:
    return Result(
        client=client,
        cpu_us=100 * ratio,
        calls_per_second=1e4,
        ratio=ratio,
        ratio_quartiles=(ratio, ratio),
        speed_ratio=1,
        server_share=0.5,
        turns=5,
        paired=5,
        disturbed=0,
        discarded=0,
    )


@pytest.mark.parametrize(("ratio", "is_allowed"), [(0.3, True), (0.6, False)])
def test_the_guard_lets_a_slow_lane_through_no_more(ratio, is_allowed):
    comparison = Comparison(
        concurrency=100,
        delay_ms=0,
        rounds=5,
        calls=1000,
        results=[result("ours, calls.make", 0.3), result("ours, dispatcher.dial", ratio)],
        missing=[],
        failed={},
    )
    assert _judge(comparison) == is_allowed


def test_the_results_that_are_kept_make_the_text_and_the_chart():
    kept = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    assert report.render(kept) in text
    drawn = chart.draw(kept)
    assert drawn == (ROOT / "benchmarks" / "chart.svg").read_text()
    svg = ElementTree.fromstring(drawn)
    names = {element.tag.rpartition("}")[2] for element in svg}
    assert {"title", "desc"} <= names
