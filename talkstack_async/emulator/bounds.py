"""What a number in an option may be; validators for the values that hold options."""

from math import isfinite

import attrs


def seconds(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    """Refuse what is no span of time.

    Raises:
        ValueError: The value is negative or not finite.
    """
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{attribute.name} must be zero or more seconds, not {value!r}")


def fraction(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    """Refuse what is no chance.

    Raises:
        ValueError: The value lies outside 0 to 1.
    """
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} must lie between 0 and 1, not {value!r}")
