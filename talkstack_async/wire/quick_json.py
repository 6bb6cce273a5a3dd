"""JSON at its cheapest, with the outcome of the standard library in every case.

`json` works out its encoder anew for every call and looks for blanks around every document. Here
both are done once. With orjson (the extra `fast`) only what the two treat alike goes through it:
objects of plain texts, small numbers and truths that come in. Everything else, and every error,
is the business of `json`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from json import encoder as _encoder
from typing import Any

__all__ = ["decode", "decode_member", "encode_object", "quote_text"]

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_decoder: Any = json.JSONDecoder()
# What both libraries read alike. A whole number beyond 64 bits is a float to orjson, so floats
# are not among them.
_ALIKE = frozenset({str, int, bool, type(None)})


# Puts a text into quotes, as `json` does; refuses whatever is no text with a TypeError.
quote_text = _encoder.encode_basestring_ascii


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON")


def _make_pieces() -> Any:
    make = getattr(_encoder, "c_make_encoder", None)  # CPython's, as `json` itself uses it
    if make is None:
        return lambda value, _: (_encode(value),)
    # None and False: no memory of what it is inside of (a circle ends in a RecursionError), keys
    # neither sorted nor skipped, and no NaN.
    return make(None, _refuse, quote_text, None, ":", ",", *[False] * 3)


_pieces: Any = _make_pieces()


@cache
def _orjson() -> Any:
    try:
        return import_module("orjson")
    except ImportError:
        return None


def encode_object(value: dict[str, Any]) -> str:
    """Return an object as JSON text.

    Raises:
        TypeError, ValueError, RecursionError: Something in it cannot be sent as JSON.
    """
    return "".join(_pieces(value, 0))


def decode(body: bytes) -> Any:
    """Read a JSON document.

    Raises:
        ValueError, RecursionError: It is none.
    """
    # Decoding first is twice as fast as letting `json` find out the encoding.
    text = body.decode("utf-8-sig" if body.startswith(b"\xef\xbb\xbf") else "utf-8")
    try:
        value, end = _decoder.scan_once(text, 0)
    except StopIteration:
        return json.loads(text)  # it says what is wrong
    return value if end == len(text) else json.loads(text)


def decode_member(body: bytes, name: str) -> Any:
    """Read one member of a JSON object; None if there is no object, or no such member.

    Raises:
        ValueError, RecursionError: It is no JSON.
    """
    orjson = _orjson()
    if orjson is not None:
        try:
            found = orjson.loads(body)
        except ValueError:
            found = None  # perhaps only orjson thinks so
        if type(found) is dict:
            member = found.get(name)
            if type(member) is dict and _ALIKE.issuperset(map(type, member.values())):
                return member
    found = decode(body)
    return found.get(name) if isinstance(found, dict) else None
