"""The client against the contract: every operation, every example, every documented error."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from talkstack_async import (
    BooleanQuestion,
    CallRequest,
    Client,
    RetrySettings,
    SelectorQuestion,
    errors,
)
from talkstack_async.wire.endpoints import ENDPOINTS, Endpoint
from tests.support.clients import config_for
from tests.support.desk import LOST, Desk

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "talkstack-openapi.yaml").read_text(encoding="utf-8")
)
REGISTRY: Registry[Any] = Registry().with_resource(
    "contract:", Resource(contents=CONTRACT, specification=DRAFT202012)
)
VERBS = ("get", "post", "put", "patch", "delete")

PROJECT = "11111111-1111-4111-8111-111111111111"
AGENT = "22222222-2222-4222-8222-222222222222"
CALL = "CA00000000000000000000000000000001"
EMAIL = "user@example.com"


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of the contract."""

    name: str
    verb: str
    path: str
    row: dict[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """Verb and path, whatever its parameters are called."""
        return self.verb, "/".join("{}" if "{" in part else part for part in self.path.split("/"))

    @property
    def pointer(self) -> str:
        path = self.path.replace("~", "~0").replace("/", "~1")
        return f"#/paths/{path}/{self.verb.lower()}"

    @property
    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = self.row.get("requestBody", {}).get("content", {})
        return found


def operations() -> Iterator[Operation]:
    for path, item in CONTRACT["paths"].items():
        for verb in VERBS:
            if verb in item:
                row = item[verb]
                yield Operation(name=row["operationId"], verb=verb.upper(), path=path, row=row)


OPERATIONS = {operation.name: operation for operation in operations()}
ROWS = {Operation(name="", verb=row.verb, path=row.path, row={}).key: row for row in ENDPOINTS}
names = pytest.mark.parametrize("name", OPERATIONS)


async def history(client: Client) -> list[Any]:
    return [call async for call in client.calls.history(project_id=PROJECT, page_size=20)]


def batch(client: Client) -> Awaitable[Any]:
    request = CallRequest("+12025550123", dynamic_variables={"name": "John"})
    return client.calls.batch([request], project_id=PROJECT, agent_id=AGENT)


INSTRUCTION = "You are {{name}}. Answer questions about mathematics."
ASTRONOMY = "You are Jack. Answer questions about astronomy."
QUESTIONS = [
    BooleanQuestion("Is the user interested?"),
    SelectorQuestion(
        "Why does the user go elsewhere?", options=["better offer", "not interested"]
    ),
]

# Each sends the example of the contract.
CALLS: dict[str, Callable[[Client], Awaitable[Any]]] = {
    "signup": lambda c: c.auth.signup(EMAIL, password="correct-horse", name="Ada"),
    "verifyEmail": lambda c: c.auth.verify_email(EMAIL, code="123456"),
    "resendVerificationCode": lambda c: c.auth.resend_code(EMAIL),
    "login": lambda c: c.auth.login(EMAIL, password="correct-horse"),
    "refreshToken": lambda c: c.auth.refresh("REFRESH"),
    "changePassword": lambda c: c.auth.change_password(
        old_password="correct-horse", new_password="battery-staple"
    ),
    "forgotPassword": lambda c: c.auth.forgot_password(EMAIL),
    "resetPassword": lambda c: c.auth.reset_password("RESET-TOKEN", new_password="battery-staple"),
    "generateApiKey": lambda c: c.user.generate_api_key(),
    "setActiveProject": lambda c: c.user.set_active_project(PROJECT),
    "getActiveProject": lambda c: c.user.get_active_project(required=True),
    "createProject": lambda c: c.projects.create("Demo", description="Demo project"),
    "listProjects": lambda c: c.projects.list(),
    "getProject": lambda c: c.projects.get(PROJECT),
    "updateProject": lambda c: c.projects.update(
        PROJECT, name="Demo", description="Demo project", webhook_url="https://example.com/hook"
    ),
    "deleteProject": lambda c: c.projects.delete(PROJECT, cascade=True),
    "addCallStatusWebhook": lambda c: c.projects.set_webhook(
        "https://example.com/hook", project_id=PROJECT
    ),
    "getActiveAgent": lambda c: c.projects.get_active_agent(PROJECT, required=True),
    "setActiveAgent": lambda c: c.projects.set_active_agent(AGENT, project_id=PROJECT),
    "removeActiveAgent": lambda c: c.projects.remove_active_agent(AGENT),
    "createAgent": lambda c: c.agents.create(
        "Jack", instruction=INSTRUCTION, project_id=PROJECT, voice_id="VOICE-1"
    ),
    "getAgent": lambda c: c.agents.get(AGENT, project_id=PROJECT),
    "updateAgent": lambda c: c.agents.update(
        AGENT, project_id=PROJECT, name="Jack", instruction=ASTRONOMY, voice_id="VOICE-1"
    ),
    "deleteAgent": lambda c: c.agents.delete(AGENT, project_id=PROJECT),
    "listAgents": lambda c: c.agents.list(PROJECT, required=True),
    "makeCall": lambda c: c.calls.make(
        "+12025550123", project_id=PROJECT, agent_id=AGENT, dynamic_variables={"name": "John"}
    ),
    "getCall": lambda c: c.calls.get(CALL, project_id=PROJECT),
    "getCallHistory": history,
    "analyzeCall": lambda c: c.calls.analyze(CALL, questions=QUESTIONS),
    "batchCall": batch,
    "listVoices": lambda c: c.voices.list(),
    "getVoice": lambda c: c.voices.get("VOICE-1"),
    "getPhoneNumber": lambda c: c.numbers.get(agent_id=AGENT),
    "assignPhoneNumber": lambda c: c.numbers.assign(
        "+12025550100", agent_id=AGENT, project_id=PROJECT
    ),
}

SILENT = {
    "resendVerificationCode", "changePassword", "forgotPassword", "resetPassword",
    "deleteProject", "addCallStatusWebhook", "removeActiveAgent", "deleteAgent",
    "assignPhoneNumber",
}  # fmt: skip

KINDS: dict[int, type[errors.StatusError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    404: errors.NotFoundError,
    500: errors.ServerError,
}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with Desk() as running:
        yield running


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[Client]:
    config = config_for(desk.url, retry=RetrySettings(max_retries=0))
    async with Client(token="a-token", config=config) as opened:
        yield opened


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = CONTRACT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def validate(value: Any, reference: str) -> None:
    Draft202012Validator(
        {"$ref": f"contract:{reference}"}, registry=REGISTRY, format_checker=FormatChecker()
    ).validate(value)


def examples(operation: Operation) -> Iterator[tuple[int, Any]]:
    for status, response in operation.row["responses"].items():
        media = resolve(response)["content"]["application/json"]
        for example in media.get("examples", {}).values():
            yield int(status), example["value"]
        if "example" in media:
            yield int(status), media["example"]


ANSWERS = [
    pytest.param(operation.name, status, body, id=f"{operation.name}-{status}-{place}")
    for operation in OPERATIONS.values()
    for place, (status, body) in enumerate(examples(operation))
]


def row_of(name: str) -> Endpoint:
    return ROWS[OPERATIONS[name].key]


def test_the_table_and_the_contract_hold_the_same_operations() -> None:
    assert set(ROWS) == {operation.key for operation in OPERATIONS.values()}
    assert len(ROWS) == len(ENDPOINTS) == len(OPERATIONS) == 34
    assert set(CALLS) == set(OPERATIONS)


@names
def test_a_row_has_the_effect_the_host_and_the_credential_of_the_contract(name: str) -> None:
    row, documented = row_of(name), OPERATIONS[name].row
    schemes = {
        scheme for way in documented.get("security", CONTRACT["security"]) for scheme in way
    }
    assert row.effect == documented["x-effect"]
    assert row.credential == {0: "none", 1: "bearer", 2: "either"}[len(schemes)]
    assert (row.host == "calls") is ("servers" in documented)


async def sent(name: str, desk: Desk, client: Client) -> None:
    desk.says(next(body for status, body in examples(OPERATIONS[name]) if status == 200))
    await CALLS[name](client)


@names
async def test_a_request_goes_where_the_contract_says(
    name: str, desk: Desk, client: Client
) -> None:
    await sent(name, desk, client)
    operation, note = OPERATIONS[name], desk.note
    parts = list(zip(operation.path.split("/"), note.path.split("/"), strict=True))
    assert note.verb == operation.verb
    assert all(given == wanted or "{" in wanted for wanted, given in parts)
    filled = {given for wanted, given in parts if "{" in wanted}
    assert filled <= {PROJECT, AGENT, "VOICE-1"}


@names
async def test_a_body_is_the_example_of_the_contract(
    name: str, desk: Desk, client: Client
) -> None:
    await sent(name, desk, client)
    operation, note = OPERATIONS[name], desk.note
    if "application/json" not in operation.content:
        assert not note.body or "multipart/form-data" in operation.content
        return
    assert note.headers["Content-Type"] == "application/json"
    assert note.headers["Content-Length"] == str(len(note.body))
    validate(note.json, f"{operation.pointer}/requestBody/content/application~1json/schema")
    assert note.json == operation.content["application/json"]["example"]


@names
async def test_the_credential_goes_only_where_it_is_wanted(
    name: str, desk: Desk, client: Client
) -> None:
    await sent(name, desk, client)
    wants_none = OPERATIONS[name].row.get("security") == []
    assert ("Authorization" in desk.note.headers) is not wants_none
    assert "x-api-key" not in desk.note.headers


async def test_every_filter_of_the_history_is_sent_as_documented(
    desk: Desk, client: Client
) -> None:
    desk.says([])
    day = datetime(2024, 1, 30, tzinfo=UTC).date()
    calls = client.calls.history(
        to="+12025550123", from_="+12025550100", status="no-answer",
        started_on=day, started_before=day, started_after=day,
        ended_on=day, ended_before=day, ended_after=day,
    )  # fmt: skip
    assert [call async for call in calls] == []
    documented = OPERATIONS["getCallHistory"].row["parameters"]
    assert set(desk.note.query) == {row["name"] for row in documented}
    for row in documented:
        Draft202012Validator(row["schema"], format_checker=FormatChecker()).validate(
            desk.note.query[row["name"]]
        )


async def test_a_batch_is_a_form_with_the_documented_parts(desk: Desk, client: Client) -> None:
    await CALLS["batchCall"](client)
    header = Message()
    header["Content-Type"] = desk.note.headers["Content-Type"]
    assert header.get_content_type() == "multipart/form-data"
    boundary = str(header.get_param("boundary"))
    first, *pieces, last = desk.note.body.split(f"--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    texts = [piece.decode().strip("\r\n").split("\r\n\r\n", 1) for piece in pieces]
    assert [content for _, content in texts[:2]] == [PROJECT, AGENT]
    assert ['name="projectId"' in head for head, _ in texts] == [True, False, False]
    head, sheet = texts[2]
    kinds = OPERATIONS["batchCall"].content["multipart/form-data"]["encoding"]["file"]
    assert 'name="file"; filename="calls.csv"' in head
    assert head.partition("Content-Type: ")[2] in kinds["contentType"].split(", ")
    assert sheet.split("\r\n")[0] == "number,dynamicVariables"


@pytest.mark.parametrize(("name", "status", "body"), ANSWERS)
async def test_every_documented_answer_is_read(
    name: str, status: int, body: Any, desk: Desk, client: Client
) -> None:
    desk.says(body, status)
    if status == 200:
        found = await CALLS[name](client)
        assert (found is None) is (name in SILENT)
        return
    with pytest.raises(KINDS[status]) as caught:
        await CALLS[name](client)
    assert type(caught.value) is KINDS[status]
    assert caught.value.uncertain is (status == 500 and row_of(name).effect != "read")
    assert body["message"] in str(caught.value)
    assert json.loads(caught.value.body) == body


@names
@pytest.mark.parametrize("failure", [LOST, 500, 502])
async def test_only_a_read_is_repeated_whatever_its_verb(name: str, failure: int) -> None:
    good = next(body for status, body in examples(OPERATIONS[name]) if status == 200)
    answers = iter([(failure, b""), (200, json.dumps(good).encode())])
    async with Desk() as desk, Client(token="a-token", config=config_for(desk.url)) as client:
        desk.answer = lambda _: next(answers)
        if row_of(name).effect == "read":
            await CALLS[name](client)
            assert len(desk.notes) == 2
            return
        with pytest.raises(errors.TalkstackError) as caught:
            await CALLS[name](client)
        assert caught.value.uncertain
        assert len(desk.notes) == 1


@names
async def test_a_plain_refusal_is_waited_out_by_every_operation(name: str) -> None:
    good = next(body for status, body in examples(OPERATIONS[name]) if status == 200)
    answers = iter([(429, b""), (200, json.dumps(good).encode())])
    async with Desk() as desk, Client(token="a-token", config=config_for(desk.url)) as client:
        desk.answer = lambda _: next(answers)
        await CALLS[name](client)
        assert len(desk.notes) == 2


def test_each_documented_status_has_an_example() -> None:
    for operation in OPERATIONS.values():
        shown = {status for status, _ in examples(operation)}
        assert shown == {int(status) for status in operation.row["responses"]}


def test_the_reference_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/endpoints.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    by_key = {operation.key: operation.name for operation in OPERATIONS.values()}
    expected = [
        [f"`{by_key[key]}`", f"`{row.verb} {row.path}`", f"`client.{row.name}`", row.effect,
         row.credential]
        for key, row in ROWS.items()
    ]  # fmt: skip
    assert [cells[:5] for cells in shown] == expected


def test_the_reference_explains_each_oddity_it_names() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/endpoints.md").read_text(encoding="utf-8")
    table, _, legend = page.partition("## What is odd")
    explained = set(re.findall(r"^\| (\d+) \|", legend, re.MULTILINE))
    named = {
        number
        for line in table.splitlines()
        if line.startswith("| `")
        for number in line.strip("|").rpartition("|")[2].replace("-", "").split(",")
    }
    assert {number.strip() for number in named} - {""} <= explained
    assert explained == {str(number) for number in range(1, 28)}


@names
def test_each_operation_has_a_documented_method(name: str) -> None:
    client = Client("k" * 20)
    noun, verb = row_of(name).name.split(".")
    method = getattr(getattr(client, noun), verb)
    assert len(method.__doc__.splitlines()) >= 1
