"""`talkstack call`: one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from ..dispatch import Ended, NotPlaced, Outcome, Placed, Uncertain
from ..errors import AuthenticationError, InvalidRequestError
from ..models.calls import CallRequest
from ..phone import PhoneNumber, mask_number
from .connecting import client_from_env
from .driving import drive
from .exits import CliError, ExitCode
from .output import Screen
from .stopping import Stop

__all__ = ["call", "read_variables"]


def read_variables(texts: Iterable[str]) -> dict[str, Any]:
    """Read `name=value` pairs; values are always text.

    Raises:
        CliError: A pair has no equals sign or no name, or a name stands twice.
    """
    variables: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign or not name:
            raise CliError(f"--var wants name=value, not {text!r}")
        if name in variables:
            raise CliError(f"--var {name} is given twice")
        variables[name] = value
    return variables


async def call(
    number: str,
    *,
    variables: dict[str, Any],
    project_id: str | None,
    agent_id: str | None,
    timeout_seconds: float,
    screen: Screen,
) -> int:
    """Place one call, say what became of it and return the exit code."""
    client = client_from_env(
        project_id=project_id,
        agent_id=agent_id,
        timeout_seconds=timeout_seconds,
        tell=screen.note,
    )
    request = CallRequest(PhoneNumber.parse(number), dynamic_variables=variables)
    outcomes: list[Outcome] = []
    stop = Stop(tell=screen.note)
    with stop.on_signals():
        async with client, client.dispatcher(on_outcome=outcomes.append) as dispatcher:
            await drive(dispatcher, _only(request), stop=stop)
    if not outcomes:
        screen.note("stopped before the call was placed; the phone did not ring")
        return ExitCode.INTERRUPTED
    code = _tell(outcomes[0], screen=screen)
    return ExitCode.INTERRUPTED if stop.interrupted else code


async def _only(request: CallRequest) -> AsyncIterator[CallRequest]:
    yield request


def _document(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result if isinstance(outcome, Placed | Ended) else None
    error = outcome.error if isinstance(outcome, NotPlaced | Uncertain) else None
    is_uncertain = error is not None and error.uncertain
    return {
        "number": str(outcome.request.number),
        "outcome": "placed" if error is None else "uncertain" if is_uncertain else "not_placed",
        "call_id": result and result.call_id,
        "to": result and result.to,
        "from": result and result.from_,
        "error": error and error.message,
    }


def _tell(outcome: Outcome, *, screen: Screen) -> int:
    screen.document(_document(outcome))
    if isinstance(outcome, Placed | Ended):
        if not screen.json:
            screen.say(outcome.result.call_id)
        screen.note(f"placed: {mask_number(outcome.request.number)}")
        return ExitCode.ALL_PLACED
    kind = "uncertain" if outcome.error.uncertain else "not placed"
    screen.note(f"talkstack: {kind}: {outcome.error.message}")
    if outcome.error.uncertain:
        return ExitCode.UNCERTAIN
    if isinstance(outcome.error, AuthenticationError | InvalidRequestError):
        return ExitCode.USAGE
    return ExitCode.FAILURES
