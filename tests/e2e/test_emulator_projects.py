"""Projects, agents, numbers and voices of the emulated service, with its oddities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from talkstack_async.emulator import Emulator, Quirks


class Web:
    """Speaks to an emulator with its API key."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    async def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        async with self.session.request(
            method,
            self.emulator.url + path,
            json=content,
            headers={"x-api-key": self.emulator.api_key},
        ) as reply:
            return reply.status, await reply.json()

    async def project(self, name: str = "Second") -> str:
        wanted = {"name": name, "description": "words"}
        status, body = await self.ask("POST", "/project/create-project", wanted)
        assert status == 200, body
        return str(body["data"]["id"])

    async def agent(self, project_id: str, **more: str) -> str:
        wanted = {"projectId": project_id, "name": "Jack", "systemInstruction": "Hi {{name}}"}
        status, body = await self.ask("POST", "/agent/create-agent", {**wanted, **more})
        assert status == 200, body
        return str(body["data"]["id"])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def web(session: aiohttp.ClientSession) -> AsyncIterator[Web]:
    async with Emulator() as emulator:
        yield Web(emulator, session)


async def test_what_is_seeded_can_be_read(web: Web) -> None:
    project, agent = web.emulator.project_id, web.emulator.agent_id
    _, body = await web.ask("GET", f"/project/{project}")
    assert body["status"] == "succcess"
    assert body["data"]["active_agent"] == agent
    assert body["data"]["is_deleted"] is False
    _, body = await web.ask("GET", "/user/get-active-project")
    assert body["projectData"]["id"] == project
    status, body = await web.ask("POST", "/agent", {"projectId": project, "agentId": agent})
    assert status == 200
    assert set(body) == {"name", "projectId", "id", "systemInstruction"}
    assert "{{name}}" in body["systemInstruction"]
    assert (await web.ask("GET", f"/agent/{project}"))[1] == [body]


async def test_a_project_name_is_unique_per_user(web: Web) -> None:
    first = await web.project("One")
    wanted = {"name": "One", "description": "again"}
    status, body = await web.ask("POST", "/project/create-project", wanted)
    assert (status, body["message"]) == (400, "project already exists")
    second = await web.project("Two")
    status, _ = await web.ask("PUT", f"/project/{second}", {"name": "One"})
    assert status == 400
    assert (await web.ask("PUT", f"/project/{first}", {"name": "One"}))[0] == 200
    _, body = await web.ask("GET", "/project")
    assert [project["name"] for project in body["data"]] == ["Emulator", "One", "Two"]


async def test_an_update_needs_a_name_or_a_description(web: Web) -> None:
    project = await web.project()
    path = f"/project/{project}"
    hook = "https://example.com/hook"
    status, _ = await web.ask("PUT", path, {"webhookUrl": hook})
    assert status == 400
    _, body = await web.ask("PUT", path, {"description": "new", "webhookUrl": hook})
    assert body["data"]["name"] == "Second"
    assert (body["data"]["description"], body["data"]["call_status_webhook"]) == ("new", hook)
    _, body = await web.ask("PUT", path, {"name": "Third"})
    assert body["data"]["call_status_webhook"] == hook, "what is left out stays"


async def test_a_webhook_has_another_name_when_it_is_added(web: Web) -> None:
    path = "/project/call-status/add-webhookurl"
    project = web.emulator.project_id
    for wrong in ({"projectId": project}, {"projectId": project, "webhookUrl": "http://x"}):
        assert (await web.ask("POST", path, wrong))[0] == 400
    wanted = {"projectId": project, "webhookURL": "http://127.0.0.1:9/hook"}
    assert (await web.ask("POST", path, {**wanted, "projectId": "p"}))[0] == 400
    assert (await web.ask("POST", path, wanted))[0] == 200
    _, body = await web.ask("GET", "/user/get-active-project")
    assert body["projectData"]["call_status_webhook"] == "http://127.0.0.1:9/hook"


