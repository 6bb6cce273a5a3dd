"""Making the file of a batch out of what the caller has: a path, bytes or call requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import InvalidRequestError
from ..wire.batches import BATCH_BYTES, BatchFile, batch_of_file, batch_of_rows

__all__ = ["batch_file"]


async def batch_file(
    calls: object, *, project_id: str, agent_id: str, check_numbers: bool
) -> BatchFile:
    """Read the file, in a thread of its own, or write one; refuse what is not fit to be sent.

    Raises:
        InvalidRequestError: It is not.
    """
    if isinstance(calls, str | Path):
        path = Path(calls)
        content = await asyncio.to_thread(_read, path)
        return batch_of_file(content, name=path.name, check_numbers=check_numbers)
    if isinstance(calls, bytes | bytearray):
        return batch_of_file(bytes(calls), name=None, check_numbers=check_numbers)
    if not isinstance(calls, Iterable) or isinstance(calls, Mapping):
        raise InvalidRequestError(
            f"a path, bytes or call requests were expected, not {type(calls).__name__}"
        )
    return batch_of_rows(
        calls, project_id=project_id, agent_id=agent_id, check_numbers=check_numbers
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BATCH_BYTES + 1)  # one more shows that it is too large
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "its name cannot be one"
        raise InvalidRequestError(f"the file cannot be read: {what}") from error
