"""How a field says what it is called on the wire, and what was left out of an update."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import attrs

__all__ = ["RAW", "UNSET", "WIRE", "Unset", "names_of", "raw", "wire"]

WIRE = "talkstack.wire"
RAW = "talkstack.raw"


class _Unset(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = _Unset.UNSET
"""In an update: leave this field out of the request. `None` is sent, as null."""

Unset: TypeAlias = Literal[_Unset.UNSET]


def wire(*names: str, **field: Any) -> Any:
    """Declare a field with its wire names: the first is sent, all are read, in this order.

    There is no automatic case conversion: the service mixes styles (`voice_id`, `projectId`)
    and spells some keys in several ways.
    """
    return attrs.field(metadata={WIRE: names}, **field)


def raw() -> Any:
    """Declare the field that keeps the whole object as the service sent it.

    Credentials are taken out of it: they stand in their own fields, where they do not print.
    """
    return attrs.field(factory=dict, repr=False, eq=False, metadata={RAW: True})


def names_of(values: object) -> str:
    """Show a mapping by its keys: values are about a person, names say enough."""
    if not isinstance(values, Mapping):
        return f"<{type(values).__name__}>"
    return f"<{', '.join(map(str, values))}>"
