"""Reading, listing and analysing calls, and batches: against the emulator."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from talkstack_async import (
    BooleanQuestion,
    CallRequest,
    CallStatus,
    Client,
    ClientConfig,
    Disposition,
    InvalidRequestError,
    NumberQuestion,
    SelectorQuestion,
    TextQuestion,
)
from talkstack_async.emulator import Emulator, Fault, Quirks, Script
from talkstack_async.errors import (
    BadRequestError,
    NotFoundError,
    ReplyLostError,
    ServerError,
    UnexpectedReplyError,
)
from tests.support.clients import client_for, config_for, number
from tests.support.desk import Desk, Note

pytestmark = pytest.mark.usefixtures("lane")


def settings(emulator: Emulator, **more: Any) -> ClientConfig:
    ids = {"project_id": emulator.project_id, "agent_id": emulator.agent_id}
    return config_for(emulator.url, **{**ids, **more})


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[Client]:
    async with Client(emulator.api_key, config=settings(emulator)) as opened:
        yield opened


class LeapingClock:
    """A clock whose sleeps take no time and make the emulated calls older."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.slept = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self._emulator.advance(seconds)
        await asyncio.sleep(0)


class TestGet:
    @pytest.mark.parametrize(
        ("ending", "disposition"),
        [
            ("completed", Disposition.ANSWERED),
            ("busy", Disposition.BUSY),
            ("no-answer", Disposition.NO_ANSWER),
            ("voicemail", Disposition.VOICEMAIL),
            ("silence", Disposition.SILENCE),
            ("failed", Disposition.FAILED),
            ("canceled", Disposition.CANCELED),
        ],
    )
    async def test_a_call_is_read_from_its_beginning_to_its_end(
        self, ending: Any, disposition: Disposition
    ) -> None:
        async with Emulator(script=Script(disposition=ending)) as emulator:
            async with Client(emulator.api_key, config=settings(emulator)) as client:
                placed = await client.calls.make(number(1))
                early = await client.calls.get(placed.call_id)
                assert early.status is CallStatus.QUEUED
                assert not early.is_final
                assert early.disposition is Disposition.UNKNOWN
                emulator.advance(120)
                late = await client.calls.get(placed.call_id)
        assert late.is_final
        assert late.disposition is disposition
        assert late.call_id == placed.call_id
        assert late.date is not None
        assert late.date.utcoffset() == timedelta(0)
        assert number(1) not in repr(late)

    async def test_what_was_taken_out_of_a_talk_can_be_read_as_a_truth(
        self, emulator: Emulator, client: Client
    ) -> None:
        placed = await client.calls.make(number(1))
        emulator.advance(120)
        call = await client.calls.get(placed.call_id)
        assert call.data["interested"] in ("true", "false")
        assert call.flag("interested") is (call.data["interested"] == "true")
        assert call.recording_urls

    async def test_an_unknown_call_is_not_found(self, client: Client) -> None:
        with pytest.raises(NotFoundError):
            await client.calls.get("CA" + "0" * 32)

    async def test_reading_is_repeated(self, emulator: Emulator, client: Client) -> None:
        placed = await client.calls.make(number(1))
        emulator.add_fault(Fault("drop", operation="getCall", times=1))
        emulator.add_fault(Fault("status", operation="getCall", times=1))
        assert (await client.calls.get(placed.call_id)).call_id == placed.call_id
        assert emulator.calls_of("getCall") == 3

    async def test_an_answer_without_an_id_gets_the_one_that_was_asked_for(self) -> None:
        async with Desk() as desk, client_for(desk.url) as client:
            desk.says({"status": "moonlit"})
            call = await client.calls.get("CA1")
        assert call.call_id == "CA1"
        assert (call.status, call.status_text) == (CallStatus.UNKNOWN, "moonlit")


