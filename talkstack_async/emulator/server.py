"""The emulator itself: what tests, demos and benchmarks hold in their hands."""

from collections.abc import Iterable
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from .faults import Fault
from .listener import Listener
from .loopback import is_loopback
from .mailbox import Mail
from .quirks import Quirks
from .rings import Ring, RingLedger
from .scripts import Script
from .service import ROUTES
from .state import FollowedRedirect, ServiceState, Statistics
from .webhooks import WebhookDelivery, WebhookScript

_DEFAULT_SCRIPT = Script()
_DEFAULT_QUIRKS = Quirks()
_DEFAULT_WEBHOOKS = WebhookScript()


class Emulator:
    """TalkStack in miniature, on this machine only, dialling nobody.

    Use it as `async with Emulator() as emulator`, or with `start` and `aclose`.
    What it recorded can still be read after it was closed; it does not start
    twice. All members belong to the event loop it was started on; from other
    threads use `EmulatorThread`.

    Args:
        host: A loopback address or `localhost`. Everything else is refused,
            because credentials and the control plane guard nothing here.
        port: 0 lets the system choose.
        seed: Decides credentials, ids, caller ids, durations and chance.
        script: How ordinary calls go.
        faults: What goes wrong from the start, and again after each `reset`.
        strict_ids: Dial only for projects and agents that exist.
        quirks: What the service does where its documentation leaves a choice.
        webhooks: How status changes of calls are delivered.

    Raises:
        ValueError: The host is not loopback, or a fault names an unknown operation.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        seed: int = 0,
        script: Script = _DEFAULT_SCRIPT,
        faults: Iterable[Fault] = (),
        strict_ids: bool = False,
        quirks: Quirks = _DEFAULT_QUIRKS,
        webhooks: WebhookScript = _DEFAULT_WEBHOOKS,
    ) -> None:
        if not is_loopback(host):
            raise ValueError(f"the emulator listens on loopback addresses only, not on {host!r}")
        # With port 0 a name would get one port per address family.
        self._host = "127.0.0.1" if host == "localhost" else host
        self._port = port
        self._state = ServiceState(
            seed=seed,
            script=script,
            faults=faults,
            strict_ids=strict_ids,
            quirks=quirks,
            webhooks=webhooks,
            operations=ROUTES.operations,
        )
        self._listener = Listener(self._state, statistics=lambda: self.statistics)

    async def start(self) -> None:
        """Open the port.

        Raises:
            RuntimeError: It was started before.
            OSError: The port is taken.
        """
        self._port = await self._listener.start(self._host, self._port)

    async def aclose(self) -> None:
        """Cut every connection, stop every handler, and leave nothing running.

        Waits for no client. Closing twice does nothing.
        """
        await self._listener.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """Where the emulator listens, without a slash at the end.

        Raises:
            RuntimeError: It was not started, so the port is not known.
        """
        if not self._listener.is_started:
            raise RuntimeError("the emulator has no address before it is started")
        host = f"[{self._host}]" if ip_address(self._host).version == 6 else self._host
        return f"http://{host}:{self._port}"

    @property
    def calls_url(self) -> str:
        """The host of makeCall."""
        return self.url

    @property
    def api_url(self) -> str:
        """The host of every other operation; the same one today."""
        return self.url

    @property
    def api_key(self) -> str:
        """The key of the first user that is good as `x-api-key`; changes when it is replaced."""
        identity = self._state.identity
        return self._state.accounts.key_of(identity.email) or identity.api_key

    @property
    def token(self) -> str:
        """A token of the first user that is good as `Authorization: Bearer`, until it expires."""
        return self._state.identity.token

    @property
    def refresh_token(self) -> str:
        """A refresh token of the first user, good until it is used."""
        return self._state.identity.refresh_token

    @property
    def email(self) -> str:
        """The address of the first user, who is verified."""
        return self._state.identity.email

    @property
    def password(self) -> str:
        """The password of the first user, until it is changed."""
        return self._state.identity.password

    @property
    def project_id(self) -> str:
        """A project that exists."""
        return self._state.identity.project_id

    @property
    def agent_id(self) -> str:
        """An agent that exists."""
        return self._state.identity.agent_id

    @property
    def rings(self) -> RingLedger:
        """Every ring so far, in order of dialling; grows while you hold it."""
        return self._state.ledger

    def rings_to(self, number: str) -> list[Ring]:
        """Return the rings of one number."""
        return self._state.ledger.to(number)

    @property
    def arrivals(self) -> list[float]:
        """When each makeCall request arrived, in monotonic seconds; a copy."""
        return list(self._state.arrivals)

    @property
    def followed_redirects(self) -> list[FollowedRedirect]:
        """Requests that went where a redirect pointed; must stay empty."""
        return list(self._state.followed_redirects)

    @property
    def statistics(self) -> Statistics:
        """Counts since the start or the last reset."""
        return Statistics(
            requests=self._state.requests,
            connections=self._listener.opened,
            open_connections=self._listener.open_connections,
            max_in_flight=self._state.max_in_flight,
            rings=len(self._state.ledger),
        )

    def calls_of(self, operation: str) -> int:
        """Return how many requests an operation got, by its name in the contract.

        Raises:
            ValueError: There is no such operation.
        """
        return self._state.requests_for(operation)

    def mailbox(self, email: str) -> list[Mail]:
        """Return the e-mails to an address, the latest last."""
        return self._state.mailbox.to(email)

    def forget_user(self, email: str) -> None:
        """Remove a user. Refresh tokens of such a user answer 404."""
        self._state.accounts.forget(email)

    @property
    def webhooks(self) -> list[WebhookDelivery]:
        """Every attempt to deliver a status change so far, in order; a copy."""
        return list(self._state.webhooks.made)

    async def wait_for_webhooks(self) -> None:
        """Wait until every webhook that is due by now was delivered, or has failed."""
        await self._state.webhooks.idle.wait()

    def add_fault(self, fault: Fault) -> None:
        """Let one more thing go wrong from now on; the first fault to strike wins.

        Raises:
            ValueError: The fault names an unknown operation.
        """
        self._state.add_fault(fault)

    def clear_faults(self) -> None:
        """Let everything go well, magic numbers excepted."""
        self._state.faults.clear()

    def expire_token(self) -> None:
        """Make every token handed out so far answer 401; refresh tokens stay good."""
        self._state.tokens.expire_all()

    def reset(self, *, seed: int | None = None) -> None:
        """Start over as if just made, on the same port, with the same or another seed."""
        self._state.begin(self._state.identity.seed if seed is None else seed)

    def advance(self, seconds: float) -> None:
        """Make calls, tokens and codes older, and deliver webhooks that become due.

        Real waits, such as `latency`, are not shortened.

        Raises:
            ValueError: The seconds are negative, not finite, or more than a hundred years.
        """
        self._state.advance(seconds)

    async def wait_for_rings(self, count: int = 1) -> None:
        """Wait until so many phones have rung since the last reset."""
        await self._state.wait_for_rings(count)
