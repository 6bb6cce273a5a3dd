"""The file of a batch: checked whole before one byte of it leaves.

The service answers nothing about single rows, so a bad row would vanish without a word, and a
number that stands in the file twice would ring twice.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import PurePath

import attrs

from ..errors import InvalidRequestError
from ..models.batches import BatchResult
from ..models.calls import CallRequest
from ..phone import mask_number
from .endpoints import CALLS_BATCH, Endpoint
from .replies import Reply
from .requests import HttpRequest, make_call_request, number_text, target_of

__all__ = [
    "BATCH_BYTES",
    "BatchFile",
    "batch_of_file",
    "batch_of_rows",
    "batch_request",
    "read_batch_result",
]

BATCH_BYTES = 10 * 1024 * 1024
"""The largest file that is sent. The service documents no limit; this one is ours."""

_CSV, _XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_NUMBER, _VARIABLES = "number", "dynamicVariables"
_SHOWN = 5


@attrs.frozen(kw_only=True)
class BatchFile:
    """A file that was found fit to be sent.

    Attributes:
        rows: How many calls it asks for; None for a spreadsheet, which is not read.
    """

    name: str
    content: bytes = attrs.field(repr=False)
    content_type: str = _CSV
    rows: int | None = None


def batch_of_rows(
    calls: Iterable[CallRequest], *, project_id: str, agent_id: str, check_numbers: bool
) -> BatchFile:
    """Write call requests into a file.

    Raises:
        InvalidRequestError: A row is bad, is for another agent or project, or there is none.
    """
    table: list[list[str]] = []
    complaints = _Complaints()
    for row, call in enumerate(calls, 1):
        with complaints.about(row):
            body = json.loads(
                make_call_request(
                    call, project_id=project_id, agent_id=agent_id, check_number=check_numbers
                ).body
            )
            if (body["projectId"], body["agentId"]) != (project_id, agent_id):
                raise InvalidRequestError("a batch has one project and one agent for all rows")
            variables = body.get(_VARIABLES)
            table.append([body[_NUMBER], json.dumps(variables) if variables else ""])
    return _checked([_NUMBER, _VARIABLES], table, complaints, name="calls.csv")


def batch_of_file(content: bytes, *, name: str | None, check_numbers: bool) -> BatchFile:
    """Check a CSV file row by row, or see that a spreadsheet is one.

    The CSV is written anew, numbers in E.164 form, so that what was checked is what is sent.

    Raises:
        InvalidRequestError: It is too large, of another kind, or holds a bad row.
    """
    _refuse_large(content)
    if content.startswith(_ZIP):
        _refuse_no_spreadsheet(content)
        return BatchFile(name=_named(name, ".xlsx"), content=content, content_type=_XLSX)
    if content.startswith(_OLD_EXCEL):
        raise InvalidRequestError("the old Excel format is not taken: save it as .xlsx or CSV")
    header, *lines = _lines_of(content) or [[]]
    header = [column.strip() for column in header]
    if header.count(_NUMBER) != 1:
        raise InvalidRequestError(
            f"the first line must name a column `{_NUMBER}` once, separated by commas; "
            f"`{_VARIABLES}` may hold a JSON object"
        )
    complaints = _Complaints()
    table = []
    for row, line in enumerate(lines, 2):
        if not any(cell.strip() for cell in line):
            continue
        with complaints.about(row):
            table.append(_checked_line(header, line, check_numbers=check_numbers))
    return _checked(header, table, complaints, name=_named(name, ".csv"))


def batch_request(file: BatchFile, *, project_id: str, agent_id: str) -> HttpRequest:
    """Build the upload: `multipart/form-data`, the boundary derived from the content."""
    boundary = _boundary(file.content, project_id, agent_id)
    parts = [
        _part('name="projectId"', project_id.encode()),
        _part('name="agentId"', agent_id.encode()),
        _part(f'name="file"; filename="{file.name}"', file.content, kind=file.content_type),
    ]
    line = f"--{boundary}".encode()
    body = b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    kind = f"multipart/form-data; boundary={boundary}"
    return HttpRequest(CALLS_BATCH, target_of(CALLS_BATCH), body, kind)


def read_batch_result(_: Endpoint, reply: Reply) -> BatchResult:
    """Read the answer to a batch. None was ever printed, so any good answer will do."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return BatchResult()
    if not isinstance(body, dict):
        return BatchResult()
    message = body.get("message")
    return BatchResult(message=message if isinstance(message, str) else None, raw=body)


