"""The guard: fails if a dispatched call costs more than half of one through plain aiohttp.

For continuous integration, where nobody reads tables. Paired at 100 in flight, judged by the
median of the ratios; too few undisturbed rounds are a failure too, because then nothing is known.
"""

from __future__ import annotations

from .clients import DIAL, NAIVE
from .paired import compare
from .target import Target

__all__ = ["MOST_CPU_RATIO", "guard"]

MOST_CPU_RATIO = 0.5
_FEWEST_ROUNDS = 7


def guard(target: Target, *, rounds: int, calls: int = 1500) -> bool:
    """Compare ours with naive at 100 in flight, say what came out, and whether it is allowed."""
    comparison = compare([NAIVE, DIAL], target=target, concurrency=100, rounds=rounds, calls=calls)
    ours = next((result for result in comparison.results if result.client == DIAL), None)
    if ours is None or ours.paired < min(_FEWEST_ROUNDS, rounds):
        print("guard: the machine is too busy, no judgement; run it again")
        return False
    low, high = ours.ratio_quartiles
    is_allowed = ours.ratio <= MOST_CPU_RATIO
    print(
        f"guard: CPU per call, {DIAL} / {NAIVE}: {ours.ratio:.3f} "
        f"(quartiles {low:.3f} to {high:.3f}, {ours.paired} rounds); "
        f"at most {MOST_CPU_RATIO:.2f}: {'kept' if is_allowed else 'BROKEN'}"
    )
    return is_allowed
