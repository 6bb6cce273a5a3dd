"""Frozen values: what goes out and what comes back."""

from .calls import CallRequest, CallResult

__all__ = ["CallRequest", "CallResult"]
