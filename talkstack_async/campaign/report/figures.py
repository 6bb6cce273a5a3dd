"""From the facts of a campaign to the figures of its report. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from ...models.statuses import Disposition
from ...phone import mask_number
from ..ledger.base import CampaignFacts, Counts
from ..records import AttemptRecord, CampaignRecord, ContactRecord, Reason
from ..standing import money
from ..states import AttemptState, ContactState
from ..words import attempt_word, call_words, campaign_words, reason_words
from .charts import Chart, Part, chart_of, parts_of

__all__ = ["Cost", "Figures", "Headline", "Import", "Look", "figures_of"]

_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440)
_MOST_COLUMNS = 240
_MOST_TRIES = 8
# An hour with fewer calls than this is luck, not a pattern.
_ENOUGH_CALLS = 20
# Over, and not the way it was hoped for.
_IN_VAIN = (Reason.ATTEMPTS_USED, Reason.NO_REDIAL, Reason.REFUSED)


@attrs.frozen(kw_only=True)
class Headline:
    """A number that stands large at the top."""

    value: str
    label: str
    note: str = ""
    is_alert: bool = False


@attrs.frozen(kw_only=True)
class Cost:
    """What it cost; amounts as text, None where there is no such amount."""

    spent: str
    per_answer: str | None
    unpriced: int
    reserved: str | None
    budget: str | None
    used: float | None


@attrs.frozen(kw_only=True)
class Look:
    """A contact a person has to look at."""

    row: int
    number: str
    why: str
    detail: str
    when: datetime | None
    ended: str
    call_id: str


@attrs.frozen(kw_only=True)
class Import:
    """A list that was read."""

    at: datetime
    source: str
    counts: Mapping[str, int]


@attrs.frozen(kw_only=True)
class Figures:
    """All that stands in a report."""

    name: str
    state: str
    period: tuple[datetime, datetime] | None
    now: datetime
    headlines: tuple[Headline, ...]
    contacts: tuple[Part, ...]
    calls: tuple[Part, ...]
    unsent: int
    timeline: Chart
    step: str
    tries: tuple[Part, ...]
    hours: Chart
    best_hour: str
    reasons: tuple[Part, ...]
    cost: Cost
    look: tuple[Look, ...]
    look_total: int
    imports: tuple[Import, ...]
    head: tuple[int, str]
    masked: bool


def figures_of(
    facts: CampaignFacts, *, head: tuple[int, str], show_numbers: bool, now: datetime
) -> Figures:
    """Work out everything that stands in a report."""
    counts, campaign = facts.counts, facts.campaign
    calls = _calls(counts)
    step, columns = _per_step(facts)
    has_begun = facts.first_at is not None and facts.last_at is not None
    return Figures(
        name=campaign.name,
        state=campaign_words(campaign.state),
        period=(facts.first_at, facts.last_at) if has_begun else None,  # type: ignore[arg-type]
        now=now,
        headlines=_headlines(campaign, counts),
        contacts=_contacts(counts),
        calls=parts_of(calls),
        unsent=counts.attempts.get(AttemptState.RELEASED, 0),
        timeline=chart_of(columns),
        step=step,
        tries=_tries(facts.tries),
        hours=_hours(facts.by_hour),
        best_hour=_best_hour(facts.by_hour),
        reasons=_reasons(counts.reasons),
        cost=_cost(campaign, calls.get(Disposition.ANSWERED, 0)),
        look=tuple(_look(*each, show_numbers=show_numbers) for each in facts.look),
        look_total=counts.contacts.get(ContactState.REVIEW, 0),
        imports=tuple(
            Import(at=at, source=_file_name(source), counts=each)
            for at, source, each in facts.imports
        ),
        head=head,
        masked=not show_numbers,
    )


def _calls(counts: Counts) -> dict[str, int]:
    """Return how calls ended or where they stand; what was never sent is no call."""
    standing = {
        attempt_word(state, None): count
        for state, count in counts.attempts.items()
        if state not in (AttemptState.FINAL, AttemptState.RELEASED)
    }
    return {**standing, **{str(word): count for word, count in counts.dispositions.items()}}


# --- At the top.


def _headlines(campaign: CampaignRecord, counts: Counts) -> tuple[Headline, ...]:
    contacts = sum(counts.contacts.values())
    over = sum(counts.contacts.get(each, 0) for each in (ContactState.DONE, ContactState.EXCLUDED))
    ended = sum(counts.dispositions.values())
    answered = counts.dispositions.get(Disposition.ANSWERED, 0)
    review = counts.contacts.get(ContactState.REVIEW, 0)
    return (
        Headline(
            value=f"{contacts:,}",
            label="contacts",
            note=f"{_percent(over, contacts)} finished" if contacts else "",
        ),
        Headline(value=f"{counts.rings:,}", label="calls placed", note=f"{ended:,} ended"),
        Headline(
            value=f"{answered:,}",
            label="answered",
            note=f"{_percent(answered, ended)} of the calls that ended" if ended else "",
        ),
        Headline(
            value=f"{review:,}",
            label="to look at",
            note="a person has to decide" if review else "nothing is open",
            is_alert=review > 0,
        ),
        Headline(value=_amount(campaign.spent_micros), label="spent", note=_unpriced(campaign)),
    )


def _unpriced(campaign: CampaignRecord) -> str:
    if campaign.unpriced:
        return f"{campaign.unpriced:,} calls without a price yet"
    return "all calls have their price"


def _percent(part: int, whole: int) -> str:
    """Say a share; what is not quite all, or not quite nothing, does not look like it."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "over 99 %"
    return f"{share:.0f} %"


