"""Whether a worker is well, for whoever restarts it and for whoever sends it traffic.

`Health.examine` answers inside your own app; `application` answers over HTTP: `/livez`, `/readyz`,
and `/metrics` if it is given some. `serve` listens on this machine only, unless told otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from ..clock import Clock, SystemClock
from ..errors import TalkstackError

if TYPE_CHECKING:
    from ..campaign.ledger.base import Ledger
    from ..campaign.worker import Worker, WorkerStanding

__all__ = ["Finding", "Health", "Scrape", "application", "serve"]

# Gives the metrics as text, and their content type.
Scrape = Callable[[], Awaitable[tuple[bytes, str]]]

# Probes come from many sides; the ledger is asked for all of them at once.
_KEPT_SECONDS = 1.0


@attrs.frozen(kw_only=True)
class Finding:
    """How a worker was found to be.

    Attributes:
        reasons: Why it is not ready; empty if it is.
        worker: What the worker says of itself; None if there is none to ask.
    """

    reasons: tuple[str, ...]
    worker: WorkerStanding | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it does its work: the ledger answers, the beat is fresh, it does not drain."""
        return not self.reasons

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        told: dict[str, Any] = {"ready": self.is_ready, "reasons": list(self.reasons)}
        if self.worker is not None:
            told |= {
                "worker": self.worker.name,
                "state": self.worker.state,
                "shards": len(self.worker.held),
                "in_flight": self.worker.in_flight,
                "last_beat_seconds_ago": self.worker.last_beat_seconds_ago,
            }
        return told


class Health:
    """Looks after a ledger and the worker that works on it.

    Args:
        ledger: An open ledger.
        worker: The worker; None for a program that only enqueues.
        timeout_seconds: How long the ledger may take to answer.
        clock: Where the time comes from; for tests.
    """

    def __init__(
        self,
        ledger: Ledger,
        worker: Worker | None = None,
        *,
        timeout_seconds: float = 3.0,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._worker = worker
        self._timeout_seconds = timeout_seconds
        self._clock = clock or SystemClock()
        self._turn = asyncio.Lock()
        self._trouble: str | None = None
        self._asked_at: float | None = None
        self._asking: asyncio.Future[Any] | None = None

    async def examine(self) -> Finding:
        """Say whether all is well. The ledger is asked once a second at most."""
        reasons: list[str] = []
        if (trouble := await self._trouble_of_ledger()) is not None:
            reasons.append(trouble)
        standing = None if self._worker is None else self._worker.standing
        if standing is not None:
            reasons += _troubles_of(standing)
        return Finding(reasons=tuple(reasons), worker=standing)

    async def _trouble_of_ledger(self) -> str | None:
        async with self._turn:
            now = self._clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= _KEPT_SECONDS:
                self._trouble = await self._ask_ledger()
                self._asked_at = self._clock.monotonic()
            return self._trouble

    async def _ask_ledger(self) -> str | None:
        # A question that is not answered yet is waited for, and not asked again: each holds one
        # of the few threads that names are resolved in, too.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ledger.campaigns())
            self._asking.add_done_callback(_note_end)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await asyncio.shield(self._asking)
        except TalkstackError as error:
            return f"the ledger cannot be used: {error}"
        except TimeoutError:
            return f"the ledger has not answered within {self._timeout_seconds:g} s"
        return None


def _note_end(asked: asyncio.Future[Any]) -> None:
    if not asked.cancelled():
        asked.exception()  # nobody may be left to be told


def _troubles_of(standing: WorkerStanding) -> list[str]:
    if standing.state == "ended":
        return ["the worker has ended"]
    if standing.state != "working":
        return [f"the worker is {standing.state}"]
    if standing.is_healthy:
        return []
    beat = standing.last_beat_seconds_ago
    if beat is None:
        return ["the worker has not reported to the ledger yet"]
    return [f"the worker reported to the ledger {beat:.0f} s ago"]


def application(health: Health, *, scrape: Scrape | None = None) -> web.Application:
    """Make an application for probes; mount it, or serve it with `serve`.

    `GET /livez` answers 200 as long as the event loop turns; restart what does not answer.
    `GET /readyz` answers 200, or 503 with reasons as JSON: nothing to restart for. `GET /metrics`
    answers what `scrape` returns.
    """

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        finding = await health.examine()
        return web.json_response(finding.document(), status=200 if finding.is_ready else 503)

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    if scrape is not None:
        app.router.add_get("/metrics", _metrics(scrape))
    return app


def _metrics(scrape: Scrape) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(_: web.Request) -> web.Response:
        text, content_type = await scrape()
        return web.Response(body=text, headers={"Content-Type": content_type})

    return metrics


def serve(
    app: web.Application, *, host: str = "127.0.0.1", port: int = 8080
) -> AbstractAsyncContextManager[str]:
    """Serve an application for as long as the block lasts, and yield where; port 0 is any.

    It asks nobody who they are: listen on another address than this machine's only where the
    network sees to that.

    Raises:
        OSError: The port cannot be opened.
    """
    from ..webhooks.app import serve as listening

    return listening(app, host=host, port=port)
