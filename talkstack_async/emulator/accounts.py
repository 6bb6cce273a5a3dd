"""The users of the emulated service and their API keys."""

import random
import re

import attrs

from .clock import VirtualClock
from .identity import Identity, new_id

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


@attrs.frozen(kw_only=True)
class User:
    """Somebody who signed up. The password is kept as it came: nothing here is secret."""

    id: str
    email: str
    name: str
    password: str = attrs.field(repr=False)
    created_at: str
    updated_at: str
    verified: bool = False
    active_project: str | None = None

    def profile(self) -> dict[str, object]:
        """Return the user as signup and login print it."""
        return {**self.short_profile(), "company_name": None}

    def short_profile(self) -> dict[str, object]:
        """Return the user as verify-email prints it."""
        return {
            "email": self.email,
            "name": self.name,
            "active_project": self.active_project,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    def full_profile(self) -> dict[str, object]:
        """Return the user as set-active-project prints it."""
        return {"id": self.id, "verified": self.verified, **self.short_profile()}


def is_email(text: str) -> bool:
    """Say whether a text looks like an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


class Accounts:
    """Every user, found by e-mail address or by API key."""

    def __init__(self, identity: Identity, *, clock: VirtualClock) -> None:
        self._clock = clock
        self._chance = random.Random(f"accounts:{identity.seed}")
        self._users: dict[str, User] = {}
        self._emails_by_key: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._seed(identity)

    def _seed(self, identity: Identity) -> None:
        now = self._clock.stamp()
        owner = User(
            id=identity.user_id,
            email=identity.email,
            name="Owner",
            password=identity.password,
            created_at=now,
            updated_at=now,
            verified=True,
            active_project=identity.project_id,
        )
        self._users[owner.email] = owner
        self._set_key(owner, identity.api_key)

    def find(self, email: str) -> User | None:
        """Return the user of an address, written in whatever case."""
        return self._users.get(email.lower())

    def register(self, *, email: str, password: str, name: str) -> User:
        """Add a user whose address is still to be verified."""
        now = self._clock.stamp()
        user = User(
            id=new_id(self._chance),
            email=email.lower(),
            name=name,
            password=password,
            created_at=now,
            updated_at=now,
        )
        self._users[user.email] = user
        return user

    def change(
        self,
        user: User,
        *,
        password: str | None = None,
        verified: bool | None = None,
        active_project: str | None = None,
    ) -> User:
        """Change what is given and return the user as it is now."""
        user = self._users.get(user.email, user)
        changed = attrs.evolve(
            user,
            password=user.password if password is None else password,
            verified=user.verified if verified is None else verified,
            active_project=user.active_project if active_project is None else active_project,
            updated_at=self._clock.stamp(),
        )
        self._users[user.email] = changed
        return changed

    def leave_project(self, project_id: str) -> None:
        """Make sure that a project is nobody's active one any more."""
        for email, user in self._users.items():
            if user.active_project == project_id:
                self._users[email] = attrs.evolve(user, active_project=None)

    def owner_of_key(self, key: str) -> User | None:
        """Return the user whose key this is now."""
        email = self._emails_by_key.get(key)
        return None if email is None else self._users.get(email)

    def key_of(self, email: str) -> str | None:
        """Return the key of a user, None if none was ever made."""
        return self._keys.get(email.lower())

    def replace_key(self, user: User) -> str:
        """Give a user a new key. The old one is worth nothing from now on."""
        key = f"{self._chance.getrandbits(256):064x}"
        self._set_key(user, key)
        return key

    def _set_key(self, user: User, key: str) -> None:
        old = self._keys.get(user.email)
        if old is not None:
            del self._emails_by_key[old]
        self._keys[user.email] = key
        self._emails_by_key[key] = user.email

    def forget(self, email: str) -> bool:
        """Remove a user and say whether there was one. Tokens are left, without an owner."""
        return self._users.pop(email.lower(), None) is not None
