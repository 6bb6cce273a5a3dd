"""`talkstack numbers`: what agents call from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...models.numbers import Number
from ..asking import ask
from ..options import AgentId, Json, ProjectId, group
from ..output import Screen
from ..tables import Columns, number, show_done, show_many

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["app"]

app = group("numbers", "Phone numbers that agents call from.")

_LIST: Columns[Number] = {
    "id": lambda one: one.id,
    "number": lambda one: number(one.e164),
    "status": lambda one: one.status,
    "agent": lambda one: one.agent_id,
    "project": lambda one: one.project_id,
}


@app.command("get")
def get_numbers(
    *,
    number_id: Annotated[str | None, typer.Option(help="The number with this id.")] = None,
    agent_id: Annotated[str | None, typer.Option(help="The numbers of this agent.")] = None,
    project_id: Annotated[
        str | None,
        typer.Option(help="The numbers of this project; otherwise TALKSTACK_PROJECT_ID."),
    ] = None,
    json: Json = False,
) -> int:
    """Look numbers up by one id. With --json they are whole, one line each."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        numbers = await client.numbers.get(
            number_id=number_id, agent_id=agent_id, project_id=project_id
        )
        show_many(numbers, _LIST, screen=screen, nothing="no numbers")

    return ask(work, screen=screen)


@app.command("assign")
def assign_number(
    phone_number: Annotated[
        str, typer.Argument(metavar="NUMBER", help="The number: + and the country code.")
    ],
    *,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Let an agent call from a number, which must be bought from or verified with Twilio."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        await client.numbers.assign(phone_number, agent_id=agent_id, project_id=project_id)
        show_done(f"assigned: {number(phone_number)}", screen=screen, assigned=phone_number)

    return ask(work, screen=screen)