class _Complaints:
    """What is wrong with the rows of a file, gathered so that all is mended in one go."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._row = 0

    def about(self, row: int) -> _Complaints:
        self._row = row
        return self

    def add(self, row: int, text: str) -> None:
        self.texts.append(f"row {row}: {text}")

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, InvalidRequestError):
            self.add(self._row, error.message)
            return True
        return False


def _checked(
    header: list[str], table: list[list[str]], complaints: _Complaints, *, name: str
) -> BatchFile:
    for text in _doubles(header, table):
        complaints.texts.append(text)
    if complaints.texts:
        more = len(complaints.texts) - _SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise InvalidRequestError(
            f"the batch was not sent: {'; '.join(complaints.texts[:_SHOWN])}{tail}"
        )
    if not table:
        raise InvalidRequestError("the batch holds no row to call")
    sheet = io.StringIO(newline="")
    csv.writer(sheet).writerows([header, *table])
    content = sheet.getvalue().encode()
    _refuse_large(content)
    return BatchFile(name=name, content=content, rows=len(table))


def _doubles(header: list[str], table: list[list[str]]) -> Iterator[str]:
    place, seen = header.index(_NUMBER), set[str]()
    for line in table:
        if line[place] in seen:
            yield f"{mask_number(line[place])} stands in it twice and would ring twice"
        seen.add(line[place])


def _lines_of(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError:
        raise InvalidRequestError("the file is neither CSV in UTF-8 nor an .xlsx") from None
    except csv.Error as error:
        raise InvalidRequestError(f"the file is no CSV: {error}") from None


def _checked_line(header: list[str], line: list[str], *, check_numbers: bool) -> list[str]:
    if len(line) > len(header):
        raise InvalidRequestError("it has more cells than the first line: is a quote missing?")
    cells = dict(zip(header, line, strict=False))
    number = number_text(cells.get(_NUMBER, "").strip(), check=check_numbers)
    variables = cells.get(_VARIABLES, "").strip()
    if variables:
        _refuse_no_object(variables)
    return [number if column == _NUMBER else cells.get(column, "") for column in header]


def _refuse_no_object(text: str) -> None:
    try:
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:  # the cell is about a person: it is not quoted
        raise InvalidRequestError(f"`{_VARIABLES}` is not a JSON object")


def _refuse_large(content: bytes) -> None:
    if len(content) > BATCH_BYTES:
        raise InvalidRequestError(
            f"the file has {len(content):,} bytes; at most {BATCH_BYTES:,} are sent at once"
        )


def _refuse_no_spreadsheet(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            names = book.namelist()
    except zipfile.BadZipFile:
        names = []
    sheets = [name for name in names if name.startswith("xl/worksheets/")]
    if not sheets or "[Content_Types].xml" not in names:
        raise InvalidRequestError("the file is no Excel workbook with a sheet in it")


def _named(name: str | None, suffix: str) -> str:
    # The name stands in a header: only what cannot end it goes there.
    stem = PurePath((name or "").replace("\\", "/")).stem
    kept = "".join(
        letter for letter in stem if letter.isascii() and (letter.isalnum() or letter in "-_.")
    )
    return (kept.strip(".")[:64] or "calls") + suffix


def _boundary(content: bytes, *texts: str) -> str:
    seed = content + "\0".join(texts).encode()
    boundary = f"talkstack-{sha256(seed).hexdigest()[:32]}"
    while boundary.encode() in seed:
        boundary = f"talkstack-{sha256(boundary.encode()).hexdigest()[:32]}"
    return boundary


def _part(disposition: str, content: bytes, *, kind: str = "") -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}"]
    if kind:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
