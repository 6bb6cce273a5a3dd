"""The operation that lists calls: filters in the query, the project in the body."""

from aiohttp import web

from .history import HistoryFilter, find_calls, read_filter, summary_of
from .reading import NOT_JSON, object_in
from .replies import error_reply, json_reply, success_reply
from .routing import Route, Visit


async def get_call_history(visit: Visit) -> web.Response:
    """List the newest calls of a project that pass the filters."""
    content = object_in(visit)
    if content is None:
        return error_reply(400, NOT_JSON)
    try:
        wanted = read_filter(content, visit.request.query, clock=visit.state.clock)
    except ValueError as problem:
        return error_reply(400, str(problem))
    if visit.state.strict_ids and _is_unknown(wanted, visit):
        return error_reply(404, "project not found")
    calls = [summary_of(index, visit.state) for index in find_calls(wanted, visit.state)]
    if visit.state.quirks.history_shape == "bare":
        return json_reply(calls)
    return success_reply("call history fetched", data=calls)


def _is_unknown(wanted: HistoryFilter, visit: Visit) -> bool:
    return visit.state.workspace.project_of(visit.user.id, wanted.project_id) is None


HISTORY_ROUTES = (
    Route(
        operation="getCallHistory",
        method="POST",
        path="/call/get-call-history",
        handle=get_call_history,
    ),
)
