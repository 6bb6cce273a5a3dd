"""Phone numbers: what a valid one looks like, and how one is shown.

E.164 (ITU-T) is a plus, a country code that does not start with zero, and at most 15 digits
in all. Whether a number exists, and which time zones it may be in, is the campaign's question
and needs tables; this file needs none.
"""

from __future__ import annotations

import re

from .errors import InvalidNumberError

__all__ = ["E164", "PhoneNumber", "mask_number", "scrub_numbers"]

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_MARKS = r"\s().\-/\u2010-\u2015"
_PUNCTUATION = re.compile(f"[{_MARKS}]+")
# Seven digits or more, also with the usual punctuation between them.
_LOOKS_LIKE_A_NUMBER = re.compile(rf"\+?[0-9](?:[{_MARKS}]{{0,3}}[0-9]){{6,}}")


class PhoneNumber(str):
    """A number in E.164 form. It is a `str`, but its `repr` hides its middle."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> PhoneNumber:
        """Read a number as people write it: blanks, dots, dashes and brackets are dropped.

        Raises:
            InvalidNumberError: It does not start with a plus, or has not 7 to 15 digits.
        """
        if E164.fullmatch(text):
            return cls(text)
        compact = _PUNCTUATION.sub("", text)
        if E164.fullmatch(compact):
            return cls(compact)
        raise InvalidNumberError(f"{_what_is_wrong(compact)} (got {mask_number(text)!r})")

    @property
    def e164(self) -> str:
        """The number as plain text, for the wire."""
        return str.__str__(self)

    @property
    def masked(self) -> str:
        """The number as it may be shown in logs."""
        return mask_number(self)

    def __repr__(self) -> str:
        return f"PhoneNumber({mask_number(self)!r})"


def mask_number(text: str | None) -> str:
    """Hide the middle of a number: the first five and the last two characters stay."""
    if not text:
        return ""
    text = str(text)
    if len(text) < 10:
        return "\u2022" * len(text)
    return f"{text[:5]}\u2022\u2022\u2022\u2022{text[-2:]}"


def scrub_numbers(text: str) -> str:
    """Mask everything in a text that looks like a phone number."""
    return _LOOKS_LIKE_A_NUMBER.sub(lambda found: mask_number(found.group()), text)


def _what_is_wrong(compact: str) -> str:
    if not compact:
        return "the number is empty"
    if not compact.startswith("+"):
        return "the number must start with + and the country code, like +14155550123"
    if not compact[1:].isascii() or not compact[1:].isdigit():
        return "the number holds something that is not a digit"
    if compact.startswith("+0"):
        return "no country code starts with 0"
    return "the number must have 7 to 15 digits"
