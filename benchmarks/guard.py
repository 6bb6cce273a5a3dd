"""The guard: fails if a dispatched call costs more than half of one through plain aiohttp.

For continuous integration, where nobody reads tables and the neighbours are loud. Ratios of
processor time, taken inside rounds, judged by their median; an allowed ratio is some 0.2 to 0.35,
so the bound leaves room for the noise and none for a fast lane that is no longer taken. Whoever
is over the bound has two more tries, because only what happens again is ours. Where the machine
is so busy that too few turns had their core, the turns that had less count as well.
"""

from __future__ import annotations

from .contestants import DIAL, MAKE, NAIVE
from .machine import progress
from .paired import LEAST_SHARE, Comparison, compare
from .target import Target

__all__ = ["MOST_CPU_RATIO", "guard"]

MOST_CPU_RATIO = 0.5
_GUARDED = (MAKE, DIAL)
_TRIES = 3
_ROUNDS, _FEWEST_ROUNDS = 5, 3


def guard(target: Target, *, calls: int = 1000) -> bool:
    """Compare ours with naive at 100 in flight, say what came out, and whether it is allowed."""
    is_allowed = False
    for attempt in range(_TRIES):
        least_share = LEAST_SHARE if attempt == 0 else 0.0
        comparison = compare(
            [NAIVE, *_GUARDED],
            target=target,
            concurrency=100,
            rounds=_ROUNDS,
            calls=calls,
            least_share=least_share,
        )
        is_allowed = _judge(comparison)
        if is_allowed:
            break
        progress(f"guard: try {attempt + 1} of {_TRIES} was not good enough")
    return is_allowed


def _judge(comparison: Comparison) -> bool:
    found = {result.client: result for result in comparison.results}
    is_allowed = True
    for name in _GUARDED:
        ours = found.get(name)
        if ours is None or ours.paired < _FEWEST_ROUNDS:
            print(f"guard: {name}: {comparison.failed.get(name, 'the machine is too busy')}")
            is_allowed = False
            continue
        is_kept = ours.ratio <= MOST_CPU_RATIO
        low, high = ours.ratio_quartiles
        print(
            f"guard: CPU per call, {name} / {NAIVE}: {ours.ratio:.3f} "
            f"(quartiles {low:.3f} to {high:.3f}, {ours.paired} rounds); "
            f"at most {MOST_CPU_RATIO:.2f}: {'kept' if is_kept else 'BROKEN'}"
        )
        is_allowed = is_allowed and is_kept
    return is_allowed
