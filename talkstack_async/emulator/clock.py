"""The emulator's own time: real time, plus whatever tests have added to it.

The only file of this room that touches the real clock. It does not use the
product's clock because the emulator shares no code with the client it tests.
"""

import asyncio
import time
from datetime import UTC, datetime

_FARTHEST = 100 * 365 * 86400.0


class VirtualClock:
    """Time that runs by itself and can be pushed forward, never back.

    Calls live by `now()`. Waiting is real: pushing the clock makes calls older,
    it does not wake anybody up. Who must know of a push is told by `ServiceState`.
    """

    __slots__ = ("_ahead", "_wall_at_zero")

    def __init__(self) -> None:
        self._ahead = 0.0
        self._wall_at_zero = time.time() - time.monotonic()

    @property
    def ahead(self) -> float:
        """Say by how many seconds this clock was pushed so far."""
        return self._ahead

    def now(self) -> float:
        """Return virtual monotonic seconds."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Push the clock forward.

        Raises:
            ValueError: The seconds are negative, not a finite number, or more than a
                hundred years in all; later dates could not be written down.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"the clock only goes forward by finite seconds, not by {seconds!r}")
        if self._ahead + seconds > _FARTHEST:
            raise ValueError("the clock goes at most a hundred years ahead")
        self._ahead += seconds

    def rewind(self) -> None:
        """Forget every push; for a reset, when no call is left to grow younger."""
        self._ahead = 0.0

    def wall(self, moment: float) -> datetime:
        """Return the date and time (UTC) that belongs to a virtual moment."""
        return datetime.fromtimestamp(self._wall_at_zero + moment, tz=UTC)

    def moment(self, wall: datetime) -> float:
        """Return the virtual moment that belongs to a date and time."""
        return wall.timestamp() - self._wall_at_zero

    def stamp(self, moment: float | None = None) -> str:
        """Return a virtual moment, or now, the way the service writes timestamps."""
        wall = self.wall(self.now() if moment is None else moment)
        return wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def monotonic() -> float:
    """Return real monotonic seconds."""
    return time.monotonic()


async def pause(seconds: float) -> None:
    """Wait for real seconds; nothing at all if there are none."""
    if seconds > 0:
        await asyncio.sleep(seconds)


async def let_others_run() -> None:
    """Give every other ready task one turn."""
    await asyncio.sleep(0)
