"""The operation that answers questions about an ended call, out of thin air."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .call_routes import find_call
from .reading import NOT_JSON, object_in, text_of
from .replies import error_reply, success_reply
from .routing import Route, Visit

_TEXTS = (
    "The customer asked for a call tomorrow.",
    "The customer was friendly and had no questions.",
    "The customer wants to think about it.",
)
_MOST = 10


async def analyze_call(visit: Visit) -> web.Response:
    """Answer typed questions by seed; no answers at all while the analysis is being made."""
    content = object_in(visit)
    if content is None:
        return error_reply(400, NOT_JSON)
    call_id, questions = text_of(content, "sid"), content.get("questions")
    if call_id is None or not isinstance(questions, list):
        return error_reply(400, "sid and questions are required")
    problem = _problem_of(questions)
    if problem is not None:
        return error_reply(400, problem)
    index = find_call(call_id, visit.state)
    if index is None:
        return error_reply(404, "call not found")
    if not visit.state.call_state(index).is_final:
        return error_reply(400, "the call has not ended")
    if not _is_analysed(index, visit):
        return success_reply("the analysis is not available yet", data=[])
    return success_reply("analysis fetched", data=_answers(questions, index, visit))


def _problem_of(questions: list[Any]) -> str | None:
    for question in questions:
        if not isinstance(question, dict) or text_of(question, "type") not in _ANSWERS:
            return f"each question needs a type: {', '.join(_ANSWERS)}"
        if not isinstance(question.get("question", ""), str):
            return "a question must be text"
        if question["type"] == "Selector" and not _options_of(question):
            return "a Selector needs options, which are texts"
    return None


def _options_of(question: Mapping[str, Any]) -> list[str]:
    options = question.get("options")
    if not isinstance(options, list):
        return []
    return options if all(isinstance(option, str) for option in options) else []


def _is_analysed(index: int, visit: Visit) -> bool:
    state = visit.state
    return state.age_of(index) >= state.course_of(index).length + state.script.analysable_after


def _answers(questions: list[dict[str, Any]], index: int, visit: Visit) -> list[dict[str, object]]:
    return [
        {
            "question": question.get("question", ""),
            "type": question["type"],
            "answer": _ANSWERS[question["type"]](
                question, visit.state.identity.draw(index, f"answer:{place}")
            ),
        }
        for place, question in enumerate(questions)
    ]


def _yes_or_no(_: Mapping[str, Any], chance: float) -> str:
    return "Yes" if chance < 0.5 else "No"


def _prose(_: Mapping[str, Any], chance: float) -> str:
    return _TEXTS[int(chance * len(_TEXTS))]


def _figure(_: Mapping[str, Any], chance: float) -> int:
    return int(chance * (_MOST + 1))


def _choice(question: Mapping[str, Any], chance: float) -> str:
    options = _options_of(question)
    return options[int(chance * len(options))]


_ANSWERS = {"Boolean": _yes_or_no, "Text": _prose, "Number": _figure, "Selector": _choice}

ANALYSIS_ROUTES = (
    Route(operation="analyzeCall", method="POST", path="/call/analysis", handle=analyze_call),
)
