"""Interrupting a campaign whose calls fail, and finding out carefully when to go on.

Closed, calls go out. Once too many of the last ones failed it opens, and none does. After a
pause it is half open: one call goes out on trial. If that succeeds it closes; if it fails the
next pause is twice as long.
"""

from __future__ import annotations

import math

import attrs

from .settings import BreakerSettings

__all__ = ["Breaker"]


@attrs.frozen(kw_only=True)
class Breaker:
    """A circuit breaker as a value: each step returns the next one. Times are monotonic seconds.

    Start with `Breaker.new`. Ask `admits` before taking contacts; say with `tried` that calls
    went out, and with `after` how each ended. All of it is small and takes no longer the more
    was seen.

    Attributes:
        failed: The last results, one bit each, the latest lowest, 1 for a failure.
        seen: How many of those bits are results.
        is_closed: Whether calls go out freely.
        opened_at: When calling was interrupted last.
        admits_at: When the next call may go out, if it is not closed.
        pause: How long that was set to take.
        on_trial: Whether a call is out whose result decides.
    """

    settings: BreakerSettings
    failed: int = 0
    seen: int = 0
    is_closed: bool = True
    opened_at: float = -math.inf
    admits_at: float = -math.inf
    pause: float = 0.0
    on_trial: bool = False

    @classmethod
    def new(cls, settings: BreakerSettings) -> Breaker:
        """Return a closed breaker that has seen nothing."""
        return cls(settings=settings)

    @property
    def is_calm(self) -> bool:
        """Whether all is well, so that one more success changes nothing."""
        return self.is_closed and not self.failed and self.seen == self.settings.window

    def admits(self, at: float) -> int | None:
        """Say how many calls may go out: None for any number, 0, or 1 on trial."""
        if self.is_closed:
            return None
        return 0 if at < self.admits_at else 1

    def opens_at(self, at: float) -> float | None:
        """Return when the next call may go out; None if one may now."""
        return self.admits_at if self.admits(at) == 0 else None

    def tried(self, at: float) -> Breaker:
        """Note that calls went out. If one was on trial, no other may follow it for a pause.

        A trial that is never heard of again is thus repeated, and does not stop the campaign.
        """
        if self.admits(at) != 1:
            return self
        return attrs.evolve(self, admits_at=at + self.pause, on_trial=True)

    def after(self, ok: bool, at: float, *, begun: float | None = None) -> Breaker:  # noqa: FBT001  # hot
        """Note how a call ended.

        Args:
            ok: Whether it succeeded.
            at: When its result came.
            begun: When it went out, if that is known: results of calls that went out before
                calling was interrupted say nothing about now. Without it, results count
                unless they come during a pause in which no call is on trial.
        """
        if begun is not None and begun < self.opened_at:
            return self
        if self.is_closed:
            if ok and self.is_calm:
                return self
            return self._remember(ok=ok, at=at)
        if at < self.admits_at and not self.on_trial:
            return self
        if ok:
            # What was open when it closed stays forgotten, also if it is heard of later.
            return attrs.evolve(Breaker.new(self.settings), opened_at=self.opened_at)
        return self._open(at, pause=2 * self.pause)

    def _remember(self, *, ok: bool, at: float) -> Breaker:
        window, least = self.settings.window, self.settings.least
        failed = ((self.failed << 1) | (not ok)) & ((1 << window) - 1)
        seen = min(self.seen + 1, window)
        if seen >= min(least, window) and failed.bit_count() / seen >= self.settings.failures:
            return self._open(at, pause=self.settings.cooldown_seconds)
        return Breaker(settings=self.settings, failed=failed, seen=seen, opened_at=self.opened_at)

    def _open(self, at: float, *, pause: float) -> Breaker:
        pause = min(pause, self.settings.longest_seconds)
        return Breaker(
            settings=self.settings,
            is_closed=False,
            opened_at=at,
            admits_at=at + pause,
            pause=pause,
        )
