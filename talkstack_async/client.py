"""The client: names the resources, opens on first use, closes. Composition and nothing else."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

import attrs

from .clock import Clock, SystemClock
from .config import ClientConfig
from .dispatch.dispatcher import CallDispatcher
from .dispatch.progress import Watcher
from .resources.agents import Agents
from .resources.auth import Auth
from .resources.calls import Calls
from .resources.numbers import Numbers
from .resources.projects import Projects
from .resources.user import UserAccount
from .resources.voices import Voices
from .secret import Secret
from .telemetry import Observer, OnReply, configure_from_env
from .transport.choosing import choose_credential
from .transport.credentials import Credential, NoCredentials
from .transport.keeper import TokenKeeper
from .transport.sessions import PoolStatistics, SessionManager
from .transport.tokens import OnTokens
from .transport.transport import Transport

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Client"]


class Client:
    """A connection to TalkStack for one credential and one event loop.

    Make one per process and keep it: it pools connections. It opens on first use, so it may be
    built before the loop runs. Close it with `async with` or `aclose()`.

    Args:
        api_key: The account's API key. Give this, or a token, or e-mail and password.
        token: A bearer token of a login; it lives for two hours.
        refresh_token: What buys the next token, so that the client outlives the first.
        email: An account's address; with `password` the client logs in when it needs to.
        password: Its password.
        on_tokens: Called, and awaited if need be, with the `Tokens` of each login and refresh.
            Store them: a refresh token may be good only once.
        config: Addresses, timeouts and the rest. A credential in it is used if none is given.
        session: An aiohttp session whose connector is to be used. It stays yours to close.
        observer: Called with facts about repeated and finished requests.
        clock: Where waiting and now come from; for tests.

    Raises:
        ConfigurationError: No credential, more than one, or plain http to another machine.
    """

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        token: str | Secret | None = None,
        refresh_token: str | Secret | None = None,
        email: str | None = None,
        password: str | Secret | None = None,
        on_tokens: OnTokens | None = None,
        config: ClientConfig | None = None,
        session: ClientSession | None = None,
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> None:
        config, clock = config or ClientConfig(), clock or SystemClock()
        credential = choose_credential(
            config,
            api_key=api_key,
            token=token,
            refresh_token=refresh_token,
            email=email,
            password=password,
            on_tokens=on_tokens,
            clock=clock,
        )
        self._build(config, credential, session=session, observer=observer, clock=clock)

    def _build(
        self,
        config: ClientConfig,
        credential: Credential,
        *,
        session: ClientSession | None,
        observer: Observer | None,
        clock: Clock,
    ) -> None:
        config.refuse_plain_http()
        self.clock = clock
        self.observer = observer
        self._credential = credential
        self._is_copy = False
        self.sessions = SessionManager(
            config, session=session, clock=self.clock, observer=observer
        )
        transport = Transport(
            config=config,
            credentials=credential,
            sessions=self.sessions,
            clock=self.clock,
            observer=observer,
        )
        self._name_resources(transport, config)

    def _name_resources(self, transport: Transport, config: ClientConfig) -> None:
        self._transport = transport
        self.config = config
        self.calls = Calls(transport, config, self.clock)
        self.projects = Projects(transport, config)
        self.agents = Agents(transport, config)
        self.voices = Voices(transport)
        self.numbers = Numbers(transport, config)
        self.user = UserAccount(transport, config)
        self.auth = Auth(transport)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        on_tokens: OnTokens | None = None,
        session: ClientSession | None = None,
        observer: Observer | None = None,
    ) -> Self:
        """Make a client from `TALKSTACK_API_KEY` and its companions.

        See `ClientConfig.from_env` for the variables. `TALKSTACK_LOG=debug`, `info` or
        `warning` writes our log to standard error.

        Raises:
            ConfigurationError: A variable is missing or cannot work.
        """
        environ = os.environ if environ is None else environ
        configure_from_env(environ)
        config = ClientConfig.from_env(environ)
        return cls(config=config, on_tokens=on_tokens, session=session, observer=observer)

    @classmethod
    def anonymous(
        cls,
        *,
        config: ClientConfig | None = None,
        session: ClientSession | None = None,
        observer: Observer | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Make a client without a credential, to sign up, log in or reset a password.

        A credential in the configuration is not used. Whatever needs one raises
        `ConfigurationError` before anything is sent.
        """
        client = cls.__new__(cls)
        client._build(  # noqa: SLF001 # ourselves, by another way in
            config or ClientConfig(),
            NoCredentials(),
            session=session,
            observer=observer,
            clock=clock or SystemClock(),
        )
        return client

    def with_options(
        self,
        *,
        total_seconds: float | None = None,
        max_retries: int | None = None,
        project_id: str | None = None,
        agent_id: str | None = None,
        on_reply: OnReply | None = None,
    ) -> Self:
        """Make a cheap copy with other settings that shares connections and credential.

        What is not given stays as it is. Closing the copy does nothing; closing the original
        closes both.

        Args:
            total_seconds: The deadline of every request, instead of `Timeouts.total`.
            max_retries: Instead of `RetrySettings.max_retries`.
            project_id: Used where a call names no project.
            agent_id: Used where a call names no agent.
            on_reply: Called with each raw reply to requests of the copy, also to those that
                are repeated or fail, before it is read. It must be quick.

        Raises:
            ConfigurationError: A setting cannot work.
        """
        config = _changed(
            self.config,
            total_seconds=total_seconds,
            max_retries=max_retries,
            project_id=project_id,
            agent_id=agent_id,
        )
        twin = copy.copy(self)
        twin._is_copy = True  # noqa: SLF001 # a copy of ourselves
        transport = self._transport.with_config(config, on_reply=on_reply)
        twin._name_resources(transport, config)  # noqa: SLF001 # likewise
        return twin

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
        after it fails as uncertain. Closing twice does nothing, and so does closing a copy of
        `with_options`: the connections belong to the original.
        """
        if self._is_copy:
            return
        try:
            await self.sessions.aclose(grace_seconds=grace_seconds)
        finally:
            if isinstance(self._credential, TokenKeeper):
                await self._credential.aclose()

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


def _changed(
    config: ClientConfig,
    *,
    total_seconds: float | None,
    max_retries: int | None,
    project_id: str | None,
    agent_id: str | None,
) -> ClientConfig:
    timeouts, retry = config.timeouts, config.retry
    if total_seconds is not None:
        timeouts = attrs.evolve(timeouts, total=total_seconds)
    if max_retries is not None:
        retry = attrs.evolve(retry, max_retries=max_retries)
    return attrs.evolve(
        config,
        timeouts=timeouts,
        retry=retry,
        project_id=config.project_id if project_id is None else project_id,
        agent_id=config.agent_id if agent_id is None else agent_id,
    )
