"""Which operation a request asks for, and what its handler is given."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal
from urllib.parse import unquote

import attrs
from aiohttp import web

from .accounts import User
from .connections import Connection
from .state import ServiceState

Credential = Literal["either", "token", "none"]


@attrs.frozen(kw_only=True, eq=False)
class Visit:
    """One request that was read to its end, with all that is needed to answer it."""

    request: web.BaseRequest
    body: bytes
    connection: Connection
    state: ServiceState
    path_values: Mapping[str, str]
    owner: User | None = None

    @property
    def user(self) -> User:
        """The owner of the credential.

        Raises:
            RuntimeError: The operation takes no credential.
        """
        if self.owner is None:
            raise RuntimeError("an operation without a credential has no user")
        return self.owner


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


@attrs.frozen(kw_only=True)
class Route:
    """One operation of the contract. A path may hold `{name}` in place of a segment."""

    operation: str
    method: str
    path: str
    handle: Handler
    credential: Credential = "either"


_Found = tuple[Route, Mapping[str, str]]


class RouteTable:
    """Finds the route of a request. A fixed path wins over one with names in it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)
        self._fixed: dict[tuple[str, str], _Found] = {}
        self._named: list[tuple[list[str], Route]] = []
        for route in self._routes:
            if "{" in route.path:
                self._named.append((route.path.split("/"), route))
            else:
                self._fixed[route.method, route.path] = (route, {})

    @property
    def routes(self) -> tuple[Route, ...]:
        """Return every route."""
        return self._routes

    @property
    def operations(self) -> frozenset[str]:
        """Name every operation."""
        return frozenset(route.operation for route in self._routes)

    def find(self, method: str, path: str) -> _Found | None:
        """Return a route and the values of its path, None if nothing lives there.

        The path comes as it was sent: an escaped slash belongs to its segment.
        """
        found = self._fixed.get((method, path))
        return found or self._find_named(method, path.split("/"))

    def _find_named(self, method: str, segments: list[str]) -> _Found | None:
        for pattern, route in self._named:
            values = _match(pattern, segments)
            if values is not None and route.method == method:
                return route, values
        return None


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    values: dict[str, str] = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{") and segment:
            values[expected.strip("{}")] = unquote(segment)
        elif expected != segment:
            return None
    return values
