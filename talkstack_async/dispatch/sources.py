"""Where requests come from: any iterable or async iterable, pulled one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeAlias, cast

from ..errors import InvalidRequestError
from ..models.calls import CallRequest

__all__ = ["Requests", "Source"]

Requests: TypeAlias = Iterable[CallRequest] | AsyncIterable[CallRequest]


class Source:
    """Pulls from a list, a generator or an async generator, and closes it when done."""

    __slots__ = ("_iterator", "is_asynchronous", "pull_now")

    def __init__(self, requests: Requests) -> None:
        self.is_asynchronous = isinstance(requests, AsyncIterable)
        self._iterator: AsyncIterator[CallRequest] | Iterator[CallRequest]
        # Of a source that is not asynchronous: returns the next request, or raises StopIteration.
        self.pull_now: Callable[[], CallRequest]
        if isinstance(requests, AsyncIterable):
            self._iterator = aiter(requests)
        elif _is_list(requests):
            rows = self._iterator = iter(requests)
            self.pull_now = rows.__next__
        else:
            raise InvalidRequestError(
                f"an iterable of CallRequest was expected, not {type(requests).__name__}"
            )

    async def pull(self) -> CallRequest:
        """Return the next request.

        Raises:
            StopAsyncIteration: There is none.
        """
        if self.is_asynchronous:
            return await anext(cast("AsyncIterator[CallRequest]", self._iterator))
        try:
            return self.pull_now()
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close a generator that was not run to its end, so that its `finally` runs now."""
        close: Any = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()
            return
        close = getattr(self._iterator, "close", None)
        if close is not None and not self.is_asynchronous:
            close()


def _is_list(requests: object) -> bool:
    # A text is iterable too, letter by letter; nobody means that.
    return isinstance(requests, Iterable) and not isinstance(requests, str | bytes)
