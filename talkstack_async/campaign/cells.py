"""Cells of CSV files that no spreadsheet runs as a formula."""

from __future__ import annotations

import re

__all__ = ["safe_cell"]

# What a spreadsheet takes for the beginning of a formula, in the wide forms of Asia, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_PLAIN_NUMBER = re.compile(r"\+[0-9]{1,15}", re.ASCII)


def safe_cell(text: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula.

    A plain `+14155550123` stays: at worst it is shown without its plus.
    """
    if text.startswith(_FORMULA) and not _PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text
