"""What options say about how a campaign calls, and what becomes of its settings by that."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import attrs

from ..campaign.redials import parse_gap
from ..campaign.settings import (
    Budget,
    CallingWindow,
    CampaignSettings,
    Caps,
    LostRule,
    RedialPolicy,
)
from ..models.statuses import Disposition
from .exits import CliError

__all__ = ["SettingsChange"]

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class SettingsChange:
    """What is to be different. None leaves what is stored or, in a new campaign, the default.

    Make one with `of_options`, which reads the texts people write.

    Attributes:
        gaps: Seconds until a redial, by how a call ended; None for no redial.
    """

    project_id: str | None = None
    agent_id: str | None = None
    max_concurrency: int | None = None
    calls_per_second: float | None = None
    max_attempts: int | None = None
    max_per_day: int | None = None
    gaps: tuple[tuple[Disposition, float | None], ...] = ()
    window: CallingWindow | None = None
    budget: float | None = None
    worst_call: float | None = None
    follow: bool | None = None
    rules_file: str | None = None
    lost: LostRule | None = None

    @classmethod
    def of_options(
        cls,
        *,
        project_id: str | None = None,
        agent_id: str | None = None,
        max_concurrency: int | None = None,
        calls_per_second: float | None = None,
        max_attempts: int | None = None,
        max_per_day: int | None = None,
        redial: Iterable[str] | None = None,
        calling_window: str | None = None,
        budget: float | None = None,
        worst_call: float | None = None,
        follow: bool | None = None,
        rules: Path | None = None,
        lost: str | None = None,
    ) -> SettingsChange:
        """Read options as they were written.

        Raises:
            CliError: One of them cannot be understood.
            ConfigurationError: So, too; or the rules cannot be read.
        """
        return cls(
            project_id=project_id,
            agent_id=agent_id,
            max_concurrency=max_concurrency,
            calls_per_second=calls_per_second,
            max_attempts=max_attempts,
            max_per_day=max_per_day,
            gaps=tuple(parse_gap(text) for text in redial or ()),
            window=None if calling_window is None else CallingWindow.parse(calling_window),
            budget=budget,
            worst_call=worst_call,
            follow=follow,
            rules_file=None if rules is None else _readable_rules(rules),
            lost=None if lost is None else _lost_rule(lost),
        )

    def new(self) -> CampaignSettings:
        """Return the settings of a new campaign.

        Raises:
            CliError: Something is missing: project, agent, or half of the budget.
            ConfigurationError: A value cannot work.
        """
        for name in ("project_id", "agent_id"):
            if not getattr(self, name):
                option = name.replace("_", "-")
                raise CliError(f"no {name}: give --{option} or set TALKSTACK_{name.upper()}")
        return self.applied_to(
            CampaignSettings(project_id=self.project_id or "", agent_id=self.agent_id or "")
        )

    def applied_to(self, stored: CampaignSettings) -> CampaignSettings:
        """Return settings with what is to be different, the rest as it was.

        Raises:
            CliError: There is half of a budget.
            ConfigurationError: A value cannot work.
        """
        return attrs.evolve(
            stored,
            project_id=self.project_id or stored.project_id,
            agent_id=self.agent_id or stored.agent_id,
            window=_or(self.window, stored.window),
            redial=self._redial(stored.redial),
            caps=self._caps(stored.caps),
            budget=self._budget(stored.budget),
            evidence=attrs.evolve(stored.evidence, lost=_or(self.lost, stored.evidence.lost)),
            follow=_or(self.follow, stored.follow),
            max_concurrency=_or(self.max_concurrency, stored.max_concurrency),
            calls_per_second=_or(self.calls_per_second, stored.calls_per_second),
            rules_file=_or(self.rules_file, stored.rules_file),
        )

    def _redial(self, stored: RedialPolicy) -> RedialPolicy:
        changed: dict[Disposition, float | None] = {**stored.gaps, **dict(self.gaps)}
        gaps = {end: gap for end, gap in changed.items() if gap is not None}
        return attrs.evolve(
            stored, max_attempts=_or(self.max_attempts, stored.max_attempts), gaps=gaps
        )

    def _caps(self, stored: Caps) -> Caps:
        return attrs.evolve(stored, per_day=_or(self.max_per_day, stored.per_day))

    def _budget(self, stored: Budget | None) -> Budget | None:
        limit = _or(self.budget, None if stored is None else stored.limit)
        worst_call = _or(self.worst_call, None if stored is None else stored.worst_call)
        if limit is None and worst_call is None:
            return None
        if limit is None or worst_call is None:
            raise CliError(
                "a budget takes both --budget, for all calls together, and --worst-call, the "
                "most that one call can cost"
            )
        return Budget(limit=limit, worst_call=worst_call)


def _or(given: _T | None, stored: _T) -> _T:
    return stored if given is None else given


def _lost_rule(text: str) -> LostRule:
    try:
        return LostRule(text)
    except ValueError as error:
        raise CliError(f"--lost is {' or '.join(LostRule)}, not {text!r}") from error


def _readable_rules(path: Path) -> str:
    """Read the rules once, so that what is wrong with them is known before anybody is called."""
    from ..campaign.regions import RegionRules

    RegionRules.load(path)
    return str(path.resolve())
