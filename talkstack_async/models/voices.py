# `wire` and `raw` declare attrs fields, which is not a default
"""A voice that agents can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .fields import raw, wire

__all__ = ["Voice"]


@attrs.frozen(kw_only=True)
class Voice:
    """A voice.

    Attributes:
        id: What an agent takes as its `voice_id`.
        labels: `accent`, `description`, `age`, `gender`, `use_case`, if known.
        preview_url: A sample to listen to. Not TalkStack's own address: never send it the key.
        raw: The whole object.
    """

    id: str | None = wire("voice_id", "id", default=None)
    name: str | None = wire("name", default=None)
    labels: Mapping[str, Any] = wire("labels", factory=dict, hash=False)
    preview_url: str | None = wire("preview_url", default=None)
    raw: Mapping[str, Any] = raw()
