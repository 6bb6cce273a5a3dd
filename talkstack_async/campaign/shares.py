"""How a campaign is shared among workers: whose shard, how many slots, who gives one up. Pure.

A campaign is cut into shards, and each has one worker at a time. Shards that nothing is left to
do in count for nothing: their slots and their part of the pace go to the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil

import attrs

__all__ = ["Take", "fair_share", "slots_of", "slots_under", "to_offer", "whether_to_take"]


@attrs.frozen(kw_only=True)
class Take:
    """What speaks for and against taking a shard that is free to take.

    Attributes:
        held: Shards of its campaign that this worker has and means to keep.
        fair: Shards that each worker should have.
        has_slots: Whether those that it has bring slots.
        brings_slots: Whether this shard does.
        passed_seconds: How long it has been left to the others.
        patience_seconds: How long that may go on.
    """

    held: int
    fair: int
    has_slots: bool
    brings_slots: bool
    passed_seconds: float
    patience_seconds: float


def fair_share(shards: int, workers: int) -> int:
    """Say how many of some shards each of some workers should have, at most."""
    return ceil(shards / max(1, workers))


def slots_of(shard: int, open_shards: Sequence[int], limit: int) -> int:
    """Say how many calls may go on at once in a shard, of those the whole campaign may have.

    Args:
        shard: Whose slots are asked for.
        open_shards: Those in which something is left to do, in ascending order.
        limit: Of the campaign.
    """
    if shard not in open_shards:
        return 0
    each, left_over = divmod(limit, len(open_shards))
    return each + (open_shards.index(shard) < left_over)


def slots_under(
    held: Collection[int],
    open_shards: Sequence[int],
    limit: int,
    *,
    earlier: Collection[Sequence[int]] = (),
) -> int:
    """Say how many calls a worker may have at once in the shards it holds.

    When a shard is done, some workers get more slots and some fewer, and they do not learn of it
    at once. So fewer counts at once, and more only when nobody can see it otherwise any more: the
    sum over all workers is never more than the limit.

    Args:
        held: The worker's shards.
        open_shards: Those in which something is left to do, in ascending order.
        limit: Of the campaign.
        earlier: What was open of late, as this worker saw it; in ascending order.
    """
    mine = [shard for shard in held if shard in open_shards]
    return min(
        sum(slots_of(shard, view if shard in view else open_shards, limit) for shard in mine)
        for view in (open_shards, *earlier)
    )


def whether_to_take(take: Take) -> bool:
    """Say whether to take a shard, or to leave it to a worker that has fewer.

    A shard without slots of its own (there are more shards than calls allowed at once) goes to
    whoever has slots. Nothing is left lying for long: who ought to take it may be busy, dead, or
    here for another campaign only.
    """
    if take.passed_seconds >= take.patience_seconds:
        return True
    if not take.brings_slots:
        return take.has_slots
    return take.held < take.fair


def to_offer(
    held: Collection[int], open_shards: Sequence[int], *, limit: int, fair: int, busy: int
) -> list[int]:
    """Say which shards to offer to the others, for having more than one should.

    Those whose slots are not in use, because whoever takes a shard uses its slots at once. Where
    there are more shards than slots, those without slots are of no use to a worker without.
    """
    mine = sorted(shard for shard in held if shard in open_shards)
    slots = {shard: slots_of(shard, open_shards, limit) for shard in mine}
    if not any(slots.values()):
        return mine
    # Fewer slots than shards are no load to share: whoever has them keeps them.
    keep = fair if limit >= len(open_shards) else limit
    giving = [shard for shard in reversed(mine) if slots[shard]]
    spare = sum(slots.values()) - busy
    offered: list[int] = []
    for shard in giving[: max(0, len(giving) - keep)]:
        if slots[shard] <= spare:
            spare -= slots[shard]
            offered.append(shard)
    return offered
