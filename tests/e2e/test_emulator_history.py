"""Call history, analysis and batches of the emulated service."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from talkstack_async.emulator import Emulator, Fault, Quirks, Script
from talkstack_async.emulator.clock import monotonic
from talkstack_async.emulator.rings import DialRequest

DAY = 86400
# Long spans, so that a slow machine does not bring about what only the clock should.
STEADY = Script(queued_for=100, ringing_for=400, talking_for=2000, jitter=0)


class Web:
    """Speaks to an emulator with its API key."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.headers = {"x-api-key": emulator.api_key}

    async def post(self, path: str, content: Any) -> tuple[int, Any]:
        async with self.session.post(
            self.emulator.url + path, json=content, headers=self.headers
        ) as reply:
            return reply.status, await reply.json()

    async def make(self, number: str, project: str = "p1") -> str:
        wanted = {"number": number, "projectId": project, "agentId": "a1"}
        _, body = await self.post("/call/makeCall", wanted)
        return str(body["call"]["call_id"])

    async def history(self, query: str = "", project: str = "p1", **content: Any) -> list[Any]:
        wanted = {"projectId": project, **content}
        status, body = await self.post(f"/call/get-call-history?{query}", wanted)
        assert status == 200, body
        assert body["status"] == "success"
        return list(body["data"])

    async def numbers(self, query: str = "", **content: Any) -> list[str]:
        return [call["to"][-2:] for call in await self.history(query, **content)]

    async def batch(self, sheet: bytes | None, **fields: str) -> tuple[int, Any]:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in {"projectId": "p1", "agentId": "a1", **fields}.items():
            form.add_field(name, value)
        if sheet is not None:
            content = io.BytesIO(sheet)
            form.add_field("file", content, filename="calls", content_type="text/csv")
        async with self.session.post(
            self.emulator.url + "/call/batch-call", data=form, headers=self.headers
        ) as reply:
            return reply.status, await reply.json()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def web(session: aiohttp.ClientSession) -> AsyncIterator[Web]:
    async with Emulator(script=STEADY) as emulator:
        yield Web(emulator, session)


TOMORROW_NOON = (datetime.now(tz=UTC) + timedelta(days=1)).replace(hour=12)


def day(offset: int = 0) -> str:
    return (TOMORROW_NOON + timedelta(days=offset)).strftime("%Y-%m-%d")


def wait_for_noon(emulator: Emulator) -> None:
    """Go where midnight is far away."""
    emulator.advance((TOMORROW_NOON - datetime.now(tz=UTC)).total_seconds())


async def test_the_history_lists_the_newest_calls_of_one_project_first(web: Web) -> None:
    for line in range(25):
        await web.make(f"+120255501{line:02}")
    other = await web.make("+12025550150", "p2")
    assert await web.numbers() == [f"{line:02}" for line in range(24, 4, -1)]
    assert await web.numbers(pageSize=2) == ["24", "23"]
    assert len(await web.history(pageSize=1000)) == 25
    assert [call["sid"] for call in await web.history(project="p2")] == [other]
    assert await web.history(project="unknown") == []


async def test_an_entry_looks_like_a_call_of_twilio(web: Web) -> None:
    call_id = await web.make("+12025550101")
    (queued,) = await web.history()
    assert queued["status"] == "queued"
    assert (queued["startTime"], queued["endTime"], queued["duration"]) == (None, None, None)
    web.emulator.advance(6000)
    (ended,) = await web.history()
    assert (ended["sid"], ended["status"], ended["duration"]) == (call_id, "completed", "2000")
    spent = datetime.fromisoformat(ended["endTime"]) - datetime.fromisoformat(ended["startTime"])
    assert spent == timedelta(seconds=2500)


