"""What a campaign costs: ledger, rules and observer on top of the bare dispatcher.

Paired like everything here: in each round the dispatcher and a campaign place the same number of
calls against the same server, one right after the other, and the ratio of their processor time
is taken inside the round. The campaign's list is in the ledger before its turn begins; reading
lists is measured by itself, in a fresh process, as is dialling from a ledger on a disk whose
fsync takes 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from talkstack_async.campaign.campaign import Campaign
from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.sqlite import SqliteLedger
from talkstack_async.campaign.records import NewContact
from talkstack_async.campaign.regions import RegionRules
from talkstack_async.campaign.runner import CampaignRunner
from talkstack_async.campaign.settings import CallingWindow, CampaignSettings, Caps
from talkstack_async.clock import SystemClock
from talkstack_async.config import Lane

from .clients import Counter, extra_is, make_client, ours_dial
from .machine import allow_many_sockets, progress, resident_mib
from .paired import quartiles
from .target import Target
from .workload import AGENT, PROJECT, rows

__all__ = ["CampaignResult", "measure_campaign"]

_CONCURRENCY = 100
_FSYNC_MS = 10
# The hours of no state: otherwise a run in an American night would wait for its morning.
_OPEN = RegionRules(as_of=date(2026, 1, 1))
_HERE = Path(__file__).parent


@attrs.frozen(kw_only=True)
class Pair:
    """A campaign beside the bare dispatcher, both in one lane.

    Attributes:
        dispatcher_us: CPU per call of the bare dispatcher, median.
        campaign_us: CPU per call of the campaign, its writer thread included, median.
        ratio: Median over the rounds.
    """

    dispatcher_us: float
    campaign_us: float
    ratio: float
    ratio_quartiles: tuple[float, float]


@attrs.frozen(kw_only=True)
class Size:
    """A list of some length, read from a CSV file and dialled in the fast lane.

    Attributes:
        import_us, dial_us: CPU per contact.
        import_mib: The most memory it took to read the list, interpreter included.
        whole_mib: The most it took in all.
    """

    contacts: int
    import_seconds: float
    import_us: float
    import_mib: float
    dial_seconds: float
    dial_us: float
    whole_mib: float


@attrs.frozen(kw_only=True)
class CampaignResult:
    """What a campaign costs.

    Attributes:
        public, fast: What was measured in each lane.
        sizes: Lists of several lengths, read and dialled.
        dialled: Contacts dialled while memory was watched.
        growth_mib: How much memory grew after the first 10,000 of them.
        slow_disk_per_second: Calls per second with an fsync of 10 ms; None if there is no
            compiler to make the disk slow with.
    """

    rounds: int
    calls: int
    public: Pair
    fast: Pair
    sizes: list[Size]
    dialled: int
    growth_mib: float
    slow_disk_per_second: float | None


def measure_campaign(
    target: Target, *, rounds: int, sizes: Sequence[int], calls: int = 8000
) -> CampaignResult:
    """Measure everything, each part in a process of its own."""
    public = _child("public", target, rounds, calls)
    fast = _child("fast", target, rounds, calls)
    read = [Size(**_child("whole", target, contacts)) for contacts in sizes]
    memory = _child("memory", target, max(30_000, max(sizes) // 10))
    slow = _slow_disk(target)
    return CampaignResult(
        rounds=rounds,
        calls=calls,
        public=Pair(**public),
        fast=Pair(**fast),
        sizes=read,
        **memory,
        slow_disk_per_second=slow,
    )


def _child(what: str, target: Target, *numbers: int, **environ: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.campaign", what, str(target.port)]
    done = subprocess.run(
        [*command, *map(str, numbers)],
        cwd=_HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **environ},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- A campaign with its list in the ledger.


def _settings() -> CampaignSettings:
    return CampaignSettings(
        project_id=PROJECT,
        agent_id=AGENT,
        # All day long but for a minute, so that the zones of each number are looked at.
        window=CallingWindow(
            start=CallingWindow.parse("00:01-23:59").start,
            end=CallingWindow.parse("00:01-23:59").end,
            margin_seconds=0,
        ),
        caps=Caps(),
        follow=False,
        max_concurrency=_CONCURRENCY,
    )


@asynccontextmanager
async def _ledger() -> AsyncIterator[SqliteLedger]:
    with tempfile.TemporaryDirectory(dir=_HERE, prefix=".campaign-") as directory:
        async with open_ledger(Path(directory) / "campaign.db", exclusive=True) as ledger:
            yield ledger


async def _campaign(ledger: SqliteLedger, nth: int, count: int) -> Campaign:
    campaign = await Campaign.open(ledger, f"nr {nth}", settings=_settings())
    campaign_id, now = campaign.record.campaign_id, SystemClock().now()
    import_id = await ledger.begin_import(campaign_id, source="bench", now=now)
    for start in range(0, count, 5000):
        await ledger.add_contacts(
            campaign_id,
            import_id=import_id,
            contacts=_contacts(nth, range(start, min(count, start + 5000))),
            now=now,
        )
    await ledger.finish_import(import_id, counts={"added": count}, digest=None, now=now)
    await campaign.refresh()
    return campaign


def _contacts(nth: int, numbers: range) -> list[NewContact]:
    (_, variables), *_ = rows(1)
    text = json.dumps(variables)
    return [
        NewContact(
            row=n + 1,
            number=f"+1{200 + nth % 700}{n:07d}",
            variables=text,
            zones=("America/Los_Angeles",),
            regions=("US-CA",),
        )
        for n in numbers
    ]


# --- Paired with the bare dispatcher.


async def _paired(target: Target, rounds: int, calls: int, *, lane: Lane) -> dict[str, Any]:
    work = rows(calls)
    told = Counter()
    ours: list[float] = []
    bare: list[float] = []
    async with (
        ours_dial(target, _CONCURRENCY, lane=lane) as player,
        make_client(target, lane=lane) as client,
    ):

        async def dial() -> float:
            cpu = time.process_time()
            await player.burst(work, None)
            return time.process_time() - cpu

        async def run() -> float:
            async with _ledger() as ledger:
                campaign = await _campaign(ledger, 0, calls)
                gc.collect()
                cpu = time.process_time()
                await CampaignRunner(
                    client, ledger, campaign.record, regions=_OPEN, observer=told
                ).run()
                cpu = time.process_time() - cpu
                assert await ledger.verify() == []
            return cpu

        for nth in range(rounds + 2):
            gc.collect()
            spent = {what: await what() for what in ((run, dial) if nth % 2 else (dial, run))}
            if nth >= 2:  # the first two open connections and fill caches
                ours.append(spent[run] / calls * 1e6)
                bare.append(spent[dial] / calls * 1e6)
                progress(f"campaign: {ours[-1]:.0f} us against {bare[-1]:.0f} us per call")
    assert told.seen == (rounds + 2) * calls, told.seen
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    low, middle, high = quartiles(ratios)
    return {
        "dispatcher_us": statistics.median(bare),
        "campaign_us": statistics.median(ours),
        "ratio": middle,
        "ratio_quartiles": (low, high),
    }


# --- Reading a list and dialling it, and memory meanwhile.


def _lines(count: int) -> Iterator[str]:
    yield "number,name,city,appointment\n"
    areas = ("201", "212", "305", "312", "404", "415", "503", "617", "713", "808")
    for n in range(count):
        area = areas[n % len(areas)]
        yield f"+1{area}{2_000_000 + n // len(areas)},Person {n},Springfield,2026-12-01 10:30\n"


async def _whole(target: Target, count: int) -> dict[str, Any]:
    async with make_client(target) as client, _ledger() as ledger:
        campaign = await Campaign.open(ledger, "whole", settings=_settings())
        path = ledger.path.with_name("list.csv")
        with path.open("w", encoding="utf-8") as file:
            file.writelines(_lines(count))
        wall, cpu = time.perf_counter(), time.process_time()
        summary = await campaign.read_list(path, rejects=path.with_suffix(".rejected.csv"))
        import_seconds, import_cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert summary is not None
        assert summary.added == count, summary
        import_mib, told = _highest_mib(), Counter()
        await campaign.refresh()
        wall, cpu = time.perf_counter(), time.process_time()
        await CampaignRunner(client, ledger, campaign.record, regions=_OPEN, observer=told).run()
        dial_seconds, dial_cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert told.seen == count, told.seen
    progress(f"campaign: {count:,} contacts read in {import_seconds:.1f} s, {dial_seconds:.1f} s")
    return {
        "contacts": count,
        "import_seconds": import_seconds,
        "import_us": import_cpu / count * 1e6,
        "import_mib": import_mib,
        "dial_seconds": dial_seconds,
        "dial_us": dial_cpu / count * 1e6,
        "whole_mib": _highest_mib(),
    }


def _highest_mib() -> float:
    # Of this program only: `ru_maxrss` begins with what the process held that started it.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _memory(target: Target, count: int) -> dict[str, Any]:
    samples: list[float] = []
    done = 0

    def note(_: object) -> None:
        nonlocal done
        done += 1
        if done >= 10_000 and done % 2_000 == 0:
            samples.append(resident_mib())

    async with make_client(target) as client, _ledger() as ledger:
        campaign = await _campaign(ledger, 1, count)
        gc.collect()
        await CampaignRunner(client, ledger, campaign.record, regions=_OPEN, observer=note).run()
    return {"dialled": count, "growth_mib": max(samples) - samples[0]}


# --- A slow disk: every fsync takes 10 ms longer.

_SLOW_FSYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static useconds_t delay(void) {
    static int known = -1;
    if (known < 0) { const char *told = getenv("SLOW_FSYNC_US"); known = told ? atoi(told) : 0; }
    return (useconds_t)known;
}
int fsync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    usleep(delay());
    return real(file);
}
int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    usleep(delay());
    return real(file);
}
"""


