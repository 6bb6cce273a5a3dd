"""The ledger of rings: what the law of the product is tested against.

A ring is written at the moment the emulated service decides to dial and at no
other. The ledger is kept in columns because a million rings must fit in memory;
`Ring` values are made when somebody looks.
"""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

import attrs

from .identity import Identity

_NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Ring:
    """One phone that rang."""

    number: str
    call_id: str
    at: float
    project_id: str
    agent_id: str
    variables: Mapping[str, Any] = attrs.field(default=_NO_VARIABLES, hash=False)
    connection: int = 0


@attrs.frozen(kw_only=True)
class DialRequest:
    """What a makeCall request asked for. `variables` is compact JSON, or None."""

    number: str
    project_id: str
    agent_id: str
    variables: bytes | None = None


class RingLedger(Sequence[Ring]):
    """All rings in order of dialling; grows while you hold it.

    Compares equal to any sequence of the same rings. It may be read from another
    thread while the emulator dials: the last column decides how long it is.
    """

    __slots__ = (
        "_agents",
        "_by_number",
        "_connections",
        "_identity",
        "_indexed",
        "_known_ids",
        "_moments",
        "_numbers",
        "_projects",
        "_variables",
        "_virtual_moments",
    )

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._numbers: list[str] = []
        self._projects: list[str] = []
        self._agents: list[str] = []
        self._variables: list[bytes | None] = []
        self._connections = array("q")
        self._virtual_moments = array("d")
        self._moments = array("d")
        self._known_ids: dict[str, str] = {}
        self._by_number: dict[str, list[int]] = {}
        self._indexed = 0

    def append(
        self, request: DialRequest, *, at: float, virtual_at: float, connection: int
    ) -> int:
        """Write one ring and return its position."""
        same = self._known_ids.setdefault
        self._numbers.append(request.number)
        self._projects.append(same(request.project_id, request.project_id))
        self._agents.append(same(request.agent_id, request.agent_id))
        self._variables.append(request.variables)
        self._connections.append(connection)
        self._virtual_moments.append(virtual_at)
        self._moments.append(at)
        return len(self._moments) - 1

    def virtual_moment(self, index: int) -> float:
        """Return when ring `index` was dialled, on the virtual clock."""
        return self._virtual_moments[index]

    def number(self, index: int) -> str:
        """Return the number of ring `index`."""
        return self._numbers[index]

    def project(self, index: int) -> str:
        """Return the project of ring `index`."""
        return self._projects[index]

    def dialled_between(self, since: float, until: float) -> range:
        """Return the positions dialled in a span of the virtual clock, its end excluded."""
        moments = self._virtual_moments
        start = bisect_left(moments, since)
        return range(start, max(start, bisect_left(moments, until)))

    def positions_of(self, number: str) -> Sequence[int]:
        """Return the positions of one number's rings.

        The index by number is built on the first question, so runs that never
        ask do not pay for it.
        """
        for index in range(self._indexed, len(self)):
            self._by_number.setdefault(self._numbers[index], []).append(index)
            self._indexed = index + 1
        return self._by_number.get(number, ())

    def to(self, number: str) -> list[Ring]:
        """Return the rings of one number."""
        return [self._ring(index) for index in self.positions_of(number)]

    def __len__(self) -> int:
        return len(self._moments)

    @overload
    def __getitem__(self, index: int) -> Ring: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ring]: ...
    def __getitem__(self, index: int | slice) -> Ring | list[Ring]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self._ring(place) for place in places]
        return self._ring(places)

    def __iter__(self) -> Iterator[Ring]:
        return map(self._ring, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(
            mine == theirs for mine, theirs in zip(self, other, strict=False)
        )

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"<{len(self)} rings>"

    def _ring(self, index: int) -> Ring:
        variables = self._variables[index]
        return Ring(
            number=self._numbers[index],
            call_id=self._identity.call_id(index),
            at=self._moments[index],
            project_id=self._projects[index],
            agent_id=self._agents[index],
            variables=_NO_VARIABLES if variables is None else _frozen(variables),
            connection=self._connections[index],
        )


def _frozen(variables: bytes) -> Mapping[str, Any]:
    return MappingProxyType(json.loads(variables))
