"""TalkStack in miniature, for tests, demos and benchmarks.

It answers on loopback, dials nobody, and keeps a ledger of every phone that
would have rung. It shares no code with the client: if both ends used one
converter, a misspelt field would pass every test.
"""

from .faults import Fault, FaultKind
from .mailbox import Mail
from .quirks import Quirks
from .rings import Ring, RingLedger
from .scripts import Disposition, Script
from .server import Emulator
from .state import FollowedRedirect, Statistics
from .threads import EmulatorThread
from .webhooks import WebhookDelivery, WebhookScript

__all__ = [
    "Disposition",
    "Emulator",
    "EmulatorThread",
    "Fault",
    "FaultKind",
    "FollowedRedirect",
    "Mail",
    "Quirks",
    "Ring",
    "RingLedger",
    "Script",
    "Statistics",
    "WebhookDelivery",
    "WebhookScript",
]
