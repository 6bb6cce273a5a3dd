"""The verbs and their options. What they do is imported when they are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import rich  # noqa: F401  # used on terminals; missed here, it is reported in one line
import typer
from typer.main import get_command

from ..errors import TalkstackError
from . import webhooks
from .asking import perform
from .dialling import EXIT_CODES, run_dial
from .exits import CliError, ExitCode, exit_code_of
from .extras import CAMPAIGN_MODULES, told_to_install
from .groups import (
    agents,
    auth,
    calls,
    campaign,
    ledger,
    numbers,
    projects,
    suppression,
    user,
    voices,
)
from .options import MARKUP, AgentId, Json, ProjectId, Timeout
from .output import Screen
from .worker_options import EXIT_CODES as WORKER_EXIT_CODES
from .worker_options import run_worker

__all__ = ["run"]

_EXIT_CODES = (
    "Exit codes: 0 done · 1 finished, but some were not called · 2 usage or configuration, or "
    "the ledger or the service cannot be used · 3 calls need a look: they may have rung (wins "
    "over 1) · 130 interrupted. "
    "The credential comes from TALKSTACK_API_KEY (or TALKSTACK_TOKEN), or talkstack auth login."
)

app = typer.Typer(
    name="talkstack",
    help="Place AI voice calls with TalkStack, and ring nobody twice.",
    epilog=_EXIT_CODES,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
)
app.command("dial", epilog=EXIT_CODES)(run_dial)
app.command("worker", epilog=WORKER_EXIT_CODES)(run_worker)
for each in (
    campaign,
    suppression,
    ledger,
    webhooks,
    agents,
    calls,
    numbers,
    projects,
    voices,
    auth,
    user,
):
    app.add_typer(each.app)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code. No traceback for what can be foreseen."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding shows a question mark instead of breaking the run.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        return int(
            get_command(app).main(list(arguments), prog_name="talkstack", standalone_mode=False)
            or 0
        )
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (CliError, TalkstackError) as error:
        code = exit_code_of(error)
        kind = "uncertain: " if code is ExitCode.UNCERTAIN else ""
        Screen(json="--json" in arguments).fail(f"{kind}{error}", code=code)
        return code
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in CAMPAIGN_MODULES:
            raise
        Screen(json="--json" in arguments).fail(told_to_install(error.name), code=ExitCode.USAGE)
        return ExitCode.USAGE
    except Exception as error:
        # Typer brings its own copy of click in some versions, so the class has no one name.
        explain: Callable[[], str] | None = getattr(error, "format_message", None)
        if explain is None:
            raise
        message = " ".join(explain().split()) or "see talkstack --help"
        Screen(json="--json" in arguments).fail(message, code=ExitCode.USAGE)
        return ExitCode.USAGE
    finally:
        _let_go(sys.stdout, 1)
        _let_go(sys.stderr, 2)


def _let_go(stream: TextIO, number: int) -> None:
    """Keep the interpreter from complaining, and exiting with 120, about a reader that left."""
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # typer's way
    if wanted:
        from importlib.metadata import version

        Screen().say(f"talkstack {version('talkstack-async')}")
        raise typer.Exit


@app.callback()
def _talkstack(
    *,
    version: Annotated[  # the callback acts on it
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    """Place AI voice calls with TalkStack, and ring nobody twice."""


@app.command(epilog=_EXIT_CODES)
def demo(
    *,
    report: Annotated[
        Path | None, typer.Option(help="Where to write the report; otherwise a fresh file.")
    ] = None,
    calls_per_second: Annotated[float, typer.Option(help="Pace of new calls.")] = 40.0,
    json: Json = False,
) -> int:
    """Run a campaign of 500 made-up people on an emulator here: no account, no phone rings.

    Exit code 0 if the demo shows what it should, contacts that need a look included.
    """
    from .demo import demo as show

    screen = Screen(json=json)
    work = show(report=report, calls_per_second=calls_per_second, screen=screen)
    return perform(work, screen=screen)


@app.command(epilog=_EXIT_CODES)
def call(
    number: Annotated[str, typer.Argument(help="The number: + and the country code.")],
    *,
    var: Annotated[
        list[str] | None, typer.Option("--var", help="name=value for the agent; repeatable.")
    ] = None,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    timeout: Timeout = 60.0,
    json: Json = False,
) -> int:
    """Place one call and print its id."""
    from .call import call as place
    from .call import read_variables

    screen = Screen(json=json)

    async def work() -> int:
        return await place(
            number,
            variables=read_variables(var or ()),
            project_id=project_id,
            agent_id=agent_id,
            timeout_seconds=timeout,
            screen=screen,
        )

    return perform(work(), screen=screen)


@app.command()
def emulator(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides ids, credentials and chance.")] = 0,
    json: Json = False,
) -> int:
    """Run TalkStack in miniature on this machine until Ctrl-C; it dials nobody."""
    from .serving import serve_emulator

    screen = Screen(json=json)
    return perform(serve_emulator(port=port, seed=seed, screen=screen), screen=screen)
