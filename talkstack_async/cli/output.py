"""What people and programs get to see.

With `--json` stdout belongs to the program that reads it, and everything for people goes to
stderr. A terminal gets tables and colour, anything else plain text. What comes from a file or
from the service is made harmless before it reaches a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Screen", "harmless"]


def harmless(text: object) -> str:
    """Return a text without characters that could steer a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(text))


class Screen:
    """Where a command writes. A reader that went away never disturbs the work.

    Args:
        json: Keep stdout for JSON.

    Attributes:
        is_read: False once something for people, or a document, could not be written.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.is_read = True
        self._people = sys.stderr if json else sys.stdout

    def say(self, text: str = "") -> None:
        """Write a line for people."""
        self.is_read &= _write(self._people, f"{harmless(text)}\n")

    def note(self, text: str) -> None:
        """Write a line for people that is no result: it goes to stderr."""
        _write(sys.stderr, f"{harmless(text)}\n")

    def fail(self, message: str, *, code: int) -> None:
        """Say in one line why the command could not be carried out."""
        self.note(f"talkstack: {message}")
        self.document({"error": message, "exit_code": int(code)})

    def document(self, value: Any) -> None:
        """Write one line of JSON for programs; nothing without `--json`."""
        if self.json:
            self.is_read &= _write(sys.stdout, json.dumps(value) + "\n")

    def table(self, title: str, rows: Iterable[Sequence[object]]) -> None:
        """Show rows under a title; nothing if there are none."""
        texts = [[harmless(cell) for cell in row] for row in rows]
        if not texts:
            return
        console = self.console(self._people)
        if console is None:
            self._plain_table(title, texts)
            return
        self._guarded_print(console, *_rich_table(title, texts))

    def columns(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show rows beneath headings; in a pipe each row is one line, never cut."""
        texts = [[harmless(cell) for cell in row] for row in rows]
        console = self.console(self._people)
        if console is None:
            self._plain_rows([headings, *texts])
            return
        self._guarded_print(console, _rich_grid(texts, headings=headings))

    def facts(self, rows: Iterable[Sequence[object]]) -> None:
        """Show names and their values."""
        texts = [[harmless(cell) for cell in row] for row in rows]
        console = self.console(self._people)
        if console is None:
            self._plain_rows(texts)
            return
        self._guarded_print(console, _rich_grid(texts))

    @staticmethod
    def console(stream: TextIO) -> Console | None:
        """Return rich's console if the stream is a terminal, else None."""
        if not _is_terminal(stream):
            return None
        from rich.console import Console

        return Console(file=stream, highlight=False)

    def _plain_table(self, title: str, rows: Sequence[Sequence[str]]) -> None:
        self.say(title)
        self._plain_rows(rows, indent="  ")

    def _plain_rows(self, rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.say(indent + "  ".join(cells).rstrip())

    @staticmethod
    def _guarded_print(console: Console, *what: Any) -> None:
        try:
            console.print(*what, sep="\n")
        except (OSError, ValueError):
            return


def _rich_table(title: str, rows: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    from rich.text import Text

    return Text(f"\n{title}", style="bold"), _rich_grid(rows)


def _rich_grid(rows: Sequence[Sequence[str]], *, headings: Sequence[str] = ()) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED, show_header=bool(headings))
    for heading in headings:
        table.add_column(Text(heading), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _write(stream: TextIO | None, text: str) -> bool:
    if stream is None:
        return False
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        # The terminal or the reader of the pipe is gone. The work and its record go on.
        return False
    return True
