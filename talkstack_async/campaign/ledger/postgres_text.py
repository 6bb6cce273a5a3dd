"""Texts as PostgreSQL can keep them. Loaded only with the driver."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.types.string import StrDumperUnknown

__all__ = ["StorableText", "as_array"]


class StorableText(StrDumperUnknown):
    """Replaces what no text of PostgreSQL can hold: NUL, and halves of characters.

    A service may say such a thing, and an odd name of a file may hold it. That must not keep
    what became of a call from being written.
    """

    def dump(self, obj: str) -> bytes:
        text = obj.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in obj else obj
        return text.encode("utf-8", "replace")


def as_array(values: Iterable[str | float | None]) -> str:
    """Return values as PostgreSQL writes an array; the driver takes four times as long."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        if "\\" in value or '"' in value:
            value = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{value}"'
    return "NULL" if value is None else str(value)
