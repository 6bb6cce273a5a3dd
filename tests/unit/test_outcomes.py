from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

from talkstack_async import CallRequest, CallResult, Ended, NotPlaced, Placed, Uncertain, errors
from talkstack_async.dispatch.outcomes import failed
from talkstack_async.errors import StatusError, TalkstackError, UnexpectedReplyError
from talkstack_async.models import Call, CallStatus

KINDS: list[type[TalkstackError]] = [getattr(errors, name) for name in errors.__all__]
NUMBER = "+14155550123"
REQUEST = CallRequest(NUMBER, reference=7)
RESULT = CallResult(call_id="CA1", to=NUMBER)
ERROR = TalkstackError("m")


def make(kind: type[TalkstackError], *, uncertain: bool) -> TalkstackError:
    more: dict[str, Any] = {"uncertain": uncertain}
    if issubclass(kind, StatusError | UnexpectedReplyError):
        more["status"] = 418
    return kind("m", **more)


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_have_rung_is_never_called_not_placed(kind: type[TalkstackError]) -> None:
    error = make(kind, uncertain=True)
    assert failed(REQUEST, error) == Uncertain(request=REQUEST, error=error)


@pytest.mark.parametrize("kind", KINDS)
def test_what_certainly_did_not_ring_is_not_placed(kind: type[TalkstackError]) -> None:
    error = make(kind, uncertain=False)
    assert failed(REQUEST, error) == NotPlaced(request=REQUEST, error=error)


OUTCOMES = [
    Placed(request=REQUEST, result=RESULT),
    Ended(request=REQUEST, result=RESULT, call=Call(call_id="CA1", status=CallStatus.BUSY)),
    NotPlaced(request=REQUEST, error=ERROR),
    Uncertain(request=REQUEST, error=ERROR),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_an_outcome_is_a_value_that_brings_its_request_along(outcome: Any) -> None:
    assert outcome.request.reference == 7
    assert outcome == attrs.evolve(outcome)
    assert NUMBER not in repr(outcome)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        outcome.request = None
    with pytest.raises(TypeError):
        type(outcome)(REQUEST)
    assert type(pickle.loads(pickle.dumps(outcome))) is type(outcome)


def test_outcomes_of_different_kinds_are_never_equal() -> None:
    assert NotPlaced(request=REQUEST, error=ERROR) != Uncertain(request=REQUEST, error=ERROR)
    assert not isinstance(OUTCOMES[1], Placed)
    assert not isinstance(OUTCOMES[3], NotPlaced)
