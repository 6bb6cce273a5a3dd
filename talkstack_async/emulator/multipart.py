"""Reading `multipart/form-data` that was received whole."""

from email.message import Message

import attrs


@attrs.frozen(kw_only=True)
class Part:
    """One part of a form."""

    name: str
    content: bytes
    filename: str | None = None


def parse_form(body: bytes, *, content_type: str) -> dict[str, Part] | None:
    """Return the parts of a form by name, None if it is no form. The last of a name wins."""
    header = _parsed("Content-Type", content_type)
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        return None
    # The line break before a boundary belongs to the boundary.
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("utf-8", "replace"))
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        return None
    parts = [part for piece in pieces[1:-1] if (part := _part_of(piece)) is not None]
    return {part.name: part for part in parts}


def _part_of(piece: bytes) -> Part | None:
    head, separator, content = piece.partition(b"\r\n\r\n")
    if not separator:
        return None
    disposition = _disposition_in(head)
    name = disposition.get_param("name", header="Content-Disposition")
    if not isinstance(name, str):
        return None
    return Part(name=name, content=content, filename=disposition.get_filename())


def _disposition_in(head: bytes) -> Message:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return _parsed("Content-Disposition", value.strip())
    return Message()


def _parsed(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message
