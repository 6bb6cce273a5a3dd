"""The machine a figure was taken on, and what keeps it from disturbing the figure."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version

__all__ = ["Cores", "allow_many_sockets", "describe", "pin", "progress", "today"]


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
    names = ("aiohttp", "attrs", "cattrs")
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": f"{cores.count}" + (", client and server on one each" if cores.are_apart else ""),
        **{name: version(name) for name in names},
    }


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def progress(text: str) -> None:
    """Say how far we are, where it does not get into the tables."""
    print(text, file=sys.stderr, flush=True)
