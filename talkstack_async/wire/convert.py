"""The one converter: JSON objects to models.

It is tolerant where the service is loose (a missing or null field takes its default, an odd
type in an optional field is dropped, unknown keys stay in `raw`) and strict in one point: a
field without a default must be there. A credential goes into its own field and not into `raw`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from functools import cache
from math import isfinite
from typing import Any, TypeAlias, TypeVar, cast

import attrs
import cattrs

from ..models.fields import RAW, WIRE
from ..models.statuses import CallStatus
from ..secret import Secret
from .dates import parse_moment

__all__ = ["structure"]

T = TypeVar("T")
Reader: TypeAlias = Callable[[Mapping[str, Any]], Any]

converter = cattrs.Converter(prefer_attrib_converters=True)


def _text(value: object, _: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return str(value)
    raise TypeError(f"text expected, not {type(value).__name__}")


def _number(value: object, _: object) -> float:
    # The history is expected to write durations as text, as Twilio does.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"a number expected, not {type(value).__name__}")
    number = float(value)
    if not isfinite(number):
        raise ValueError("a number expected")
    return number


def _truth(value: object, _: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise TypeError(f"true or false expected, not {type(value).__name__}")


def _texts(value: object, _: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"a list expected, not {type(value).__name__}")
    return tuple(entry for entry in value if isinstance(entry, str))


def _mapping(value: object, _: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"an object expected, not {type(value).__name__}")
    return dict(value)


converter.register_structure_hook(float, _number)
converter.register_structure_hook(bool, _truth)
converter.register_structure_hook(datetime, lambda value, _: parse_moment(_text(value, str)))
converter.register_structure_hook(Secret, lambda value, _: Secret(_text(value, str)))
converter.register_structure_hook(str, _text)
# It is a string, so the hook for strings would take it.
converter.register_structure_hook(CallStatus, lambda value, _: CallStatus(value))
converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], _texts)
converter.register_structure_hook_func(lambda kind: kind == Mapping[str, Any], _mapping)
converter.register_structure_hook_func(
    attrs.has,
    lambda value, kind: structure(value, kind),  # noqa: PLW0108 # it is defined below
)


def structure(body: object, kind: type[T]) -> T:
    """Build a model from a JSON object.

    Raises:
        ValueError: It is not an object, or a field that is needed is missing or malformed.
    """
    if not isinstance(body, Mapping):
        # One kind of error for everything a reply can get wrong.
        raise ValueError(  # noqa: TRY004 # see above
            f"an object was expected, not {type(body).__name__}"
        )
    known: dict[str, Any] = {}
    for name, read in _readers(cast("Hashable", kind)):
        value = read(body)
        if value is not None:
            known[name] = value
    return kind(**known)


@cache
def _readers(kind: Hashable) -> tuple[tuple[str, Reader], ...]:
    fields = attrs.fields(attrs.resolve_types(cast("type[attrs.AttrsInstance]", kind)))
    secrets = frozenset(
        name for field in fields if field.type in (Secret, Secret | None) for name in _names(field)
    )
    return tuple((field.alias, _reader(field, secrets=secrets)) for field in fields)


def _names(field: attrs.Attribute[Any]) -> tuple[str, ...]:
    names: tuple[str, ...] = field.metadata.get(WIRE, (field.name,))
    return names


def _reader(field: attrs.Attribute[Any], *, secrets: frozenset[str]) -> Reader:
    if RAW in field.metadata:
        return _whole_but(secrets)
    names = _names(field)
    required = field.default is attrs.NOTHING
    hook = converter.get_structure_hook(field.type)
    is_text = field.type in (str, str | None)

    def read(body: Mapping[str, Any]) -> Any:
        for name in names:
            value = body.get(name)
            if value is not None and value != "":
                break
        else:
            if required:
                raise ValueError(f"{names[0]!r} is missing")
            return None
        if is_text and type(value) is str:
            return value  # the usual case needs no converter
        try:
            return hook(value, field.type)
        except Exception as error:
            if required:
                raise ValueError(f"{names[0]!r} is malformed") from error
            return None

    return read


def _whole_but(secrets: frozenset[str]) -> Reader:
    if not secrets:
        return dict
    return lambda body: {name: value for name, value in body.items() if name not in secrets}
