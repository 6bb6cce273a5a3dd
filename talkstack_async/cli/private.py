"""Files that only their owner may read, for what nobody else may see."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from ..secret import Secret
from .exits import CliError

__all__ = ["create_private", "plain", "read_private", "replace_private"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST = 1024 * 1024


def plain(secret: Secret) -> str:
    """Return the text of a secret that goes into such a file, or where a person wanted it."""
    return secret.reveal()


def create_private(path: Path) -> int:
    """Create a file of mode 0600 that did not exist, and return its descriptor.

    Raises:
        CliError: There is something of that name, or it cannot be created.
    """
    try:
        return os.open(path, _NEW, 0o600)
    except FileExistsError as error:
        raise CliError(f"{path} exists already; nothing was done") from error
    except OSError as error:
        raise CliError(f"{path}: cannot be created ({error.strerror})") from error


def replace_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 in the place of another one, in one step.

    Raises:
        CliError: It cannot be written; what was there before is still there.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(fresh, _NEW, 0o600), "wb") as file:  # noqa: PTH123  # a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise CliError(f"{path}: cannot be written ({error.strerror})") from error


def read_private(path: Path) -> bytes | None:
    """Read a file; None if there is none.

    Raises:
        CliError: Others may read it, it is no regular file, or it cannot be read.
    """
    try:
        # Without waiting for the other end of a named pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CliError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        _refuse_unsafe(path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise CliError(f"{path}: cannot be read ({error.strerror})") from error
    finally:
        os.close(descriptor)


def _refuse_unsafe(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CliError(f"{path} is not a regular file")
    # Windows has no such bits, and reports them all as set.
    if os.name == "posix" and status.st_mode & _OTHERS:
        raise CliError(f"{path} may be read by others, so it is not used: chmod 600 {path}")