def _slow_disk(target: Target) -> float | None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    with tempfile.TemporaryDirectory() as directory:
        source, library = Path(directory) / "slow.c", Path(directory) / "slow.so"
        source.write_text(_SLOW_FSYNC)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        delay = {"LD_PRELOAD": str(library), "SLOW_FSYNC_US": str(_FSYNC_MS * 1000)}
        found = _child("speed", target, 10_000, **delay)
    return float(found["per_second"])


async def _speed(target: Target, count: int) -> dict[str, Any]:
    async with make_client(target) as client, _ledger() as ledger:
        campaign = await _campaign(ledger, 1, count)
        # Is the disk as slow as it is meant to be?
        began = time.perf_counter()
        await ledger.note("slow?", now=SystemClock().now(), detail={})
        commit = time.perf_counter() - began
        began = time.perf_counter()
        await CampaignRunner(client, ledger, campaign.record, regions=_OPEN).run()
        seconds = time.perf_counter() - began
    return {"per_second": count / seconds, "commit_seconds": commit}


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["public", "fast", "whole", "memory", "speed"])
    parser.add_argument("port", type=int)
    parser.add_argument("numbers", type=int, nargs="*")
    chosen = parser.parse_args()
    allow_many_sockets()
    work: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
        "public": partial(_paired, lane="public"),
        "fast": partial(_paired, lane="fast"),
        "whole": _whole,
        "memory": _memory,
        "speed": _speed,
    }
    with extra_is(False):
        found = asyncio.run(work[chosen.what](Target(chosen.port), *chosen.numbers))
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
