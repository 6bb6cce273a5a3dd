"""`talkstack calls`: calls that were placed, and lists handed over whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import TalkstackError
from ...models.analyses import (
    BooleanQuestion,
    NumberQuestion,
    Question,
    TextQuestion,
)
from ...models.calls import Call
from ...wire.batches import BATCH_BYTES, batch_of_file
from ..analysis import choice_of, show_analysis
from ..asking import ask
from ..exits import CliError
from ..options import AgentId, Json, ProjectId, Yes, group
from ..output import Screen
from ..prompts import confirm
from ..tables import Columns, free_text, number, show_done, show_many, show_one

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["app"]

app = group("calls", "Calls that were placed. To place some: talkstack call, talkstack dial.")

Id = Annotated[str, typer.Argument(metavar="CALL_ID", help="The call.")]
Asked = list[str] | None

_LIST: Columns[Call] = {
    "id": lambda call: call.call_id,
    "status": lambda call: call.status_text,
    "to": lambda call: number(call.to),
    "from": lambda call: number(call.from_),
    "started": lambda call: call.started_at or call.date,
    "seconds": lambda call: call.seconds,
}
_ONE: Columns[Call] = {
    **_LIST,
    "ended": lambda call: call.ended_at,
    "disposition": lambda call: call.disposition if call.is_final else None,
    "cost": lambda call: call.cost,
    "recordings": lambda call: " ".join(call.recording_urls),
}


def _show(call: Call, *, screen: Screen) -> None:
    # The default argument binds each name now; mypy does not infer lambdas that have one.
    data: Columns[Call] = {
        f"data {free_text(name)}": lambda call, name=name: free_text(call.data[name])  # type: ignore[misc]
        for name in call.data
    }
    disposition = call.disposition if call.is_final else None
    show_one(call, {**_ONE, **data}, screen=screen, disposition=disposition)


@app.command("get")
def get_call(call_id: Id, *, project_id: ProjectId = None, json: Json = False) -> int:
    """Show where a call stands and, once it is over, what came of it."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        _show(await client.calls.get(call_id, project_id=project_id), screen=screen)

    return ask(work, screen=screen)


@app.command("wait")
def wait_for_call(
    call_id: Id,
    *,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for the end of the call.")
    ] = 3600.0,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Wait until a call is over, and show it. Exit code 1 if it is not over in time."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        call = await client.calls.wait_until_final(
            call_id, project_id=project_id, deadline_seconds=timeout
        )
        _show(call, screen=screen)

    return ask(work, screen=screen)


@app.command("history")
def list_history(
    *,
    to: Annotated[str | None, typer.Option(help="Only calls to this number.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Only calls from this number.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Only calls in this status, such as completed or busy.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only calls of this day (UTC) or later."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only calls of this day (UTC) or earlier."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many calls at most.")] = 100,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """List the calls of a project, most likely the newest first. With --json one per line."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        history = client.calls.history(
            project_id=project_id,
            to=to,
            from_=from_,
            status=status,
            started_after=None if since is None else since.date(),
            started_before=None if until is None else until.date() + timedelta(days=1),
            page_size=min(limit, 100),
        )
        found: list[Call] = []
        try:
            await _take(found, history, limit=limit)
        except TalkstackError:
            if found:
                # What lies behind it could not be read.
                show_many(found, _LIST, screen=screen, nothing="")
            raise
        show_many(found, _LIST, screen=screen, nothing="no calls")
        if len(found) == limit:
            screen.note(f"stopped after {limit}; there may be more (--limit)")

    return ask(work, screen=screen)


@app.command("analyze")
def analyze_call(
    call_id: Id,
    *,
    ask_boolean: Annotated[
        Asked, typer.Option(metavar="QUESTION", help="Answered by yes or no; repeatable.")
    ] = None,
    ask_text: Annotated[
        Asked, typer.Option(metavar="QUESTION", help="Answered in words; repeatable.")
    ] = None,
    ask_number: Annotated[
        Asked, typer.Option(metavar="QUESTION", help="Answered by a number; repeatable.")
    ] = None,
    ask_choice: Annotated[
        Asked, typer.Option(metavar="QUESTION=A,B,C", help="Answered by one of them; repeatable.")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds to wait for the call's end and its analysis."),
    ] = None,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Ask questions about a call that has ended."""
    screen = Screen(json=json)
    questions: list[Question] = [
        *map(BooleanQuestion, ask_boolean or ()),
        *map(TextQuestion, ask_text or ()),
        *map(NumberQuestion, ask_number or ()),
        *map(choice_of, ask_choice or ()),
    ]

    async def work(client: Client) -> None:
        analysis = await client.calls.analyze(
            call_id, questions=questions, project_id=project_id, wait=wait
        )
        show_analysis(analysis, screen=screen)

    return ask(work, screen=screen)


@app.command("batch")
def hand_over_batch(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8) or .xlsx with a column `number`.")],
    *,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Hand a whole list to the service, which RINGS every number in it.

    `talkstack dial` is the better way: a batch answers with no call ids, so nobody learns who
    was rung; its pace is the service's; it cannot be stopped; and if the answer is lost, the
    whole list is uncertain. Use it only if the service itself has to do the dialling.
    """
    screen = Screen(json=json)
    content = _content_of(file)
    checked = batch_of_file(content, name=file.name, check_numbers=True)
    people = "everybody" if checked.rows is None else f"all {checked.rows} numbers"
    confirm(f"The service will ring {people} in {file}. Go on?", yes=yes, screen=screen)

    async def work(client: Client) -> None:
        try:
            result = await client.calls.batch(content, agent_id=agent_id, project_id=project_id)
        except asyncio.CancelledError:
            screen.note("interrupted: the service may have taken the list, and ring everybody")
            raise
        rows = "the list" if result.rows is None else f"{result.rows} rows"
        show_done(
            f"handed over: {rows}; see talkstack calls history for what becomes of them",
            screen=screen,
            rows=result.rows,
            message=result.message,
        )

    return ask(work, screen=screen)


async def _take(found: list[Call], history: AsyncIterator[Call], *, limit: int) -> None:
    async for call in history:
        found.append(call)
        if len(found) == limit:
            return


def _content_of(file: Path) -> bytes:
    if not file.is_file():
        raise CliError(f"{file}: there is no such file")
    try:
        with file.open("rb") as source:
            return source.read(BATCH_BYTES + 1)  # one more shows that it is too large
    except OSError as error:
        raise CliError(f"{file}: cannot be read ({error.strerror})") from error
