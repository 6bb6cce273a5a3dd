"""What the control plane can do. An action answers with what becomes JSON.

Each raises `ValueError` for input that makes no sense; its text is the answer.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .faults import ArmedFault, Fault
from .rings import Ring
from .state import ServiceState, Statistics

CONTROL_PREFIX = "/_emulator/"

_RINGS_PER_PAGE = 100
_MOST_RINGS_PER_PAGE = 10_000


@attrs.frozen(kw_only=True)
class Command:
    """What a control request asks for, once it is known to be one."""

    content: Mapping[str, Any]
    query: Mapping[str, str]
    state: ServiceState
    statistics: Callable[[], Statistics]


def _only(content: Mapping[str, Any], *allowed: str) -> None:
    unknown = sorted(set(content) - set(allowed))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; allowed: {', '.join(allowed) or 'none'}")


def _list_actions(_: Command) -> object:
    return {"actions": [f"{method} {CONTROL_PREFIX}{name}" for method, name in ACTIONS]}


def _reset(command: Command) -> object:
    _only(command.content)
    command.state.begin(command.state.identity.seed)
    return {"message": "reset"}


def _seed(command: Command) -> object:
    _only(command.content, "seed")
    seed = command.content.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError("seed must be a whole number")  # noqa: TRY004 - one kind of bad input
    command.state.begin(seed)
    return _whoami(command)


def _clock(command: Command) -> object:
    _only(command.content, "advance")
    seconds = command.content.get("advance")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ValueError("advance must be a number of seconds")  # noqa: TRY004
    command.state.advance(seconds)
    return {"ahead": command.state.clock.ahead}


def _list_faults(command: Command) -> object:
    return {"faults": [_armed_as_json(armed) for armed in command.state.faults.armed()]}


def _add_fault(command: Command) -> object:
    _only(command.content, *attrs.fields_dict(Fault))
    if "kind" not in command.content:
        raise ValueError("a fault needs a kind")
    command.state.add_fault(Fault(**command.content))
    return _list_faults(command)


def _clear_faults(command: Command) -> object:
    command.state.faults.clear()
    return _list_faults(command)


def _list_rings(command: Command) -> object:
    offset = _whole(command.query, "offset", default=0)
    limit = min(_whole(command.query, "limit", default=_RINGS_PER_PAGE), _MOST_RINGS_PER_PAGE)
    number = command.query.get("number")
    if number is not None:
        # A plus sign that was not percent-encoded arrives as a blank.
        number = number.replace(" ", "+")
    rings = command.state.ledger if number is None else command.state.ledger.to(number)
    page = rings[offset : offset + limit]
    return {"total": len(rings), "offset": offset, "rings": [_ring_as_json(r) for r in page]}


def _show_statistics(command: Command) -> object:
    return attrs.asdict(command.statistics())


def _list_operations(command: Command) -> object:
    _only(command.query)
    return {"operations": command.state.requests_by_operation}


def _list_mails(command: Command) -> object:
    _only(command.query, "email")
    email = command.query.get("email")
    if email is None:
        raise ValueError("email is required")
    return {"mails": [attrs.asdict(mail) for mail in command.state.mailbox.to(email)]}


def _list_webhooks(command: Command) -> object:
    _only(command.query)
    return {"webhooks": [attrs.asdict(made) for made in command.state.webhooks.made]}


def _expire_token(command: Command) -> object:
    _only(command.content)
    command.state.tokens.expire_all()
    return {"message": "expired"}


def _forget_user(command: Command) -> object:
    _only(command.query, "email")
    email = command.query.get("email", "")
    return {"forgotten": command.state.accounts.forget(email)}


def _whoami(command: Command) -> object:
    identity = command.state.identity
    return {
        "api_key": command.state.accounts.key_of(identity.email),
        "token": identity.token,
        "refresh_token": identity.refresh_token,
        "email": identity.email,
        "password": identity.password,
        "project_id": identity.project_id,
        "agent_id": identity.agent_id,
        "seed": identity.seed,
    }


def _armed_as_json(armed: ArmedFault) -> dict[str, object]:
    return {**attrs.asdict(armed.fault), "hits": armed.hits}


def _ring_as_json(ring: Ring) -> dict[str, object]:
    return {
        "number": ring.number,
        "call_id": ring.call_id,
        "at": ring.at,
        "project_id": ring.project_id,
        "agent_id": ring.agent_id,
        "variables": dict(ring.variables),
        "connection": ring.connection,
    }


def _whole(query: Mapping[str, str], name: str, *, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} must be a whole number, zero or more, not {text!r}")
    return int(text)


ACTIONS: dict[tuple[str, str], Callable[[Command], object]] = {
    ("GET", ""): _list_actions,
    ("GET", "whoami"): _whoami,
    ("GET", "statistics"): _show_statistics,
    ("GET", "rings"): _list_rings,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "operations"): _list_operations,
    ("GET", "mailbox"): _list_mails,
    ("GET", "webhooks"): _list_webhooks,
    ("DELETE", "users"): _forget_user,
    ("POST", "expire-token"): _expire_token,
    ("POST", "reset"): _reset,
    ("POST", "seed"): _seed,
    ("POST", "clock"): _clock,
}
