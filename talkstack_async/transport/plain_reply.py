"""The everyday reply, told from all others: a head without surprises and a body of known length.

Nothing is guessed here. A reply is plain if it is `HTTP/1.1` with a status of 200 to 202, every
line of its head is beyond doubt, there is exactly one length and nothing that changes how the
body is read or what becomes of the connection. Any other reply, odd or merely unusual, is left
to aiohttp's own parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from multidict import CIMultiDict

__all__ = ["Headers", "find_plain_head"]

_VALUE = rb"[\t -~\x80-\xff]*+"
# Any line but one that says how to read the body, or that the connection changes or ends.
_LINE = (
    rb"(?!(?i:content-length|content-encoding|transfer-encoding|upgrade|sec-websocket|trailer"
    rb"|(?:proxy-)?connection(?!:[ \t]*keep-alive[ \t]*\r)))"
    rb"[!#-'*+\-.0-9A-Z^-z|~]++:" + _VALUE + rb"\r\n"
)
_PLAIN_HEAD = re.compile(
    rb"HTTP/1\.1 (20[0-2]) " + _VALUE + rb"\r\n"
    rb"(?:" + _LINE + rb"){0,48}+"
    rb"(?i:content-length): ?([0-9]{1,9})\r\n"
    rb"(?:" + _LINE + rb"){0,48}+"
    rb"\r\n"
)
_LONGEST_HEAD = 8000  # aiohttp refuses single lines longer than this; we ask it then


def find_plain_head(data: bytes) -> re.Match[bytes] | None:
    """Find the whole head of a plain reply at the beginning of what came in.

    Group 1 of the match is the status, group 2 the length of the body; the body begins where
    the match ends.
    """
    return _PLAIN_HEAD.match(data, 0, _LONGEST_HEAD)


class Headers(Mapping[str, str]):
    """The headers of a plain reply, taken apart when somebody asks; after most calls nobody does.

    Looked up without regard to case.
    """

    __slots__ = ("_head", "_parsed")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._parsed: CIMultiDict[str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"<{len(self)} headers>"

    def _all(self) -> CIMultiDict[str]:
        if self._parsed is None:
            self._parsed = CIMultiDict(_pair(line) for line in self._head.split(b"\r\n")[1:-2])
        return self._parsed


def _pair(line: bytes) -> tuple[str, str]:
    name, _, value = line.partition(b":")
    return name.decode("ascii"), value.strip(b" \t").decode("utf-8", "surrogateescape")
