"""The emulator against the contract: every operation, every example, every status."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from talkstack_async.emulator import Emulator, Fault
from talkstack_async.emulator.service import ROUTES

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "talkstack-openapi.yaml").read_text(encoding="utf-8")
)
REGISTRY: Registry[Any] = Registry().with_resource(
    "contract:", Resource(contents=CONTRACT, specification=DRAFT202012)
)
VERBS = ("get", "post", "put", "patch", "delete")

# The ids and secrets of the contract's examples, and what stands for them here.
PROJECT = "11111111-1111-4111-8111-111111111111"
AGENT = "22222222-2222-4222-8222-222222222222"
CALL = "CA00000000000000000000000000000001"
EMAIL, PASSWORD = "user@example.com", "correct-horse"


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of the contract."""

    name: str
    method: str
    path: str
    body: Mapping[str, Any] | None
    is_multipart: bool
    responses: Mapping[str, Any]
    credential: str

    @property
    def pointer(self) -> str:
        path = self.path.replace("~", "~0").replace("/", "~1")
        return f"#/paths/{path}/{self.method}"


def credential_of(security: list[dict[str, Any]]) -> str:
    schemes = {name for entry in security for name in entry}
    return {0: "none", 1: "token", 2: "either"}[len(schemes)]


def operations() -> Iterator[Operation]:
    for path, item in CONTRACT["paths"].items():
        for method in VERBS:
            if method not in item:
                continue
            row = item[method]
            content = row.get("requestBody", {}).get("content", {})
            yield Operation(
                name=row["operationId"],
                method=method,
                path=path,
                body=content.get("application/json", {}).get("example"),
                is_multipart="multipart/form-data" in content,
                responses=row["responses"],
                credential=credential_of(row.get("security", CONTRACT["security"])),
            )


OPERATIONS = {operation.name: operation for operation in operations()}
STATUSES = [(one.name, int(status)) for one in OPERATIONS.values() for status in one.responses]


