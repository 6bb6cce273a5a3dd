"""`talkstack webhooks`: let the service tell a campaign's ledger how its calls go."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import attrs
import typer

from .exits import CliError, ExitCode
from .ledgers import Place, find_ledger, what_opens
from .options import Json, ProjectId, group
from .output import Screen
from .private import read_private, replace_private

if TYPE_CHECKING:
    from ..campaign.ledger import Ledger
    from ..client import Client
    from ..webhooks import CallEvent

__all__ = ["ServeOptions", "app", "serve_webhooks"]

app = group("webhooks", "Webhooks: let the service tell a ledger how its calls go.")

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@attrs.frozen(kw_only=True)
class ServeOptions:
    """What `talkstack webhooks serve` was asked for."""

    ledger: str | None
    host: str
    port: int
    public_url: str | None
    register: bool
    token_file: Path | None
    project_id: str | None


@app.command("serve")
def serve(
    *,
    ledger: Annotated[
        str | None,
        typer.Option(
            help="The campaign's ledger, which must be there: its file, its list, or "
            "postgresql://host/database; else TALKSTACK_LEDGER, else the one here."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8080,
    public_url: Annotated[
        str | None,
        typer.Option(help="Where the internet reaches this port: https://hooks.example.com"),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Tell the service the address, for the project.")
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="Keeps the secret part of the address; LEDGER.webhook otherwise. Needed if the "
            "ledger is a database."
        ),
    ] = None,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Take in events about calls until Ctrl-C, and keep them in a ledger.

    Run it beside `talkstack dial`, which reads the calls again that events name. The address
    stays the same from one start to the next; whoever knows it can send events.
    """
    options = ServeOptions(
        ledger=ledger,
        host=host,
        port=port,
        public_url=public_url,
        register=register,
        token_file=token_file,
        project_id=project_id,
    )
    return asyncio.run(serve_webhooks(options, screen=Screen(json=json)))


async def serve_webhooks(options: ServeOptions, *, screen: Screen) -> int:
    """Listen until a signal comes; that is the ordinary end.

    Raises:
        CliError: An option cannot work, or the port cannot be opened.
        TalkstackError: The ledger cannot be opened, or the address was not registered.
    """
    from ..campaign.ledger import open_ledger
    from ..webhooks import application
    from ..webhooks.app import serve as listening
    from ..webhooks.gate import PREFIX
    from .stopping import Stop

    public_url = _checked_url(options.public_url)
    client = _registrar(public_url, screen=screen) if options.register else None
    place = find_ledger(options.ledger)
    token = _kept_token(options.token_file or _token_beside(place))
    stop = Stop(tell=lambda _: None)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(stop.on_signals())
        opening = open_ledger(what_opens(place), create=False)
        ledger: Ledger = await stack.enter_async_context(opening)
        inbox = _Inbox(ledger)
        receiver = application(inbox.keep, token=token)
        try:
            url = await stack.enter_async_context(
                listening(receiver, host=options.host, port=options.port)
            )
        except OSError as error:
            raise CliError(
                f"{options.host}, port {options.port} cannot be opened ({error.strerror})"
            ) from error
        address = f"{public_url or url}/{PREFIX}/{token}"
        if client is not None:
            async with client:
                await client.projects.set_webhook(address, project_id=options.project_id)
        _announce(address, listens_on=url, is_registered=options.register, screen=screen)
        await stop.requested.wait()
    screen.note(f"{inbox.kept} new events were kept; {inbox.known} were there before")
    return ExitCode.ALL_PLACED


class _Inbox:
    """Keeps events in a ledger, and counts them."""

    def __init__(self, ledger: Ledger) -> None:
        from ..clock import SystemClock

        self._ledger = ledger
        self._clock = SystemClock()
        self.kept = 0
        self.known = 0

    async def keep(self, event: CallEvent) -> None:
        """Keep an event, also about a call nobody knows: it may have beaten the reply."""
        from ..campaign.records import EventRecord

        is_new = await self._ledger.receive(
            EventRecord(
                event_id=0,
                call_id=event.call_id,
                digest=event.digest,
                status=event.status_text,
                received_at=self._clock.now(),
            )
        )
        self.kept += is_new
        self.known += not is_new


def _registrar(public_url: str | None, *, screen: Screen) -> Client:
    """Return the client that registers the address, before anything is opened."""
    from .connecting import any_client

    client = any_client(tell=screen.note)
    is_here = urlsplit(client.config.api_url).hostname in _LOOPBACK
    if public_url is None and not is_here:
        raise CliError("--register needs --public-url: the service cannot reach this machine")
    return client


def _announce(address: str, *, listens_on: str, is_registered: bool, screen: Screen) -> None:
    screen.document({"url": address, "listens_on": listens_on, "registered": is_registered})
    screen.note(f"events are taken in on {listens_on}; Ctrl-C ends it")
    if screen.json:
        return
    if is_registered:
        screen.note("the service was told the address")
    else:
        screen.note("the address to register, which is secret (talkstack projects set-webhook):")
    screen.say(address)


def _checked_url(url: str | None) -> str | None:
    """Return the public address without a slash at its end."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    is_plain = parts.scheme == "http" and host in _LOOPBACK
    if not host or "@" in parts.netloc or not (parts.scheme == "https" or is_plain):
        raise CliError("--public-url must be like https://hooks.example.com")
    if parts.query or parts.fragment:
        raise CliError("--public-url must have nothing behind ? or #")
    return url.rstrip("/")


def _token_beside(place: Place) -> Path:
    if isinstance(place, Path):
        return place.with_name(f"{place.name}.webhook")
    raise CliError("a database has no file beside it: say --token-file FILE")


def _kept_token(path: Path) -> str:
    """Return the token of a file, so that the address outlives this process."""
    from ..errors import ConfigurationError
    from ..webhooks import new_token
    from ..webhooks.gate import check_token

    content = read_private(path)
    if content is None:
        replace_private(path, f"{new_token()}\n".encode())
        # Another process may have done the same at once: what is in the file is what counts.
        return _kept_token(path)
    token = content.decode("ascii", "replace").strip()
    try:
        check_token(token)
    except ConfigurationError as error:
        raise CliError(f"{path} holds no token of ours; without it a new one is made") from error
    return token
