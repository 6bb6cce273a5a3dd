"""`talkstack projects`: what agents, numbers and calls belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...models.fields import UNSET
from ...models.projects import Project
from ..asking import ask
from ..exits import CliError
from ..options import Json, ProjectId, Yes, group
from ..output import Screen
from ..prompts import confirm
from ..tables import Columns, cell, free_text, show_done, show_many, show_one

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["PROJECT", "app"]

app = group("projects", "Projects: what agents, numbers and calls belong to.")

Given = Annotated[
    str | None,
    typer.Argument(metavar="PROJECT_ID", help="The project; otherwise TALKSTACK_PROJECT_ID."),
]

_LIST: Columns[Project] = {
    "id": lambda project: project.id,
    "name": lambda project: free_text(project.name),
    "status": lambda project: project.status,
    "active agent": lambda project: project.active_agent,
}
PROJECT: Columns[Project] = {
    **_LIST,
    "description": lambda project: free_text(project.description),
    "webhook": lambda project: project.webhook_url,
    "created": lambda project: project.created_at,
    "updated": lambda project: project.updated_at,
}


@app.command("list")
def list_projects(*, json: Json = False) -> int:
    """List your projects."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        show_many(await client.projects.list(), _LIST, screen=screen, nothing="no projects")

    return ask(work, screen=screen)


@app.command("get")
def get_project(project_id: Given = None, *, json: Json = False) -> int:
    """Show one project."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        show_one(await client.projects.get(project_id), PROJECT, screen=screen)

    return ask(work, screen=screen)


@app.command("create")
def create_project(
    name: Annotated[str, typer.Argument(help="Its name, new among your projects.")],
    *,
    description: Annotated[str, typer.Option(help="What it is for.")],
    json: Json = False,
) -> int:
    """Create a project."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        project = await client.projects.create(name, description=description)
        show_one(project, PROJECT, screen=screen)

    return ask(work, screen=screen)


@app.command("update")
def update_project(
    project_id: Given = None,
    *,
    name: Annotated[str | None, typer.Option(help="Its name.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    webhook_url: Annotated[str | None, typer.Option(help="Where calls are reported.")] = None,
    json: Json = False,
) -> int:
    """Change what is given of a project; the rest stays."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        project = await client.projects.update(
            project_id,
            name=UNSET if name is None else name,
            description=UNSET if description is None else description,
            webhook_url=UNSET if webhook_url is None else webhook_url,
        )
        show_one(project, PROJECT, screen=screen)

    return ask(work, screen=screen)


@app.command("delete")
def delete_project(
    project_id: Annotated[str, typer.Argument(help="The project; no default is taken.")],
    *,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Delete its agents and numbers, too.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Delete a project. Without --cascade it must be empty."""
    screen = Screen(json=json)
    also = " with its agents and numbers" if cascade else ""
    confirm(f"Delete the project {cell(project_id)}{also}?", yes=yes, screen=screen)

    async def work(client: Client) -> None:
        await client.projects.delete(project_id, cascade=cascade)
        show_done(f"deleted: project {project_id}{also}", screen=screen, deleted=project_id)

    return ask(work, screen=screen)


@app.command("set-webhook")
def set_webhook(
    url: Annotated[str, typer.Argument(help="Where the progress of calls is reported.")],
    *,
    project_id: ProjectId = None,
    json: Json = False,
) -> int:
    """Have the progress of a project's calls reported to an address."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        await client.projects.set_webhook(url, project_id=project_id)
        show_done("the webhook is set", screen=screen, webhook_url=url)

    return ask(work, screen=screen)


@app.command("active-agent")
def active_agent(
    project_id: Given = None,
    *,
    choose: Annotated[
        str | None, typer.Option("--set", metavar="AGENT_ID", help="Make this agent active.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Let no agent be active.")] = False,
    json: Json = False,
) -> int:
    """Show the active agent of a project, or set or clear it."""
    screen = Screen(json=json)
    if choose is not None and clear:
        raise CliError("give --set or --clear, not both")

    async def work(client: Client) -> None:
        if choose is not None:
            await client.projects.set_active_agent(choose, project_id=project_id)
        known = choose or await client.projects.get_active_agent(project_id)
        if clear and known is not None:
            await client.projects.remove_active_agent(known)
            known = None
        if known is None:
            screen.note("no agent is active")
            screen.document({"active_agent": None})
        else:
            show_done(cell(known), screen=screen, active_agent=known)

    return ask(work, screen=screen)
