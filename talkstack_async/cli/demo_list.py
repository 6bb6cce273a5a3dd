"""The list that the demo dials: 500 rows of made-up people, some of them trouble.

Every number is of the form +1 AAA 555 01NN, which is reserved for fiction. In the emulator NN
decides how the call goes; `docs/emulator.md` has the table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

__all__ = ["demo_list"]

_COLUMNS = ("number", "name", "appointment", "dynamicVariables")
_AREAS = (
    "201", "202", "203", "205", "206", "207", "208", "209", "210", "212", "213", "214", "215",
    "216", "217", "218", "219", "224", "225", "228", "229", "231", "234",
)  # fmt: skip
_NAMES = (
    "Ada", "Grace", "Alan", "Katherine", "Edsger", "Barbara", "Donald", "Margaret", "Dennis",
    "Frances", "Ken", "Radia", "Linus", "Hedy", "Claude", "Dorothy", "Tim", "Annie", "Vint",
    "Joan", "Niklaus", "Mary", "John", "Evelyn", "Tony", "Sophie", "Zoë", "José", "Anaïs",
    "Jürgen", "Łukasz", "Søren",
)  # fmt: skip
_ORDINARY_PER_AREA = 20

# NN and how many of them: endings, refusals, lost replies, storms. Not 96, which points every
# call elsewhere: that is no matter of one contact, so it would be tried for ever.
_TROUBLE = {
    80: 2, 81: 2, 82: 2, 83: 2, 84: 2, 85: 2, 86: 4, 87: 2, 88: 2, 89: 1, 90: 1, 91: 1, 92: 1,
    93: 1, 94: 1, 95: 1, 97: 1, 98: 1, 99: 1,
}  # fmt: skip
_BAD_NUMBERS = (
    "2025550142", "+1 202 CALL NOW", "+1202", "", "n/a", "+02025550142", "+1202555014213579",
    "tel:+12025550142",
)  # fmt: skip
_DUPLICATES = 6
_ROWS = 500


def demo_list() -> str:
    """Return the list as CSV, the same every time."""
    special = list(_special())
    ordinary = _ordinary(_ROWS - len(special))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    every = _ROWS // len(special)
    for position in range(_ROWS):
        is_special = position % every == every - 1 and special
        writer.writerow(special.pop(0) if is_special else ordinary.pop(0))
    return text.getvalue()


def _ordinary(count: int) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for index in range(count):
        area = _AREAS[index // _ORDINARY_PER_AREA]
        extra = '{"language": "es"}' if index % 25 == 24 else ""
        rows.append((*_person(index, f"+1{area}55501{(7 * index + 3) % 80:02d}"), extra))
    return rows


def _special() -> Iterator[Sequence[str]]:
    """Yield the rows that go wrong, the different kinds mixed."""
    kinds: list[list[Sequence[str]]] = [
        [
            (*_person(ending, f"+1{_AREAS[nth]}55501{ending}"), "")
            for ending, count in _TROUBLE.items()
            for nth in range(count)
        ],
        [(*_person(nth, number), "") for nth, number in enumerate(_BAD_NUMBERS)],
        # People of the first rows once more, the numbers written in another way.
        [(*_person(nth, f"+1 ({_AREAS[0]}) 555-01{(7 * nth + 3) % 80:02d}"), "")
         for nth in range(_DUPLICATES)],
        [
            (*_person(1, "+12025550177"), "{language: es}"),
            (*_person(2, "+12025550178"), "", "a cell too many"),
        ],
    ]  # fmt: skip
    while any(kinds):
        for rows in kinds:
            if rows:
                yield rows.pop(0)


def _person(index: int, number: str) -> tuple[str, str, str]:
    hour, minute = 9 + index % 8, 30 * (index % 2)
    return number, _NAMES[index % len(_NAMES)], f"{hour}:{minute:02d}, room {index % 7 + 1}"
