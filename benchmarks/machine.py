"""The machine a figure was taken on, and what keeps it from disturbing the figure."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "Cores",
    "allow_many_sockets",
    "describe",
    "pin",
    "progress",
    "resident_mib",
    "today",
]

# What the figures depend on, as far as it is installed.
_PACKAGES = (
    "aiohttp",
    "attrs",
    "cattrs",
    "uvloop",
    "orjson",
    "twilio",
    "openai",
    "retell-sdk",
    "elevenlabs",
    "vapi-server-sdk",
    "httpx",
    "httpx2",
    "httpx-aiohttp",
    "pydantic",
)


class Cores:
    """Which core the client gets, and which the server. None where they cannot be chosen."""

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.count = len(cores) or os.cpu_count() or 1
        self.client = cores[0] if len(cores) > 1 else None
        self.server = cores[-1] if len(cores) > 1 else None

    @property
    def are_apart(self) -> bool:
        return self.client is not None


def pin(core: int | None) -> None:
    """Keep this process, and those it starts from now on, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as we may: 1000 in flight, several clients."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def describe(cores: Cores) -> dict[str, str]:
    """Say what the figures depend on, and nothing that names the machine."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": f"{cores.count}" + (", client and server on one each" if cores.are_apart else ""),
        **{name: found for name in sorted(_PACKAGES) if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def resident_mib() -> float:
    """Return the memory this process holds now; where that is unknown, the most it ever held."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return _highest_ever_mib()
    line = next(line for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _highest_ever_mib() -> float:
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / (1024 * 1024 if sys.platform == "darwin" else 1024)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def progress(text: str) -> None:
    """Say how far we are, where it does not get into the tables."""
    print(text, file=sys.stderr, flush=True)
