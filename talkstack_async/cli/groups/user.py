"""`talkstack user`: the API key and the active project of the account."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import TalkstackError
from ...secret import Secret
from ..asking import ask, ask_with_token
from ..exits import CliError
from ..options import Json, Yes, group
from ..output import Screen
from ..private import create_private, plain
from ..prompts import confirm
from ..tables import show_done, show_one
from .projects import PROJECT

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["app"]

app = group("user", "Your account: its API key and its active project.")

_LOST = "The old API key may be dead all the same; run this again and use what comes."


@app.command("generate-api-key")
def generate_api_key(
    *,
    out: Annotated[
        Path | None, typer.Option(help="A new file for the key; only you can read it.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the key on stdout.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Replace the API key of the account. THE OLD KEY DIES AT ONCE, for everybody who uses it.

    Needs a login: talkstack auth login, or TALKSTACK_TOKEN. Say with --out or --show where the
    new key goes; the service shows it once.
    """
    screen = Screen(json=json)
    if (out is None) is not show:
        raise CliError("say where the new key goes: --out FILE or --show")
    if out is not None and os.path.lexists(out):
        raise CliError(f"{out} exists already; nothing was done")
    confirm(
        f"Replace the API key of {_whose()}? The old key dies at once, and with it everything "
        "that uses it.",
        yes=yes,
        screen=screen,
    )

    async def work(client: Client) -> None:
        if out is None:
            _print(await _rotated(client, screen=screen), screen=screen)
            return
        with _new_file(out) as descriptor:
            key = await _rotated(client, screen=screen)
            _write(key, descriptor, out=out)
        show_done(f"the new key is in {out}", screen=screen, out=str(out))

    return ask_with_token(work, screen=screen)


@app.command("active-project")
def active_project(
    project_id: Annotated[
        str | None, typer.Argument(metavar="PROJECT_ID", help="Make this one active.")
    ] = None,
    *,
    json: Json = False,
) -> int:
    """Show the active project of the account, or make another one active."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        if project_id is not None:
            project = await client.user.set_active_project(project_id)
        elif (found := await client.user.get_active_project()) is not None:
            project = found
        else:
            screen.note("no project is active")
            screen.document(None)
            return
        show_one(project, PROJECT, screen=screen)

    return ask(work, screen=screen)


def _whose() -> str:
    from ..token_file import TokenFile

    in_env = os.environ.get("TALKSTACK_TOKEN") or os.environ.get("TALKSTACK_REFRESH_TOKEN")
    login = None if in_env else TokenFile.of_user().read()
    return (login and login.email) or "the account"


async def _rotated(client: Client, *, screen: Screen) -> Secret:
    try:
        return (await client.user.generate_api_key()).key
    except TalkstackError as error:
        if error.uncertain:
            screen.note(_LOST)
        raise
    except asyncio.CancelledError:
        screen.note(f"interrupted. {_LOST}")
        raise


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[int]:
    descriptor = create_private(path)
    try:
        yield descriptor
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)


def _write(key: Secret, descriptor: int, *, out: Path) -> None:
    try:
        with open(descriptor, "wb", closefd=False) as file:  # a descriptor
            file.write(plain(key).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise CliError(
            f"{out}: the new key cannot be written ({error.strerror}); the old one is dead. Run "
            "this again with another --out"
        ) from error


def _print(key: Secret, *, screen: Screen) -> None:
    screen.document({"api_key": plain(key)})
    if not screen.json:
        screen.say(plain(key))
