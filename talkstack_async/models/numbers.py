# `wire` and `raw` declare attrs fields, which is not a default
"""A phone number that the account can call from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..phone import mask_number
from .fields import raw, wire

__all__ = ["Number"]


@attrs.frozen(kw_only=True)
class Number:
    """A phone number of the account.

    Attributes:
        e164: The number itself; its middle is hidden when printed.
        status: `AVAILABLE` is the only value ever shown; any other comes as it is.
        agent_id: Which agent uses it, if any.
        raw: The whole object.
    """

    id: str | None = wire("id", "phoneNumberId", default=None)
    e164: str | None = wire("e164", default=None, repr=mask_number)
    status: str | None = wire("status", default=None)
    project_id: str | None = wire("projectId", default=None)
    agent_id: str | None = wire("agentId", default=None)
    raw: Mapping[str, Any] = raw()
