"""Which digits a pattern of libphonenumber does not look at, found out by trying them all."""

from __future__ import annotations

import itertools
import re

import phonenumbers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from talkstack_async.campaign.free_digits import free_tail, longest

READ = {
    r"[2-9]\d{6}": (6, 7),
    r"1\d{2}|2\d{4}": (2, 5),
    r"1(?:2\d{2}|3\d)": (1, 4),
    r"1(?:2\d{2}|3\d)\d{3}": (4, 7),
    r"1\d{2,5}": (2, 6),
    r"1\d{2,5}\d": (3, 7),
    r"1\d?": (0, 2),
    r"1(?:\d{2})?": (0, 3),
    r"12": (0, 2),
    r"\d\d\d": (3, 3),
    r"[0-9]\d": (1, 2),
    r"[2-9][02-9]{3}\d": (1, 5),
    r"": (0, 0),
}


@pytest.mark.parametrize("pattern", READ)
def test_a_pattern_is_read(pattern: str):
    assert (free_tail(pattern), longest(pattern)) == READ[pattern]


@pytest.mark.parametrize(
    "pattern",
    ["1\\d*", "1+", "(?=1)\\d", "1.", "1\\w", "[^1]", "1$", "(1", "1)", "{2}", "(" * 999],
)
def test_what_is_not_understood_leaves_no_digit_free(pattern: str):
    assert free_tail(pattern) == 0
    assert longest(pattern) is None


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counted = st.tuples(
        st.one_of(parts, st.just(r"\d")), st.sampled_from(["", "", "?", "{2}", "{0,2}", "{1,2}"])
    ).map(lambda pair: pair[0] + pair[1])
    runs = st.lists(counted, min_size=1, max_size=3).map("".join)
    return st.lists(runs, min_size=1, max_size=3).map(lambda found: f"(?:{'|'.join(found)})")


patterns = st.recursive(st.sampled_from(["1", "2", "[12]", r"\d"]), _joined, max_leaves=6)

# Three digits stand for ten: the patterns above tell no more apart.
WORDS = ["".join(word) for length in range(7) for word in itertools.product("123", repeat=length)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(patterns)
def test_what_matches_does_not_depend_on_the_free_digits(pattern: str):
    free, compiled = free_tail(pattern), re.compile(pattern)
    heads: dict[tuple[str, int], bool] = {}
    for word in WORDS:
        matches = compiled.fullmatch(word) is not None
        if len(word) >= free:
            key = (word[: len(word) - free], len(word))
            assert heads.setdefault(key, matches) is matches
        else:
            assert not matches
        if matches:
            assert len(word) <= (longest(pattern) or 0)


def test_every_pattern_in_use_is_understood():
    for region in phonenumbers.SUPPORTED_REGIONS:
        table = phonenumbers.PhoneMetadata.metadata_for_region(region)
        assert longest(table.leading_digits or "") is not None
        for part in vars(table).values():
            if getattr(part, "national_number_pattern", None):
                assert longest(part.national_number_pattern)
