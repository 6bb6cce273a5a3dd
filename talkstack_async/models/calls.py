# ruff: noqa: RUF009 # `wire` and `raw` declare attrs fields, which is not a default
"""A call: to be placed, accepted, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from ..phone import mask_number
from .fields import names_of, raw, wire
from .statuses import CallStatus, Disposition

__all__ = ["Call", "CallRequest", "CallResult", "EncodedVariables"]


class EncodedVariables(Mapping[str, Any]):
    """Variables that are JSON text already, as a ledger keeps them: sent as they stand.

    They are read only if somebody asks what is in them; of a call that is placed nobody does.

    Args:
        text: A JSON object, checked and written by this package.
    """

    __slots__ = ("_read", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._read: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return names_of(self)

    @property
    def _values(self) -> dict[str, Any]:
        read = self._read
        if read is None:
            read = self._read = json.loads(self.text)
        return read


def _copied(variables: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if type(variables) is dict:
        return dict(variables)
    if type(variables) is EncodedVariables:
        return variables  # nobody can change them
    if variables is None:
        return {}
    # What is no mapping is left for the check to refuse: building a request raises nothing.
    found: object = variables
    return dict(variables) if isinstance(found, Mapping) else variables


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
        factory=dict, kw_only=True, converter=_copied, repr=names_of, hash=False
    )
    reference: Any = attrs.field(default=None, kw_only=True, hash=False)


@attrs.frozen(kw_only=True, slots=False)  # made for every call, and quicker so
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


def _counted(urls: tuple[str, ...]) -> str:
    return f"<{len(urls)}>"


@attrs.frozen(kw_only=True)
class Call:
    """One phone call as the service remembers it: from reading it, or from the history.

    Both fill what they have: the history knows `started_at` and `ended_at`, reading a call
    knows `date`, `cost`, `recording_urls` and `data`. Anything may be missing while the call
    goes on.

    Attributes:
        call_id: The id; empty only if the history names a call without one.
        status: Where the call stands. A word this version does not know is
            `CallStatus.UNKNOWN`, and stands in `status_text`.
        status_text: The word itself, as the service wrote it.
        to: The number that was called.
        from_: The number the callee saw.
        seconds: How long it lasted.
        cost: What it cost; the service does not say in which currency.
        date: The moment the service gives for the call, in UTC; None if there is none or it
            cannot be read, and then `date_text` holds what was written.
        date_text: `date` as it was written.
        started_at: When the call began, in UTC; from the history.
        ended_at: When it ended, in UTC; from the history.
        recording_urls: Where recordings lie. They are not TalkStack's own address and may ask
            for a login of their own: never send them the API key.
        data: What the service took out of the conversation, as it came. Truth is written as
            text there; see `flag`.
        raw: The whole object, with keys this version does not know.
    """

    call_id: str = wire("callSid", "sid", "call_id", "id", default="")
    status: CallStatus = wire("status", default=CallStatus.UNKNOWN)
    status_text: str | None = wire("status", default=None, repr=False)
    to: str | None = wire("to", "phoneNumber", default=None, repr=mask_number)
    from_: str | None = wire("from", default=None, repr=mask_number)
    seconds: float | None = wire("seconds", "duration", default=None)
    cost: float | None = wire("cost", default=None)
    date: datetime | None = wire("date", default=None)
    date_text: str | None = wire("date", default=None, repr=False)
    started_at: datetime | None = wire("startTime", "start_time", default=None)
    ended_at: datetime | None = wire("endTime", "end_time", default=None)
    recording_urls: tuple[str, ...] = wire("recordingUrls", default=(), repr=_counted)
    data: Mapping[str, Any] = wire("data", factory=dict, repr=names_of, hash=False)
    raw: Mapping[str, Any] = raw()

    @property
    def is_final(self) -> bool:
        """Whether the call is over. An unknown status is not final."""
        return self.status.is_final

    @property
    def disposition(self) -> Disposition:
        """How the call ended; `UNKNOWN` while it goes on."""
        return self.status.disposition

    def flag(self, name: str) -> bool | None:
        """Read a value of `data` as a truth: the service writes "true" and "false" as text.

        Returns None if it is not there or is neither.
        """
        value = self.data.get(name)
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else ""
        return {"true": True, "yes": True, "false": False, "no": False}.get(word)
