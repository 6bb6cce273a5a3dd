"""Work of an event loop, from a verb that is no coroutine.

What goes wrong is raised; `app.run` says it in one line and turns it into an exit code. Verbs
ask people before they come here: while the event loop runs, Ctrl-C does not end a prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import TalkstackError
from .exits import CliError, ExitCode
from .output import Screen

if TYPE_CHECKING:
    from ..client import Client

__all__ = ["Work", "ask", "ask_anonymously", "ask_with_token", "perform"]

Work: TypeAlias = Callable[["Client"], Awaitable[object]]


def ask(work: Work, *, screen: Screen) -> int:
    """Do some work with a client of the credential there is; return the exit code."""
    from .connecting import any_client

    return _run(work, lambda: any_client(tell=screen.note))


def ask_with_token(work: Work, *, screen: Screen) -> int:
    """Do some work that takes a login and no API key; return the exit code."""
    from .connecting import token_client

    return _run(work, lambda: token_client(tell=screen.note))


def ask_anonymously(work: Work) -> int:
    """Do some work that needs no credential; return the exit code."""
    from .connecting import anonymous_client

    return _run(work, anonymous_client)


def _run(work: Work, connect: Callable[[], Client]) -> int:
    async def run() -> None:
        async with connect() as client:
            await work(client)

    asyncio.run(run())
    return ExitCode.ALL_PLACED


def perform(work: Coroutine[Any, Any, int], *, screen: Screen) -> int:
    """Do some work that says itself what became of it; whatever keeps it from that is code 2."""
    try:
        return asyncio.run(work)
    except (CliError, TalkstackError) as error:
        screen.fail(str(error), code=ExitCode.USAGE)
        return ExitCode.USAGE