async def test_calls_are_found_by_number_if_its_plus_is_escaped(web: Web) -> None:
    for line in (1, 2, 1):
        await web.make(f"+120255501{line:02}")
    assert await web.numbers("to=%2B12025550101") == ["01", "01"]
    assert await web.numbers("to=+12025550101") == [], "a bare plus means a blank"
    (first, *_) = await web.history(pageSize=1)
    sender = first["from"].replace("+", "%2B")
    assert await web.numbers(f"from={sender}") == ["01"]
    assert await web.numbers(f"from={sender}&to=%2B12025550102") == []


async def test_calls_are_found_by_status(web: Web) -> None:
    for line in (80, 1, 84):
        await web.make(f"+120255501{line:02}")
    assert await web.numbers("status=queued") == ["84", "01", "80"]
    assert await web.numbers("status=initiated") == []
    web.emulator.advance(200)
    assert await web.numbers("status=ringing") == ["01", "80"]
    assert await web.numbers("status=failed") == ["84"]
    web.emulator.advance(400)
    assert await web.numbers("status=in-progress") == ["01"]
    web.emulator.advance(36_000)
    assert await web.numbers("status=in-progress") == []
    assert await web.numbers("status=completed") == ["01"]
    assert await web.numbers("status=busy") == ["80"]


async def test_calls_are_found_by_the_day_they_started_or_ended(web: Web) -> None:
    wait_for_noon(web.emulator)
    for line in range(3):
        await web.make(f"+120255501{line:02}")
        web.emulator.advance(DAY if line < 2 else 0)
    for name in ("startTime", "endTime"):
        assert await web.numbers(f"{name}={day(0)}") == ["00"]
        assert await web.numbers(f"{name}={day(1)}") == ["01"]
    assert await web.numbers(f"startTime={day(2)}") == ["02"]
    assert await web.numbers(f"endTime={day(2)}") == [], "it goes on"
    assert await web.numbers(f"startTimeAfter={day(1)}") == ["02", "01"]
    assert await web.numbers(f"startTimeBefore={day(1)}") == ["00"]
    between = f"startTimeAfter={day(1)}&startTimeBefore={day(2)}"
    assert await web.numbers(between) == ["01"]
    assert await web.numbers(f"endTimeBefore={day(2)}") == ["01", "00"]
    assert await web.numbers(f"endTimeAfter={day(-9)}") == ["01", "00"]
    assert await web.numbers(f"startTime={day(-9)}") == []


