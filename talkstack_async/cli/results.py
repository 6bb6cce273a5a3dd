"""The OUT file: one JSON line for each row, on disk the moment its outcome is known."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, assert_never

from ..campaign.contacts import BadRow
from ..dispatch import Ended, NotPlaced, Outcome, Placed, Uncertain
from ..models.calls import Call, CallResult
from .exits import CliError

__all__ = ["Line", "ResultsFile", "line_of_outcome", "line_of_row"]

Line: TypeAlias = dict[str, Any]

_OF_FOLLOWED_CALLS = ("status", "disposition")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def line_of_outcome(outcome: Outcome) -> Line:
    """Say what became of a request; its `reference` is the number of its row."""
    row, number = outcome.request.reference, str(outcome.request.number)
    match outcome:
        case Placed(result=result):
            return _line(row, number, "placed", result=result)
        case Ended(result=result, call=call):
            return _line(row, number, "placed", result=result, call=call)
        case NotPlaced(error=error):
            return _line(row, number, "not_placed", error=error.message)
        case Uncertain(error=error):
            return _line(row, number, "uncertain", error=error.message)
        case _ as unreachable:
            assert_never(unreachable)


def line_of_row(row: BadRow) -> Line:
    """Say that nobody was called for a row, and why."""
    return _line(row.row, row.number, "not_placed", error=row.reason)


def _line(
    row: int,
    number: str,
    outcome: str,
    *,
    result: CallResult | None = None,
    error: str | None = None,
    call: Call | None = None,
) -> Line:
    return {
        "row": row,
        "number": number,
        "outcome": outcome,
        "call_id": result and result.call_id,
        "to": result and result.to,
        "from": result and result.from_,
        "error": error,
        "status": call and (call.status_text or str(call.status)),
        "disposition": call and str(call.disposition),
    }


class ResultsFile:
    """Created when entered, and only if it does not exist: a re-run must not call anybody twice.

    Lines go to the operating system one by one, so they survive the end of this process. The
    file holds whole phone numbers; only its owner may read it. `status` and `disposition` are
    in it only if calls are followed.
    """

    def __init__(self, path: Path, *, follow: bool = False) -> None:
        self.path = path
        self._left_out = () if follow else _OF_FOLLOWED_CALLS
        self._descriptor = -1
        self._length = 0

    def refuse_if_present(self) -> None:
        """Complain early about what would be refused later.

        Raises:
            CliError: There is something of that name.
        """
        if os.path.lexists(self.path):
            raise CliError(_present(self.path))

    def write(self, line: Line) -> None:
        """Append one line.

        Raises:
            OSError: It could not be written whole; nothing of it stays in the file.
        """
        shown = {key: value for key, value in line.items() if key not in self._left_out}
        data = json.dumps(shown).encode() + b"\n"
        try:
            self._write(data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._length)
            raise
        self._length += len(data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self.path, _FLAGS, 0o600)
        except FileExistsError as error:
            raise CliError(_present(self.path)) from error
        except OSError as error:
            raise CliError(f"{self.path}: cannot be created ({error.strerror})") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Some file systems report a lost write only now.
        try:
            os.close(self._descriptor)
        except OSError as lost:
            raise CliError(f"{self.path}: the end may be missing ({lost.strerror})") from lost


def _present(path: Path) -> str:
    return (
        f"{path} exists already, so nobody was called: these people may have been called "
        "before. Look into it; a new run needs another --results"
    )
