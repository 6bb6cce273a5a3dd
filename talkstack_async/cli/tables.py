"""What the service knows, as tables for people and as records for programs.

People see masked numbers and never a secret. Records hold numbers whole, and the fields under
the names they have in Python (`from_` is `from`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import attrs

from ..models.fields import RAW
from ..phone import mask_number, scrub_numbers
from ..secret import Secret
from .output import Screen

__all__ = [
    "Columns",
    "as_json",
    "cell",
    "free_text",
    "number",
    "record_of",
    "show_done",
    "show_many",
    "show_one",
]

_T = TypeVar("_T")

Columns: TypeAlias = Mapping[str, Callable[[_T], object]]
"""Headings, and what stands beneath them for one value."""


def cell(value: object) -> str:
    """Return a value as it stands in a table."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
        case float():
            return f"{value:.10g}"
        case _:
            return " ".join(str(value).split())


def number(text: str | None) -> str:
    """Return a phone number as people may see it."""
    return mask_number(text)


def free_text(value: object) -> str:
    """Return a text that somebody wrote: what looks like a phone number is masked."""
    is_text = isinstance(value, str | Mapping | list | tuple)
    return cell(scrub_numbers(str(value)) if is_text else value)


def show_many(values: Iterable[_T], columns: Columns[_T], *, screen: Screen, nothing: str) -> None:
    """Show a list: a table, or one line of JSON for each."""
    values = list(values)
    if screen.json:
        for value in values:
            screen.document(record_of(value))
    elif values:
        rows = [[cell(of(value)) for of in columns.values()] for value in values]
        screen.columns(list(columns), rows)
    else:
        screen.note(nothing)


def show_one(value: _T, columns: Columns[_T], *, screen: Screen, **more: object) -> None:
    """Show one thing, a line for each field; or one JSON document, with `more` in it."""
    screen.document(record_of(value) | {name: as_json(one) for name, one in more.items()})
    if not screen.json:
        screen.facts([(heading, cell(of(value))) for heading, of in columns.items()])


def show_done(text: str, *, screen: Screen, **facts: object) -> None:
    """Say that something was done."""
    screen.document({name: as_json(one) for name, one in facts.items()})
    if not screen.json:
        screen.say(text)


def record_of(value: Any) -> dict[str, Any]:
    """Return a model's fields for programs, without secrets and without the raw answer."""
    return {
        field.name.rstrip("_"): as_json(found)
        for field in attrs.fields(type(value))
        if not field.metadata.get(RAW)
        and not isinstance(found := getattr(value, field.name), Secret)
    }


def as_json(value: object) -> Any:
    """Return a value as JSON has it; text that is neither stays what it prints as."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {str(name): as_json(one) for name, one in value.items()}
        case list() | tuple():
            return [as_json(one) for one in value]
        case _ if attrs.has(type(value)):
            return record_of(value)
        case _:
            return str(value)