async def test_a_project_with_agents_is_deleted_only_by_cascade(web: Web) -> None:
    project = await web.project()
    agent = await web.agent(project, phoneNumber="+12025550144")
    assert (await web.ask("POST", "/user/set-active-project", {"projectId": project}))[0] == 200
    path = f"/project/{project}"
    for refused in (None, {}, {"cascade": False}, {"cascade": "true"}, [True]):
        assert (await web.ask("DELETE", path, refused))[0] == 400
    assert (await web.ask("DELETE", path, {"cascade": True}))[0] == 200
    assert (await web.ask("DELETE", path, {"cascade": True}))[0] == 404
    ids = {"projectId": project, "agentId": agent}
    assert (await web.ask("POST", "/agent", ids))[0] == 404
    assert (await web.ask("POST", "/phone-number", {"agentId": agent}))[0] == 404
    status, body = await web.ask("GET", "/user/get-active-project")
    assert (status, "Bad Request" in body["message"]) == (404, True), "labelled as printed"


async def test_an_empty_project_is_deleted_without_a_body(web: Web) -> None:
    project = await web.project()
    assert (await web.ask("DELETE", f"/project/{project}"))[0] == 200
    assert (await web.ask("GET", f"/project/{project}"))[0] == 400


async def test_an_unknown_project_is_400_or_404_as_the_page_has_it(web: Web) -> None:
    unknown = {"projectId": "unknown"}
    requests = [
        ("GET", "/project/unknown", None, 400),
        ("GET", "/project/a%2Fb", None, 400),
        ("PUT", "/project/unknown", {"name": "x"}, 404),
        ("DELETE", "/project/unknown", None, 404),
        ("POST", "/user/set-active-project", unknown, 400),
        ("POST", "/project/active-agent", unknown, 400),
        ("GET", "/agent/unknown", None, 400),
        ("POST", "/phone-number", unknown, 404),
    ]
    for method, path, content, expected in requests:
        assert (await web.ask(method, path, content))[0] == expected, path


async def test_the_active_agent_is_read_by_post_and_set_and_removed_by_patch(web: Web) -> None:
    path, project = "/project/active-agent", web.emulator.project_id
    _, body = await web.ask("POST", path, {"projectId": project})
    assert body["active_agent"] == web.emulator.agent_id
    other = await web.agent(project)
    wanted = {"projectId": project, "active_agent": other}
    _, body = await web.ask("PATCH", path, wanted)
    assert body["project"]["active_agent"] == other
    assert "id" not in body["project"]
    assert (await web.ask("PATCH", path, {**wanted, "active_agent": "unknown"}))[0] == 400
    for agent, left in (("unknown", 200), (other, 404)):
        assert (await web.ask("PATCH", f"{path}/{agent}"))[0] == 200
        assert (await web.ask("POST", path, {"projectId": project}))[0] == left


async def test_a_deleted_agent_is_nobodys_active_one_and_leaves_its_number(web: Web) -> None:
    project, agent = web.emulator.project_id, web.emulator.agent_id
    ids = {"projectId": project, "agentId": agent}
    assert (await web.ask("DELETE", "/agent"))[0] == 400
    assert (await web.ask("DELETE", "/agent", ids))[0] == 200
    assert (await web.ask("DELETE", "/agent", ids))[0] == 404
    assert (await web.ask("POST", "/project/active-agent", {"projectId": project}))[0] == 404
    assert (await web.ask("GET", f"/agent/{project}"))[0] == 404
    _, body = await web.ask("POST", "/phone-number", {"projectId": project})
    assert body["data"]["agentId"] is None


async def test_an_agent_update_calls_its_id_agent_id_and_wants_more_than_a_voice(
    web: Web,
) -> None:
    ids = {"projectId": web.emulator.project_id, "agentId": web.emulator.agent_id}
    assert (await web.ask("PUT", "/agent", {**ids, "voice_id": "VOICE-2"}))[0] == 400
    status, body = await web.ask("PUT", "/agent", {**ids, "name": "Eve", "voice_id": "VOICE-2"})
    assert status == 200
    assert body["data"]["agentId"] == ids["agentId"]
    assert (body["data"]["name"], body["data"]["voice_id"]) == ("Eve", "VOICE-2")
    assert (await web.ask("POST", "/agent", ids))[1]["name"] == "Eve"


