"""Quirks: how the emulated service decides what its documentation leaves open."""

from typing import Literal, get_args

import attrs

from .bounds import seconds

RefreshTokenKey = Literal["resfreshToken", "refreshToken"]
HistoryShape = Literal["enveloped", "bare"]

_DAY = 86400.0


@attrs.frozen(kw_only=True)
class Quirks:
    """What a client of this service has to put up with.

    Tokens live on the virtual clock. `refresh_token_key` is the key under which a
    refresh answers the refresh token, misspelt by default as in the vendor's
    sample; `None` leaves it out. Without `refresh_token_rotates` the answer holds
    the token that was sent. With `old_refresh_token_dies` a token that was
    exchanged for another is 401 from then on.
    """

    token_life: float = attrs.field(default=7200.0, validator=seconds)
    refresh_token_life: float = attrs.field(default=30 * _DAY, validator=seconds)
    refresh_token_rotates: bool = True
    old_refresh_token_dies: bool = True
    refresh_token_key: RefreshTokenKey | None = attrs.field(
        default="resfreshToken",
        validator=attrs.validators.in_((*get_args(RefreshTokenKey), None)),
    )
    agent_needs_number: bool = False
    history_shape: HistoryShape = attrs.field(
        default="enveloped", validator=attrs.validators.in_(get_args(HistoryShape))
    )
