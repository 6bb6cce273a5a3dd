# `wire` and `raw` declare attrs fields, which is not a default
"""An agent: who speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from ..phone import mask_number
from .fields import raw, wire

__all__ = ["Agent"]

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")


@attrs.frozen(kw_only=True)
class Agent:
    """An agent. Every field may be missing: each operation answers with other ones.

    Attributes:
        id: Called `agentId` in the answer to an update.
        instruction: What the agent is told to be and do; may hold `{{name}}` placeholders.
        voice_id: Which voice it has; reading an agent does not tell.
        phone_number: The number it calls from; reading an agent does not tell.
        raw: The whole object.
    """

    id: str | None = wire("id", "agentId", default=None)
    name: str | None = wire("name", default=None)
    project_id: str | None = wire("projectId", default=None)
    instruction: str | None = wire("systemInstruction", default=None, repr=False)
    voice_id: str | None = wire("voice_id", default=None)
    phone_number: str | None = wire("phoneNumber", default=None, repr=mask_number)
    raw: Mapping[str, Any] = raw()

    def placeholders(self) -> tuple[str, ...]:
        """Return the names in `{{name}}` of the instruction, in order, each once.

        A call must give each of them a value in `dynamic_variables`, or the person hears the
        braces.
        """
        found = (match.group(1).strip() for match in _PLACEHOLDER.finditer(self.instruction or ""))
        return tuple(dict.fromkeys(name for name in found if name))
