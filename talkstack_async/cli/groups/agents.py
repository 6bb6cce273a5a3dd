"""`talkstack agents`: who speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...models.agents import Agent
from ...models.fields import UNSET
from ..asking import ask
from ..options import Json, ProjectId, Yes, group
from ..output import Screen
from ..prompts import confirm
from ..tables import Columns, cell, free_text, number, show_done, show_many, show_one

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["app"]

app = group("agents", "Agents: who speaks, and what they are told.")

Name = Annotated[str | None, typer.Option(help="What it is called.")]
Instruction = Annotated[
    str | None, typer.Option(help="What it is to be and do; {{name}} is filled per call.")
]
VoiceId = Annotated[str | None, typer.Option(help="Its voice; see talkstack voices list.")]
Id = Annotated[str, typer.Argument(metavar="AGENT_ID", help="The agent.")]

_LIST: Columns[Agent] = {
    "id": lambda agent: agent.id,
    "name": lambda agent: free_text(agent.name),
    "placeholders": lambda agent: ", ".join(agent.placeholders()),
}
_ONE: Columns[Agent] = {
    "id": lambda agent: agent.id,
    "name": lambda agent: free_text(agent.name),
    "project": lambda agent: agent.project_id,
    "voice": lambda agent: agent.voice_id,
    "number": lambda agent: number(agent.phone_number),
    "placeholders": lambda agent: ", ".join(agent.placeholders()),
    "instruction": lambda agent: free_text(agent.instruction),
}


def _show(agent: Agent, *, screen: Screen) -> None:
    show_one(agent, _ONE, screen=screen, placeholders=agent.placeholders())


@app.command("list")
def list_agents(*, project_id: ProjectId = None, json: Json = False) -> int:
    """List the agents of a project."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        agents = await client.agents.list(project_id)
        show_many(agents, _LIST, screen=screen, nothing="no agents in this project")

    return ask(work, screen=screen)


@app.command("get")
def get_agent(agent_id: Id, *, project_id: ProjectId = None, json: Json = False) -> int:
    """Show an agent and the placeholders that every call must fill."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        _show(await client.agents.get(agent_id, project_id=project_id), screen=screen)

    return ask(work, screen=screen)


@app.command("create")
def create_agent(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    *,
    instruction: Annotated[
        str, typer.Option(help="What it is to be and do; {{name}} is filled per call.")
    ],
    voice_id: VoiceId = None,
    phone_number: Annotated[
        str | None, typer.Option(help="If the service refuses to create one without.")
    ] = None,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Create an agent."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        agent = await client.agents.create(
            name,
            instruction=instruction,
            project_id=project_id,
            voice_id=voice_id,
            phone_number=phone_number,
        )
        _show(agent, screen=screen)

    return ask(work, screen=screen)


@app.command("update")
def update_agent(
    agent_id: Id,
    *,
    name: Name = None,
    instruction: Instruction = None,
    voice_id: VoiceId = None,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Change what is given of an agent; the rest stays."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        agent = await client.agents.update(
            agent_id,
            project_id=project_id,
            name=UNSET if name is None else name,
            instruction=UNSET if instruction is None else instruction,
            voice_id=UNSET if voice_id is None else voice_id,
        )
        _show(agent, screen=screen)

    return ask(work, screen=screen)


@app.command("delete")
def delete_agent(
    agent_id: Id, *, project_id: ProjectId = None, yes: Yes = False, json: Json = False
) -> int:
    """Delete an agent."""
    screen = Screen(json=json)

    confirm(f"Delete the agent {cell(agent_id)}?", yes=yes, screen=screen)

    async def work(client: Client) -> None:
        await client.agents.delete(agent_id, project_id=project_id)
        show_done(f"deleted: agent {agent_id}", screen=screen, deleted=agent_id)

    return ask(work, screen=screen)
