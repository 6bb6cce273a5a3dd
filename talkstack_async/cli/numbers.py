"""Phone numbers as people type them on the command line."""

from __future__ import annotations

from ..phone import PhoneNumber

__all__ = ["read_number"]


def read_number(text: str, *, region: str | None = None) -> PhoneNumber:
    """Read a number: with plus and country code, or as it is dialled within a region.

    Raises:
        InvalidNumberError: It is none.
        ConfigurationError: There is no such region.
    """
    if region is None or text.lstrip().startswith("+"):
        return PhoneNumber.parse(text)
    from ..campaign.places import Places

    return Places().read(text, region=region)
