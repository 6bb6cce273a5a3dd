"""Files that appear in their place when they are complete, and only their owner may read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ArrivingFile"]


class ArrivingFile:
    """A text file that is written beside its place and moved there at the end.

    Use it with `with`: an exception drops what was written and leaves an older file alone.
    Its mode is 0600 from the first byte. Raises `OSError` like any file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed in `close`
            "w",
            encoding="utf-8",
            newline="",
            dir=path.parent,
            prefix=f".{path.name}.",
            delete=False,
        )

    def close(self, *, keep: bool) -> None:
        """Move the file into its place, or drop it."""
        written = Path(self.file.name)
        try:
            if keep:
                self.file.flush()
                os.fsync(self.file.fileno())
            self.file.close()
            if keep:
                written.replace(self._path)
        finally:
            with contextlib.suppress(OSError):
                self.file.close()
            written.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(keep=kind is None)