async def test_whether_an_agent_needs_a_number_is_a_quirk(session: aiohttp.ClientSession) -> None:
    async with Emulator(quirks=Quirks(agent_needs_number=True)) as emulator:
        web, path = Web(emulator, session), "/agent/create-agent"
        project = emulator.project_id
        wanted = {"projectId": project, "name": "Jack", "systemInstruction": "Hi"}
        assert (await web.ask("POST", path, wanted))[0] == 400
        assert (await web.ask("POST", path, {**wanted, "phoneNumber": "202"}))[0] == 400
        agent = await web.agent(project, phoneNumber="+12025550144")
        _, body = await web.ask("POST", "/phone-number", {"agentId": agent})
        assert body["data"]["e164"] == "+12025550144"


async def test_a_number_is_looked_up_by_the_first_identifier_that_is_given(web: Web) -> None:
    project, agent = web.emulator.project_id, web.emulator.agent_id
    _, body = await web.ask("POST", "/phone-number", {"agentId": agent})
    assert body["status"] == "error", "as printed, on success"
    first = body["data"]
    assert (first["status"], first["projectId"]) == ("AVAILABLE", project)
    wanted = {"e164": "+12025550144", "agentId": agent, "projectId": project}
    assert (await web.ask("POST", "/phone-number/add-number", wanted))[0] == 200
    _, body = await web.ask("POST", "/phone-number", {"projectId": project})
    assert [number["e164"] for number in body["data"]] == [first["e164"], "+12025550144"]
    by_id = {"phoneNumberId": first["id"], "agentId": agent, "projectId": project}
    assert (await web.ask("POST", "/phone-number", by_id))[1]["data"] == first
    by_id["phoneNumberId"] = "unknown"
    assert (await web.ask("POST", "/phone-number", by_id))[0] == 404
    assert (await web.ask("POST", "/phone-number", {}))[0] == 400


async def test_a_number_moves_to_the_agent_it_is_assigned_to(web: Web) -> None:
    project = web.emulator.project_id
    _, body = await web.ask("POST", "/phone-number", {"projectId": project})
    other = await web.agent(project)
    wanted = {"e164": body["data"]["e164"], "agentId": other, "projectId": project}
    for bad in ({"e164": "0123"}, {"agentId": "unknown"}, {"projectId": "unknown"}):
        assert (await web.ask("POST", "/phone-number/add-number", {**wanted, **bad}))[0] == 400
    assert (await web.ask("POST", "/phone-number/add-number", wanted))[0] == 200
    _, moved = await web.ask("POST", "/phone-number", {"phoneNumberId": body["data"]["id"]})
    assert moved["data"] == {**body["data"], "agentId": other}


async def test_voices_are_listed_and_read(web: Web) -> None:
    _, body = await web.ask("GET", "/voices")
    voice = body["voices"][1]
    assert set(voice["labels"]) == {"accent", "description", "age", "gender", "use_case"}
    status, one = await web.ask("GET", f"/voices/{voice['voice_id']}")
    assert (status, one["voice"], one["message"]) == (200, voice, body["message"])
    assert (await web.ask("GET", "/voices/unknown"))[0] == 404


async def test_strict_ids_know_what_was_created(session: aiohttp.ClientSession) -> None:
    async with Emulator(strict_ids=True) as emulator:
        web = Web(emulator, session)
        project = await web.project()
        agent = await web.agent(project)
        wanted = {"number": "+12025550100", "projectId": project, "agentId": agent}
        assert (await web.ask("POST", "/call/makeCall", wanted))[0] == 200
        foreign = {**wanted, "agentId": emulator.agent_id}
        assert (await web.ask("POST", "/call/makeCall", foreign))[0] == 400


async def test_a_reset_brings_back_what_was_seeded_and_nothing_else(web: Web) -> None:
    await web.project()
    await web.ask("DELETE", f"/project/{web.emulator.project_id}", {"cascade": True})
    web.emulator.reset()
    _, body = await web.ask("GET", "/project")
    assert [project["id"] for project in body["data"]] == [web.emulator.project_id]


async def test_the_same_seed_and_order_give_the_same_ids(session: aiohttp.ClientSession) -> None:
    async def run(seed: int) -> list[str]:
        async with Emulator(seed=seed) as emulator:
            web = Web(emulator, session)
            project = await web.project()
            return [project, await web.agent(project), emulator.refresh_token]

    assert await run(1) == await run(1)
    assert await run(1) != await run(2)
