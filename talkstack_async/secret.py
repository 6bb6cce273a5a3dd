"""A credential that does not print, log, compare carelessly or travel in a pickle."""

from __future__ import annotations

import hmac
from typing import NoReturn

__all__ = ["Secret"]


class Secret:
    """Text that must not be seen. Only `reveal()` gives it back.

    Surprises on purpose: `str()`, `repr()` and formatting show asterisks, and pickling is
    refused, because a pickle is a file or a message that others read.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the text itself. Called where it is put on the wire and nowhere else."""
        return self.__value

    def redact(self, text: str) -> str:
        """Return a text with every occurrence of this secret replaced by asterisks."""
        return text.replace(self.__value, "***") if self.__value else text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine = self.reveal().encode("utf-8", "surrogatepass")
        return hmac.compare_digest(mine, other.reveal().encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash(self.__value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(0)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a Secret is not pickled: hand the other process its own credential"
        raise TypeError(msg)
