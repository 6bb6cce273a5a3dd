"""A timer that is on time to some ten microseconds; those of an event loop are not to one
millisecond.

Linux has it as a file descriptor (`timerfd_create`), which wakes a selector or an event loop like
any socket. Python knows it from 3.13 on, so it is asked for from the C library.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

__all__ = ["PreciseTimer"]

_CLOCK_MONOTONIC = 1  # what `time.monotonic` and, on Linux, `time.perf_counter` read
_ABSOLUTE = 1


class _Span(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Setting(ctypes.Structure):
    _fields_ = [("interval", _Span), ("first", _Span)]


class PreciseTimer:
    """Makes its file readable at a moment of `time.monotonic`, once or again and again."""

    def __init__(self) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("only Linux has precise timers")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "no precise timer to be had")

    def fileno(self) -> int:
        return self._fd

    def set(self, moment: float, *, every: float = 0.0) -> None:
        setting = _Setting(_span(every), _span(max(moment, time.monotonic() - 1)))
        if self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(setting), None):
            raise OSError(ctypes.get_errno(), "the precise timer cannot be set")

    def read(self) -> int:
        """Return how often it has gone off since the last time."""
        try:
            return int.from_bytes(os.read(self._fd, 8), sys.byteorder)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        os.close(self._fd)


def _span(seconds: float) -> _Span:
    whole = int(seconds)
    return _Span(whole, int((seconds - whole) * 1e9))