class Bench:
    """A live emulator, a session, and a world in which every example makes sense."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.token = emulator.token
        self.values = {
            PROJECT: emulator.project_id,
            AGENT: emulator.agent_id,
            "+12025550100": "+12025550100",
        }

    async def prepare(self, operation: str) -> None:
        """Bring about what the example of an operation takes for granted."""
        if operation != "signup":
            await self.good("signup", {"email": EMAIL, "password": PASSWORD, "name": "Ada"})
            self.values["123456"] = self.emulator.mailbox(EMAIL)[0].code
        if operation in ("login", "refreshToken", "changePassword"):
            await self.good("verifyEmail", {"email": EMAIL, "code": self.values["123456"]})
            pair = await self.good("login", {"email": EMAIL, "password": PASSWORD})
            self.token, self.values["REFRESH"] = pair["token"], pair["refreshToken"]
        if operation == "resetPassword":
            await self.good("forgotPassword", {"email": EMAIL})
            self.values["RESET-TOKEN"] = self.emulator.mailbox(EMAIL)[-1].code
        if operation in ("getCall", "analyzeCall", "getCallHistory"):
            placed = await self.good("makeCall", OPERATIONS["makeCall"].body)
            self.values[CALL] = placed["call"]["call_id"]
            self.emulator.advance(60)

    async def good(self, name: str, body: Any) -> Any:
        status, reply = await self.send(OPERATIONS[name], body=body)
        assert status == 200, (name, reply)
        return reply

    async def send(
        self,
        operation: Operation,
        *,
        body: Any = None,
        path_values: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send a request, and hold whatever comes back against the contract."""
        path = operation.path
        known = {"projectId": PROJECT, "agentId": AGENT, "voice_id": "VOICE-1"}
        for name, value in {**known, **(path_values or {})}.items():
            path = path.replace(f"{{{name}}}", self.localised(value))
        if headers is None:
            is_open = operation.credential == "none"
            headers = {} if is_open else {"Authorization": f"Bearer {self.token}"}
        content = self.localised(body)
        payload: dict[str, Any] = {} if body is None else {"json": content}
        if operation.is_multipart:
            payload = {"data": as_form(content)}
        async with self.session.request(
            operation.method, self.emulator.url + path, headers=headers, **payload
        ) as reply:
            assert reply.content_type == "application/json"
            answer = await reply.json()
            assert str(reply.status) in operation.responses, (reply.status, answer)
            check(answer, operation, status=reply.status)
            return reply.status, answer

    def localised(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.localised(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.localised(inner) for inner in value]
        return self.values.get(value, value) if isinstance(value, str) else value


def as_form(content: Mapping[str, Any] | None) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in (content or {}).items():
        filename = "calls.csv" if name == "file" else None
        form.add_field(name, value, filename=filename)
    return form


def check(answer: Any, operation: Operation, *, status: int) -> None:
    response = operation.responses[str(status)]
    pointer = response.get("$ref", f"{operation.pointer}/responses/{status}")
    schema = {"$ref": f"contract:{pointer}/content/application~1json/schema"}
    validator = Draft202012Validator(schema, registry=REGISTRY, format_checker=FormatChecker())
    validator.validate(answer)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Emulator(strict_ids=True) as emulator, aiohttp.ClientSession() as session:
        yield Bench(emulator, session)


BATCH = {"projectId": PROJECT, "agentId": AGENT, "file": "number\n+12025550123\n"}


def example_of(name: str) -> Any:
    operation = OPERATIONS[name]
    return BATCH if operation.is_multipart else operation.body


def test_the_emulator_has_exactly_the_operations_of_the_contract() -> None:
    mine = {
        (route.operation, route.method.lower(), route.path, route.credential)
        for route in ROUTES.routes
    }
    theirs = {(one.name, one.method, one.path, one.credential) for one in OPERATIONS.values()}
    assert mine == theirs
    assert len(mine) == 34


@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_documented_example_is_answered_in_the_documented_shape(
    bench: Bench, name: str
) -> None:
    if name == "verifyEmail":
        await bench.prepare("resendVerificationCode")
    else:
        await bench.prepare(name)
    status, answer = await bench.send(OPERATIONS[name], body=example_of(name))
    assert status == 200
    assert shape_of(answer) == shape_of(printed(name))
    assert bench.emulator.calls_of(name) >= 1


# Of several documented answers, the one that fits the request; the first elsewhere.
FITTING = {"getCall": "voicemail"}


def printed(name: str) -> Any:
    content = OPERATIONS[name].responses["200"]["content"]["application/json"]
    if "example" in content:
        return content["example"]
    examples = content["examples"]
    return examples[FITTING.get(name, next(iter(examples)))]["value"]


# Objects and lists whose inside is free.
FREE = {"recordingUrls", "voices"}


def shape_of(value: Any) -> Any:
    """Return the keys of an answer at every depth. What stands for a call's `data` is free."""
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    if not isinstance(value, dict):
        return "value"
    is_call = "callSid" in value
    return {
        key: "free" if key in FREE or (is_call and key == "data") else shape_of(inner)
        for key, inner in value.items()
    }


@attrs.frozen(kw_only=True)
class Bad:
    """A request that provokes a status."""

    body: Any = attrs.field(factory=dict)
    path_values: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] | None = None
    first: Callable[[Bench], Any] | None = None


async def clear_active_agent(bench: Bench) -> None:
    await bench.good("removeActiveAgent", None)


async def forget(bench: Bench) -> None:
    bench.emulator.forget_user(EMAIL)


async def use_new_user(bench: Bench) -> None:
    await bench.good("verifyEmail", {"email": EMAIL, "code": "123456"})
    bench.token = (await bench.good("login", {"email": EMAIL, "password": PASSWORD}))["token"]


async def delete_agent(bench: Bench) -> None:
    await bench.good("deleteAgent", OPERATIONS["deleteAgent"].body)


NOBODY = "nobody@example.com"
UNKNOWN = {"projectId": "unknown"}

