"""A file as lines of text, decoded one by one.

The usual text layer decodes in blocks and would report a bad byte before the good lines in
front of it were handed out; so lines are decoded here, each when its turn comes.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from ..errors import ContactListError

__all__ = ["Lines", "open_list"]

# A longer line is no list: a wrong file, or a quotation mark that swallows the rest.
_LONGEST = 1024 * 1024
_BOM = "\ufeff"


class Lines(Iterator[str]):
    """The lines of a file with their line ends, whichever of the three kinds those are.

    Attributes:
        bytes_read: How far the file was read.
        count: How many lines were handed out.
        where: What is being read, for messages: `the first line`, `row 7`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pieces: list[str] = []
        self.bytes_read = 0
        self.count = 0
        self.where = "the first line"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if not self._pieces:
            self._pieces = self._next_pieces()
        self.count += 1
        return self._pieces.pop()

    def next_text(self) -> str:
        """Return the next line that is not blank.

        Raises:
            ContactListError: There is none.
        """
        for line in self:
            if line.strip():
                return line
        raise ContactListError("the file is empty")

    def _next_pieces(self) -> list[str]:
        """Read to the next newline; a bare carriage return ends a line, too."""
        text = self._decode(self._read())
        if "\r" not in text[:-2]:
            return [text]
        return list(io.StringIO(text, newline=""))[::-1]

    def _read(self) -> bytes:
        try:
            line = self._file.readline(_LONGEST + 1)
        except OSError as error:
            raise ContactListError(
                f"{self.where} cannot be read ({error.strerror}): the list ends there"
            ) from error
        if not line:
            raise StopIteration
        if len(line) > _LONGEST:
            raise ContactListError(f"{self.where} is longer than {_LONGEST:,} bytes")
        return line

    def _decode(self, line: bytes) -> str:
        is_first = self.bytes_read == 0
        self.bytes_read += len(line)
        if is_first:
            _refuse_other_formats(line)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ContactListError(
                f"{self.where} is not UTF-8 (byte 0x{line[error.start]:02x}): the list ends "
                "there; save the file as 'CSV UTF-8'"
            ) from error
        return text.removeprefix(_BOM) if is_first else text


def open_list(path: Path) -> BinaryIO:
    """Open a regular file.

    Raises:
        ContactListError: It is none, or cannot be opened.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.open("rb")
    except OSError as error:
        raise ContactListError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ContactListError(f"{str(path)!r} is not a file name") from error
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise ContactListError(f"{path}: is {kind}")


def _refuse_other_formats(start: bytes) -> None:
    if start.startswith(b"PK\x03\x04"):
        raise ContactListError(
            "this is an Excel workbook: name it *.xlsx, or save it as 'CSV UTF-8'"
        )
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ContactListError("the file is UTF-16: save it as 'CSV UTF-8' first")
    if start.startswith(b"\x1f\x8b"):
        raise ContactListError("the file is compressed: unpack it first")
