"""The one converter: JSON objects to models.

It is tolerant where the service is loose (a missing or null field takes its default, an odd
type in an optional field is dropped, unknown keys stay in `raw`) and strict in one point: a
field without a default must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from math import isfinite
from typing import Any, TypeAlias, TypeVar, cast

import attrs
import cattrs

from ..models.fields import RAW, WIRE

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


converter.register_structure_hook(str, _text)


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
    return tuple((field.alias, _reader(field)) for field in fields)


def _reader(field: attrs.Attribute[Any]) -> Reader:
    if RAW in field.metadata:
        return dict
    names: tuple[str, ...] = field.metadata.get(WIRE, (field.name,))
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
