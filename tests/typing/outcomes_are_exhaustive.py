"""The types users see when they handle outcomes. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_never, assert_type

from talkstack_async import (
    CallRequest,
    CallResult,
    Disposition,
    Ended,
    NotPlaced,
    Outcome,
    Placed,
    TalkstackError,
    Uncertain,
)


def all_four_are_handled(outcome: Outcome) -> str:
    match outcome:
        case Placed(request=request, result=result):
            assert_type(request, CallRequest)
            assert_type(result, CallResult)
            return result.call_id
        case Ended(result=result, disposition=disposition):
            assert_type(disposition, Disposition)
            return f"{result.call_id} {disposition}"
        case NotPlaced(request=request, error=error):
            assert_type(error, TalkstackError)
            return error.message
        case Uncertain(error=error):
            assert_type(error.uncertain, bool)
            assert_type(error.request_id, str | None)
            return error.message
        case _ as unreachable:
            assert_never(unreachable)


def a_forgotten_outcome_is_a_type_error(outcome: Outcome) -> str:
    match outcome:
        case Placed() | Ended():
            return "rang"
        case NotPlaced():
            return "did not ring"
        case _ as forgotten:
            assert_type(forgotten, Uncertain)
            assert_never(forgotten)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def nothing_else_is_an_outcome(error: TalkstackError) -> Outcome:
    return error  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def an_outcome_that_did_not_ring_has_no_result(outcome: NotPlaced | Uncertain) -> None:
    _ = outcome.result  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]


def outcomes_are_frozen(outcome: Placed, request: CallRequest) -> None:
    outcome.request = request  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
