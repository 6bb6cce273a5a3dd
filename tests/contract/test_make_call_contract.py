"""What we send and read when a call is placed, against the contract of the service."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from talkstack_async import CallRequest, CallResult, ClientConfig, errors
from talkstack_async.wire.endpoints import CALLS_GET, CALLS_MAKE, Endpoint, Host
from talkstack_async.wire.replies import Reply, error_of, read_call_result
from talkstack_async.wire.requests import make_call_request

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "talkstack-openapi.yaml").read_text(encoding="utf-8")
)
MAKE_CALL: dict[str, Any] = CONTRACT["paths"]["/call/makeCall"]["post"]
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)

registry: Registry[Any] = Registry().with_resource(
    "urn:talkstack", Resource.from_contents(CONTRACT, default_specification=DRAFT202012)
)


def validate(value: Any, schema: str) -> None:
    jsonschema.Draft202012Validator(
        {"$ref": f"urn:talkstack#/components/schemas/{schema}"}, registry=registry
    ).validate(value)


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = CONTRACT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return resolve(found)


def examples() -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for status, response in MAKE_CALL["responses"].items():
        media = resolve(response)["content"]["application/json"]
        values = [example["value"] for example in media.get("examples", {}).values()]
        values += [media["example"]] if "example" in media else []
        assert values, f"the contract shows no example of {status}"
        found += [(int(status), value) for value in values]
    return found


def sent(request: CallRequest) -> Any:
    return json.loads(make_call_request(request).body)


def test_the_contract_shows_each_documented_answer() -> None:
    assert {status for status, _ in examples()} == {200, 400, 401, 500}


@pytest.mark.parametrize(
    ("endpoint", "path", "operation"),
    [(CALLS_MAKE, "/call/makeCall", "makeCall"), (CALLS_GET, "/call", "getCall")],
    ids=["calls.make", "calls.get"],
)
def test_a_row_of_our_table_says_what_the_contract_says(
    endpoint: Endpoint, path: str, operation: str
) -> None:
    documented = CONTRACT["paths"][path][endpoint.verb.lower()]
    assert documented["operationId"] == operation
    assert endpoint.path == path
    assert endpoint.effect == documented["x-effect"]
    servers = documented.get("servers", CONTRACT["servers"])
    config = ClientConfig()
    ours = config.calls_url if endpoint.host is Host.CALLS else config.api_url
    assert [server["url"] for server in servers] == [ours]


def test_the_request_of_the_contract_is_sent_as_it_stands_there() -> None:
    media = MAKE_CALL["requestBody"]["content"]
    assert list(media) == [
        make_call_request(CallRequest("+1415", **IDS), check_number=False).content_type
    ]
    example = media["application/json"]["example"]
    request = CallRequest(
        example["number"],
        project_id=example["projectId"],
        agent_id=example["agentId"],
        dynamic_variables=example["dynamicVariables"],
    )
    assert sent(request) == example


IDS: dict[str, Any] = {"project_id": "p1", "agent_id": "a1"}


def test_the_smallest_request_is_valid() -> None:
    body = sent(CallRequest("+14155550123", **IDS))
    validate(body, "MakeCallRequest")
    assert set(body) == set(
        resolve(MAKE_CALL["requestBody"]["content"]["application/json"]["schema"])["required"]
    )


@settings(deadline=None, max_examples=60)
@given(
    st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    st.text(min_size=1),
    st.text(min_size=1),
    st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none()),
)
def test_every_request_we_build_is_valid(
    number: str, project: str, agent: str, variables: dict[str, Any]
) -> None:
    body = sent(
        CallRequest(number, project_id=project, agent_id=agent, dynamic_variables=variables)
    )
    validate(body, "MakeCallRequest")
    known = resolve(MAKE_CALL["requestBody"]["content"]["application/json"]["schema"])[
        "properties"
    ]
    assert set(body) <= set(known)


def test_the_validator_can_say_no() -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate({"number": "+14155550123", "projectId": "p1"}, "MakeCallRequest")
    with pytest.raises(jsonschema.ValidationError):
        validate({"number": 5, "projectId": "p1", "agentId": "a1"}, "MakeCallRequest")


KINDS: dict[int, tuple[type[errors.StatusError], bool]] = {
    400: (errors.BadRequestError, False),
    401: (errors.AuthenticationError, False),
    500: (errors.ServerError, True),
}


@pytest.mark.parametrize(("status", "body"), examples())
def test_every_answer_of_the_contract_is_read(status: int, body: Any) -> None:
    reply = Reply(status=status, headers={}, body=json.dumps(body).encode())
    if reply.is_success:
        validate(body, "MakeCallResponse")
        call = body["call"]
        assert read_call_result(CALLS_MAKE, reply) == CallResult(
            call_id=call["call_id"], to=call["to"], from_=call["from"]
        )
        assert read_call_result(CALLS_MAKE, reply).raw == call
        return
    kind, uncertain = KINDS[status]
    error = error_of(CALLS_MAKE, reply, now=NOW)
    assert type(error) is kind
    assert error.uncertain is uncertain
    assert body["message"] in str(error)
    assert json.loads(error.body) == body
