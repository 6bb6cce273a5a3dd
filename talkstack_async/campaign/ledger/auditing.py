"""The audit of a transaction: entries that follow from each other, written before the commit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from .chain import GENESIS, next_hash
from .transaction import to_json

__all__ = ["Auditing", "Chain"]


@attrs.frozen
class Chain:
    """A chain of the audit, and the hash of its last entry."""

    number: int
    head: str = GENESIS


class Auditing(ABC):
    """What the transactions of both databases do alike: gather entries, one after the other.

    Args:
        chain: What the entries go on from; None if that is asked for at the first one.
    """

    def __init__(self, chain: Chain | None) -> None:
        # In parts, because every entry changes the head.
        self._number = None if chain is None else chain.number
        self._head = "" if chain is None else chain.head
        # As columns: at, what, campaign, contact, attempt, detail, hash.
        self._entries: list[tuple[Any, ...]] = []

    @property
    def chain(self) -> Chain | None:
        """What the next entry goes on from."""
        return None if self._number is None else Chain(self._number, self._head)

    @abstractmethod
    def _find_chain(self) -> Chain:
        """Return the chain that the first entry goes on from."""

    def audit(
        self,
        at: int,
        what: str,
        detail: Mapping[str, Any] | str,
        *,
        campaign_id: int | None = None,
        contact_id: int | None = None,
        attempt_id: int | None = None,
    ) -> None:
        """Add a line to the audit. No phone numbers, please: the contact's id says whose.

        `detail` may be JSON text already, where the same is said for many calls.
        """
        if self._number is None:
            found = self._find_chain()
            self._number, self._head = found.number, found.head
        # Some control characters cannot be stored as text; in JSON they stand as escapes.
        text = detail if isinstance(detail, str) else to_json(detail)
        self._head = next_hash(
            self._head, self._number, at, what, campaign_id, contact_id, attempt_id, text
        )
        self._entries.append((at, what, campaign_id, contact_id, attempt_id, text, self._head))

    def audit_all(
        self,
        at: int,
        what: str,
        words: str,
        of: Sequence[str],
        *,
        campaign_id: int,
    ) -> None:
        """Add one line that is said of many attempts at once: a call costs two of them otherwise.

        Args:
            at: The moment.
            what: What happened to them.
            words: What is said of all, a JSON object as text.
            of: Of each a JSON array: contact, attempt, and what is said of it alone.
            campaign_id: Whose they are.
        """
        # `entries.said_of` and the readers know this form.
        self.audit(at, what, f'{words[:-1]},"of":[{",".join(of)}]}}', campaign_id=campaign_id)
