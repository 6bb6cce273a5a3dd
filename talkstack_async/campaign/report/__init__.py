"""A campaign as one page that explains itself."""

from .page import write_report

__all__ = ["write_report"]
