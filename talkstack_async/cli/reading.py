"""Reading a list into a campaign, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..clock import SystemClock
from .output import Screen

if TYPE_CHECKING:
    from ..campaign.campaign import Campaign
    from ..campaign.records import ImportSummary

__all__ = ["import_words", "read_list"]

_TELL_SECONDS = 2.0


async def read_list(
    campaign: Campaign, file: Path, *, region: str | None, rejects: Path, screen: Screen
) -> ImportSummary | None:
    """Read a list and say what became of its rows; None if it was read before."""
    reading = _Reading(file, screen=screen)
    imported = await campaign.read_list(
        file, region=region, rejects=rejects, on_progress=reading.note
    )
    if imported is None:
        screen.note(f"{file.name} has not changed since it was read")
    else:
        screen.note(import_words(imported, file=file, rejects=rejects))
    return imported


class _Reading:
    """Tells every few seconds how far a long list was read."""

    def __init__(self, file: Path, *, screen: Screen) -> None:
        self._file = file
        self._screen = screen
        self._clock = SystemClock()
        self._told_at = self._clock.monotonic()

    def note(self, rows: int) -> None:
        now = self._clock.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            self._screen.note(f"reading {self._file.name}: {rows:,} rows")


def import_words(imported: ImportSummary, *, file: Path, rejects: Path) -> str:
    """Say in a line what became of the rows of a list."""
    parts = [f"{imported.added:,} new"]
    for count, words in (
        (imported.updated, "changed"),
        (imported.unchanged, "known before"),
        (imported.duplicates, "twice in the list"),
        (imported.rejected, "rejected"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    text = f"{file.name}: {imported.rows:,} rows: {', '.join(parts)}"
    if imported.excluded:
        text += f"; {imported.excluded:,} of them lack a value the agent asks for"
    if imported.rejected or imported.duplicates:
        text += f"; what was not taken is in {rejects}"
    return text