PROVOKED: dict[tuple[str, int], Bad] = {
    ("verifyEmail", 404): Bad(body={"email": NOBODY, "code": "1"}),
    ("resendVerificationCode", 404): Bad(body={"email": NOBODY}),
    ("login", 401): Bad(body={"email": EMAIL, "password": "wrong"}),
    ("login", 404): Bad(body={"email": NOBODY, "password": "x"}),
    ("refreshToken", 401): Bad(body={"refreshToken": "unknown"}),
    ("refreshToken", 404): Bad(body={"refreshToken": "REFRESH"}, first=forget),
    ("forgotPassword", 404): Bad(body={"email": NOBODY}),
    ("getActiveProject", 404): Bad(first=use_new_user),
    ("getProject", 400): Bad(path_values=UNKNOWN),
    ("updateProject", 404): Bad(body={"name": "x"}, path_values=UNKNOWN),
    ("deleteProject", 404): Bad(path_values=UNKNOWN),
    ("getActiveAgent", 404): Bad(body={"projectId": PROJECT}, first=clear_active_agent),
    ("getAgent", 404): Bad(body={"projectId": PROJECT, "agentId": "unknown"}),
    ("updateAgent", 404): Bad(body={"projectId": PROJECT, "agentId": "unknown", "name": "x"}),
    ("deleteAgent", 404): Bad(body={"projectId": PROJECT, "agentId": "unknown"}),
    ("listAgents", 400): Bad(path_values=UNKNOWN),
    ("listAgents", 404): Bad(first=delete_agent),
    ("getCall", 404): Bad(body={"sid": "CA0", "projectId": PROJECT}),
    ("getCallHistory", 404): Bad(body=UNKNOWN),
    ("analyzeCall", 404): Bad(body={"sid": "CA0", "questions": []}),
    ("getVoice", 404): Bad(path_values={"voice_id": "VOICE-0"}),
    ("getPhoneNumber", 404): Bad(body={"phoneNumberId": "unknown"}),
}


@pytest.mark.parametrize(("name", "status"), [one for one in STATUSES if one[1] != 200])
async def test_a_documented_failure_can_be_provoked(bench: Bench, name: str, status: int) -> None:
    operation = OPERATIONS[name]
    await bench.prepare("login" if (name, status) == ("login", 401) else prepared_for(name))
    bad = PROVOKED.get((name, status), Bad())
    if status == 500:
        bench.emulator.add_fault(Fault("status", operation=name))
        bad = Bad(body=example_of(name))
    if status == 401 and operation.credential != "none":
        bad = Bad(body=example_of(name), headers={})
    if bad.first is not None:
        await bad.first(bench)
    seen, answer = await bench.send(
        operation, body=bad.body, path_values=bad.path_values, headers=bad.headers
    )
    assert seen == status
    assert set(answer) >= {"message", "status"}
    assert answer["status"] == "error"


def prepared_for(name: str) -> str:
    return "resendVerificationCode" if name == "verifyEmail" else name


NUMBERED = {
    "signup": ("signupStatus", 0, 3),
    "verifyEmail": ("verificationStatus", 0, 2),
    "login": ("loginStatus", 0, 7),
}


@pytest.mark.parametrize("name", NUMBERED)
async def test_the_numeric_status_travels_in_good_and_bad_answers(bench: Bench, name: str) -> None:
    key, missing, success = NUMBERED[name]
    await bench.prepare(prepared_for(name))
    _, answer = await bench.send(OPERATIONS[name], body={})
    assert answer[key] == missing
    _, answer = await bench.send(OPERATIONS[name], body=example_of(name))
    assert answer[key] == success


@pytest.mark.parametrize("name", [one.name for one in OPERATIONS.values() if one.body])
@pytest.mark.parametrize("value", [None, 7, [], {}, "", True])
async def test_odd_values_in_an_example_lead_to_documented_answers_only(
    bench: Bench, name: str, value: Any
) -> None:
    example = OPERATIONS[name].body
    assert example is not None
    for key in example:
        await bench.send(OPERATIONS[name], body={**example, key: value})
