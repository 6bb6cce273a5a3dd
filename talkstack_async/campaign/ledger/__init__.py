"""The durable record of campaigns, contacts and attempts."""

from .base import Ledger
from .opening import open_ledger

__all__ = ["Ledger", "open_ledger"]
