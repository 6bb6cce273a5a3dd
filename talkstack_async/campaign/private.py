"""Files about people: only their owner may read them, and none is ever half written."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Self

from ..errors import CampaignError

__all__ = ["PrivateFile"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class PrivateFile:
    """A file of mode 0600 that is written beside its place, and put there when it is whole.

    Args:
        path: Where it is to be.
        overwrite: Whether it may take the place of another.

    Attributes:
        beside: Where it is written until then.

    Raises:
        CampaignError: There is something of that name, or it cannot be created.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self.beside = path.with_name(f".{secrets.token_hex(8)}.part")
        self._refuse_another()
        try:
            os.close(os.open(self.beside, _NEW, 0o600))
        except OSError as error:
            raise CampaignError(f"{path}: cannot be written ({error.strerror})") from error

    def finish(self) -> None:
        """Put what was written in its place.

        Raises:
            CampaignError: Something of that name has come meanwhile, or it cannot be moved.
        """
        self._refuse_another()
        try:
            with self.beside.open("rb+") as file:
                os.fsync(file.fileno())
            self.beside.replace(self._path)
        except OSError as error:
            raise CampaignError(f"{self._path}: cannot be written ({error.strerror})") from error

    def _refuse_another(self) -> None:
        if not self._overwrite and os.path.lexists(self._path):
            raise CampaignError(f"{self._path} exists already; nothing was written")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.beside.unlink(missing_ok=True)
