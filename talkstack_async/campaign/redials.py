"""What becomes of a contact once an attempt is over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from ..errors import ConfigurationError
from ..models.calls import Call
from ..models.statuses import Disposition
from .decisions import Reason
from .settings import LostRule, RedialPolicy
from .states import ContactState

__all__ = ["Next", "after_end", "after_lost", "asks_not_to_be_called", "parse_gap"]


@attrs.frozen(kw_only=True)
class Next:
    """Where a contact goes from here.

    Attributes:
        next_at: When it is due again, if it is to be called again.
    """

    state: ContactState
    reason: Reason
    detail: str = ""
    next_at: datetime | None = None


def after_end(
    disposition: Disposition, *, attempts: int, policy: RedialPolicy, now: datetime
) -> Next:
    """Say what follows a call that is over.

    Args:
        disposition: How it ended.
        attempts: Attempts of the contact that count, this one included.
        policy: Which ends are redialled, and how often.
        now: When it ended, or when that was noticed.
    """
    gap = policy.gaps.get(disposition)
    if gap is not None:
        return _redial(gap, disposition.value, attempts=attempts, policy=policy, now=now)
    if disposition is Disposition.ANSWERED:
        return Next(state=ContactState.DONE, reason=Reason.ANSWERED)
    if disposition is Disposition.UNKNOWN:
        return Next(
            state=ContactState.REVIEW,
            reason=Reason.UNKNOWN_END,
            detail="the call was placed, but how it ended is not known",
        )
    return Next(state=ContactState.DONE, reason=Reason.NO_REDIAL, detail=disposition.value)


def after_lost(rule: LostRule, *, attempts: int, policy: RedialPolicy, now: datetime) -> Next:
    """Say what follows an attempt that may have rung and left no trace.

    If it is to be redialled, nobody knows after which end; so the longest gap is kept.
    """
    if rule is LostRule.REVIEW:
        return Next(
            state=ContactState.REVIEW,
            reason=Reason.LOST,
            detail="the phone may have rung, and no call was found",
        )
    gap = max(policy.gaps.values(), default=_LONG)
    return _redial(gap, "lost", attempts=attempts, policy=policy, now=now)


_LONG = 86_400.0


def _redial(gap: float, after: str, *, attempts: int, policy: RedialPolicy, now: datetime) -> Next:
    if attempts >= policy.max_attempts:
        return Next(state=ContactState.DONE, reason=Reason.ATTEMPTS_USED, detail=after)
    return Next(
        state=ContactState.READY,
        reason=Reason.REDIAL,
        detail=after,
        next_at=now + timedelta(seconds=gap),
    )


def asks_not_to_be_called(call: Call, keys: Iterable[str]) -> bool:
    """Say whether what was taken out of a conversation asks for no further calls."""
    return any(call.flag(key) is True for key in keys)


_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST = 366 * 86_400.0


def parse_gap(text: str) -> tuple[Disposition, float | None]:
    """Read `busy=15m`, `no_answer=4h` or `voicemail=never`; the gap is in seconds.

    Raises:
        ConfigurationError: It is something else.
    """
    name, _, span = text.strip().lower().partition("=")
    name, span = name.strip().replace("-", "_"), span.strip()
    disposition = Disposition(name)
    found = _SPAN.fullmatch(span)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else None
    if (disposition is Disposition.UNKNOWN and name != "unknown") or not (
        span == "never" or (seconds is not None and seconds <= _LONGEST)
    ):
        ends = ", ".join(Disposition)
        raise ConfigurationError(
            "a redial rule looks like busy=15m, no_answer=4h, silence=1d or voicemail=never, "
            f"not {text!r}; the ends are {ends}"
        )
    return disposition, seconds
