"""From the facts of a campaign to the figures of its report. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

from ...models.statuses import Disposition
from ...phone import mask_number
from ..decisions import Reason
from ..ledger.base import CampaignFacts, Counts
from ..records import AttemptRecord, CampaignRecord, ContactRecord
from ..standing import money
from ..states import AttemptState, CampaignState, ContactState
from ..words import attempt_word, call_words, campaign_words, reason_words
from .charts import Chart, Part, chart_of, parts_of, percent
from .hours import best_hour, calls_by_hour, calls_per_step

__all__ = ["Cost", "Figures", "Headline", "Import", "Look", "figures_of"]

_MOST_TRIES = 8
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
    step, columns = calls_per_step(facts)
    return Figures(
        name=campaign.name,
        state=_state(campaign, counts),
        period=_period(facts),
        now=now,
        headlines=_headlines(campaign, counts),
        contacts=_contacts(counts),
        calls=parts_of(calls),
        unsent=counts.attempts.get(AttemptState.RELEASED, 0),
        timeline=chart_of(columns),
        step=step,
        tries=_tries(facts.tries),
        hours=calls_by_hour(facts.by_hour),
        best_hour=best_hour(facts.by_hour),
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


def _state(campaign: CampaignRecord, counts: Counts) -> str:
    under_way = (ContactState.READY, ContactState.ACTIVE)
    if campaign.state is CampaignState.RUNNING and not any(
        counts.contacts.get(state) for state in under_way
    ):
        return "Finished"
    return campaign_words(campaign.state)


def _period(facts: CampaignFacts) -> tuple[datetime, datetime] | None:
    if facts.first_at is None or facts.last_at is None:
        return None
    return facts.first_at, facts.last_at


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
            note=f"{percent(over, contacts)} finished" if contacts else "",
        ),
        Headline(value=f"{counts.rings:,}", label="calls placed", note=f"{ended:,} ended"),
        Headline(
            value=f"{answered:,}",
            label="answered",
            note=f"{percent(answered, ended)} of the calls that ended" if ended else "",
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
