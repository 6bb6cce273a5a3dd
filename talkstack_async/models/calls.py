"""A call to be placed, and what the service answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..phone import mask_number
from .fields import raw, wire

__all__ = ["CallRequest", "CallResult"]


def _copied(variables: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if variables is None:
        return {}
    # What is no mapping is left for the check to refuse: building a request raises nothing.
    found: object = variables
    return dict(variables) if isinstance(found, Mapping) else variables


def _names(variables: object) -> str:
    # Values are about a person; names say enough.
    if not isinstance(variables, Mapping):
        return f"<{type(variables).__name__}>"
    return f"<{', '.join(map(str, variables))}>"


@attrs.frozen
class CallRequest:
    """Whom to call, and with what.

    Building one checks nothing, so that a bad row does not break the loop that builds them.
    `client.calls.make` refuses a bad one with `InvalidRequestError`; a dispatcher yields
    `NotPlaced` for it and goes on.

    Attributes:
        number: The number to dial, E.164: `+14155550123`.
        agent_id: Who speaks; the client's default if None.
        project_id: Where the call belongs; the client's default if None.
        dynamic_variables: Values for the `{{name}}` placeholders of the agent's instruction.
            Passed on as JSON. Copied, so that a dict may be used again for the next row.
        reference: Your own key for this row. Never sent; comes back with the outcome.
    """

    number: str = attrs.field(repr=mask_number)
    agent_id: str | None = attrs.field(default=None, kw_only=True)
    project_id: str | None = attrs.field(default=None, kw_only=True)
    dynamic_variables: Mapping[str, Any] = attrs.field(
        factory=dict, kw_only=True, converter=_copied, repr=_names, hash=False
    )
    reference: Any = attrs.field(default=None, kw_only=True, hash=False)


@attrs.frozen(kw_only=True)
class CallResult:
    """What the service answered when it accepted a call.

    Attributes:
        call_id: The id by which the call is read later. Called `call_id`, `sid` or `callSid`
            by different pages of the service.
        to: The number as the service understood it.
        from_: The number the callee sees.
        raw: The whole `call` object, with keys this version does not know.
    """

    call_id: str = wire("call_id", "sid", "callSid")
    to: str | None = wire("to", default=None, repr=mask_number)
    from_: str | None = wire("from", default=None, repr=mask_number)
    raw: Mapping[str, Any] = raw()