class TestHistory:
    @pytest.mark.parametrize("shape", ["enveloped", "bare"])
    @pytest.mark.parametrize("page_size", [1, 7, 100])
    async def test_every_call_comes_once(self, shape: Any, page_size: int) -> None:
        async with Emulator(quirks=Quirks(history_shape=shape)) as emulator:
            async with Client(emulator.api_key, config=settings(emulator)) as client:
                placed = [(await client.calls.make(number(i))).call_id for i in range(45)]
                found = [call async for call in client.calls.history(page_size=page_size)]
        assert sorted(call.call_id for call in found) == sorted(placed)

    async def test_filters_are_kept(self, emulator: Emulator, client: Client) -> None:
        for i in range(5):
            await client.calls.make(number(i))
        emulator.advance(86_400)
        await client.calls.make(number(2))
        emulator.advance(60)
        everything = [call async for call in client.calls.history()]
        assert len(everything) == 6
        started = max(call.started_at.date() for call in everything if call.started_at)
        to = [call async for call in client.calls.history(to=number(2))]
        assert [call.to for call in to] == [number(2), number(2)]
        old = [call async for call in client.calls.history(started_before=started)]
        assert len(old) == 5
        done = [call async for call in client.calls.history(status="completed")]
        assert {call.status for call in done} == {CallStatus.COMPLETED}
        from_ = everything[0].from_
        assert [call async for call in client.calls.history(from_=from_, status=None)]

    async def test_a_history_is_repeated_like_every_read(
        self, emulator: Emulator, client: Client
    ) -> None:
        await client.calls.make(number(1))
        emulator.add_fault(Fault("half_reply", operation="getCallHistory", times=1))
        assert len([call async for call in client.calls.history()]) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"page_size": 0},
            {"page_size": True},
            {"page_size": 2.5},
            {"status": "voicemail"},
            {"status": "moonlit"},
            {"started_on": "2026-01-05"},
            {"ended_on": datetime(2026, 1, 5, tzinfo=UTC)},
        ],
    )
    def test_a_filter_that_cannot_work_is_refused_at_once(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequestError):
            client_for("http://127.0.0.1:9").calls.history(**wrong)


class Archive:
    """A service with a limit of its own on what it shows at once."""

    def __init__(self, *, cap: int, days: int, per_day: int, ascending: bool) -> None:
        first = datetime(2026, 1, 1, 9, tzinfo=UTC)
        self.cap = cap
        self.calls = [
            {
                "sid": f"CA{day}-{i}",
                "status": "completed",
                "startTime": (first + timedelta(days=day, minutes=i)).isoformat(),
            }
            for day in range(days)
            for i in range(per_day)
        ]
        if not ascending:
            self.calls.reverse()

    def answer(self, note: Note) -> tuple[int, bytes]:
        size = min(note.json["pageSize"], self.cap)
        found = [call for call in self.calls if self._fits(call["startTime"], note.query)]
        return 200, json.dumps({"calls": found[:size]}).encode()

    @staticmethod
    def _fits(moment: str, query: dict[str, str]) -> bool:
        before, after = query.get("startTimeBefore"), query.get("startTimeAfter")
        if "startTime" in query and not moment.startswith(query["startTime"]):
            return False
        return (before is None or moment[:10] < before) and (after is None or moment >= after)


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("cap", [20, 30, 50, 100_000])
@pytest.mark.parametrize("page_size", [1, 20, 100])
async def test_a_service_that_cuts_pages_off_is_read_whole(
    ascending: bool, cap: int, page_size: int
) -> None:
    archive = Archive(cap=cap, days=12, per_day=15, ascending=ascending)
    async with Desk() as desk, client_for(desk.url) as client:
        desk.answer = archive.answer
        found = [call.call_id async for call in client.calls.history(page_size=page_size)]
    assert len(found) == len(set(found)) == 180
    assert len(desk.notes) < 40


@pytest.mark.parametrize("page_size", [30, 100])
async def test_a_page_too_large_to_be_read_is_asked_for_in_smaller_ones(page_size: int) -> None:
    archive = Archive(cap=100_000, days=12, per_day=25, ascending=False)
    for call in archive.calls:
        call["transcript"] = "x" * 1000
    async with Desk() as desk, client_for(desk.url, max_reply_bytes=150_000) as client:
        desk.answer = archive.answer
        found = [call.call_id async for call in client.calls.history(page_size=page_size)]
    assert len(found) == len(set(found)) == 300


async def test_a_first_page_too_large_is_an_error() -> None:
    async with Desk() as desk, client_for(desk.url, max_reply_bytes=1000) as client:
        desk.says([{"sid": f"CA{i}"} for i in range(100)])
        with pytest.raises(UnexpectedReplyError, match="larger than"):
            _ = [call async for call in client.calls.history()]


async def test_more_calls_than_can_be_told_apart_are_an_error_after_what_came() -> None:
    async with Desk() as desk, client_for(desk.url) as client:
        desk.answer = lambda note: (
            200,
            json.dumps([{"sid": f"CA{i}"} for i in range(note.json["pageSize"])]).encode(),
        )
        found = []
        with pytest.raises(UnexpectedReplyError, match="narrow the history"):
            async for call in client.calls.history(page_size=3000):
                found.append(call.call_id)
    assert len(found) == 6400


