"""One runner per ledger: a lock of the operating system, on a file beside it.

The lock goes when its process goes, however that dies; the file stays, because removing it
would let two runners lock two files of the same name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...errors import LedgerError, LedgerInUseError

__all__ = ["RunnerLock"]


class RunnerLock:
    """The right to run campaigns of a ledger, held until `release()`."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            LedgerInUseError: Another runner has it; the message names its process.
        """
        file = self._open()
        try:
            _lock(file)
        except OSError as error:
            holder = _holder(file)
            os.close(file)
            raise LedgerInUseError(
                f"another runner{holder} holds the ledger (lock file {self._path}). "
                "Wait for it, or stop it"
            ) from error
        self._file = file
        os.ftruncate(file, 0)
        os.write(file, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Give the lock back. Releasing twice does nothing."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self) -> int:
        try:
            # Never through a link: what it points to would be overwritten.
            no_link = getattr(os, "O_NOFOLLOW", 0)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | no_link, 0o600)
        except OSError as error:
            raise LedgerError(f"{self._path}: {error.strerror}") from error


def _holder(file: int) -> str:
    text = os.read(file, 32).strip()
    return f" (process {int(text)})" if text.isdigit() else ""


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        # Far behind the end, so that others can still read which process holds it.
        os.lseek(file, 1 << 30, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
