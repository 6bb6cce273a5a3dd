"""The script: how calls go when neither a number nor a fault says otherwise."""

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal, get_args

import attrs

from .bounds import fraction, seconds

Disposition = Literal[
    "completed", "busy", "no-answer", "voicemail", "silence", "failed", "canceled"
]
DISPOSITIONS: tuple[Disposition, ...] = get_args(Disposition)


def _known_disposition(_: object, attribute: "attrs.Attribute[Any]", value: str) -> None:
    if value not in DISPOSITIONS:
        known = ", ".join(DISPOSITIONS)
        raise ValueError(f"{attribute.name} must be one of {known}, not {value!r}")


def _weights(
    _: object,
    attribute: "attrs.Attribute[Mapping[Disposition, float] | None]",
    value: Mapping[Disposition, float] | None,
) -> None:
    if value is None:
        return
    for name, weight in value.items():
        _known_disposition(None, attribute, name)
        if not (isfinite(weight) and weight >= 0):
            raise ValueError(f"the weight of {name} must be zero or more, not {weight!r}")
    if sum(value.values()) <= 0:
        raise ValueError("outcomes must hold at least one weight above zero")


def _kept(
    weights: Mapping[Disposition, float] | None,
) -> Mapping[Disposition, float] | None:
    """Copy the weights, so that a script stays as it was made."""
    return None if weights is None else MappingProxyType(dict(weights))


@attrs.frozen(kw_only=True)
class Script:
    """Timings and endings of ordinary calls.

    The four spans of a call's life pass on the virtual clock and are varied by
    up to `jitter` of their length, by seed. `latency` is real time: it delays
    the answer to makeCall, after the phone has rung. `outcomes` draws the
    ending of each call by weight and then replaces `disposition`.

    The service may know less than has happened: a call can be read only
    `visible_after` seconds after it was dialled, stands in the history only after
    `listed_after`, and has an analysis only `analysable_after` seconds after its end.
    """

    queued_for: float = attrs.field(default=1.0, validator=seconds)
    ringing_for: float = attrs.field(default=4.0, validator=seconds)
    talking_for: float = attrs.field(default=20.0, validator=seconds)
    jitter: float = attrs.field(default=0.25, validator=fraction)
    latency: float = attrs.field(default=0.0, validator=seconds)
    visible_after: float = attrs.field(default=0.0, validator=seconds)
    listed_after: float = attrs.field(default=0.0, validator=seconds)
    analysable_after: float = attrs.field(default=0.0, validator=seconds)
    disposition: Disposition = attrs.field(default="completed", validator=_known_disposition)
    outcomes: Mapping[Disposition, float] | None = attrs.field(
        default=None, converter=_kept, validator=_weights
    )
