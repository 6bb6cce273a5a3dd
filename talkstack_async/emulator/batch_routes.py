"""The operation that dials every number of a sheet. Its answer tells nothing about the calls."""

import json

from aiohttp import hdrs, web

from .call_routes import stranger_in
from .magic import fault_of
from .multipart import Part, parse_form
from .replies import error_reply, success_reply
from .rings import DialRequest
from .routing import Route, Visit
from .sheets import read_rows

_REQUIRED = "projectId, agentId and file are required, as multipart/form-data"


async def batch_call(visit: Visit) -> web.Response:
    """Ring every row that can be dialled."""
    form = parse_form(visit.body, content_type=visit.request.headers.get(hdrs.CONTENT_TYPE, ""))
    wanted = None if form is None else _wanted_in(form)
    if wanted is None:
        return error_reply(400, _REQUIRED)
    project_id, agent_id, sheet = wanted
    try:
        requests = read_batch(sheet, project_id=project_id, agent_id=agent_id)
    except ValueError as problem:
        return error_reply(400, str(problem))
    stranger = stranger_in(requests[0], visit)
    if stranger is not None:
        return error_reply(400, stranger)
    for request in requests:
        if _is_dialled(request.number):
            visit.state.dial(request, connection=visit.connection.number)
    return success_reply("batch accepted")


def _wanted_in(form: dict[str, Part]) -> tuple[str, str, bytes] | None:
    texts = [_text_in(form, name) for name in ("projectId", "agentId")]
    sheet = form.get("file")
    if sheet is None or not all(texts):
        return None
    return texts[0], texts[1], sheet.content


def _text_in(form: dict[str, Part], name: str) -> str:
    part = form.get(name)
    return "" if part is None else part.content.decode("utf-8", "replace")


def read_batch(sheet: bytes, *, project_id: str, agent_id: str) -> list[DialRequest]:
    """Return what to dial: one request for each row with a number and sound variables.

    Raises:
        ValueError: The sheet cannot be read, has no column `number`, or no row to dial.
    """
    header, *rows = read_rows(sheet) or [[]]
    names = [name.strip() for name in header]
    if "number" not in names:
        raise ValueError("the file needs a column `number`")
    requests = []
    for row in rows:
        cells = dict(zip(names, row, strict=False))
        number = cells["number"].strip() if "number" in cells else ""
        variables = _variables_in(cells.get("dynamicVariables", ""))
        if number and variables is not None:
            requests.append(
                DialRequest(
                    number=number,
                    project_id=project_id,
                    agent_id=agent_id,
                    variables=variables or None,
                )
            )
    if not requests:
        raise ValueError("the file holds no number to dial")
    return requests


def _variables_in(cell: str) -> bytes | None:
    """Return a cell's variables as compact JSON, empty if it has none, None if it is unsound."""
    if not cell.strip():
        return b""
    try:
        variables = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if not isinstance(variables, dict):
        return None
    return json.dumps(variables).encode() if variables else b""


def _is_dialled(number: str) -> bool:
    """Say whether a batch dials a number; not if its magic refuses makeCall for good.

    Nobody sees the answer of one row, so a number that is refused a few times and
    then rings is taken to ring.
    """
    fault = fault_of(number, tries=0)
    return fault is None or fault.rings or fault.times is not None


BATCH_ROUTES = (
    Route(operation="batchCall", method="POST", path="/call/batch-call", handle=batch_call),
)
