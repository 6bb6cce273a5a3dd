"""Questions about an ended call, and what the service answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, ClassVar, TypeAlias

import attrs

from .fields import names_of

__all__ = [
    "Analysis",
    "Answer",
    "BooleanQuestion",
    "NumberQuestion",
    "Question",
    "SelectorQuestion",
    "TextQuestion",
]


@attrs.frozen
class BooleanQuestion:
    """A question with the answers yes and no; its value is True or False."""

    text: str
    kind: ClassVar[str] = "Boolean"

    def value_of(self, answer: object) -> bool | None:
        """Read an answer: `Yes`, `No`, or a truth."""
        if isinstance(answer, bool):
            return answer
        word = answer.strip().rstrip(".").lower() if isinstance(answer, str) else ""
        return {"yes": True, "true": True, "no": False, "false": False}.get(word)


@attrs.frozen
class TextQuestion:
    """A question that is answered in free text."""

    text: str
    kind: ClassVar[str] = "Text"

    def value_of(self, answer: object) -> str | None:
        """Read an answer."""
        return answer if isinstance(answer, str) else None


@attrs.frozen
class NumberQuestion:
    """A question that is answered with a number."""

    text: str
    kind: ClassVar[str] = "Number"

    def value_of(self, answer: object) -> float | None:
        """Read an answer: a number, or one written as text."""
        if isinstance(answer, bool) or not isinstance(answer, int | float | str):
            return None
        try:
            value = float(answer)
        except (ValueError, OverflowError):
            return None
        return value if isfinite(value) else None


def _kept(options: Iterable[str]) -> Sequence[str]:
    return tuple(options)


@attrs.frozen
class SelectorQuestion:
    """A question that is answered with one of some options."""

    text: str
    options: Sequence[str] = attrs.field(kw_only=True, converter=_kept)
    kind: ClassVar[str] = "Selector"

    def value_of(self, answer: object) -> str | None:
        """Read an answer; what is none of the options is no answer."""
        return answer if isinstance(answer, str) and answer in self.options else None


Question: TypeAlias = BooleanQuestion | TextQuestion | NumberQuestion | SelectorQuestion


@attrs.frozen(kw_only=True)
class Answer:
    """What the service answered to one question.

    Attributes:
        question: The question that was asked.
        value: True or False, a number, a text or an option, after the kind of the question;
            None if there was no answer, or none of that kind.
        raw: The answer as it came.
    """

    question: Question
    value: bool | float | str | None = attrs.field(default=None, repr=False)
    raw: Any = attrs.field(default=None, repr=False, eq=False)


@attrs.frozen(kw_only=True)
class Analysis:
    """What the service made of an ended call.

    The shape of the vendor's answer was never seen: whatever is not found where it is expected
    still stands in `raw`.

    Attributes:
        answers: One for each question, in their order.
        sentiment: If the service tells it.
        status: If the service tells it; a word of its own, not the status of the call.
        summary: If the service tells it.
        custom: What the dashboard's own data structure asks for, if any.
        raw: The whole answer: an object or a list.
    """

    answers: tuple[Answer, ...] = ()
    sentiment: str | None = None
    status: str | None = None
    summary: str | None = attrs.field(default=None, repr=False)
    custom: Mapping[str, Any] = attrs.field(factory=dict, repr=names_of, hash=False)
    raw: Any = attrs.field(default=None, repr=False, eq=False)

    @property
    def is_available(self) -> bool:
        """Whether there is anything in it. Right after a call it may be empty."""
        answered = any(answer.raw is not None for answer in self.answers)
        return answered or bool(self.sentiment or self.summary or self.custom)

    def __getitem__(self, text: str) -> bool | float | str | None:
        """Return the value of the answer to the question of that text."""
        for answer in self.answers:
            if answer.question.text == text:
                return answer.value
        raise KeyError(text)
