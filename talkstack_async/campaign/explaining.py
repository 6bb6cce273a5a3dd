"""The whole story of one number, told line by line: `talkstack campaign explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import attrs

from ..phone import mask_number, scrub_numbers
from .ledger.moments import from_ms
from .records import AttemptRecord, CampaignRecord, ContactRecord, Story, StoryLine
from .standing import money
from .words import attempt_word, call_words, contact_words, reason_words

__all__ = ["lines_of", "story_as_data"]

# Moments the audit keeps as whole milliseconds.
_MOMENTS = ("until", "next_at")


def lines_of(story: Story, *, show_numbers: bool = False) -> list[str]:
    """Tell a story: how things stand first, then everything that happened, in order of time."""
    return list(_told(story if show_numbers else _without_numbers(story)))


def _told(story: Story) -> Iterator[str]:
    yield story.number
    if story.suppression is not None:
        since, why = story.suppression.added_at, story.suppression.reason
        yield f"On the do-not-call list since {_time(since)}: {why} ({story.suppression.source})"
    if not story.contacts:
        yield "In no campaign of this ledger"
    for campaign, contact in story.contacts:
        yield _stands(campaign, contact)
    places = {each.attempt_id: each.number for each in story.attempts}
    several = len(story.contacts) > 1
    for line in story.lines:
        which = f"{line.campaign}: " if several else ""
        yield f"{_time(line.at)}  {which}{_sentence(line, places)}"


def _without_numbers(story: Story) -> Story:
    """Return the story with the number masked wherever it may stand."""
    entry = story.suppression
    if entry is not None:
        # People wrote these, and there may be any number in them.
        entry = attrs.evolve(
            entry, reason=scrub_numbers(entry.reason), source=scrub_numbers(entry.source)
        )
    return attrs.evolve(
        story,
        number=mask_number(story.number),
        suppression=entry,
        contacts=tuple(
            (campaign, attrs.evolve(contact, detail=_masked(contact.detail, story.number)))
            for campaign, contact in story.contacts
        ),
        attempts=tuple(
            attrs.evolve(attempt, error=_masked(attempt.error, story.number))
            for attempt in story.attempts
        ),
        lines=tuple(
            attrs.evolve(line, detail=_masked(dict(line.detail), story.number))
            for line in story.lines
        ),
    )


def _masked(value: Any, number: str) -> Any:
    """Mask one number in a value.

    Only this one: our own texts hold no others, but moments and ids that look like them.
    """
    match value:
        case str():
            return value.replace(number, mask_number(number)).replace(
                number.removeprefix("+"), mask_number(number)
            )
        case dict():
            return {name: _masked(each, number) for name, each in value.items()}
        case list():
            return [_masked(each, number) for each in value]
        case _:
            return value


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _stands(campaign: CampaignRecord, contact: ContactRecord) -> str:
    why = f" ({_because(contact.reason, contact.detail)})" if contact.reason else ""
    due = f", due {_time(contact.next_at)}" if contact.next_at else ""
    zones = ", ".join(contact.zones[:3]) + (", ..." if len(contact.zones) > 3 else "")
    return (
        f"Campaign {campaign.name}, row {contact.row}: {contact_words(contact.state)}{why}, "
        f"attempts {contact.attempts} of {campaign.settings.redial.max_attempts}{due}; "
        f"time zone {zones or 'unknown'}"
    )


def _because(reason: str, detail: str | None) -> str:
    words = reason_words(reason)
    return f"{words}: {detail}" if detail else words


def _sentence(line: StoryLine, places: Mapping[int, int]) -> str:
    detail = dict(line.detail)
    place = places.get(detail.pop("attempt_id", 0))
    place = detail.pop("n", place)
    told = _event(line.what, detail)
    return told if place is None else f"Attempt {place}: {told}"


_TAKEN_OVER = {
    "left": "its worker does not follow it any more",
    "stale": "its worker is gone, so another one took over",
}


def _event(what: str, detail: dict[str, Any]) -> str:
    match what:
        case "listed":
            return f"row {detail.get('row')} of the list {detail.get('list')}"
        case "dial":
            return _with("to be called now", detail)
        case "wait":
            until, why = detail.pop("until", None), _reason(detail)
            return _with(f"not before {_moment(until)}: {why}", detail)
        case "stop" | "excluded":
            return _with(f"not to be called: {_reason(detail)}", detail)
        case "updated":
            return _with("its row of the list has changed", detail)
        case "taken_over":
            return _with(_TAKEN_OVER.get(str(detail.get("why")), _TAKEN_OVER["stale"]), detail)
        case "resolved":
            told = f"a person decided: {detail.pop('detail', '')}".rstrip(": ")
            return _settled_as(told, detail)
        case "event":
            return _reported(detail)
        case "placed" | "final" | "rejected" | "released" | "unknown" | "lost":
            return _settled(what, detail)
        case _:
            return _with(what.replace("_", " "), detail)


def _reason(detail: dict[str, Any]) -> str:
    return _because(str(detail.pop("reason", "")), detail.pop("detail", None))


def _reported(detail: dict[str, Any]) -> str:
    status = detail.pop("status", None) or "something"
    later = "" if detail.pop("applied", True) else ", not looked at yet"
    return f"the service reported {status} of call {detail.get('call_id')}{later}"


def _settled(what: str, detail: dict[str, Any]) -> str:
    """Say what became of an attempt, and of its contact through it."""
    word = {"final": detail.pop("disposition", "unknown"), "unknown": "uncertain"}.get(what, what)
    if detail.get("detail") in (word, detail.get("error")):
        detail.pop("detail", None)  # it says the same
    return _settled_as(call_words(str(word)).lower(), detail)


def _settled_as(told: str, detail: dict[str, Any]) -> str:
    state, reason = detail.pop("contact", ""), detail.pop("reason", "")
    if detail.pop("counts", True) is False:
        detail["the try"] = "does not count"
    if "cost_micros" in detail:
        detail["cost"] = money(detail.pop("cost_micros"))
    return f"{_with(told, detail)}; then {state}: {reason_words(str(reason))}"


def _with(told: str, detail: Mapping[str, Any]) -> str:
    facts = [
        f"{name.replace('_', ' ')} {_value(name, value)}"
        for name, value in detail.items()
        if value not in (None, "", [], {})
    ]
    return f"{told} ({'; '.join(facts)})" if facts else told


def _value(name: str, value: Any) -> str:
    match value:
        case int() if name in _MOMENTS:
            return _moment(value)
        case Mapping():
            return ", ".join(f"{key} {each}" for key, each in value.items())
        case list():
            return ", ".join(map(str, value))
        case str():
            return value
        case _:
            return json.dumps(value)


def _moment(milliseconds: Any) -> str:
    return _time(from_ms(milliseconds)) if isinstance(milliseconds, int) else str(milliseconds)


def story_as_data(story: Story, *, show_numbers: bool = False) -> dict[str, Any]:
    """Return a story as what JSON can hold; variables are told with the whole numbers only."""
    told = story if show_numbers else _without_numbers(story)
    return {
        "number": told.number,
        "suppression": _suppression(told),
        "contacts": [
            _contact(campaign, contact, with_variables=show_numbers)
            for campaign, contact in told.contacts
        ],
        "attempts": [_attempt(attempt) for attempt in told.attempts],
        "events": [
            {
                "at": line.at.isoformat(),
                "campaign": line.campaign,
                "what": line.what,
                "detail": {name: _plain(name, each) for name, each in line.detail.items()},
            }
            for line in told.lines
        ],
    }


def _suppression(story: Story) -> dict[str, Any] | None:
    entry = story.suppression
    if entry is None:
        return None
    since = entry.added_at.isoformat()
    return {"reason": entry.reason, "source": entry.source, "added_at": since}


def _contact(
    campaign: CampaignRecord, contact: ContactRecord, *, with_variables: bool
) -> dict[str, Any]:
    return {
        "campaign": campaign.name,
        "row": contact.row,
        "state": contact.state.name.lower(),
        "reason": contact.reason,
        "detail": contact.detail,
        "attempts": contact.attempts,
        "next_at": _iso(contact.next_at),
        "zones": list(contact.zones),
        "regions": list(contact.regions),
        **({"variables": dict(contact.variables)} if with_variables else {}),
    }


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    return {
        "attempt_id": attempt.attempt_id,
        "n": attempt.number,
        "state": attempt.state.name.lower(),
        "ended": attempt_word(attempt.state, attempt.disposition),
        "worker": attempt.worker,
        "sent_at": attempt.sent_at.isoformat(),
        "settled_at": _iso(attempt.settled_at),
        "call_id": attempt.call_id,
        "disposition": attempt.disposition,
        "seconds": attempt.seconds,
        "cost": None if attempt.cost_micros is None else money(attempt.cost_micros),
        "error": attempt.error,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _plain(name: str, value: Any) -> Any:
    is_moment = name in _MOMENTS and isinstance(value, int)
    return from_ms(value).isoformat() if is_moment else value
