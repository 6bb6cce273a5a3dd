"""The 27 ambiguities of the service (section 3 of its reference), one test each.

Elsewhere: the tokens of 15 in `tests/e2e/test_tokens*.py` and `test_credentials.py`, redirects
of 14 in `tests/e2e/test_client.py`, the webhooks of 27 where webhooks are received.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from talkstack_async import (
    CallRequest,
    CallStatus,
    Client,
    InvalidNumberError,
    InvalidRequestError,
    UnexpectedReplyError,
)
from talkstack_async.errors import BadRequestError, NotFoundError, ServerError, TalkstackError
from talkstack_async.models import Agent, Call, Number, Project, TokenPair
from talkstack_async.wire.convert import structure
from talkstack_async.wire.endpoints import ENDPOINTS, Effect, Host
from tests.support.clients import KEY, client_for, config_for
from tests.support.desk import Desk

NUMBER = "+14155550123"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with Desk() as running:
        yield running


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[Client]:
    async with client_for(desk.url) as opened:
        yield opened


@pytest.mark.parametrize("word", ["success", "succcess", "error", "failed", None, 5])
async def test_01_success_is_the_http_status_and_not_the_word(
    desk: Desk, client: Client, word: Any
) -> None:
    desk.says({"message": "m", "status": word, "data": {"id": "p9", "name": "Demo"}})
    assert (await client.projects.get("p9")).name == "Demo"
    await client.projects.delete("p9")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "no such thing"}', "no such thing"),
        (b'{"message": {"a": 1}}', ""),
        (b'["a"]', ""),
        (b"plain text", ""),
        (b"<html>bad</html>", ""),
        (b"", ""),
        (b"\xff\x00", ""),
    ],
)
async def test_02_an_error_may_have_any_body(
    desk: Desk, client: Client, body: bytes, message: str
) -> None:
    desk.says(body, 404)
    with pytest.raises(NotFoundError) as caught:
        await client.calls.get("CA1")
    assert message in str(caught.value)
    assert caught.value.body == body.decode("utf-8", "replace")


async def test_03_misspelt_keys_are_read_and_only_documented_ones_sent(
    desk: Desk, client: Client
) -> None:
    for key in ("refreshToken", "resfreshToken"):
        pair = structure({"token": "T", key: "R"}, TokenPair)
        assert pair.refresh_token is not None
        assert pair.refresh_token.reveal() == "R"
    assert structure({"agentId": "a"}, Agent).id == structure({"id": "a"}, Agent).id == "a"
    for key in ("call_id", "sid", "callSid"):
        assert structure({key: "CA1"}, Call).call_id == "CA1"
    desk.says({"token": "T"})
    await client.auth.refresh("R")
    await client.calls.get("CA1")
    await client.agents.delete("a9")
    assert [sorted(note.json) for note in desk.notes] == [
        ["refreshToken"],
        ["projectId", "sid"],
        ["agentId", "projectId"],
    ]


async def test_04_the_webhook_has_one_name_for_three(desk: Desk, client: Client) -> None:
    url = "https://example.com/hook"
    desk.says({"message": "m", "data": {"id": "p1", "call_status_webhook": url}})
    await client.projects.set_webhook(url)
    project = await client.projects.update(name="n", webhook_url=url)
    assert desk.notes[0].json["webhookURL"] == url
    assert desk.notes[1].json["webhookUrl"] == url
    assert project.webhook_url == url


async def test_05_every_field_goes_by_its_own_name(desk: Desk, client: Client) -> None:
    desk.says({"data": {}})
    await client.agents.create("n", instruction="i", voice_id="v", phone_number=NUMBER)
    await client.projects.set_active_agent("a9")
    assert set(desk.notes[0].json) == {
        "projectId", "name", "systemInstruction", "voice_id", "phoneNumber",
    }  # fmt: skip
    assert set(desk.notes[1].json) == {"projectId", "active_agent"}


@pytest.mark.parametrize("is_enveloped", [True, False])
async def test_06_bodies_come_enveloped_or_bare(
    desk: Desk, client: Client, is_enveloped: bool
) -> None:
    def say(content: Any) -> None:
        desk.says({"message": "m", "status": "ok", "data": content} if is_enveloped else content)

    say({"id": "a9", "name": "Jack"})
    assert (await client.agents.get("a9")).name == "Jack"
    assert (await client.agents.update("a9", name="Jack")).name == "Jack"
    say([{"id": "a9"}])
    assert [agent.id for agent in await client.agents.list()] == ["a9"]
    assert [project.id for project in await client.projects.list()] == ["a9"]
    assert len([call async for call in client.calls.history()]) == 1
    say({"callSid": "CA1", "status": "completed", "data": {"x": "1"}})
    call = await client.calls.get("CA1")
    assert (call.status, call.data) == (CallStatus.COMPLETED, {"x": "1"})


async def test_06_the_data_of_a_call_is_not_taken_for_an_envelope(
    desk: Desk, client: Client
) -> None:
    desk.says({"callSid": "CA1", "status": "busy", "data": {"callSid": "CA2", "status": "x"}})
    call = await client.calls.get("CA1")
    assert (call.call_id, call.status) == ("CA1", CallStatus.BUSY)
    desk.says({"status": "queued", "data": {"x": "1"}})
    assert (await client.calls.get("CA1")).status is CallStatus.QUEUED


def test_07_the_four_statuses_are_kept_apart() -> None:
    assert structure({"status": "completed"}, Call).status is CallStatus.COMPLETED
    assert structure({"status": "ACTIVE"}, Project).status == "ACTIVE"
    assert structure({"status": "AVAILABLE"}, Number).status == "AVAILABLE"


@pytest.mark.parametrize("kind", [Agent, Call, Number, Project])
def test_08_everything_may_be_missing_null_or_more(kind: Any) -> None:
    empty = structure({}, kind)
    assert structure(dict.fromkeys(["id", "name", "status", "to", "data"]), kind) == empty
    assert structure({"moon": [1]}, kind).raw == {"moon": [1]}


@pytest.mark.parametrize("body", [b"{}", b'{"apiKey": ""}', b'{"apiKey": null}', b"[]", b"x"])
async def test_08_what_cannot_be_done_without_is_an_error_with_the_reply(
    desk: Desk, body: bytes
) -> None:
    async with Client(token="t" * 20, config=config_for(desk.url)) as client:
        desk.says(body)
        with pytest.raises(UnexpectedReplyError) as caught:
            await client.user.generate_api_key()
        assert caught.value.uncertain
        with pytest.raises(UnexpectedReplyError):
            await client.auth.login("a@b.test", password="secret-word")
        with pytest.raises(UnexpectedReplyError) as placing:
            await client.calls.make(NUMBER)
        assert placing.value.uncertain
        assert placing.value.body == body.decode()


def test_09_words_and_numbers_nobody_knows_load() -> None:
    call = structure({"status": "moonlit"}, Call)
    assert call.status is CallStatus.UNKNOWN
    assert call.status_text == "moonlit"
    assert not call.is_final
    assert structure({"status": "PAUSED"}, Project).status == "PAUSED"
    assert structure({"status": "LEASED"}, Number).status == "LEASED"


async def test_09_a_numeric_status_nobody_knows_loads(desk: Desk, client: Client) -> None:
    desk.says({"token": "T", "loginStatus": 99})
    assert (await client.auth.login("a@b.test", password="p")).status == 99


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 30 Jan 2024 13:39:53 +0000",
        "Tue, 30 Jan 2024 14:39:53 +0100",
        "2024-01-30T13:39:53.000Z",
        "2024-01-30T13:39:53",
    ],
)
def test_10_dates_are_read_in_both_ways(text: str) -> None:
    call = structure({"date": text, "startTime": text}, Call)
    assert call.date == call.started_at == datetime(2024, 1, 30, 13, 39, 53, tzinfo=UTC)
    assert call.date is not None
    assert call.date.utcoffset() == timedelta(0)
    assert call.date_text == text


@pytest.mark.parametrize("text", ["yesterday", "30/01/2024", "Tue, 99 Jan 2024 13:39:53 +0000"])
def test_10_a_date_that_cannot_be_read_is_kept_as_it_was_written(text: str) -> None:
    call = structure({"date": text}, Call)
    assert (call.date, call.date_text) == (None, text)


async def test_11_the_dots_of_the_end_filters_are_not_sent(desk: Desk, client: Client) -> None:
    desk.says([])
    day = date(2024, 1, 30)
    assert not [_ async for _ in client.calls.history(ended_on=day, ended_after=day)]
    assert desk.note.query == {"endTime": "2024-01-30", "endTimeAfter": "2024-01-30"}


async def test_12_a_plus_in_the_query_is_encoded(desk: Desk, client: Client) -> None:
    desk.says([])
    assert not [_ async for _ in client.calls.history(to=NUMBER, from_="+1 2")]
    assert desk.note.target.partition("?")[2] == "to=%2B14155550123&from=%2B1%202"


async def test_13_only_placing_a_call_goes_to_the_dialling_host() -> None:
    assert {row.name for row in ENDPOINTS if row.host is Host.CALLS} == {"calls.make"}
    async with Desk() as dialling, Desk() as other:
        other.says({"callSid": "CA1"})
        dialling.says({"call": {"call_id": "CA1"}})
        config = config_for(other.url, calls_url=dialling.url)
        async with Client(KEY, config=config) as client:
            await client.calls.make(NUMBER)
            await client.calls.get("CA1")
            await client.calls.batch([CallRequest(NUMBER)])
    assert dialling.note.path == "/call/makeCall"
    assert [note.path for note in other.notes] == ["/call", "/call/batch-call"]


async def test_14_addresses_in_answers_are_never_visited(desk: Desk, client: Client) -> None:
    hook = f"{desk.url}/elsewhere"
    desk.says({"callSid": "CA1", "recordingUrls": [hook], "preview_url": hook})
    assert (await client.calls.get("CA1")).recording_urls == (hook,)
    assert (await client.voices.get("v1")).preview_url == hook
    assert [note.path for note in desk.notes] == ["/call", "/voices/v1"]


async def test_15_exactly_one_credential_is_sent(desk: Desk, client: Client) -> None:
    desk.says([])
    await client.projects.list()
    assert desk.note.headers["x-api-key"] == KEY
    assert "Authorization" not in desk.note.headers


async def test_15_a_refresh_may_keep_the_old_refresh_token(desk: Desk, client: Client) -> None:
    desk.says({"token": "T2", "expirationTime": "soon"})
    pair = await client.auth.refresh("R")
    assert pair.refresh_token is None
    assert (pair.expires_at, pair.expires_text) == (None, "soon")


async def test_16_a_404_that_means_empty_is_empty_and_on_demand_an_error(
    desk: Desk, client: Client
) -> None:
    desk.says({"message": "there is none", "status": "error"}, 404)
    assert await client.agents.list() == []
    assert await client.projects.get_active_agent() is None
    assert await client.user.get_active_project() is None
    for asking in (
        client.agents.list(required=True),
        client.projects.get_active_agent(required=True),
        client.user.get_active_project(required=True),
    ):
        with pytest.raises(NotFoundError, match="there is none"):
            await asking


async def test_16_a_404_of_a_wrong_address_is_not_taken_for_empty(
    desk: Desk, client: Client
) -> None:
    desk.says(b"<html>nginx</html>", 404)
    with pytest.raises(NotFoundError):
        await client.agents.list()


async def test_17_an_unknown_project_is_the_400_it_is(desk: Desk, client: Client) -> None:
    desk.says({"message": "project does not exist"}, 400)
    for asking in (client.projects.get("p9"), client.user.set_active_project("p9")):
        with pytest.raises(BadRequestError, match="does not exist"):
            await asking


def test_18_the_reads_by_post_are_reads() -> None:
    reads = {row.name for row in ENDPOINTS if row.verb == "POST" and row.effect is Effect.READ}
    assert reads == {
        "calls.get", "calls.history", "calls.analyze", "agents.get", "numbers.get",
        "projects.get_active_agent",
    }  # fmt: skip


async def test_19_the_get_that_writes_is_sent_once(desk: Desk) -> None:
    desk.says(b"", 500)
    async with Client(token="t" * 20, config=config_for(desk.url)) as client:
        with pytest.raises(ServerError) as caught:
            await client.user.generate_api_key()
    assert caught.value.uncertain
    assert desk.note.verb == "GET"


async def test_20_a_delete_has_a_body_with_type_and_length(desk: Desk, client: Client) -> None:
    await client.agents.delete("a9")
    await client.projects.delete("p9")
    for note in desk.notes:
        assert note.verb == "DELETE"
        assert note.headers["Content-Type"] == "application/json"
        assert int(note.headers["Content-Length"]) == len(note.body) > 0
    assert desk.notes[1].json == {"cascade": False}


async def test_21_the_number_of_a_new_agent_is_optional(desk: Desk, client: Client) -> None:
    await client.agents.create("n", instruction="i")
    assert "phoneNumber" not in desk.note.json
    desk.says({"message": "phoneNumber is required"}, 400)
    with pytest.raises(BadRequestError, match="phoneNumber is required"):
        await client.agents.create("n", instruction="i")


async def test_22_a_voice_alone_takes_the_name_along(desk: Desk, client: Client) -> None:
    desk.says({"id": "a9", "name": "Jack"})
    await client.agents.update("a9", voice_id="v2")
    assert [note.verb for note in desk.notes] == ["POST", "PUT"]
    assert desk.notes[1].json == {
        "projectId": "p1", "agentId": "a9", "name": "Jack", "voice_id": "v2",
    }  # fmt: skip
    with pytest.raises(InvalidRequestError):
        await client.agents.update("a9")


async def test_22_left_out_and_null_differ(desk: Desk, client: Client) -> None:
    await client.agents.update("a9", name="n", voice_id=None)
    await client.projects.update("p9", name="n", webhook_url=None)
    assert desk.notes[0].json["voice_id"] is None
    assert "systemInstruction" not in desk.notes[0].json
    assert desk.notes[1].json == {"name": "n", "webhookUrl": None}


@pytest.mark.parametrize("call_id", ["CA1", "anything at all", "SM/1?x#y"])
async def test_23_any_text_is_a_call_id(desk: Desk, client: Client, call_id: str) -> None:
    assert (await client.calls.get(call_id)).call_id == call_id
    assert desk.note.json["sid"] == call_id


def test_24_data_is_left_as_it_came_and_can_be_read_as_truth() -> None:
    data = {"a": "true", "b": "False", "c": "", "d": 5, "e": True, "f": "later"}
    call = structure({"data": data}, Call)
    assert call.data == data
    read = [call.flag(name) for name in ("a", "b", "c", "d", "e", "f", "missing")]
    assert read == [True, False, None, None, True, None, None]


async def test_25_numbers_are_checked_on_our_side_if_wanted(desk: Desk, client: Client) -> None:
    with pytest.raises(InvalidNumberError):
        await client.numbers.assign("911")
    with pytest.raises(InvalidRequestError):
        await client.calls.batch(b"number\r\n911\r\n")
    assert not desk.notes
    async with client_for(desk.url, check_numbers=False) as trusting:
        await trusting.numbers.assign("911")
        await trusting.calls.batch(b"number\r\n911\r\n")
    assert desk.notes[0].json["e164"] == "911"


async def test_26_variables_pass_through_as_json(desk: Desk, client: Client) -> None:
    desk.says({"call": {"call_id": "CA1"}})
    variables = {"name": "Ada", "n": 3, "ok": True, "list": [1, None]}
    await client.calls.make(NUMBER, dynamic_variables=variables)
    assert desk.note.json["dynamicVariables"] == variables


async def test_27_a_call_can_be_confirmed_by_reading_it(desk: Desk, client: Client) -> None:
    # What a webhook claims proves nothing; its receiver asks here.
    desk.says({"callSid": "CA1", "status": "completed"})
    assert (await client.calls.get("CA1")).is_final


async def test_an_answer_that_should_hold_a_credential_is_not_quoted(desk: Desk) -> None:
    token = "eyJ0b2tlbiI6InNlY3JldCJ9"
    async with Client.anonymous(config=config_for(desk.url)) as client:
        for body in ({"access": token}, [token], {"data": {"token": [token]}}):
            desk.says(body)
            with pytest.raises(UnexpectedReplyError) as caught:
                await client.auth.login("a@b.test", password="secret-word")
            assert token not in repr(caught.value.__dict__)
        desk.says({"message": "m", "oldToken": 1, "token": token, "password": "secret-word"}, 401)
        with pytest.raises(TalkstackError) as refused:
            await client.auth.login("a@b.test", password="secret-word")
    shown = repr(refused.value.__dict__)
    assert token not in shown
    assert "secret-word" not in shown


def test_every_row_of_the_reference_is_tested_here() -> None:
    rows = {name[5:7] for name, test in globals().items() if inspect.isfunction(test)}
    assert {f"{row:02}" for row in range(1, 28)} <= rows