def _amount(micros: int) -> str:
    return f"{money(micros):,.2f}"


# --- Parts of a whole.


def _contacts(counts: Counts) -> tuple[Part, ...]:
    of = counts.contacts
    done = of.get(ContactState.DONE, 0)
    in_vain = min(done, sum(counts.reasons.get(reason, 0) for reason in _IN_VAIN))
    groups = (
        ("Done", done - in_vain, "good"),
        ("Tried without success", in_vain, "sand"),
        ("Being called", of.get(ContactState.ACTIVE, 0), "blue"),
        ("To be called", of.get(ContactState.READY, 0), "grey"),
        ("Needs a look", of.get(ContactState.REVIEW, 0), "odd"),
        ("Must not be called", of.get(ContactState.EXCLUDED, 0), "bad"),
    )
    return _parts(groups, whole=sum(of.values()))


def _parts(groups: Iterable[tuple[str, int, str]], *, whole: int) -> tuple[Part, ...]:
    return tuple(
        Part(label=label, count=count, share=100 * count / whole, tone=tone)
        for label, count, tone in groups
        if count
    )


def _tries(tries: Mapping[int, int]) -> tuple[Part, ...]:
    rows: Counter[str] = Counter()
    for number, count in sorted(tries.items()):
        rows[_times(number)] += count
    groups = [(label, count, "blue") for label, count in rows.items()]
    return _parts(groups, whole=sum(tries.values()))


def _times(number: int) -> str:
    if number == 0:
        return "Not called"
    if number >= _MOST_TRIES:
        return f"{_MOST_TRIES} calls or more"
    return "1 call" if number == 1 else f"{number} calls"


def _reasons(reasons: Mapping[str, int]) -> tuple[Part, ...]:
    rows = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    groups = [(reason_words(reason), count, "sand") for reason, count in rows]
    return _parts(groups, whole=sum(reasons.values()))


# --- Over time.


def _per_step(facts: CampaignFacts) -> tuple[str, list[tuple[str, Mapping[str, int]]]]:
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


def _hours(by_hour: Sequence[tuple[int, str, int]]) -> Chart:
    hours = [Counter[str]() for _ in range(24)]
    for hour, word, count in by_hour:
        hours[hour][word] += count
    return chart_of([(f"{hour:02}:00", counts) for hour, counts in enumerate(hours)])


def _best_hour(by_hour: Sequence[tuple[int, str, int]]) -> str:
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
    share = _percent(answered[best], ended[best])
    return f"Best between {best:02}:00 and {(best + 1) % 24:02}:00: {share} answered."


# --- Money, and what is left to do.


def _cost(campaign: CampaignRecord, answered: int) -> Cost:
    budget, spent = campaign.settings.budget, campaign.spent_micros
    return Cost(
        spent=_amount(spent),
        per_answer=_amount(spent // answered) if answered and spent else None,
        unpriced=campaign.unpriced,
        reserved=f"{campaign.unpriced * budget.worst_call:,.2f}" if budget else None,
        budget=f"{budget.limit:,.2f}" if budget else None,
        used=min(100.0, 100 * money(spent) / budget.limit) if budget else None,
    )


def _look(contact: ContactRecord, last: AttemptRecord | None, *, show_numbers: bool) -> Look:
    said = (last.error if last else None) or contact.detail or ""
    return Look(
        row=contact.row,
        number=contact.number if show_numbers else mask_number(contact.number),
        why=reason_words(contact.reason or "unknown"),
        # Nothing of ours names a whole number, but this may have come from anywhere.
        detail=said if show_numbers else _without(contact.number, said),
        when=last.sent_at if last else None,
        ended=call_words(attempt_word(last.state, last.disposition)) if last else "",
        call_id=(last.call_id if last else None) or "",
    )


def _without(number: str, text: str) -> str:
    masked = mask_number(number)
    return text.replace(number, masked).replace(number.removeprefix("+"), masked)


def _file_name(source: str) -> str:
    return source.replace("\\", "/").rpartition("/")[2]
