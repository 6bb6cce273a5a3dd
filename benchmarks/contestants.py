"""Who takes part, under which name, on which event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from importlib import import_module

import attrs

from . import clients, sdks
from .clients import Opener

__all__ = [
    "CONTESTANTS",
    "DIAL",
    "DIAL_EXTRA",
    "FLOOR",
    "FLOOR_EXTRA",
    "MAKE",
    "MAKE_EXTRA",
    "MAKE_PUBLIC",
    "NAIVE",
    "NAIVE_GATHER",
    "OURS",
    "OURS_AND_AIOHTTP",
    "SDKS",
    "Contestant",
]

NAIVE = "naive aiohttp"
NAIVE_GATHER = "naive aiohttp, Semaphore and gather"
MAKE_PUBLIC = "ours, calls.make, public lane"
MAKE = "ours, calls.make"
DIAL = "ours, dispatcher.dial"
# With the extra `fast`: on uvloop, and with orjson. All others of ours do without both.
MAKE_EXTRA = "ours, calls.make, uvloop and orjson"
DIAL_EXTRA = "ours, dispatcher.dial, uvloop and orjson"
FLOOR = "floor, bare Protocol"
FLOOR_EXTRA = "floor, bare Protocol, uvloop and orjson"


@attrs.frozen
class Contestant:
    """One who takes part.

    Attributes:
        extra: On uvloop, and with orjson.
        package: What has to be installed, for whoever is not ours.
    """

    name: str
    open: Opener
    extra: bool = False
    package: str | None = None

    @property
    def loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
        """Raises ImportError where the extra is not installed."""
        if not self.extra:
            return None
        import_module("orjson")
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
        return factory

    @property
    def is_sdk(self) -> bool:
        return self.package is not None


_ALL = (
    Contestant(NAIVE, clients.naive),
    Contestant(NAIVE_GATHER, clients.naive_gather),
    Contestant(MAKE_PUBLIC, partial(clients.ours_make, lane="public")),
    Contestant(MAKE, clients.ours_make),
    Contestant(DIAL, clients.ours_dial),
    Contestant(FLOOR, clients.floor),
    Contestant(MAKE_EXTRA, clients.ours_make, extra=True),
    Contestant(DIAL_EXTRA, clients.ours_dial, extra=True),
    Contestant(FLOOR_EXTRA, clients.floor_extra, extra=True),
    Contestant("twilio, AsyncTwilioHttpClient", sdks.twilio, package="twilio"),
    Contestant("openai, aiohttp transport", sdks.openai_aiohttp, package="openai"),
    Contestant("openai", sdks.openai, package="openai"),
    Contestant("retell, aiohttp transport", sdks.retell_aiohttp, package="retell-sdk"),
    Contestant("retell", sdks.retell, package="retell-sdk"),
    Contestant("elevenlabs", sdks.elevenlabs, package="elevenlabs"),
    Contestant("vapi, aiohttp transport", sdks.vapi_aiohttp, package="vapi-server-sdk"),
    Contestant("vapi", sdks.vapi, package="vapi-server-sdk"),
)

CONTESTANTS: dict[str, Contestant] = {one.name: one for one in _ALL}
SDKS = tuple(one.name for one in _ALL if one.is_sdk)
OURS_AND_AIOHTTP = tuple(one.name for one in _ALL if not one.is_sdk)
OURS = tuple(name for name in OURS_AND_AIOHTTP if name.startswith("ours"))
