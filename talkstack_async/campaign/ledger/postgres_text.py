"""Texts as PostgreSQL can keep them. Loaded only with the driver."""

from __future__ import annotations

from psycopg.types.string import StrDumperUnknown

__all__ = ["StorableText"]


class StorableText(StrDumperUnknown):
    """Replaces what no text of PostgreSQL can hold: NUL, and halves of characters.

    A service may say such a thing, and an odd name of a file may hold it. That must not keep
    what became of a call from being written.
    """

    def dump(self, obj: str) -> bytes:
        text = obj.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in obj else obj
        return text.encode("utf-8", "replace")
