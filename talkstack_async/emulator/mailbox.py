"""E-mails that the emulated service would have sent, and the codes in them."""

import random
from typing import Literal

import attrs

from .clock import VirtualClock

MailKind = Literal["verification", "password_reset"]
CodeVerdict = Literal["good", "wrong", "stale"]

_CODE_LIFE = 86400.0
_RESET_LIFE = 3600.0


@attrs.frozen(kw_only=True)
class Mail:
    """One e-mail. `code` is the six digits, or the token of the reset link."""

    to: str
    kind: MailKind
    code: str
    sent_at: str


@attrs.frozen
class _Reset:
    email: str
    expires_at: float


class Mailbox:
    """Every e-mail, and which codes and reset tokens are still good for something."""

    def __init__(self, *, clock: VirtualClock, seed: int) -> None:
        self._clock = clock
        self._chance = random.Random(f"mailbox:{seed}")
        self._mails: dict[str, list[Mail]] = {}
        self._codes: dict[str, tuple[str, float]] = {}
        self._resets: dict[str, _Reset] = {}

    def to(self, email: str) -> list[Mail]:
        """Return the mails to an address, the latest last."""
        return list(self._mails.get(email.lower(), ()))

    def send_code(self, email: str) -> None:
        """Mail a verification code. The one before is no good any more."""
        code = f"{self._chance.randrange(10**6):06}"
        self._codes[email.lower()] = (code, self._clock.now() + _CODE_LIFE)
        self._send("verification", email, code)

    def send_reset(self, email: str) -> None:
        """Mail a token that is good for one new password."""
        token = f"reset-{self._chance.getrandbits(128):032x}"
        self._resets[token] = _Reset(email.lower(), self._clock.now() + _RESET_LIFE)
        self._send("password_reset", email, token)

    def judge_code(self, email: str, code: str) -> CodeVerdict:
        """Say what a verification code is worth; a day after it was sent it is stale."""
        expected, expires_at = self._codes.get(email.lower(), (None, 0.0))
        if code != expected:
            return "wrong"
        return "good" if self._clock.now() < expires_at else "stale"

    def spend_reset(self, token: str) -> str | None:
        """Return whose reset token this is and use it up; None if it is no good."""
        reset = self._resets.pop(token, None)
        if reset is None or self._clock.now() >= reset.expires_at:
            return None
        return reset.email

    def _send(self, kind: MailKind, email: str, code: str) -> None:
        mail = Mail(to=email.lower(), kind=kind, code=code, sent_at=self._clock.stamp())
        self._mails.setdefault(mail.to, []).append(mail)