@pytest.mark.parametrize(
    "shape",
    [
        lambda calls: calls,
        lambda calls: {"message": "m", "status": "success", "data": calls},
        lambda calls: {"calls": calls},
        lambda calls: {"message": "m", "data": {"calls": calls, "total": 2}},
        lambda calls: {"message": "m", "callHistory": calls},
    ],
)
async def test_the_list_is_found_wherever_it_lies(shape: Any) -> None:
    calls = [{"sid": "CA1", "duration": "23"}, {"callSid": "CA2"}, {"to": "+12025550123"}, 5]
    async with Desk() as desk, client_for(desk.url) as client:
        desk.says(shape(calls))
        found = [call async for call in client.calls.history()]
    assert [call.call_id for call in found] == ["CA1", "CA2", ""]
    assert found[0].seconds == 23.0


QUESTIONS = [
    BooleanQuestion("Interested?"),
    TextQuestion("What was said?"),
    NumberQuestion("How many?"),
    SelectorQuestion("Which?", options=["red", "green"]),
]


class TestAnalyze:
    async def test_answers_have_the_type_of_their_question(
        self, emulator: Emulator, client: Client
    ) -> None:
        placed = await client.calls.make(number(1))
        emulator.advance(120)
        analysis = await client.calls.analyze(placed.call_id, questions=QUESTIONS)
        assert analysis.is_available
        kinds = [type(answer.value) for answer in analysis.answers]
        assert kinds == [bool, str, float, str]
        assert analysis["Which?"] in ("red", "green")
        with pytest.raises(KeyError):
            analysis["Never asked"]

    async def test_a_call_that_goes_on_is_refused(self, client: Client) -> None:
        placed = await client.calls.make(number(1))
        with pytest.raises(BadRequestError):
            await client.calls.analyze(placed.call_id, questions=QUESTIONS)

    async def test_waiting_bridges_the_end_of_the_call_and_the_work_after_it(self) -> None:
        script = Script(analysable_after=30, visible_after=2)
        async with Emulator(script=script) as emulator:
            clock = LeapingClock(emulator)
            config = settings(emulator)
            async with Client(emulator.api_key, config=config, clock=clock) as client:
                placed = await client.calls.make(number(1))
                analysis = await client.calls.analyze(
                    placed.call_id, questions=QUESTIONS, wait=300
                )
        assert analysis.is_available
        assert 30 < clock.slept < 100

    async def test_waiting_ends_with_what_came_last(self) -> None:
        async with Emulator(script=Script(analysable_after=10_000)) as emulator:
            clock = LeapingClock(emulator)
            config = settings(emulator)
            async with Client(emulator.api_key, config=config, clock=clock) as client:
                placed = await client.calls.make(number(1))
                emulator.advance(120)
                analysis = await client.calls.analyze(placed.call_id, questions=QUESTIONS, wait=20)
        assert not analysis.is_available
        assert clock.slept == pytest.approx(20)

    async def test_a_refusal_of_an_ended_call_is_not_waited_out(
        self, emulator: Emulator, client: Client
    ) -> None:
        placed = await client.calls.make(number(1))
        emulator.advance(120)
        emulator.add_fault(Fault("status", status=400, operation="analyzeCall"))
        with pytest.raises(BadRequestError):
            await client.calls.analyze(placed.call_id, questions=QUESTIONS, wait=600)

    @pytest.mark.parametrize(
        "questions",
        [[], ["Interested?"], [BooleanQuestion("")], [SelectorQuestion("Which?", options=[])]],
    )
    async def test_what_cannot_be_asked_is_refused(self, client: Client, questions: Any) -> None:
        with pytest.raises(InvalidRequestError):
            await client.calls.analyze("CA1", questions=questions)


