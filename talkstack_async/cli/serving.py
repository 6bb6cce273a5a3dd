"""`talkstack emulator`: the service in miniature, until Ctrl-C."""

from __future__ import annotations

import shlex

from .exits import CliError, ExitCode
from .output import Screen
from .stopping import Stop

__all__ = ["serve_emulator"]


async def serve_emulator(*, port: int, seed: int, screen: Screen) -> int:
    """Run the emulator until a signal comes; that is its ordinary end."""
    from ..emulator import Emulator

    emulator = Emulator(port=port, seed=seed)
    stop = Stop(tell=lambda _: None)
    with stop.on_signals():
        try:
            await emulator.start()
        except OSError as error:
            raise CliError(f"port {port} cannot be opened ({error.strerror})") from error
        try:
            _announce(
                {
                    "url": emulator.url,
                    "calls_url": emulator.calls_url,
                    "api_url": emulator.api_url,
                    "api_key": emulator.api_key,
                    "project_id": emulator.project_id,
                    "agent_id": emulator.agent_id,
                },
                screen=screen,
            )
            await stop.requested.wait()
        finally:
            await emulator.aclose()
    return ExitCode.ALL_PLACED


def _announce(facts: dict[str, str], *, screen: Screen) -> None:
    screen.document(facts)
    screen.note(f"the emulator listens on {facts['url']}; Ctrl-C ends it")
    if screen.json:
        return
    for name, value in facts.items():
        if name != "url":
            screen.say(f"export TALKSTACK_{name.upper()}={shlex.quote(value)}")
