"""The names that are promised, with their signatures, against `public_api.txt`.

A difference is a decision and not an accident: look at it, and if it is meant, run
`python tests/contract/test_public_api.py --write` and commit the file with the change.
"""

from __future__ import annotations

import difflib
import enum
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROMISED = Path(__file__).with_name("public_api.txt")
ROOMS = [
    "talkstack_async",
    "talkstack_async.models",
    "talkstack_async.errors",
    "talkstack_async.dispatch",
    "talkstack_async.campaign",
    "talkstack_async.webhooks",
    "talkstack_async.emulator",
    "talkstack_async.integrations.health",
    "talkstack_async.integrations.ledger_metrics",
    "talkstack_async.integrations.otel",
    "talkstack_async.integrations.prometheus",
]


def _signature(value: Any) -> str:
    try:
        return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


def _bases(kind: type) -> str:
    names = [base.__name__ for base in kind.__bases__ if base is not object]
    return f" < {', '.join(names)}" if names else ""


def _member(kind: type, name: str, value: Any) -> str | None:
    if isinstance(value, property):
        returns = inspect.get_annotations(value.fget).get("return", "?") if value.fget else "?"
        writable = " (writable)" if value.fset else ""
        return f"    .{name}: {returns}{writable}"
    if isinstance(value, classmethod | staticmethod | types.FunctionType):
        word = "async " if inspect.iscoroutinefunction(getattr(kind, name)) else ""
        return f"    {word}.{name}{_signature(getattr(kind, name))}"
    return None


def _members(kind: type) -> Iterator[str]:
    if issubclass(kind, enum.Enum):
        yield from (f"    .{member.name} = {member.value!r}" for member in kind)
    for name, value in sorted(vars(kind).items()):
        if not name.startswith("_") and (line := _member(kind, name, value)):
            yield line


def _lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        signature = "" if issubclass(value, enum.Enum) else _signature(value)
        yield f"  class {name}{signature}{_bases(value)}"
        yield from _members(value)
    elif inspect.isfunction(value):
        yield f"  def {name}{_signature(value)}"
    elif typing.get_args(value):
        parts = (getattr(part, "__name__", repr(part)) for part in typing.get_args(value))
        yield f"  {name} = {' | '.join(parts)}"
    else:
        yield f"  {name}: {type(value).__name__}"


def described() -> str:
    """Return the public names as text, one line each."""
    lines: list[str] = []
    for room in ROOMS:
        module = importlib.import_module(room)
        lines.append(room)
        for name in sorted(module.__all__):
            value = getattr(module, name)
            home = getattr(value, "__module__", "")
            if room == ROOMS[0] and inspect.isclass(value) and _is_told_elsewhere(home, name):
                lines.append(f"  {name} (see {_told_in(home, name)})")
            else:
                lines.extend(_lines(name, value))
        lines.append("")
    return "\n".join(lines)


def _told_in(home: str, name: str) -> str:
    rooms = [room for room in ROOMS[1:] if home.startswith(room)]
    return next((r for r in rooms if name in importlib.import_module(r).__all__), "")


def _is_told_elsewhere(home: str, name: str) -> bool:
    return bool(_told_in(home, name))


def test_the_public_names_are_the_promised_ones() -> None:
    promised = PROMISED.read_text(encoding="utf-8").splitlines()
    difference = "\n".join(
        difflib.unified_diff(promised, described().splitlines(), "promised", "found", lineterm="")
    )
    assert not difference, f"{__doc__}\n{difference}"


def test_every_room_promises_only_what_it_has() -> None:
    for room in ROOMS:
        module = importlib.import_module(room)
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(getattr(module, name, None) is not None for name in module.__all__)


def test_nothing_private_is_promised() -> None:
    for room in ROOMS:
        assert not [n for n in importlib.import_module(room).__all__ if n.startswith("_")]


def test_what_is_promised_has_a_docstring() -> None:
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), f"{room}.{name} has no docstring"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PROMISED.write_text(described(), encoding="utf-8")
    else:
        print(described())
