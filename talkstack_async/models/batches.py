"""A list of calls handed over as one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .fields import raw

__all__ = ["BatchResult"]


@attrs.frozen(kw_only=True)
class BatchResult:
    """What is known once the service has taken a batch. It tells nothing of single calls.

    Attributes:
        rows: How many rows the file has; None for a spreadsheet, which is not read here.
        message: What the service said, if anything.
        raw: The whole answer, if it was an object.
    """

    rows: int | None = None
    message: str | None = attrs.field(default=None, repr=False)
    raw: Mapping[str, Any] = raw()  # it declares an attrs field
