"""Asking about an ended call. The page breaks off before any sample, so much is inferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models.analyses import (
    Analysis,
    Answer,
    BooleanQuestion,
    NumberQuestion,
    Question,
    SelectorQuestion,
    TextQuestion,
)
from .endpoints import CALLS_ANALYZE, Endpoint
from .readers import Reader, json_of, list_in
from .replies import Reply
from .requests import HttpRequest, build, needed

__all__ = ["analysis_reader", "analysis_request"]

_KINDS = (BooleanQuestion, TextQuestion, NumberQuestion, SelectorQuestion)


def analysis_request(call_id: str, questions: Sequence[Question]) -> HttpRequest:
    """Build the request.

    Raises:
        InvalidRequestError: There is no question, or one that cannot be answered.
    """
    if not questions:
        raise InvalidRequestError("there is no question to answer")
    body = {
        "sid": needed("call_id", call_id),
        "questions": [_written(question) for question in questions],
    }
    return build(CALLS_ANALYZE, body)


def _written(question: object) -> dict[str, Any]:
    if not isinstance(question, _KINDS):
        raise InvalidRequestError(f"a question was expected, not {type(question).__name__}")
    written: dict[str, Any] = {
        "question": needed("question", question.text),
        "type": question.kind,
    }
    if isinstance(question, SelectorQuestion):
        if not question.options:
            raise InvalidRequestError("a SelectorQuestion needs options to choose from")
        written["options"] = [needed("option", option) for option in question.options]
    return written


def analysis_reader(questions: Sequence[Question]) -> Reader[Analysis]:
    """Make a reader of the answers to these questions."""

    def read(endpoint: Endpoint, reply: Reply) -> Analysis:
        return _analysis(json_of(endpoint, reply), questions)

    return read


def _analysis(body: object, questions: Sequence[Question]) -> Analysis:
    inner = body.get("data", body) if isinstance(body, Mapping) else body
    facts: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    custom = _first(facts, "custom_data", "customData", "custom", "data")
    return Analysis(
        answers=_answers(inner, questions),
        sentiment=_text(facts, "sentiment"),
        # Beside a message it is the envelope's word and says nothing.
        status=None if "message" in facts else _text(facts, "status"),
        summary=_text(facts, "summary"),
        custom=custom if isinstance(custom, Mapping) else {},
        raw=body,
    )


def _answers(inner: object, questions: Sequence[Question]) -> tuple[Answer, ...]:
    found = list_in(inner, "answers", "questions", "analysis") or []
    by_text = {
        entry["question"]: entry
        for entry in found
        if isinstance(entry, Mapping) and isinstance(entry.get("question"), str)
    }
    answers = []
    for place, question in enumerate(questions):
        if by_text:
            entry: object = by_text.get(question.text)
        elif found:
            entry = found[place] if place < len(found) else None
        else:  # the texts themselves may be the keys
            entry = inner.get(question.text) if isinstance(inner, Mapping) else None
        plain = _first(entry, "answer", "value") if isinstance(entry, Mapping) else entry
        answers.append(Answer(question=question, value=question.value_of(plain), raw=plain))
    return tuple(answers)


def _first(facts: Mapping[str, Any], *keys: str) -> Any:
    return next((facts[key] for key in keys if facts.get(key) is not None), None)


def _text(facts: Mapping[str, Any], key: str) -> str | None:
    value = facts.get(key)
    return value if isinstance(value, str) and value else None
