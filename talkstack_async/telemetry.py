"""Facts about what happens inside, for whoever wants to watch.

An observer is any callable that takes one event. It is called on the event loop, so it must be
quick; what it raises is logged and never disturbs a call. No event holds a secret or a whole
phone number.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TextIO, TypeAlias, TypeVar

import attrs

from .errors import ConfigurationError
from .phone import scrub_numbers

__all__ = [
    "AttemptChanged",
    "Event",
    "Observer",
    "OnReply",
    "PoolWaited",
    "ReplyReceived",
    "RequestFinished",
    "RequestRepeated",
    "SlowedDown",
    "configure_from_env",
    "redacted",
    "several",
]

E = TypeVar("E")

logger = logging.getLogger("talkstack_async")
logger.addHandler(logging.NullHandler())


@attrs.frozen(kw_only=True)
class RequestRepeated:
    """A request is sent again, which happens only if it cannot have taken effect."""

    request_id: str
    operation: str
    attempt: int
    wait_seconds: float
    reason: str


@attrs.frozen(slots=False)  # made for every request, by position, which is quicker
class RequestFinished:
    """A request is over, well or badly."""

    request_id: str
    operation: str
    status: int | None
    attempts: int
    elapsed_seconds: float
    uncertain: bool


@attrs.frozen(kw_only=True)
class PoolWaited:
    """A request had to wait for a free connection."""

    host: str
    wait_seconds: float


@attrs.frozen(kw_only=True)
class SlowedDown:
    """The service asked for patience; the whole dispatcher waits."""

    wait_seconds: float


@attrs.frozen(slots=False)  # made for every call, by position, which is quicker
class AttemptChanged:
    """An attempt of a campaign came to a state, durably or about to be.

    Attributes:
        campaign: The campaign's name.
        state: `placed`, `final`, `rejected`, `released`, `unknown` or `lost`.
        disposition: How the call ended, if that is known.
        reason: Why the contact goes on as it does, in a word.
        elapsed_seconds: Since the claim; None if an earlier run claimed it.
        is_over: Whether nothing more will become of the attempt; a call that is followed, and
            one that is looked for, go on.
        call_id: The service's id of the call, if that is known.
    """

    campaign: str
    attempt_id: int
    state: str
    disposition: str | None
    reason: str
    elapsed_seconds: float | None
    is_over: bool = True
    call_id: str | None = None


Event: TypeAlias = RequestRepeated | RequestFinished | PoolWaited | SlowedDown | AttemptChanged
Observer: TypeAlias = Callable[[Event], None]


@attrs.frozen(kw_only=True)
class ReplyReceived:
    """A reply as it came, for `Client.with_options(on_reply=...)`. No observer ever gets it.

    Attributes:
        request_id: Our own id of the request; the same for each of its tries.
        operation: Which operation it answers, like `calls.make`.
        status: The HTTP status.
        headers: The headers; looked up without regard to case.
        body: The body, with our own credential taken out. It may hold people's numbers, and
            those of a login hold tokens.
    """

    request_id: str
    operation: str
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


OnReply: TypeAlias = Callable[[ReplyReceived], None]


def notify(observer: Callable[[E], None] | None, event: E) -> None:
    """Hand an event to the observer, if there is one, and survive what it does."""
    if observer is None:
        return
    try:
        observer(event)
    except Exception:
        request_id = getattr(event, "request_id", None)
        where = f" of request {request_id}" if request_id else ""
        logger.exception("the observer failed on %s%s", type(event).__name__, where)


def several(*observers: Observer | None) -> Observer | None:
    """Make one observer of several; None stands for nobody.

    Each is told everything, in this order, whatever the others do: `Client(observer=...)`.
    """
    all_of_them = tuple(each for each in observers if each is not None)
    if len(all_of_them) < 2:
        return all_of_them[0] if all_of_them else None

    def tell(event: Event) -> None:
        for each in all_of_them:
            notify(each, event)

    return tell


# --- Logging.

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&"')\]}]+)"""
# What a credential is called, as a header, a JSON key, a keyword argument or part of a query;
# but not in the name of the operation that makes one.
_NAMED = re.compile(
    r"""(?ix)
    ((?: x-api-key | (?<!generate_) api[-_]?key | (?:old|new)?_?password | re(?:s)?fresh_?token
       | (?<![a-z]) token | secret | cookie | (?<![a-z]) code )
     ["']? \s* [:=] \s* (?: b? (?=["']) )? )
    """
    + _QUOTED
)
_AUTHORIZATION = re.compile(
    r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)?|\bbearer|\bbasic)"
    r"\s+[\w\-.~+/]{6,}=*"
)
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@]+@")
# Long and without a blank, with figures in it: keys of 64 hex characters, JWTs, opaque tokens.
_LOOKS_LIKE_A_KEY = re.compile(
    r"(?<![\w\-])(?=[\w\-]*[0-9])(?:[A-Za-z0-9_\-]{32,}|eyJ[\w\-]+)(?:\.[\w\-]+)*"
)
_REQUEST_ID = re.compile(r"\b([b-df-hj-np-tv-xz]{6}-[0-9]+|CA[0-9a-f]{32})\b")


def redacted(text: str) -> str:
    """Take out of a text what looks like a key, a token, a password or a phone number.

    A second net: nothing of ours writes a credential in the first place. Ids of requests and
    of calls stay, for they are what one looks for in a log.
    """
    text = _USER_IN_ADDRESS.sub("***@", text)
    text = _AUTHORIZATION.sub(r"\1 ***", text)
    text = _NAMED.sub(r"\1***", text)
    pieces = _REQUEST_ID.split(text)
    pieces[::2] = [scrub_numbers(_LOOKS_LIKE_A_KEY.sub("***", piece)) for piece in pieces[::2]]
    return "".join(pieces)


def _redact(record: logging.LogRecord) -> bool:
    """Rewrite a record before any handler sees it; arguments and exceptions become text."""
    record.msg, record.args = redacted(record.getMessage()), None
    if record.exc_info:
        # Objects of the exception would go to whoever formats it, and show what they hold.
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        record.exc_info, record.exc_text = None, redacted(told)
    return True


logger.addFilter(_redact)


def configure_from_env(environ: Mapping[str, str] | None = None) -> None:
    """Write our own log to standard error if `TALKSTACK_LOG` says debug, info or warning.

    Called by `Client.from_env` and the command line and by nobody else. Only the logger
    `talkstack_async` is touched, and calling it again changes the level and adds nothing.
    Handlers of your own go on getting every line, too.

    Raises:
        ConfigurationError: It says something else.
    """
    wanted = (os.environ if environ is None else environ).get("TALKSTACK_LOG", "").strip().lower()
    if not wanted:
        return
    if wanted not in _LEVELS:
        raise ConfigurationError("TALKSTACK_LOG must be debug, info or warning")
    logger.setLevel(_LEVELS[wanted])
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        logger.addHandler(_StandardError())


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the moment, which tests and consoles replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
