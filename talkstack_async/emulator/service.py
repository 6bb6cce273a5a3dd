"""From a request to its operation: routing, credentials, faults.

The order is that of a real service behind a load balancer: the path, a fault on
the head, the credential, the body, a fault on the body, the operation, and a fault
on the reply.
"""

from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError

from .accounts import User
from .active_agent_routes import ACTIVE_AGENT_ROUTES
from .agent_routes import AGENT_ROUTES
from .analysis_routes import ANALYSIS_ROUTES
from .auth_routes import AUTH_ROUTES
from .batch_routes import BATCH_ROUTES
from .call_routes import CALL_ROUTES
from .clock import pause
from .connections import Connection
from .faults import Fault
from .history_routes import HISTORY_ROUTES
from .misbehaviour import REDIRECT_TARGET, act_out
from .number_routes import NUMBER_ROUTES
from .project_routes import PROJECT_ROUTES
from .replies import error_reply, json_reply
from .routing import Credential, Route, RouteTable, Visit
from .state import FollowedRedirect, ServiceState
from .user_routes import USER_ROUTES
from .voice_routes import VOICE_ROUTES

ROUTES = RouteTable(
    (
        *CALL_ROUTES,
        *HISTORY_ROUTES,
        *ANALYSIS_ROUTES,
        *BATCH_ROUTES,
        *AUTH_ROUTES,
        *USER_ROUTES,
        *PROJECT_ROUTES,
        *ACTIVE_AGENT_ROUTES,
        *AGENT_ROUTES,
        *VOICE_ROUTES,
        *NUMBER_ROUTES,
    )
)

_DIAL = "makeCall"
_API_KEY = "x-api-key"
_BEARER = "Bearer "


async def answer(
    request: web.BaseRequest, *, connection: Connection, state: ServiceState
) -> web.StreamResponse:
    """Answer one request to the emulated service."""
    state.requests += 1
    # As it was sent: an escaped slash inside an id is no separator.
    path = request.rel_url.raw_path
    if path == REDIRECT_TARGET:
        return _note_follower(request, state)
    found = ROUTES.find(request.method, path)
    if found is None:
        return error_reply(404)
    route, path_values = found
    state.requests_by_operation[route.operation] += 1
    if route.operation != _DIAL:
        return await _answer(route, request, path_values, connection=connection, state=state)
    state.arrive()
    try:
        return await _answer(route, request, path_values, connection=connection, state=state)
    finally:
        state.leave()


async def _answer(
    route: Route,
    request: web.BaseRequest,
    path_values: Mapping[str, str],
    *,
    connection: Connection,
    state: ServiceState,
) -> web.StreamResponse:
    fault = state.faults.strike(moment="on_head", operation=route.operation)
    if fault is not None and fault.kind == "slow":
        await pause(fault.seconds)
    elif fault is not None:
        return await _fail(fault, request, connection=connection)
    owner = _owner(request, credential=route.credential, state=state)
    if owner is None and route.credential != "none":
        return error_reply(401)
    body = await _body_of(request, connection=connection)
    if body is None:
        return error_reply(400, "the body could not be read")
    visit = Visit(
        request=request,
        body=body,
        connection=connection,
        state=state,
        path_values=path_values,
        owner=owner,
    )
    return await _operate(route, visit)


async def _body_of(request: web.BaseRequest, *, connection: Connection) -> bytes | None:
    """Return the body, None if it breaks off, is garbled or is far too large."""
    expected = request.headers.get(hdrs.EXPECT)
    if expected is not None and expected.lower() == "100-continue":
        connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        return await request.read()
    except (
        web.HTTPRequestEntityTooLarge,
        web.RequestPayloadError,
        HttpProcessingError,
        ConnectionError,
    ):
        return None


async def _operate(route: Route, visit: Visit) -> web.StreamResponse:
    if route.operation == _DIAL:
        # Only makeCall can tell whether it would have accepted the request, and for
        # which number; it asks for its faults itself.
        return await route.handle(visit)
    fault = visit.state.faults.strike(moment="on_body", operation=route.operation)
    if fault is not None and fault.kind != "slow":
        return await _fail(fault, visit.request, connection=visit.connection)
    if fault is not None:
        await pause(fault.seconds)
    reply = await route.handle(visit)
    return await _reply(reply, route, visit) if reply.status == 200 else reply


async def _reply(reply: web.StreamResponse, route: Route, visit: Visit) -> web.StreamResponse:
    """Answer what was carried out, unless a fault takes the answer away."""
    fault = visit.state.faults.strike(moment="on_reply", operation=route.operation)
    if fault is None:
        return reply
    if fault.kind != "slow":
        good = reply if isinstance(reply, web.Response) else json_reply({})
        return await act_out(fault, request=visit.request, connection=visit.connection, good=good)
    await pause(fault.seconds)
    return reply


async def _fail(
    fault: Fault, request: web.BaseRequest, *, connection: Connection
) -> web.StreamResponse:
    return await act_out(fault, request=request, connection=connection, good=json_reply({}))


def _owner(
    request: web.BaseRequest, *, credential: Credential, state: ServiceState
) -> User | None:
    """Return the user of a request that carries exactly one good credential of the right kind."""
    if credential == "none":
        return None
    key = request.headers.get(_API_KEY)
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    if key is not None:
        is_welcome = credential == "either" and authorization is None
        return state.accounts.owner_of_key(key) if is_welcome else None
    if authorization is None or not authorization.startswith(_BEARER):
        return None
    email = state.tokens.owner(authorization.removeprefix(_BEARER))
    return None if email is None else state.accounts.find(email)


def _note_follower(request: web.BaseRequest, state: ServiceState) -> web.Response:
    headers = request.headers
    state.followed_redirects.append(
        FollowedRedirect(
            method=request.method,
            path=request.path,
            had_credential=_API_KEY in headers or hdrs.AUTHORIZATION in headers,
        )
    )
    return json_reply({"message": "you should not have followed", "status": "success"})
