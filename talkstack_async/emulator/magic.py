"""Magic numbers: fictional phone numbers that decide how their call goes.

Only `+1 AAA 555 01NN` is magic. 555-0100 to 555-0199 are reserved for fiction
in every North American area code, so nobody's real number means anything here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from .faults import Fault
from .scripts import Disposition

_LENGTH = len("+12025550100")

MAGIC_ENDINGS: Mapping[int, Disposition] = MappingProxyType(
    {
        80: "busy",
        81: "no-answer",
        82: "voicemail",
        83: "silence",
        84: "failed",
        85: "canceled",
    }
)

# `times` counts per number here: the first tries of each number are hit.
MAGIC_FAULTS: Mapping[int, Fault] = MappingProxyType(
    {
        86: Fault("status", status=400),
        87: Fault("drop", rings=True),
        88: Fault("stall", rings=True),
        89: Fault("throttle", times=2),
        90: Fault("status", status=503, retry_after="1", times=1),
        91: Fault("status", status=500, rings=True),
        92: Fault("status", status=500),
        93: Fault("half_reply", rings=True),
        94: Fault("garbage", rings=True),
        95: Fault("html"),
        96: Fault("redirect"),
        97: Fault("no_call_id", rings=True),
        98: Fault("reset"),
        99: Fault("oversize", rings=True),
    }
)


def fiction_line(number: str) -> int | None:
    """Return NN of a number of the form `+1AAA55501NN`, None of any other."""
    if len(number) != _LENGTH or number[:2] != "+1" or number[5:10] != "55501":
        return None
    digits = number[1:]
    return int(number[10:]) if digits.isascii() and digits.isdigit() else None


def ending_of(number: str) -> Disposition | None:
    """Return the ending that a number dictates, None if the script decides."""
    line = fiction_line(number)
    return None if line is None else MAGIC_ENDINGS.get(line)


def fault_of(number: str, *, tries: int) -> Fault | None:
    """Return the fault of a number that was tried so many times before."""
    line = fiction_line(number)
    fault = None if line is None else MAGIC_FAULTS.get(line)
    if fault is None or (fault.times is not None and tries >= fault.times):
        return None
    return fault
