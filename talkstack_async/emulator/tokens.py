"""Bearer tokens and the refresh tokens that buy new ones."""

import random

import attrs

from .clock import VirtualClock
from .identity import Identity
from .quirks import Quirks


@attrs.frozen(kw_only=True)
class TokenPair:
    """What login and refresh hand out. The times are moments of the virtual clock."""

    token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    expires_at: float


@attrs.frozen
class _Grant:
    email: str
    expires_at: float


class Tokens:
    """Every token that is good or was, with its owner's address."""

    def __init__(self, identity: Identity, *, clock: VirtualClock, quirks: Quirks) -> None:
        self._clock = clock
        self._quirks = quirks
        self._chance = random.Random(f"tokens:{identity.seed}")
        self._access: dict[str, _Grant] = {}
        self._refresh: dict[str, _Grant] = {}
        self._grant(identity.token, identity.email)
        self._grant_refresh(identity.refresh_token, identity.email)

    def issue(self, email: str) -> TokenPair:
        """Hand out a fresh pair."""
        refresh_token = self._new("refresh")
        self._grant_refresh(refresh_token, email)
        return self._pair(email, refresh_token)

    def owner(self, token: str) -> str | None:
        """Return whose token this is, None if it is not good."""
        grant = self._access.get(token)
        return None if grant is None else self._living(grant)

    def refresh_owner(self, refresh_token: str) -> str | None:
        """Return whose refresh token this is, None if it is not good."""
        grant = self._refresh.get(refresh_token)
        return None if grant is None else self._living(grant)

    def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token that is good, by the quirks."""
        email = self._refresh[refresh_token].email
        if not self._quirks.refresh_token_rotates:
            return self._pair(email, refresh_token)
        if self._quirks.old_refresh_token_dies:
            del self._refresh[refresh_token]
        return self.issue(email)

    def expire_all(self) -> None:
        """Make every bearer token handed out so far worthless; refresh tokens stay good."""
        self._access.clear()

    def _pair(self, email: str, refresh_token: str) -> TokenPair:
        token = self._new("emulator")
        return TokenPair(
            token=token, refresh_token=refresh_token, expires_at=self._grant(token, email)
        )

    def _grant(self, token: str, email: str) -> float:
        expires_at = self._clock.now() + self._quirks.token_life
        self._access[token] = _Grant(email, expires_at)
        return expires_at

    def _grant_refresh(self, refresh_token: str, email: str) -> None:
        expires_at = self._clock.now() + self._quirks.refresh_token_life
        self._refresh[refresh_token] = _Grant(email, expires_at)

    def _living(self, grant: _Grant) -> str | None:
        return grant.email if self._clock.now() < grant.expires_at else None

    def _new(self, kind: str) -> str:
        return f"{kind}-{self._chance.getrandbits(256):064x}"
