"""Everything about the emulated service that follows from its seed.

Ids are computed, not stored: the id of a call carries the position of its ring,
scrambled, so a million calls need no index and the same seed gives the same ids.
"""

import random
import uuid
from hashlib import blake2b

import attrs

_WORD = 2**64
# Any odd number can be undone modulo a power of two; this one scatters well.
_SCATTER = 0x9E3779B97F4A7C15
_GATHER = pow(_SCATTER, -1, _WORD)
_CALLER_IDS = 8


@attrs.frozen(kw_only=True)
class Identity:
    """Credentials, ids and chance of one seed. Make it with `identity_of`."""

    seed: int
    api_key: str = attrs.field(repr=False)
    token: str = attrs.field(repr=False)
    project_id: str
    agent_id: str
    user_id: str
    number_id: str
    email: str
    password: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    caller_ids: tuple[str, ...] = attrs.field(repr=False)
    _key: bytes = attrs.field(alias="key", repr=False)
    _shift: int = attrs.field(alias="shift", repr=False)

    def call_id(self, index: int) -> str:
        """Return the id of the call that was dialled as number `index`."""
        tail = (index * _SCATTER + self._shift) % _WORD
        return f"CA{self._digest(str(index)).hex()}{tail:016x}"

    def index_of(self, call_id: str) -> int | None:
        """Return the position that a call id stands for, or None if it is not ours."""
        try:
            tail = int(call_id[18:], 16)
        except ValueError:
            return None
        index = (tail - self._shift) * _GATHER % _WORD
        return index if self.call_id(index) == call_id else None

    def caller_id(self, index: int) -> str:
        """Return the number that call `index` is made from."""
        return self.caller_ids[index % len(self.caller_ids)]

    def draw(self, index: int, purpose: str) -> float:
        """Return the chance of call `index` for one purpose, in [0, 1).

        The same question always gets the same answer, in whatever order it is asked.
        """
        return int.from_bytes(self._digest(f"{purpose}:{index}"), "big") / _WORD

    def _digest(self, text: str) -> bytes:
        return blake2b(text.encode(), key=self._key, digest_size=8).digest()


def identity_of(seed: int) -> Identity:
    """Derive the identity that belongs to a seed."""
    chance = random.Random(seed)
    account = random.Random(f"account:{seed}")
    return Identity(
        seed=seed,
        api_key=f"{chance.getrandbits(256):064x}",
        token=f"emulator-{chance.getrandbits(256):064x}",
        project_id=new_id(chance),
        agent_id=new_id(chance),
        user_id=new_id(account),
        number_id=new_id(account),
        email="owner@emulator.invalid",
        password=f"secret-{account.getrandbits(64):016x}",
        refresh_token=f"refresh-{account.getrandbits(256):064x}",
        caller_ids=tuple(_caller_id(chance) for _ in range(_CALLER_IDS)),
        key=chance.randbytes(32),
        shift=chance.getrandbits(64),
    )


def new_id(chance: random.Random) -> str:
    """Return an id of the form the vendor's samples have, by chance."""
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _caller_id(chance: random.Random) -> str:
    # 555-0100 to 555-0199 belong to fiction in every area code.
    return f"+1{chance.randrange(200, 1000)}55501{chance.randrange(80):02d}"
