"""Where requests come from: any iterable or async iterable, pulled one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, TypeAlias, cast

from ..errors import InvalidRequestError
from ..models.calls import CallRequest

__all__ = ["Requests", "Source"]

Requests: TypeAlias = Iterable[CallRequest] | AsyncIterable[CallRequest]


class Source:
    """Pulls from a list, a generator or an async generator, and closes it when done."""

    __slots__ = ("_iterator", "is_asynchronous")

    def __init__(self, requests: Requests) -> None:
        self.is_asynchronous = isinstance(requests, AsyncIterable)
        self._iterator: AsyncIterator[CallRequest] | Iterator[CallRequest]
        if isinstance(requests, AsyncIterable):
            self._iterator = aiter(requests)
        elif _is_list(requests):
            self._iterator = iter(requests)
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
        return self.pull_now()

    def pull_now(self) -> CallRequest:
        """Return the next request of a source that is not asynchronous.

        Raises:
            StopAsyncIteration: There is none.
        """
        try:
            return next(cast("Iterator[CallRequest]", self._iterator))
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
