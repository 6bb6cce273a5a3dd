"""What the operations that both databases share need of a transaction.

Their statements are written once, with a few words in braces where the databases differ; the
four hot statements are not among them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, LiteralString, Protocol, TypeAlias

from ..records import CampaignRecord

__all__ = ["MOST_SHARDS", "Rows", "Transaction", "in_postgres", "in_sqlite", "to_json"]

# Into so many parts a campaign on a server is divided at most: more workers than that share none.
MOST_SHARDS = 16

Rows: TypeAlias = Sequence[Sequence[Any]]

# One encoder for all: `json.dumps` with separators builds a new one each time.
to_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode


class Transaction(Protocol):
    """A write transaction under way.

    In the statements `?` stands for a value, `{among}` and `{not_among}` compare with a list of
    values (made by `many`), `{then}` joins in this order, `{lock}` keeps what is read from
    changing, and `{take_a}` does so with the attempt `a`, leaving out what somebody else is
    about to change.
    """

    @property
    def most_shards(self) -> int:
        """Into how many parts a campaign is divided at most."""
        ...

    def rows(self, statement: str, args: Sequence[Any] = ()) -> list[Any]:
        """Return what a statement finds."""
        ...

    def change(self, statement: str, args: Sequence[Any]) -> int:
        """Run a statement; return how many rows it changed."""
        ...

    def change_all(self, statement: str, rows: Rows) -> int:
        """Run a statement for each row of values; return how many rows it changed in all."""
        ...

    def add(self, statement: str, args: Sequence[Any], *, key: LiteralString) -> int | None:
        """Insert a row and return its key; None if a row like it was there."""
        ...

    def add_contacts(self, columns: Sequence[LiteralString], rows: Rows) -> None:
        """Insert contacts that are certainly not there yet."""
        ...

    def contact_ids(self, count: int) -> Iterator[int]:
        """Return ids for so many new contacts."""
        ...

    def many(self, values: Collection[Any]) -> Any:
        """Return values as a statement takes a list of them."""
        ...

    def campaign(self, campaign_id: int, *, lock: bool = False) -> CampaignRecord:
        """Read a campaign as it stands in this transaction.

        Raises:
            CampaignError: There is none of that id.
        """
        ...

    def import_alone(self, campaign_id: int) -> None:
        """Let nobody else add contacts to a campaign until this transaction ends."""
        ...

    def shards_of_others(self, campaign_id: int, workers: Collection[str]) -> list[int]:
        """Return the shards that none of these workers, but somebody else holds."""
        ...

    def living_besides(self, worker: str) -> list[str]:
        """Return the other workers that have shown a sign of life of late."""
        ...

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
        """Add a line to the audit. No phone numbers, please: the contact's id says whose."""
        ...

    def audit_all(
        self,
        at: int,
        what: str,
        words: str,
        of: Sequence[str],
        *,
        campaign_id: int,
    ) -> None:
        """Add one line that is said of many attempts at once; see `Auditing`."""
        ...


@lru_cache(maxsize=256)
def in_sqlite(statement: str) -> str:
    """Return a statement in the words of SQLite."""
    return statement.format(
        among="IN (SELECT value FROM json_each(?))",
        not_among="NOT IN (SELECT value FROM json_each(?))",
        then="CROSS JOIN",
        lock="",
        take_a="",
    )


@lru_cache(maxsize=256)
def in_postgres(statement: str) -> LiteralString:
    """Return a statement in the words of PostgreSQL."""
    words = statement.format(
        among="= ANY(?)",
        not_among="<> ALL(?)",
        then="JOIN",
        lock="FOR UPDATE",
        take_a="FOR UPDATE OF a SKIP LOCKED",
    )
    # Each is a constant of this package, which the types cannot follow to here.
    return words.replace("?", "%s")  # pyright: ignore[reportReturnType]
