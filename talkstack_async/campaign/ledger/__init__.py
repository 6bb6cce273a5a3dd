"""The durable record of campaigns, contacts and attempts."""

from .base import Ledger, SharedLedger
from .opening import open_ledger

__all__ = ["Ledger", "SharedLedger", "open_ledger"]
