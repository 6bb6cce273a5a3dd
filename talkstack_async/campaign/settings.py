"""What a campaign is told: frozen values that are stored in the ledger as JSON.

Each has a default that is safe for real people. Spans are seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import time
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import attrs
import cattrs

from ..errors import ConfigurationError
from ..models.statuses import Disposition

__all__ = [
    "BreakerSettings",
    "Budget",
    "CallingWindow",
    "CampaignSettings",
    "Caps",
    "EvidenceSettings",
    "LostRule",
    "RedialPolicy",
]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def _positive(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{attribute.name} must be more than 0, not {value!r}")


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigurationError(f"{attribute.name} must be 0 or more, not {value!r}")


def _count(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{attribute.name} must be a whole number above 0, not {value!r}")


def _fraction(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigurationError(f"{attribute.name} must be above 0 and at most 1, not {value!r}")


@attrs.frozen(kw_only=True)
class CallingWindow:
    """Local hours in which calling is allowed, kept in every zone a number may be in.

    The default is the United States' federal rule, 47 CFR 64.1200(c)(1): not before 8 a.m. and
    not after 9 p.m. at the called party's location. Nothing is started in the last
    `margin_seconds`, because a phone rings for a while. An end of midnight is `time(0)`; a
    window whose end lies before its start goes over midnight; start and end both `time(0)` is
    the whole day, which asks for no zone and switches the state rules off.
    """

    start: time = time(8)
    end: time = time(21)
    margin_seconds: float = attrs.field(default=_MINUTE, validator=_not_negative)

    @property
    def is_whole_day(self) -> bool:
        """Whether calling is allowed at any hour."""
        return self.start == self.end == time(0)

    @classmethod
    def parse(cls, text: str) -> CallingWindow:
        """Read `08:00-21:00`; `24:00` is midnight at the end.

        Raises:
            ConfigurationError: It is something else.
        """
        begin, dash, finish = text.strip().partition("-")
        start, end = _hour(begin), _hour(finish)
        if not dash or start is None or end is None or (start == end and start != time(0)):
            raise ConfigurationError(
                "a calling window looks like 08:00-21:00, or 00:00-24:00 for any hour, "
                f"not {text!r}"
            )
        return cls(start=start, end=end)

    def __str__(self) -> str:
        end = "24:00" if self.end == time(0) else f"{self.end:%H:%M}"
        return f"{self.start:%H:%M}-{end}"


def _hour(text: str) -> time | None:
    text = text.strip()
    try:
        return time(0) if text == "24:00" else time.fromisoformat(text)
    except ValueError:
        return None


_GAPS: Mapping[Disposition, float] = MappingProxyType(
    {
        Disposition.BUSY: 15 * _MINUTE,
        Disposition.NO_ANSWER: 4 * _HOUR,
        Disposition.VOICEMAIL: _DAY,
        Disposition.SILENCE: _DAY,
        Disposition.FAILED: _HOUR,
    }
)


def _kept(gaps: Mapping[Disposition, float]) -> dict[Disposition, float]:
    return dict(gaps)


@attrs.frozen(kw_only=True)
class RedialPolicy:
    """How often a contact is tried, and how long after which end.

    Attributes:
        max_attempts: Attempts per contact; those that certainly never left do not count.
        gaps: Seconds until the next attempt, by how the last one ended. An end that is not in
            it is not redialled: by default answered, canceled and unknown.
    """

    max_attempts: int = attrs.field(default=3, validator=_count)
    gaps: Mapping[Disposition, float] = attrs.field(default=_GAPS, converter=_kept, hash=False)


@attrs.frozen(kw_only=True)
class Caps:
    """Bounds per person, over all campaigns of a ledger, counted by number.

    Attributes:
        per_day: Attempts that may have rung within any 24 hours.
        per_week: The same within any 7 days; 7 is what Regulation F, 12 CFR 1006.14(b),
            presumes to be acceptable.
        gap_seconds: Between two attempts, whatever campaigns they belong to.
    """

    per_day: int = attrs.field(default=3, validator=_count)
    per_week: int = attrs.field(default=7, validator=_count)
    gap_seconds: float = attrs.field(default=10 * _MINUTE, validator=_not_negative)


@attrs.frozen(kw_only=True)
class Budget:
    """How much a campaign may cost, in the currency the service bills in.

    No call is started unless its worst case still fits, on top of what was spent and of the
    worst case of every attempt whose cost is not known yet.

    Attributes:
        limit: All calls together.
        worst_call: The most a single call can cost.
    """

    limit: float = attrs.field(validator=_positive)
    worst_call: float = attrs.field(validator=_positive)


@attrs.frozen(kw_only=True)
class BreakerSettings:
    """When calling is interrupted because too much fails.

    Attributes:
        window: How many of the last attempts are looked at.
        least: Fewer attempts than this decide nothing.
        failures: Share of them that must have failed.
        cooldown_seconds: The first pause; each further one without a success is twice as long.
        longest_seconds: The longest pause.
    """

    window: int = attrs.field(default=40, validator=_count)
    least: int = attrs.field(default=10, validator=_count)
    failures: float = attrs.field(default=0.6, validator=_fraction)
    cooldown_seconds: float = attrs.field(default=30.0, validator=_positive)
    longest_seconds: float = attrs.field(default=10 * _MINUTE, validator=_positive)


class LostRule(StrEnum):
    """What becomes of a contact whose attempt left no trace in the history."""

    REVIEW = "review"
    REDIAL = "redial"


@attrs.frozen(kw_only=True)
class EvidenceSettings:
    """How an attempt of unknown end is looked for.

    Attributes:
        fence_seconds: A claim older than this may not be sent any more.
        margin_seconds: Added to the fence and the client's total timeout before anybody looks:
            by then the request has been answered or never will be.
        history_lag_seconds: How long a call may take to show in the history. Two looks lie at
            least that far apart.
        lost: What becomes of a contact after two looks that found nothing.
    """

    fence_seconds: float = attrs.field(default=2.0, validator=_positive)
    margin_seconds: float = attrs.field(default=5.0, validator=_not_negative)
    history_lag_seconds: float = attrs.field(default=_MINUTE, validator=_positive)
    lost: LostRule = LostRule.REVIEW


@attrs.frozen(kw_only=True)
class CampaignSettings:
    """Everything a campaign is told. Stored in the ledger; a later run may change it.

    Attributes:
        follow: Follow each call to its end. Without that nobody learns how calls end, so there
            are no redials.
        max_concurrency: Calls being placed, or with `follow` live, at once.
        calls_per_second: Pace of new calls; None for no limit.
        rules_file: Calling rules of regions, instead of those that are shipped.
        opt_out_keys: Names in a finished call's `data` that, when true, put the number on the
            suppression list.
    """

    project_id: str
    agent_id: str
    window: CallingWindow = attrs.field(factory=CallingWindow)
    redial: RedialPolicy = attrs.field(factory=RedialPolicy)
    caps: Caps = attrs.field(factory=Caps)
    budget: Budget | None = None
    breaker: BreakerSettings = attrs.field(factory=BreakerSettings)
    evidence: EvidenceSettings = attrs.field(factory=EvidenceSettings)
    follow: bool = True
    follow_seconds: float = attrs.field(default=2 * _HOUR, validator=_positive)
    max_concurrency: int = attrs.field(default=10, validator=_count)
    calls_per_second: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_positive)
    )
    rules_file: str | None = None
    opt_out_keys: tuple[str, ...] = ("do_not_call", "doNotCall", "opt_out", "optOut")

    def to_json(self) -> str:
        """Return the settings as JSON text, for the ledger."""
        return json.dumps(_CONVERTER.unstructure(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CampaignSettings:
        """Read what `to_json` wrote; names this version does not know are left out.

        Raises:
            ConfigurationError: It is damaged.
        """
        try:
            return _CONVERTER.structure(json.loads(text), cls)
        except (ValueError, TypeError, KeyError, cattrs.BaseValidationError) as error:
            raise ConfigurationError(f"the stored settings cannot be read: {error}") from error


_CONVERTER = cattrs.Converter()
_CONVERTER.register_unstructure_hook(time, time.isoformat)
_CONVERTER.register_structure_hook(time, lambda text, _: time.fromisoformat(text))
