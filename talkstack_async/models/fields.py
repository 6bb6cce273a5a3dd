"""How a field says what it is called on the wire."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["RAW", "WIRE", "wire"]

WIRE = "talkstack.wire"
RAW = "talkstack.raw"


def wire(*names: str, **field: Any) -> Any:
    """Declare a field with its wire names: the first is sent, all are read, in this order.

    There is no automatic case conversion: the service mixes styles (`voice_id`, `projectId`)
    and spells some keys in several ways.
    """
    return attrs.field(metadata={WIRE: names}, **field)


def raw() -> Any:
    """Declare the field that keeps the whole object as the service sent it."""
    return attrs.field(factory=dict, repr=False, eq=False, metadata={RAW: True})
