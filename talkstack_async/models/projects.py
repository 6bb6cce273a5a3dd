# ruff: noqa: RUF009 # `wire` and `raw` declare attrs fields, which is not a default
"""A project: what agents, numbers and calls belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .fields import raw, wire

__all__ = ["Project"]


@attrs.frozen(kw_only=True)
class Project:
    """A project. Every field may be missing: each operation answers with other ones.

    Attributes:
        id: Missing in the answer that sets the active agent, where the client fills it in.
        status: `ACTIVE` is the only value ever shown; any other comes as it is.
        webhook_url: Where the service reports the progress of calls, if set. The service has
            three names for it; this is the only one here.
        active_agent: Id of the default agent, if set.
        raw: The whole object.
    """

    id: str | None = wire("id", "projectId", default=None)
    name: str | None = wire("name", default=None)
    description: str | None = wire("description", default=None)
    status: str | None = wire("status", default=None)
    user_id: str | None = wire("user_id", default=None)
    webhook_url: str | None = wire(
        "call_status_webhook", "webhookUrl", "webhookURL", default=None, repr=False
    )
    active_agent: str | None = wire("active_agent", default=None)
    is_deleted: bool | None = wire("is_deleted", default=None)
    created_at: datetime | None = wire("created_at", default=None)
    updated_at: datetime | None = wire("updated_at", default=None)
    raw: Mapping[str, Any] = raw()
