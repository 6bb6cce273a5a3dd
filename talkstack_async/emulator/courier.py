"""The courier: delivers webhooks over real sockets when the virtual clock says so."""

import asyncio
import json
from collections.abc import Iterable, Iterator

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from .loopback import address_to_tell
from .state import ServiceState
from .webhooks import Due, Fate, WebhookDelivery, WebhookQueue

_HANDS = 16
_HEADERS = {"Content-Type": "application/json", "User-Agent": "talkstack-emulator"}


class Courier:
    """Delivers what is due. Deliveries about one call are made one after the other.

    `run` is the only task; it ends when it is cancelled.
    """

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._session: ClientSession | None = None

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                await self._round()
        finally:
            self._queue.idle.set()
            if self._session is not None:
                await self._session.close()

    @property
    def _queue(self) -> WebhookQueue:
        return self._state.webhooks

    async def _round(self) -> None:
        """Deliver what is due now, or wait until something may be."""
        self._queue.changed.clear()
        due = self._queue.take(now=self._state.clock.now())
        if due:
            await self._deliver_all(due)
        else:
            self._queue.idle.set()
            await self._wait()

    async def _wait(self) -> None:
        next_at = self._queue.next_at()
        wait = None if next_at is None else max(0.0, next_at - self._state.clock.now())
        try:
            async with asyncio.timeout(wait):
                await self._queue.changed.wait()
        except TimeoutError:
            self._queue.idle.clear()

    async def _deliver_all(self, due: Iterable[Due]) -> None:
        chains: dict[str, list[Due]] = {}
        for one in due:
            chains.setdefault(one.change.call_id, []).append(one)
        waiting = iter(chains.values())
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_HANDS, len(chains))):
                group.create_task(self._deliver_chains(waiting))

    async def _deliver_chains(self, waiting: Iterator[list[Due]]) -> None:
        for chain in waiting:
            for due in chain:
                await self._deliver(due)

    async def _deliver(self, due: Due) -> None:
        """Make one attempt and note what became of it."""
        queue, made = self._queue, self._queue.made
        project = self._state.workspace.projects.get(due.change.project_id)
        url = None if project is None else project.call_status_webhook
        if url is None:
            # The project was deleted, or everything was reset.
            return
        answer: int | None = None
        fate: Fate = "dropped"
        if not due.is_dropped:
            fate, answer = await self._send(url, due)
        made.append(_record(due, url, fate=fate, answer=answer))
        if fate == "failed" and made is queue.made:
            queue.retry(due, now=self._state.clock.now())

    async def _send(self, url: str, due: Due) -> tuple[Fate, int | None]:
        address = address_to_tell(url, hosts=self._queue.script.hosts)
        if address is None:
            return "forbidden", None
        body = json.dumps(due.change.payload()).encode()
        try:
            async with self._opened().post(
                address, data=body, headers=_HEADERS, allow_redirects=False
            ) as reply:
                return ("delivered" if reply.ok and reply.status < 300 else "failed"), reply.status
        except (ClientError, TimeoutError, OSError, ValueError):
            return "failed", None

    def _opened(self) -> ClientSession:
        """Return the session, opened when there is something to deliver for the first time."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=_HANDS),
                timeout=ClientTimeout(total=self._queue.script.timeout),
                cookie_jar=DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def _record(due: Due, url: str, *, fate: Fate, answer: int | None) -> WebhookDelivery:
    return WebhookDelivery(
        call_id=due.change.call_id,
        status=due.change.status,
        url=url,
        attempt=due.attempt,
        fate=fate,
        answer=answer,
    )
