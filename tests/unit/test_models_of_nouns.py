"""Calls that were read, agents, questions, and what none of them shows."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from talkstack_async import (
    Agent,
    BooleanQuestion,
    Call,
    CallStatus,
    Disposition,
    NumberQuestion,
    SelectorQuestion,
    TextQuestion,
)
from talkstack_async.models import UNSET, Analysis, Answer, ApiKey, CallFilter, TokenPair, User
from talkstack_async.secret import Secret

FINAL = {
    "completed": Disposition.ANSWERED,
    "busy": Disposition.BUSY,
    "voicemail": Disposition.VOICEMAIL,
    "silence": Disposition.SILENCE,
    "failed": Disposition.FAILED,
    "no-answer": Disposition.NO_ANSWER,
    "canceled": Disposition.CANCELED,
}


@pytest.mark.parametrize(("word", "disposition"), FINAL.items())
def test_an_ending_is_final_and_has_its_disposition(word: str, disposition: Disposition) -> None:
    assert CallStatus(word).is_final
    assert CallStatus(word).disposition is disposition


@pytest.mark.parametrize("status", [status for status in CallStatus if status not in FINAL])
def test_everything_else_goes_on(status: CallStatus) -> None:
    assert not status.is_final
    assert status.disposition is Disposition.UNKNOWN


@pytest.mark.parametrize("word", ["moonlit", "", " ", None, 5, [], {}])
def test_a_word_nobody_knows_is_unknown_and_not_final(word: Any) -> None:
    assert CallStatus(word) is CallStatus.UNKNOWN
    assert not CallStatus(word).is_final
    assert Disposition(word) is Disposition.UNKNOWN


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("No_Answer", CallStatus.NO_ANSWER),
        ("NO ANSWER", CallStatus.NO_ANSWER),
        ("no answer ", CallStatus.NO_ANSWER),
        ("in_progress", CallStatus.IN_PROGRESS),
        ("cancelled", CallStatus.CANCELED),
        ("Completed", CallStatus.COMPLETED),
    ],
)
def test_spelling_is_tolerated(word: str, status: CallStatus) -> None:
    assert CallStatus(word) is status


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        (None, ()),
        ("", ()),
        ("Hello.", ()),
        ("Hello {{name}}.", ("name",)),
        ("{{ b }}{{a}} {{\tb\n}}", ("b", "a")),
        ("{{first name}} {{ }} {{}} {single} {{a", ("first name",)),
        ("{{{name}}} {{größe}}", ("name", "größe")),
    ],
)
def test_placeholders_come_in_order_and_once(
    instruction: str | None, names: tuple[str, ...]
) -> None:
    assert Agent(instruction=instruction).placeholders() == names


def test_placeholders_of_a_hostile_text_are_found_quickly() -> None:
    assert Agent(instruction="{{" + " " * 20_000 + "{{ " * 20_000).placeholders() == ()


@pytest.mark.parametrize(
    ("question", "answer", "value"),
    [
        (BooleanQuestion("?"), "Yes", True),
        (BooleanQuestion("?"), "no.", False),
        (BooleanQuestion("?"), True, True),
        (BooleanQuestion("?"), "perhaps", None),
        (BooleanQuestion("?"), 1, None),
        (TextQuestion("?"), "text", "text"),
        (TextQuestion("?"), 5, None),
        (NumberQuestion("?"), 7, 7.0),
        (NumberQuestion("?"), "7.5", 7.5),
        (NumberQuestion("?"), "seven", None),
        (NumberQuestion("?"), "nan", None),
        (NumberQuestion("?"), True, None),
        (NumberQuestion("?"), 10**400, None),
        (SelectorQuestion("?", options=["red"]), "red", "red"),
        (SelectorQuestion("?", options=["red"]), "blue", None),
        (SelectorQuestion("?", options=["red"]), None, None),
    ],
)
def test_an_answer_has_the_type_of_its_question(question: Any, answer: Any, value: Any) -> None:
    assert question.value_of(answer) == value
    assert type(question.value_of(answer)) is type(value)


def test_an_analysis_with_nothing_in_it_is_not_available() -> None:
    empty = Answer(question=TextQuestion("?"))
    assert not Analysis(answers=(empty,)).is_available
    assert Analysis(answers=(empty,), sentiment="good").is_available
    assert Analysis(answers=(Answer(question=TextQuestion("?"), value="x", raw="x"),)).is_available


def test_nothing_about_a_person_is_shown() -> None:
    call = Call(
        call_id="CA1",
        to="+14155550123",
        from_="+12025550100",
        data={"salary": "90000"},
        recording_urls=("https://example.com/secret",),
    )
    for text in ("4155550123", "2025550100", "90000", "secret"):
        assert text not in repr(call)
    assert "salary" in repr(call)
    user = User(email="ada@example.com", name="Ada Lovelace", company_name="Engines")
    for text in ("ada@", "Lovelace", "Engines"):
        assert text not in repr(user)
    assert "None" in repr(User())


def test_credentials_are_not_shown_and_not_pickled() -> None:
    pair = TokenPair(token=Secret("the-token"), refresh_token=Secret("the-refresh"))
    key = ApiKey(key=Secret("the-key"))
    assert "the-" not in repr(pair) + str(pair) + repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(pair)


def test_values_are_values() -> None:
    call = Call(call_id="CA1", data={"x": [1]}, raw={"y": 1})
    assert call == Call(call_id="CA1", data={"x": [1]})
    assert hash(call) == hash(copy.deepcopy(call))
    assert pickle.loads(pickle.dumps(call)) == call
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert copy.deepcopy(UNSET) is UNSET
    assert (bool(UNSET), repr(UNSET)) == (False, "UNSET")
    assert hash(SelectorQuestion("?", options=["a"])) == hash(SelectorQuestion("?", options=["a"]))


DAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


def page(*days: int | None) -> list[Call]:
    return [
        Call(call_id=f"CA{i}", started_at=None if day is None else DAY + timedelta(days=day))
        for i, day in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("days", "wanted", "beyond"),
    [
        ((3, 2, None, 1), CallFilter(), CallFilter(started_before=date(2026, 1, 7))),
        ((1, 2, 3), CallFilter(), CallFilter(started_after=date(2026, 1, 8))),
        (
            (1, 1),
            CallFilter(started_before=date(2026, 1, 7)),
            CallFilter(started_before=date(2026, 1, 6)),
        ),
        (
            (1, 1, 2),
            CallFilter(started_after=date(2026, 1, 7)),
            CallFilter(started_after=date(2026, 1, 8)),
        ),
        ((None, None), CallFilter(), None),
        ((), CallFilter(), None),
        ((1, 1), CallFilter(started_on=date(2026, 1, 6)), None),
    ],
)
def test_what_lies_beyond_a_page_is_found_by_days(
    days: tuple[int | None, ...], wanted: CallFilter, beyond: CallFilter | None
) -> None:
    assert wanted.beyond(page(*days)) == beyond


def test_a_range_of_days_gets_narrower_until_nothing_is_left_to_narrow() -> None:
    wanted: CallFilter | None = CallFilter()
    for _ in range(5):
        assert wanted is not None
        wanted = wanted.beyond(page(0, 0))
        if wanted is not None and wanted.started_before == DAY.date():
            break
    assert wanted is not None
    assert wanted.beyond(page(0, 0)) is None
