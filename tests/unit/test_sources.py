from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from talkstack_async import CallRequest, InvalidRequestError
from talkstack_async.dispatch.sources import Source

REQUESTS = [CallRequest(f"+1415555010{number}") for number in range(4)]


async def drain(source: Source) -> list[CallRequest]:
    found = []
    try:
        while True:
            found.append(await source.pull())
    except StopAsyncIteration:
        return found


class Notes:
    """Generators that note how far they came and whether they were closed."""

    def __init__(self) -> None:
        self.pulled = 0
        self.closed = 0

    def generator(self) -> Iterator[CallRequest]:
        try:
            for request in REQUESTS:
                self.pulled += 1
                yield request
        finally:
            self.closed += 1

    async def async_generator(self) -> AsyncIterator[CallRequest]:
        try:
            for request in REQUESTS:
                self.pulled += 1
                yield request
        finally:
            self.closed += 1


class OnlyAnext:
    """What `async for` is content with: a plain `__aiter__`, and `__anext__` elsewhere."""

    class Rows:
        def __init__(self) -> None:
            self._rows = iter(REQUESTS)

        async def __anext__(self) -> CallRequest:
            for row in self._rows:
                return row
            raise StopAsyncIteration

    def __aiter__(self) -> Any:
        return self.Rows()


class Both:
    """Iterable in both ways; the asynchronous one does not block the loop."""

    def __iter__(self) -> Iterator[CallRequest]:
        raise AssertionError("pulled synchronously")

    async def __aiter__(self) -> AsyncIterator[CallRequest]:
        for request in REQUESTS:
            yield request


@pytest.mark.parametrize(
    "make",
    [
        lambda: REQUESTS,
        lambda: tuple(REQUESTS),
        lambda: iter(REQUESTS),
        lambda: (request for request in REQUESTS),
        lambda: filter(None, REQUESTS),
        lambda: dict.fromkeys(REQUESTS),
        lambda: Notes().generator(),
        lambda: Notes().async_generator(),
        Both,
        OnlyAnext,
    ],
    ids=[
        "list",
        "tuple",
        "iterator",
        "expression",
        "filter",
        "keys",
        "generator",
        "async generator",
        "both",
        "anext only",
    ],
)
async def test_any_iterable_is_pulled_in_order(make: Any) -> None:
    source = Source(make())
    assert await drain(source) == REQUESTS
    await source.aclose()


@pytest.mark.parametrize("kind", ["generator", "async_generator"])
async def test_nothing_is_pulled_ahead(kind: str) -> None:
    notes = Notes()
    source = Source(getattr(notes, kind)())
    assert notes.pulled == 0
    await source.pull()
    assert notes.pulled == 1
    await source.aclose()


@pytest.mark.parametrize("kind", ["generator", "async_generator"])
async def test_a_generator_that_is_left_early_is_closed_at_once(kind: str) -> None:
    notes = Notes()
    source = Source(getattr(notes, kind)())
    await source.pull()
    await source.aclose()
    assert notes.closed == 1
    await source.aclose()
    assert notes.closed == 1
    with pytest.raises(StopAsyncIteration):
        await source.pull()


async def test_what_cannot_be_closed_need_not_be() -> None:
    source = Source(REQUESTS)
    await source.pull()
    await source.aclose()


async def test_an_empty_source_is_at_its_end_and_stays_there() -> None:
    source = Source([])
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await source.pull()


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_error_of_the_source_comes_out_as_it_is(asynchronous: bool) -> None:
    def broken() -> Iterator[CallRequest]:
        yield REQUESTS[0]
        raise LookupError("row 2 is torn")

    async def broken_too() -> AsyncIterator[CallRequest]:
        yield REQUESTS[0]
        raise LookupError("row 2 is torn")

    source = Source(broken_too() if asynchronous else broken())
    assert await source.pull() is REQUESTS[0]
    with pytest.raises(LookupError, match="row 2"):
        await source.pull()


async def _coroutine() -> list[CallRequest]:
    return REQUESTS


@pytest.mark.parametrize(
    "value", [None, 5, "+14155550123", b"+14155550123", REQUESTS[0], object(), len, Notes]
)
def test_what_cannot_be_iterated_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="an iterable of CallRequest was expected"):
        Source(value)


def test_a_coroutine_that_somebody_forgot_to_await_is_refused() -> None:
    coroutine = _coroutine()
    with pytest.raises(InvalidRequestError, match="coroutine"):
        Source(coroutine)  # type: ignore[arg-type]
    coroutine.close()