@pytest.mark.parametrize(
    ("query", "content"),
    [
        ("status=happy", {"projectId": "p1"}),
        ("startTime=yesterday", {"projectId": "p1"}),
        ("endTimeAfter=2024-13-01", {"projectId": "p1"}),
        ("", {"projectId": "p1", "pageSize": 0}),
        ("", {"projectId": "p1", "pageSize": "20"}),
        ("", {"projectId": ""}),
        ("", []),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(web: Web, query: str, content: Any) -> None:
    assert (await web.post(f"/call/get-call-history?{query}", content))[0] == 400


async def test_the_history_may_be_bare_and_may_lag_behind(
    session: aiohttp.ClientSession,
) -> None:
    script, quirks = Script(listed_after=30), Quirks(history_shape="bare")
    async with Emulator(script=script, quirks=quirks) as emulator:
        web = Web(emulator, session)
        call_id = await web.make("+12025550101")
        wanted = {"projectId": "p1"}
        assert (await web.post("/call/get-call-history", wanted))[1] == []
        assert (await web.post("/call", {**wanted, "sid": call_id}))[0] == 200
        emulator.advance(30)
        _, body = await web.post("/call/get-call-history", wanted)
        assert [call["sid"] for call in body] == [call_id]


async def test_the_history_of_a_hundred_thousand_calls_is_quick(web: Web) -> None:
    state = web.emulator._state
    for n in range(100_000):
        request = DialRequest(number=f"+1202{n:07}", project_id="p1", agent_id="a1")
        state.dial(request, connection=1)
    web.emulator.advance(36_000)
    assert len(await web.history("to=%2B12020000007")) == 1
    started = monotonic()
    assert len(await web.history()) == 20
    assert len(await web.history("to=%2B12020000007")) == 1
    assert len(await web.history(f"startTimeAfter={day(-3)}")) == 20
    assert await web.history("status=queued") == []
    assert monotonic() - started < 0.5
    assert await web.history("status=busy") == []


QUESTIONS = [
    {"question": "Interested?", "type": "Boolean"},
    {"question": "Why?", "type": "Text"},
    {"question": "How often?", "type": "Number"},
    {"question": "Which?", "type": "Selector", "options": ["this", "that"]},
]


async def test_an_ended_call_is_analysed_by_the_type_of_each_question(web: Web) -> None:
    call_id = await web.make("+12025550101")
    wanted = {"sid": call_id, "questions": QUESTIONS}
    assert (await web.post("/call/analysis", wanted))[0] == 400, "it has not ended"
    web.emulator.advance(6000)
    _, body = await web.post("/call/analysis", wanted)
    assert [answer["question"] for answer in body["data"]] == [q["question"] for q in QUESTIONS]
    yes, why, count, which = (answer["answer"] for answer in body["data"])
    assert yes in ("Yes", "No")
    assert isinstance(why, str)
    assert isinstance(count, int)
    assert which in ("this", "that")
    assert (await web.post("/call/analysis", wanted))[1] == body
    assert (await web.post("/call/analysis", {**wanted, "sid": "CA1"}))[0] == 404
    assert (await web.post("/call/analysis", {**wanted, "questions": []}))[1]["data"] == []


@pytest.mark.parametrize(
    "questions",
    [
        None,
        ["Why?"],
        [{"question": "Why?"}],
        [{"type": "Essay"}],
        [{"type": []}],
        [{"type": "Text", "question": 7}],
        [{"type": "Selector"}],
        [{"type": "Selector", "options": []}],
        [{"type": "Selector", "options": [7]}],
    ],
)
async def test_odd_questions_are_refused(web: Web, questions: Any) -> None:
    call_id = await web.make("+12025550101")
    web.emulator.advance(6000)
    wanted = {"sid": call_id, "questions": questions}
    assert (await web.post("/call/analysis", wanted))[0] == 400


async def test_an_analysis_may_take_its_time(session: aiohttp.ClientSession) -> None:
    async with Emulator(script=Script(analysable_after=100)) as emulator:
        web = Web(emulator, session)
        wanted = {"sid": await web.make("+12025550180"), "questions": QUESTIONS}
        for seconds, answers in ((60, 0), (100, 4)):
            emulator.advance(seconds)
            status, body = await web.post("/call/analysis", wanted)
            assert (status, len(body["data"])) == (200, answers)


SHEET = (
    b"\xef\xbb\xbfname,number,dynamicVariables\r\n"
    b'Ada,+12025550100,"{""name"": ""Ada""}"\r\n'
    b"Bob,+12025550101,\r\n"
    b"Eve,,{}\r\n"
    b"Mallory,+12025550102,not json\r\n"
    b"Trent,+12025550103,[]\r\n"
    b"Short\r\n"
    b"Zoe, +12025550104 ,{}\r\n"
)


async def test_a_batch_rings_every_row_that_can_be_dialled(web: Web) -> None:
    status, body = await web.batch(SHEET)
    assert (status, body) == (200, {"message": "batch accepted", "status": "success"})
    rings = [(ring.number[-2:], dict(ring.variables)) for ring in web.emulator.rings]
    assert rings == [("00", {"name": "Ada"}), ("01", {}), ("04", {})]
    assert {(ring.project_id, ring.agent_id) for ring in web.emulator.rings} == {("p1", "a1")}
    assert await web.numbers() == ["04", "01", "00"]


async def test_a_batch_knows_the_magic_of_numbers(web: Web) -> None:
    lines = [f"+120255501{line}" for line in (80, 86, 87, 89, 92)]
    assert (await web.batch("\n".join(["number", *lines]).encode()))[0] == 200
    assert [ring.number[-2:] for ring in web.emulator.rings] == ["80", "87", "89"]


@pytest.mark.parametrize(
    ("sheet", "fields", "words"),
    [
        (None, {}, "required"),
        (b"number\n+12025550100\n", {"agentId": ""}, "required"),
        (b"", {}, "column"),
        (b"phone\n+12025550100\n", {}, "column"),
        (b"number\n\n", {}, "no number"),
        (b"\xff\xfe\x00", {}, "neither CSV"),
        (b"number\n" + b"x" * 200_000, {}, "no CSV"),
        (b"PK\x03\x04 no zip", {}, "no plain XLSX"),
    ],
)
async def test_a_bad_batch_is_refused_and_rings_nobody(
    web: Web, sheet: bytes | None, fields: dict[str, str], words: str
) -> None:
    status, body = await web.batch(sheet, **fields)
    assert status == 400
    assert words in body["message"]
    assert web.emulator.rings == []


async def test_a_batch_must_be_a_form(web: Web) -> None:
    assert (await web.post("/call/batch-call", {"projectId": "p1"}))[0] == 400


async def test_a_batch_for_strangers_is_refused_if_ids_are_strict(
    session: aiohttp.ClientSession,
) -> None:
    async with Emulator(strict_ids=True) as emulator:
        web = Web(emulator, session)
        assert (await web.batch(SHEET))[0] == 400
        known = {"projectId": emulator.project_id, "agentId": emulator.agent_id}
        assert (await web.batch(SHEET, **known))[0] == 200
        assert len(emulator.rings) == 3


async def test_a_batch_of_fifty_thousand_rows_is_taken(web: Web) -> None:
    rows = "".join(f"+1202{n:07},\n" for n in range(50_000))
    sheet = f"number,dynamicVariables,padding of more than a megabyte\n{rows}".encode()
    assert len(sheet) < 1024 * 1024
    assert (await web.batch(sheet + b"," * 1024 * 1024))[0] == 200
    assert len(web.emulator.rings) == 50_000


async def test_a_batch_may_ring_although_its_reply_is_lost(web: Web) -> None:
    fault = Fault("drop", operation="batchCall", moment="on_reply", times=1)
    web.emulator.add_fault(fault)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await web.batch(SHEET)
    assert len(web.emulator.rings) == 3


MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
STRINGS = f"<sst {MAIN}><si><t>number</t></si><si><t>+1202</t><t>5550100</t></si></sst>"
ROWS = (
    f"<worksheet {MAIN}><sheetData>"
    '<row><c r="A1" t="inlineStr"><is><t>name</t></is></c><c r="C1" t="s"><v>0</v></c>'
    '<c r="D1" t="str"><v>dynamicVariables</v></c></row>'
    f'<row><c r="C2" t="s"><v>1</v></c><c r="D2" t="str"><v>{json.dumps({"a": 1})}</v></c></row>'
    '<row><c r="C3"><v>12025550101.0</v></c></row>'
    "{more}</sheetData></worksheet>"
)


def workbook(rows: str, strings: str | None = STRINGS) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", rows)
        if strings is not None:
            book.writestr("xl/sharedStrings.xml", strings)
    return packed.getvalue()


async def test_a_batch_may_be_a_plain_xlsx_sheet(web: Web) -> None:
    assert (await web.batch(workbook(ROWS.replace("{more}", ""))))[0] == 200
    rings = [(ring.number, dict(ring.variables)) for ring in web.emulator.rings]
    assert rings == [("+12025550100", {"a": 1}), ("12025550101", {})]


@pytest.mark.parametrize(
    "sheet",
    [
        workbook(ROWS.replace("{more}", ""), strings=None),
        workbook("<worksheet"),
        workbook(ROWS.replace("{more}", '<row><c r="ZZZ1"><v>1</v></c></row>')),
        workbook(ROWS.replace("{more}", '<row><c t="s"><v>x</v></c></row>')),
    ],
)
async def test_a_workbook_that_is_not_plain_is_refused(web: Web, sheet: bytes) -> None:
    assert (await web.batch(sheet))[0] == 400
    assert web.emulator.rings == []
