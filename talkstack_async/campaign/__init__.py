"""Lists of people to be called, and what is known about them."""

from .contacts import BadRow, Contact, ContactList, read_contacts

__all__ = ["BadRow", "Contact", "ContactList", "read_contacts"]
