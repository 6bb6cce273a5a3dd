r"""How many of a number's last digits do not matter for its kind.

libphonenumber says with regular expressions which numbers exist. Nearly all end like
`[2-9]\d{6}`: the last digits may be any. A pattern whose every alternative ends in `\d` four
times is some pattern followed by `\d{4}`, so whether a number of known length matches depends
on all but its last four digits. That is what makes an answer good for a thousand neighbours,
and it is read off the patterns here, not guessed.

Only what those patterns are made of is understood: digits, `\d`, sets, groups, `|`, `?` and
counts. Anything else means "every digit matters".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

__all__ = ["CountryTables", "free_tail", "longest"]

_TOKEN = re.compile(r"\(\?:|\(|\)|\||\\d|\[[0-9-]+\]|[0-9]")
_COUNT = re.compile(r"\{(\d+)(?:,(\d+))?\}|(\?)")
_DEEPEST = 50


class _Item(NamedTuple):
    """A digit, set or group, and how often it may stand there."""

    what: str | _Choice
    least: int
    most: int


_Run: TypeAlias = list[_Item]
_Choice: TypeAlias = list[_Run]


class _UnknownError(Exception):
    """The pattern holds something that is not understood."""


class CountryTables:
    """What libphonenumber knows of the countries that share a country code.

    Attributes:
        head: How many first digits tell the countries apart.
    """

    def __init__(self, tables: Sequence[Any]) -> None:
        self._tables = tables
        widths = [longest(table.leading_digits) for table in tables if table.leading_digits]
        # With a pattern that is not understood all digits are the head, and none are free.
        self.head = max((15 if width is None else width for width in widths), default=0)

    def free_digits(self, national: str) -> int:
        """Say how many last digits do not matter for numbers with this head and length.

        Goes the way `number_type` goes: the countries in their order, up to one that the
        first digits belong to.
        """
        free: list[int] = []
        for table in self._tables:
            leading = table.leading_digits
            if not leading or re.match(leading, national):
                free.append(_free_in(table, len(national)))
            if leading and re.match(leading, national):
                break
        return min(free, default=0)


def _free_in(table: Any, length: int) -> int:
    # Every pattern the table has, also those that are not asked today.
    return min(
        (
            free_tail(part.national_number_pattern)
            for part in vars(table).values()
            if getattr(part, "national_number_pattern", None)
            and (not part.possible_length or length in part.possible_length)
        ),
        default=0,
    )


@cache
def free_tail(pattern: str) -> int:
    """Return how many digits at the end of whatever matches may be any digits."""
    try:
        return _tail_of(_parse(pattern))
    except _UnknownError:
        return 0


def longest(pattern: str) -> int | None:
    """Return how many characters the pattern looks at, at most; None if that is unknown."""
    try:
        return _length_of(_parse(pattern))
    except _UnknownError:
        return None


def _tail_of(choice: _Choice) -> int:
    return min(_tail_of_run(run) for run in choice)


def _tail_of_run(run: _Run) -> int:
    tail = 0
    for item in reversed(run):
        if item.what == r"\d":
            tail += item.least
            if item.least == item.most:
                continue
        elif not isinstance(item.what, str) and item.least == item.most == 1:
            tail += _tail_of(item.what)
        break
    return tail


def _length_of(choice: _Choice) -> int:
    return max(sum(item.most * _width(item) for item in run) for run in choice)


def _width(item: _Item) -> int:
    return 1 if isinstance(item.what, str) else _length_of(item.what)


def _parse(pattern: str) -> _Choice:
    choice, end = _choice_at(pattern, 0, depth=0)
    if end != len(pattern):
        raise _UnknownError
    return choice


def _choice_at(pattern: str, start: int, *, depth: int) -> tuple[_Choice, int]:
    """Read alternatives up to a closing bracket or the end, and say where that is."""
    if depth > _DEEPEST:
        raise _UnknownError
    choice: _Choice = [[]]
    while start < len(pattern) and pattern[start] != ")":
        token = _TOKEN.match(pattern, start)
        if token is None:
            raise _UnknownError
        start = token.end()
        if token[0] == "|":
            choice.append([])
            continue
        what: str | _Choice = token[0]
        if token[0].startswith("("):
            what, start = _choice_at(pattern, start, depth=depth + 1)
            if pattern[start : start + 1] != ")":
                raise _UnknownError
            start += 1
        least, most, start = _count_at(pattern, start)
        choice[-1].append(_Item(what, least, most))
    return choice, start


def _count_at(pattern: str, start: int) -> tuple[int, int, int]:
    found = _COUNT.match(pattern, start)
    if found is None:
        return 1, 1, start
    if found[3]:
        return 0, 1, found.end()
    return int(found[1]), int(found[2] or found[1]), found.end()
