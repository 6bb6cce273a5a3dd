"""Events the service pushes to us. Each is a hint that a call may have changed, never a proof.

The service documents neither what it sends nor how often, and signs nothing. So what comes is
read leniently, is let in by an address nobody can guess, and is believed only after the call
has been read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .asgi import asgi_app
from .events import CallEvent, Handle
from .gate import new_token
from .noticing import notify
from .receive import receive, receive_all

if TYPE_CHECKING:
    from .app import MaskedAccessLogger, application

__all__ = [
    "CallEvent",
    "Handle",
    "MaskedAccessLogger",
    "application",
    "asgi_app",
    "new_token",
    "notify",
    "receive",
    "receive_all",
]


def __getattr__(name: str) -> Any:
    # These bring aiohttp's web server along, which an ASGI app does not need.
    if name in ("MaskedAccessLogger", "application"):
        from . import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
