"""What a worker holds, offers, and leaves to others. Nothing here talks to anybody.

A worker that has more than its fair share offers shards: it queues them anew, and goes on working
them until somebody takes them over. So no shard is ever idle for being handed on, and what nobody
wants stays where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from .beats import Standing
from .part import Slice
from .shares import Take, fair_share, slots_of, to_offer, whether_to_take

__all__ = ["Holdings", "Learnt"]

# A shard is left to workers that have fewer for so long, and an offer stands for so long.
_PATIENCE_SECONDS = 1.4
_OFFER_SECONDS = 4.0
# What nobody took is offered again after so long, then after twice as long, and so on.
_AGAIN_SECONDS, _SELDOM_SECONDS = 20.0, 300.0
_ANY = 1_000_000
# Workers look every two seconds or so: what one has seen for so long, all have seen.
_ALL_SEE_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Learnt:
    """What a worker learnt from the ledger's answer to its beat.

    Attributes:
        lost: Held until now, and somebody else's since.
        done: Held, and nothing is left to do in them.
        strays: Held in the ledger only: a hold whose answer was lost.
    """

    lost: frozenset[Slice]
    done: frozenset[Slice]
    strays: frozenset[Slice]


@attrs.define
class _Offer:
    until: float
    again_at: float
    gap: float


class Holdings:
    """The shards of one worker. Moments are monotonic seconds.

    Attributes:
        held: What it holds, as far as it knows.
        open: In which shards something is left to do, by campaign.
        live: How many workers there are.
        limits: How many calls each campaign may have at once.
    """

    def __init__(self) -> None:
        self.held: set[Slice] = set()
        self.open: dict[int, tuple[int, ...]] = {}
        self.live = 1
        self.limits: dict[int, int] = {}
        self._foreign: Mapping[int, int] = {}
        self._elsewhere: Mapping[int, int] = {}
        # Taken since the ledger was last asked.
        self._fresh: set[Slice] = set()
        self._coming: set[Slice] = set()
        self._offers: dict[Slice, _Offer] = {}
        self._passed: dict[Slice, float] = {}
        # What was open, and until when, by campaign.
        self._before: dict[int, list[tuple[float, tuple[int, ...]]]] = {}

    @property
    def everything(self) -> list[Slice]:
        """All slices in which something is left to do, whoever holds them."""
        return [
            Slice(campaign_id, shard)
            for campaign_id, shards in self.open.items()
            for shard in shards
        ]

    def shards_of(self, campaign_id: int) -> set[int]:
        """Return the shards of a campaign that it holds and has not offered."""
        return {
            piece.shard
            for piece in self.held
            if piece.campaign_id == campaign_id and not self._is_offered(piece)
        }

    def known_shards_of(self, campaign_id: int) -> set[int]:
        """Return those of which it is known what others are still doing there."""
        fresh = {piece.shard for piece in self._fresh if piece.campaign_id == campaign_id}
        return self.shards_of(campaign_id) - fresh

    def open_before(self, campaign_id: int) -> list[tuple[int, ...]]:
        """Return what was open in a campaign a moment ago, as other workers may still see it."""
        return [view for _, view in self._before.get(campaign_id, ())] if self.live > 1 else []

    def elsewhere(self, campaign_id: int) -> int:
        """Return how many calls of a campaign other workers have placed, wherever."""
        return self._elsewhere.get(campaign_id, 0)

    def foreign(self, campaign_id: int) -> int:
        """Return how many calls of other workers are under way in its shards."""
        return self._foreign.get(campaign_id, 0)

    def wants(self, piece: Slice, *, now: float) -> bool:
        """Say whether to work a piece, or to leave it to somebody else for the moment."""
        if piece in self.held:
            return not self._is_offered(piece) or self._withdraw_offer(piece, now)
        mine, everything = self.shards_of(piece.campaign_id), self._open_with(piece)
        limit = self.limits.get(piece.campaign_id, _ANY)
        take = Take(
            held=len(mine),
            fair=fair_share(len(everything), self.live),
            has_slots=any(slots_of(shard, everything, limit) for shard in mine),
            brings_slots=slots_of(piece.shard, everything, limit) > 0,
            passed_seconds=now - self._passed.setdefault(piece, now),
            patience_seconds=_PATIENCE_SECONDS,
        )
        if self.live > 1 and not whether_to_take(take):
            return False
        del self._passed[piece]
        return True

    def taking(self, piece: Slice) -> None:
        """Note that the ledger is being asked for a piece."""
        self._coming.add(piece)

    def took(self, piece: Slice) -> None:
        """Note that the ledger gave a piece."""
        self._coming.discard(piece)
        self.held.add(piece)
        self._fresh.add(piece)
        self.open[piece.campaign_id] = self._open_with(piece)

    def drop(self, piece: Slice) -> None:
        """Note that a piece is not held any more."""
        self._coming.discard(piece)
        self.held.discard(piece)
        self._fresh.discard(piece)
        self._offers.pop(piece, None)

    def learn(
        self,
        standing: Standing,
        pieces: Iterable[Slice],
        *,
        now: float,
        held: Collection[Slice] | None = None,
    ) -> Learnt:
        """Take in what the ledger says.

        Args:
            standing: The answer to a beat.
            pieces: In which something is left to do; asked for after the beat.
            now: The present moment.
            held: What was held when the ledger was asked: of what was taken since, it could not
                know. What is held now by default.
        """
        self._look(_by_campaign(pieces), now)
        self.live = max(1, standing.live_workers)
        self._foreign, self._elsewhere = standing.foreign, standing.elsewhere
        really = {Slice(campaign_id, shard) for campaign_id, shard in standing.held}
        self._fresh -= really
        lost = frozenset(self.held.intersection(self.held if held is None else held) - really)
        for piece in lost:
            self.drop(piece)
        self._passed = {
            piece: at for piece, at in self._passed.items() if now - at < 10 * _PATIENCE_SECONDS
        }
        return Learnt(
            lost=lost,
            done=frozenset(piece for piece in self.held if not self._is_open(piece)),
            strays=frozenset(really - self.held - self._coming - lost),
        )

    def _look(self, now_open: dict[int, tuple[int, ...]], now: float) -> None:
        """Take in what is open, and keep in mind what was."""
        before, self.open = self.open, now_open
        views = {
            campaign_id: [each for each in views if now - each[0] < _ALL_SEE_SECONDS]
            for campaign_id, views in self._before.items()
        }
        for campaign_id, view in before.items():
            if view != now_open.get(campaign_id):
                views.setdefault(campaign_id, []).append((now, view))
        self._before = {campaign_id: each for campaign_id, each in views.items() if each}

    def offer(self, campaign_id: int, *, busy: int, now: float) -> list[Slice]:
        """Offer what is more than a fair share; return what is to be queued anew.

        Args:
            campaign_id: Of which campaign.
            busy: How many calls this worker has under way in it.
            now: The present moment.
        """
        everything = self.open.get(campaign_id, ())
        if self.live < 2:
            return []
        chosen = to_offer(
            self.shards_of(campaign_id),
            everything,
            limit=self.limits.get(campaign_id, _ANY),
            fair=fair_share(len(everything), self.live),
            busy=busy,
        )
        pieces = [Slice(campaign_id, shard) for shard in chosen]
        return [piece for piece in pieces if self._begin_offer(piece, now)]

    def _begin_offer(self, piece: Slice, now: float) -> bool:
        before = self._offers.get(piece)
        if before is not None and now < before.again_at:
            return False
        gap = _AGAIN_SECONDS if before is None else min(_SELDOM_SECONDS, 2 * before.gap)
        until = now + _OFFER_SECONDS
        self._offers[piece] = _Offer(until, until + gap, gap)
        return True

    def _is_offered(self, piece: Slice) -> bool:
        offer = self._offers.get(piece)
        return offer is not None and offer.until > 0

    def _withdraw_offer(self, piece: Slice, now: float) -> bool:
        """Say whether an offer has stood long enough, and withdraw it if so."""
        offer = self._offers[piece]
        if now < offer.until:
            return False
        offer.until = 0.0
        return True

    def _is_open(self, piece: Slice) -> bool:
        return piece.shard in self.open.get(piece.campaign_id, ())

    def _open_with(self, piece: Slice) -> tuple[int, ...]:
        # Whoever queued it knew that it is open; this worker may not have looked since.
        return tuple(sorted({*self.open.get(piece.campaign_id, ()), piece.shard}))


def _by_campaign(pieces: Iterable[Slice]) -> dict[int, tuple[int, ...]]:
    shards: dict[int, list[int]] = {}
    for piece in pieces:
        shards.setdefault(piece.campaign_id, []).append(piece.shard)
    return {campaign_id: tuple(sorted(some)) for campaign_id, some in shards.items()}
