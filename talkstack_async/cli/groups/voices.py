"""`talkstack voices`: what agents can sound like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...models.voices import Voice
from ..asking import ask
from ..options import Json, group
from ..output import Screen
from ..tables import Columns, free_text, show_many, show_one

if TYPE_CHECKING:
    from ...client import Client

__all__ = ["app"]

app = group("voices", "Voices that agents can have.")


def _label(name: str) -> Columns[Voice]:
    return {name.replace("_", " "): lambda voice: free_text(voice.labels.get(name))}


_LIST: Columns[Voice] = {
    "id": lambda voice: voice.id,
    "name": lambda voice: free_text(voice.name),
    **_label("gender"),
    **_label("age"),
    **_label("accent"),
    **_label("use_case"),
}
_ONE: Columns[Voice] = {
    **_LIST,
    **_label("description"),
    "preview": lambda voice: voice.preview_url,
}


@app.command("list")
def list_voices(*, json: Json = False) -> int:
    """List all voices."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        show_many(await client.voices.list(), _LIST, screen=screen, nothing="no voices")

    return ask(work, screen=screen)


@app.command("get")
def get_voice(
    voice_id: Annotated[str, typer.Argument(help="The voice.")], *, json: Json = False
) -> int:
    """Show one voice."""
    screen = Screen(json=json)

    async def work(client: Client) -> None:
        show_one(await client.voices.get(voice_id), _ONE, screen=screen)

    return ask(work, screen=screen)
