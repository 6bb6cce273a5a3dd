"""The table of operations. The effect, not the HTTP verb, decides what may be repeated."""

from __future__ import annotations

from enum import StrEnum

import attrs

__all__ = ["ENDPOINTS", "Effect", "Endpoint", "Host", "NeededCredential"]


class Effect(StrEnum):
    """What an operation does to the world."""

    READ = "read"
    WRITE = "write"
    DIAL = "dial"
    ROTATE = "rotate"
    MAIL = "mail"


class Host(StrEnum):
    """Which of the two addresses an operation lives at."""

    CALLS = "calls"
    API = "api"


class NeededCredential(StrEnum):
    """What an operation wants to be shown: key or token, the token only, or nothing."""

    EITHER = "either"
    BEARER = "bearer"
    NONE = "none"


@attrs.frozen(kw_only=True)
class Endpoint:
    """One operation of the service: one row of the table."""

    name: str
    verb: str
    path: str
    effect: Effect
    host: Host = Host.API
    credential: NeededCredential = NeededCredential.EITHER


_rows: list[Endpoint] = []


def _row(
    name: str,
    verb: str,
    path: str,
    effect: Effect,
    *,
    host: Host = Host.API,
    credential: NeededCredential = NeededCredential.EITHER,
) -> Endpoint:
    row = Endpoint(
        name=name, verb=verb, path=path, effect=effect, host=host, credential=credential
    )
    _rows.append(row)
    return row


_READ, _WRITE, _MAIL = Effect.READ, Effect.WRITE, Effect.MAIL
_NONE = NeededCredential.NONE

AUTH_SIGNUP = _row("auth.signup", "POST", "/auth/signup", _MAIL, credential=_NONE)
AUTH_VERIFY_EMAIL = _row(
    "auth.verify_email", "POST", "/auth/verify-email", _WRITE, credential=_NONE
)
AUTH_RESEND_CODE = _row("auth.resend_code", "POST", "/auth/resend-code", _MAIL, credential=_NONE)
AUTH_LOGIN = _row("auth.login", "POST", "/auth/login", _WRITE, credential=_NONE)
AUTH_REFRESH = _row("auth.refresh", "POST", "/auth/refresh-token", _WRITE, credential=_NONE)
AUTH_CHANGE_PASSWORD = _row("auth.change_password", "POST", "/auth/change-password", _WRITE)
AUTH_FORGOT_PASSWORD = _row(
    "auth.forgot_password", "POST", "/auth/forgot-password", _MAIL, credential=_NONE
)
AUTH_RESET_PASSWORD = _row(
    "auth.reset_password", "POST", "/auth/reset-password", _WRITE, credential=_NONE
)

# A GET that replaces the key: never repeated, never read ahead.
USER_GENERATE_API_KEY = _row(
    "user.generate_api_key",
    "GET",
    "/user/generate-apikey",
    Effect.ROTATE,
    credential=NeededCredential.BEARER,
)
USER_SET_ACTIVE_PROJECT = _row(
    "user.set_active_project", "POST", "/user/set-active-project", _WRITE
)
USER_GET_ACTIVE_PROJECT = _row("user.get_active_project", "GET", "/user/get-active-project", _READ)

PROJECTS_CREATE = _row("projects.create", "POST", "/project/create-project", _WRITE)
PROJECTS_GET = _row("projects.get", "GET", "/project/{project_id}", _READ)
# The vendor's page of the list was never seen; path and verb are inferred.
PROJECTS_LIST = _row("projects.list", "GET", "/project", _READ)
PROJECTS_UPDATE = _row("projects.update", "PUT", "/project/{project_id}", _WRITE)
PROJECTS_DELETE = _row("projects.delete", "DELETE", "/project/{project_id}", _WRITE)
PROJECTS_SET_WEBHOOK = _row(
    "projects.set_webhook", "POST", "/project/call-status/add-webhookurl", _WRITE
)
# A read, although it is a POST.
PROJECTS_GET_ACTIVE_AGENT = _row(
    "projects.get_active_agent", "POST", "/project/active-agent", _READ
)
PROJECTS_SET_ACTIVE_AGENT = _row(
    "projects.set_active_agent", "PATCH", "/project/active-agent", _WRITE
)
PROJECTS_REMOVE_ACTIVE_AGENT = _row(
    "projects.remove_active_agent", "PATCH", "/project/active-agent/{agent_id}", _WRITE
)

AGENTS_CREATE = _row("agents.create", "POST", "/agent/create-agent", _WRITE)
# A read, although it is a POST.
AGENTS_GET = _row("agents.get", "POST", "/agent", _READ)
AGENTS_UPDATE = _row("agents.update", "PUT", "/agent", _WRITE)
AGENTS_DELETE = _row("agents.delete", "DELETE", "/agent", _WRITE)
AGENTS_LIST = _row("agents.list", "GET", "/agent/{project_id}", _READ)

CALLS_MAKE = _row("calls.make", "POST", "/call/makeCall", Effect.DIAL, host=Host.CALLS)
# Reads, although they are POSTs. The analysis costs the service some thinking.
CALLS_GET = _row("calls.get", "POST", "/call", _READ)
CALLS_HISTORY = _row("calls.history", "POST", "/call/get-call-history", _READ)
CALLS_ANALYZE = _row("calls.analyze", "POST", "/call/analysis", _READ)
# It dials, yet does not live at the dialling host.
CALLS_BATCH = _row("calls.batch", "POST", "/call/batch-call", Effect.DIAL)

VOICES_LIST = _row("voices.list", "GET", "/voices", _READ)
VOICES_GET = _row("voices.get", "GET", "/voices/{voice_id}", _READ)

# A read, although it is a POST.
NUMBERS_GET = _row("numbers.get", "POST", "/phone-number", _READ)
NUMBERS_ASSIGN = _row("numbers.assign", "POST", "/phone-number/add-number", _WRITE)

ENDPOINTS = tuple(_rows)
