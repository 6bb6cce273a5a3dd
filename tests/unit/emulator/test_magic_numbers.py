from __future__ import annotations

import pytest

from talkstack_async.emulator.magic import (
    MAGIC_ENDINGS,
    MAGIC_FAULTS,
    ending_of,
    fault_of,
    fiction_line,
)


@pytest.mark.parametrize(
    ("number", "line"),
    [("+12025550100", 0), ("+14155550187", 87), ("+19995550199", 99), ("+10005550180", 80)],
)
def test_a_fictional_number_has_a_line(number: str, line: int) -> None:
    assert fiction_line(number) == line


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+12025550287",  # 555-0287 may belong to somebody
        "+12025551187",
        "+442025550187",
        "+1202555018",
        "+120255501870",
        "12025550187",
        "+1202555018x",
        "+1x025550187",
        "+120255501\u0668\u0667",  # digits, but not ours
    ],
)
def test_no_other_number_is_magic(number: str) -> None:
    assert fiction_line(number) is None
    assert ending_of(number) is None
    assert fault_of(number, tries=0) is None


def test_lines_below_eighty_are_ordinary() -> None:
    for line in range(80):
        number = f"+120255501{line:02d}"
        assert ending_of(number) is None
        assert fault_of(number, tries=0) is None


def test_every_line_from_eighty_on_means_exactly_one_thing() -> None:
    assert sorted([*MAGIC_ENDINGS, *MAGIC_FAULTS]) == list(range(80, 100))


@pytest.mark.parametrize(("number", "hit"), [("+12025550189", 2), ("+12025550190", 1)])
def test_some_numbers_become_ordinary_after_a_few_tries(number: str, hit: int) -> None:
    assert [fault_of(number, tries=tries) is not None for tries in range(4)] == [
        tries < hit for tries in range(4)
    ]
