"""One small class per noun of the API."""

from .calls import Calls

__all__ = ["Calls"]
