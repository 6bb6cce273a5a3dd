"""Going through the history of calls, which has no cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..errors import UnexpectedReplyError
from ..models.calls import Call
from ..models.history import CallFilter
from ..transport.transport import Transport
from ..wire.history import history_request, identity_of, read_history

__all__ = ["walk"]

_SURELY_ALL = 20  # the page size of the service when none is asked for: no cap lies below
_LARGEST_PAGE = 6400


async def walk(
    transport: Transport, wanted: CallFilter, *, project_id: str, page_size: int
) -> AsyncIterator[Call]:
    """Yield every call that is wanted, each once.

    A page that comes back full is asked for again at twice the size; that needs no order and
    no dates. Where the size is at its limit, or the service may have one of its own, the walk
    goes on beyond the day at which the page ends.
    """
    seen: set[str] = set()
    first, largest = page_size, _LARGEST_PAGE
    while True:
        request = history_request(wanted, project_id=project_id, page_size=page_size)
        try:
            page = await transport.send(request, read_history)
        except UnexpectedReplyError:
            if page_size <= first:
                raise
            # Most likely larger than `max_reply_bytes`: half of it fitted before.
            largest = page_size = page_size // 2
            continue
        for call in page:
            identity = identity_of(call)
            if identity not in seen:
                seen.add(identity)
                yield call
        is_full = len(page) >= page_size
        if is_full and page_size < largest:
            page_size = min(2 * page_size, largest)
            continue
        if not is_full and len(page) < _SURELY_ALL:
            return
        beyond = wanted.beyond(page)
        if beyond is None:
            if is_full:
                raise _too_many(len(page))
            return
        wanted = beyond


def _too_many(count: int) -> UnexpectedReplyError:
    return UnexpectedReplyError(
        f"calls.history: {count:,} calls came and there may be more, which no day tells apart; "
        "narrow the history with to=, from_= or status=",
        status=200,
    )
