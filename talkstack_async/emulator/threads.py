"""An emulator in a thread of its own, for tests that are not asyncio's, or not only."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from .faults import Fault
from .mailbox import Mail
from .quirks import Quirks
from .rings import Ring, RingLedger
from .scripts import Script
from .server import Emulator
from .state import FollowedRedirect, Statistics
from .webhooks import WebhookDelivery, WebhookScript

_DEFAULT_SCRIPT = Script()
_DEFAULT_QUIRKS = Quirks()
_DEFAULT_WEBHOOKS = WebhookScript()
_T = TypeVar("_T")


class EmulatorThread:
    """An `Emulator` on its own event loop, to be used from any other thread.

    Use it as `with EmulatorThread() as emulator`. It has the members of
    `Emulator`, each of which runs on the emulator's loop and waits for the
    answer; `wait_for_rings` takes a timeout instead of being awaited. Do not
    call it from the emulator's own loop.
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
        self._emulator = Emulator(
            host,
            port,
            seed=seed,
            script=script,
            faults=faults,
            strict_ids=strict_ids,
            quirks=quirks,
            webhooks=webhooks,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread and open the port.

        Raises:
            RuntimeError: It was started before.
            OSError: The port is taken.
        """
        if self._thread is not None:
            raise RuntimeError("an emulator starts once; make a new one")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(self._loop,), name="talkstack-emulator", daemon=True
        )
        self._thread.start()
        try:
            self._await(self._emulator.start)
        except BaseException:
            self._stop()
            raise

    def close(self) -> None:
        """Close the emulator and end its thread. Closing twice does nothing."""
        if self._loop is None:
            return
        self._await(self._emulator.aclose)
        self._stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """See `Emulator.url`."""
        return self._emulator.url

    @property
    def calls_url(self) -> str:
        """See `Emulator.calls_url`."""
        return self._emulator.calls_url

    @property
    def api_url(self) -> str:
        """See `Emulator.api_url`."""
        return self._emulator.api_url

    @property
    def api_key(self) -> str:
        """See `Emulator.api_key`."""
        return self._emulator.api_key

    @property
    def token(self) -> str:
        """See `Emulator.token`."""
        return self._emulator.token

    @property
    def refresh_token(self) -> str:
        """See `Emulator.refresh_token`."""
        return self._emulator.refresh_token

    @property
    def email(self) -> str:
        """See `Emulator.email`."""
        return self._emulator.email

    @property
    def password(self) -> str:
        """See `Emulator.password`."""
        return self._emulator.password

    @property
    def project_id(self) -> str:
        """See `Emulator.project_id`."""
        return self._emulator.project_id

    @property
    def agent_id(self) -> str:
        """See `Emulator.agent_id`."""
        return self._emulator.agent_id

    @property
    def rings(self) -> RingLedger:
        """See `Emulator.rings`; safe to read while the emulator dials."""
        return self._ask(lambda: self._emulator.rings)

    def rings_to(self, number: str) -> list[Ring]:
        """See `Emulator.rings_to`."""
        return self._ask(lambda: self._emulator.rings_to(number))

    @property
    def arrivals(self) -> list[float]:
        """See `Emulator.arrivals`."""
        return self._ask(lambda: self._emulator.arrivals)

    @property
    def followed_redirects(self) -> list[FollowedRedirect]:
        """See `Emulator.followed_redirects`."""
        return self._ask(lambda: self._emulator.followed_redirects)

    @property
    def statistics(self) -> Statistics:
        """See `Emulator.statistics`."""
        return self._ask(lambda: self._emulator.statistics)

    def calls_of(self, operation: str) -> int:
        """See `Emulator.calls_of`."""
        return self._ask(lambda: self._emulator.calls_of(operation))

    def mailbox(self, email: str) -> list[Mail]:
        """See `Emulator.mailbox`."""
        return self._ask(lambda: self._emulator.mailbox(email))

    def forget_user(self, email: str) -> None:
        """See `Emulator.forget_user`."""
        self._ask(lambda: self._emulator.forget_user(email))

    @property
    def webhooks(self) -> list[WebhookDelivery]:
        """See `Emulator.webhooks`."""
        return self._ask(lambda: self._emulator.webhooks)

    def wait_for_webhooks(self, *, timeout: float = 5.0) -> None:
        """See `Emulator.wait_for_webhooks`.

        Raises:
            TimeoutError: The webhooks were not delivered in time.
        """
        self._await(lambda: asyncio.wait_for(self._emulator.wait_for_webhooks(), timeout))

    def add_fault(self, fault: Fault) -> None:
        """See `Emulator.add_fault`."""
        self._ask(lambda: self._emulator.add_fault(fault))

    def clear_faults(self) -> None:
        """See `Emulator.clear_faults`."""
        self._ask(self._emulator.clear_faults)

    def expire_token(self) -> None:
        """See `Emulator.expire_token`."""
        self._ask(self._emulator.expire_token)

    def reset(self, *, seed: int | None = None) -> None:
        """See `Emulator.reset`."""
        self._ask(lambda: self._emulator.reset(seed=seed))

    def advance(self, seconds: float) -> None:
        """See `Emulator.advance`."""
        self._ask(lambda: self._emulator.advance(seconds))

    def wait_for_rings(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """See `Emulator.wait_for_rings`.

        Raises:
            TimeoutError: The phones did not ring in time.
        """
        self._await(lambda: asyncio.wait_for(self._emulator.wait_for_rings(count), timeout))

    def _ask(self, question: Callable[[], _T]) -> _T:
        """Run a function on the emulator's loop; once it has ended, right here."""
        if self._loop is None:
            return question()

        async def answer() -> _T:
            return question()

        return self._await(answer)

    def _await(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        if self._loop is None:
            raise RuntimeError("the emulator's thread is not running")
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        # A Runner owns the shutdown of what a loop drags along (async generators, executor).
        with asyncio.Runner(loop_factory=lambda: loop):
            loop.run_forever()
