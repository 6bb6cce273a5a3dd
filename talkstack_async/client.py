"""The client: names the resources, opens on first use, closes. Composition and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .clock import Clock, SystemClock
from .config import ClientConfig
from .dispatch.dispatcher import CallDispatcher
from .dispatch.progress import Watcher
from .resources.calls import Calls
from .secret import Secret
from .telemetry import Observer
from .transport.credentials import Credentials
from .transport.sessions import PoolStatistics, SessionManager
from .transport.transport import Transport

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Client"]


class Client:
    """A connection to TalkStack for one credential and one event loop.

    Make one per process and keep it: it pools connections. It opens on first use, so it may be
    built before the loop runs. Close it with `async with` or `aclose()`.

    Args:
        api_key: The account's API key. Give this or `token`, not both.
        token: A bearer token of a login; it lives for two hours.
        config: Addresses, timeouts and the rest. A credential in it is used if none is given.
        session: An aiohttp session whose connector is to be used. It stays yours to close.
        observer: Called with facts about repeated and finished requests.
        clock: Where waiting and now come from; for tests.

    Raises:
        ConfigurationError: No credential, two of them, or plain http to another machine.
    """

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        token: str | Secret | None = None,
        config: ClientConfig | None = None,
        session: ClientSession | None = None,
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config or ClientConfig()
        credentials = Credentials.of(self.config, api_key=api_key, token=token)
        self.config.refuse_plain_http()
        self.clock = clock or SystemClock()
        self.observer = observer
        self.sessions = SessionManager(
            self.config, session=session, clock=self.clock, observer=observer
        )
        transport = Transport(
            config=self.config,
            credentials=credentials,
            sessions=self.sessions,
            clock=self.clock,
            observer=observer,
        )
        self.calls = Calls(transport, self.config)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        session: ClientSession | None = None,
        observer: Observer | None = None,
    ) -> Self:
        """Make a client from `TALKSTACK_API_KEY` and its companions.

        See `ClientConfig.from_env` for the variables.

        Raises:
            ConfigurationError: A variable is missing or cannot work.
        """
        config = ClientConfig.from_env(os.environ if environ is None else environ)
        return cls(config=config, session=session, observer=observer)

    def dispatcher(
        self,
        *,
        max_concurrency: int = 10,
        calls_per_second: float | None = None,
        grace_seconds: float = 30.0,
        on_outcome: Watcher | None = None,
    ) -> CallDispatcher:
        """Make a dispatcher for many calls; use it with `async with`.

        The default of 10 calls at once is a guess: the service documents no limit. The pool
        of connections grows with `max_concurrency`. For the arguments see `CallDispatcher`.

        Raises:
            ConfigurationError: A limit is not a positive number, or `max_connections` (or the
                borrowed session) allows fewer connections than calls at once.
        """
        return CallDispatcher(
            self.calls,
            max_concurrency=max_concurrency,
            calls_per_second=calls_per_second,
            grace_seconds=grace_seconds,
            retry=self.config.retry,
            on_outcome=on_outcome,
            observer=self.observer,
            reserve=self.sessions.reserve,
            clock=self.clock,
        )

    async def warm_up(self, connections: int) -> int:
        """Open connections to the dialling host ahead of need; see `SessionManager.warm_up`."""
        return await self.sessions.warm_up(connections)

    def pool_statistics(self) -> tuple[PoolStatistics, ...]:
        """Return what each opened pool of connections is doing."""
        return self.sessions.statistics()

    async def aclose(self, *, grace_seconds: float | None = None) -> None:
        """Close, letting requests in flight finish within the grace period.

        The period is `PoolSettings.close_grace_seconds` unless given. What is still in flight
        after it fails as uncertain. Closing twice does nothing.
        """
        await self.sessions.aclose(grace_seconds=grace_seconds)

    async def __aenter__(self) -> Self:
        await self.sessions.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self.sessions.closed else "open"
        return f"<Client of {self.config.calls_url}, {state}>"