def workbook(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as book:
        for name in names:
            book.writestr(name, "<xml/>")
    return file.getvalue()


def requests() -> Iterator[CallRequest]:
    for i in range(3):
        yield CallRequest(number(i), dynamic_variables={"name": f'A, "{i}"\n'})


class TestBatch:
    async def test_call_requests_ring_once_each_with_their_variables(
        self, emulator: Emulator, client: Client
    ) -> None:
        result = await client.calls.batch(requests())
        assert (result.rows, result.message) == (3, "batch accepted")
        assert [ring.number for ring in emulator.rings] == [number(i) for i in range(3)]
        assert dict(emulator.rings[1].variables) == {"name": 'A, "1"\n'}
        assert emulator.rings[0].agent_id == emulator.agent_id

    @pytest.mark.parametrize("as_path", [True, False])
    async def test_a_csv_file_is_sent_in_e164_form(
        self, emulator: Emulator, client: Client, tmp_path: Path, as_path: bool
    ) -> None:
        content = (
            "\ufeffname, number ,dynamicVariables\r\n"
            'Ada,+1 (415) 555-0123,"{""name"": ""Ada""}"\r\n'
            ",,\r\n"
            "Bob,+14155550124,\r\n"
        ).encode()
        path = tmp_path / 'my "list"\r\n.csv'
        path.write_bytes(content)
        result = await client.calls.batch(path if as_path else content)
        assert result.rows == 2
        assert [ring.number for ring in emulator.rings] == ["+14155550123", "+14155550124"]
        assert dict(emulator.rings[0].variables) == {"name": "Ada"}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "column `number`"),
            ("number\r\n", "no row"),
            ("phone\r\n+14155550177\r\n", "column `number`"),
            ("number;name\r\n+14155550177;Ada\r\n", "column `number`"),
            ("number\r\n+14155550177\r\n4155550177\r\n", "row 3: the number must start"),
            ("number\r\n+14155550177\r\n+1 415 555 0177\r\n", "twice"),
            ("number,dynamicVariables\r\n+14155550177,name=Ada\r\n", "row 2: .*JSON object"),
            ("number,dynamicVariables\r\n+14155550177,[1]\r\n", "row 2: .*JSON object"),
            ("number\r\n+14155550177,x\r\n", "row 2: it has more cells"),
            ('number\r\n"+14155550177\r\n', "no CSV"),
            (b"\xff\xfe\x00", "neither CSV"),
            (b"\xd0\xcf\x11\xe0 old excel", "old Excel"),
            (b"PK\x03\x04 broken", "no Excel workbook"),
            (workbook("word/document.xml", "[Content_Types].xml"), "no Excel workbook"),
            (b"number\r\n" + b"x" * (10 * 1024 * 1024), "at most 10,485,760"),
        ],
    )
    async def test_a_bad_file_is_refused_before_anything_leaves(
        self, emulator: Emulator, client: Client, content: str | bytes, message: str
    ) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        with pytest.raises(InvalidRequestError, match=message) as caught:
            await client.calls.batch(data)
        assert "4155550177" not in str(caught.value)
        assert "Ada" not in str(caught.value)
        assert emulator.calls_of("batchCall") == 0

    @pytest.mark.parametrize(
        "calls",
        [
            [],
            [CallRequest("911")],
            [CallRequest(number(1)), CallRequest(number(1))],
            [CallRequest(number(1), agent_id="another")],
            [number(1)],
            {"number": number(1)},
            5,
            "no-such-file.csv",
            "nul\0.csv",
        ],
    )
    async def test_bad_requests_are_refused_before_anything_leaves(
        self, emulator: Emulator, client: Client, calls: Any
    ) -> None:
        with pytest.raises(InvalidRequestError):
            await client.calls.batch(calls)
        assert emulator.calls_of("batchCall") == 0

    async def test_many_bad_rows_are_told_in_one_go(self, client: Client) -> None:
        with pytest.raises(InvalidRequestError, match=r"row 1: .*row 5: .*and 3 more"):
            await client.calls.batch([CallRequest("x") for _ in range(8)])

    async def test_a_workbook_is_passed_through(self) -> None:
        content = workbook("[Content_Types].xml", "xl/worksheets/sheet1.xml")
        async with Desk() as desk, client_for(desk.url) as client:
            result = await client.calls.batch(content)
        assert result.rows is None
        assert content in desk.note.body
        assert b'filename="calls.xlsx"' in desk.note.body

    async def test_any_good_answer_will_do(self) -> None:
        async with Desk() as desk, client_for(desk.url) as client:
            for answer in (b"", b"accepted", b"[]", b'{"message": 5}'):
                desk.says(answer, 202)
                assert (await client.calls.batch([CallRequest(number(1))])).message is None

    @pytest.mark.parametrize("failure", ["drop", "reset", "half_reply"])
    async def test_a_lost_answer_is_uncertain_and_nobody_is_rung_twice(
        self, emulator: Emulator, client: Client, failure: Any
    ) -> None:
        emulator.add_fault(Fault(failure, operation="batchCall", moment="on_reply"))
        with pytest.raises(ReplyLostError) as caught:
            await client.calls.batch(requests())
        assert caught.value.uncertain
        assert len(emulator.rings) == 3

    async def test_a_failure_of_the_service_is_uncertain(
        self, emulator: Emulator, client: Client
    ) -> None:
        emulator.add_fault(Fault("status", operation="batchCall", moment="on_reply"))
        with pytest.raises(ServerError) as caught:
            await client.calls.batch(requests())
        assert caught.value.uncertain
        assert len(emulator.rings) == 3


async def test_a_day_is_sent_as_a_day_and_a_plus_as_a_plus() -> None:
    async with Desk() as desk, client_for(desk.url) as client:
        desk.says([])
        calls = client.calls.history(to="+12025550123", ended_after=date(2024, 1, 30))
        assert [call async for call in calls] == []
        assert desk.note.target.endswith("?to=%2B12025550123&endTimeAfter=2024-01-30")
