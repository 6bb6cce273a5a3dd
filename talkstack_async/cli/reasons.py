"""Errors in plain words, the same words for the same cause, so that they can be counted."""

from __future__ import annotations

from .. import errors

__all__ = ["plain_words"]

_WORDS: tuple[tuple[type[errors.TalkstackError], str], ...] = (
    (errors.InvalidNumberError, "the number is not a phone number"),
    (errors.InvalidRequestError, "the request could not be made from this row"),
    (errors.PoolTimeoutError, "no connection became free in time; nothing was sent"),
    (errors.TlsError, "the connection to the service could not be secured; nothing was sent"),
    (errors.NotSentError, "no connection to the service; nothing was sent"),
    (errors.ReplyTimeoutError, "the service did not answer in time"),
    (errors.WriteTimeoutError, "the service did not take the whole request in time"),
    (errors.ReplyLostError, "the connection broke before the answer came"),
    (errors.UnexpectedReplyError, "the service accepted, but its answer makes no sense"),
    (errors.DeadlineError, "there was no answer by the deadline"),
)


def plain_words(error: errors.TalkstackError) -> str:
    """Say what an error means to somebody who does not program."""
    match error:
        case errors.ThrottledError():
            return f"the service stayed too busy ({error.status})"
        case errors.RedirectError():
            return f"the service pointed elsewhere ({error.status}); that is never followed"
        case errors.StatusError() if error.uncertain:
            return f"the service failed ({error.status})"
        case errors.StatusError():
            return f"the service refused the call ({error.status})"
        case errors.StoppedError() if error.uncertain:
            return "we stopped waiting for the answer"
        case errors.StoppedError():
            return "stopped before it was sent"
        case _:
            return _by_class(error)


def _by_class(error: errors.TalkstackError) -> str:
    return next((words for kind, words in _WORDS if isinstance(error, kind)), error.message)
