"""Calls over time: by the step that fits, and by the hour of the day. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ...models.statuses import Disposition
from ..ledger.base import CampaignFacts
from .charts import Chart, chart_of, percent

__all__ = ["best_hour", "calls_by_hour", "calls_per_step"]

_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440)
_MOST_COLUMNS = 240
# An hour with fewer calls than this is luck, not a pattern.
_ENOUGH_CALLS = 20


def calls_per_step(facts: CampaignFacts) -> tuple[str, list[tuple[str, Mapping[str, int]]]]:
    """Group the minutes so that they fit, and name the step: `minute`, `5 minutes`, `day`."""
    calls = [each for each in facts.per_minute if each[1] != "released" and each[2]]
    if not calls:
        return "minute", []
    first, last = calls[0][0], max(at for at, _, _ in calls)
    minutes = (last - first) // timedelta(minutes=1) + 1
    # One column is kept free: a step begins at a round moment, not with the first call.
    step = next((each for each in _MINUTES if minutes <= each * (_MOST_COLUMNS - 1)), None)
    step = step or -(-minutes // (_MOST_COLUMNS - 1))
    groups: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for at, word, count in calls:
        groups[_minute_of(at) // step][word] += count
    has_days = first.date() != last.date()
    columns: list[tuple[str, Mapping[str, int]]] = [
        (_label(number * step, has_days=has_days, step=step), groups.get(number, {}))
        for number in range(_minute_of(first) // step, _minute_of(last) // step + 1)
    ]
    return _step_words(step), columns


def _minute_of(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _label(minute: int, *, has_days: bool, step: int) -> str:
    moment = datetime.fromtimestamp(minute * 60, UTC)
    if step >= 1440:
        return f"{moment:%b} {moment.day}"
    return f"{moment:%b} {moment.day}, {moment:%H:%M}" if has_days else f"{moment:%H:%M}"


def _step_words(minutes: int) -> str:
    for size, word in ((7 * 1440, "week"), (1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size and minutes % size == 0:
            number = minutes // size
            return word if number == 1 else f"{number} {word}s"
    return "step"


def calls_by_hour(by_hour: Sequence[tuple[int, str, int]]) -> Chart:
    """Stack ends by local hour; all 24 hours are there, so that charts can be compared."""
    hours = [Counter[str]() for _ in range(24)]
    for hour, word, count in by_hour:
        hours[hour][word] += count
    return chart_of([(f"{hour:02}:00", counts) for hour, counts in enumerate(hours)])


def best_hour(by_hour: Sequence[tuple[int, str, int]]) -> str:
    """Say at which hour most people answer, if there are enough calls to say so."""
    ended: Counter[int] = Counter()
    answered: Counter[int] = Counter()
    for hour, word, count in by_hour:
        ended[hour] += count
        if word == Disposition.ANSWERED:
            answered[hour] += count
    known = [hour for hour, count in ended.items() if count >= _ENOUGH_CALLS and answered[hour]]
    if len(known) < 2:
        return ""
    best = max(known, key=lambda hour: (answered[hour] / ended[hour], -hour))
    share = percent(answered[best], ended[best])
    return f"Best between {best:02}:00 and {(best + 1) % 24:02}:00: {share} answered."
