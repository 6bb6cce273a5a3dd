"""Accounts of the emulated service: mailed codes, tokens, passwords, keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from talkstack_async.emulator import Emulator, Fault, Quirks

EMAIL, PASSWORD = "ada@example.com", "correct-horse"
TWO_HOURS = 7200


class Web:
    """Speaks to an emulator like somebody with curl."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session

    async def post(
        self, path: str, bearer: str | None = None, /, **content: Any
    ) -> tuple[int, Any]:
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        async with self.session.post(
            self.emulator.url + path, json=content, headers=headers
        ) as reply:
            return reply.status, await reply.json()

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(self.emulator.url + path, headers=headers) as reply:
            return reply.status, await reply.json()

    async def join(self) -> None:
        await self.post("/auth/signup", email=EMAIL, password=PASSWORD, name="Ada")
        code = self.emulator.mailbox(EMAIL)[-1].code
        assert (await self.post("/auth/verify-email", email=EMAIL, code=code))[0] == 200

    async def log_in(self, password: str = PASSWORD) -> tuple[int, Any]:
        return await self.post("/auth/login", email=EMAIL, password=password)

    async def is_good(self, token: str) -> bool:
        return (await self.get("/project", Authorization=f"Bearer {token}"))[0] == 200


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def web(session: aiohttp.ClientSession) -> AsyncIterator[Web]:
    async with Emulator() as emulator:
        yield Web(emulator, session)


async def test_a_user_signs_up_reads_the_code_verifies_and_logs_in(web: Web) -> None:
    status, body = await web.post("/auth/signup", email=EMAIL, password=PASSWORD, name="Ada")
    assert (status, body["signupStatus"], body["user"]["active_project"]) == (200, 3, None)
    assert "token" not in body
    status, body = await web.log_in()
    assert (status, body["loginStatus"]) == (401, 2), "not verified yet"
    (mail,) = web.emulator.mailbox(EMAIL.upper())
    assert (mail.kind, len(mail.code), mail.code.isdigit()) == ("verification", 6, True)
    status, body = await web.post("/auth/verify-email", email=EMAIL, code="wrong")
    assert (status, body["verificationStatus"]) == (400, 1)
    status, body = await web.post("/auth/verify-email", email=EMAIL, code=mail.code)
    assert (status, body["verificationStatus"]) == (200, 2)
    status, body = await web.post("/auth/verify-email", email=EMAIL, code=mail.code)
    assert (status, body["verificationStatus"]) == (400, 4)
    status, body = await web.log_in()
    assert (status, body["loginStatus"]) == (200, 7)
    assert await web.is_good(body["token"])


@pytest.mark.parametrize(
    ("content", "number"),
    [
        ({"email": EMAIL, "password": "x"}, 0),
        ({"email": EMAIL, "password": "x", "name": ""}, 0),
        ({"email": "ada", "password": "x", "name": "Ada"}, 5),
        ({"email": "a da@example.com", "password": "x", "name": "Ada"}, 5),
        ({"email": "OWNER@emulator.invalid", "password": "x", "name": "Ada"}, 1),
    ],
)
async def test_a_bad_signup_says_why_in_a_number(
    web: Web, content: dict[str, Any], number: int
) -> None:
    status, body = await web.post("/auth/signup", **content)
    assert (status, body["status"], body["signupStatus"]) == (400, "error", number)
    assert web.emulator.mailbox(EMAIL) == []


async def test_a_resent_code_replaces_the_first_and_a_stale_one_asks_for_another(
    web: Web,
) -> None:
    await web.post("/auth/signup", email=EMAIL, password=PASSWORD, name="Ada")
    assert (await web.post("/auth/resend-code", email=EMAIL))[0] == 200
    first, second = (mail.code for mail in web.emulator.mailbox(EMAIL))
    assert (await web.post("/auth/verify-email", email=EMAIL, code=first))[0] == 400
    web.emulator.advance(86400)
    status, body = await web.post("/auth/verify-email", email=EMAIL, code=second)
    assert (status, body["verificationStatus"]) == (400, 3)
    assert (await web.post("/auth/resend-code", email=EMAIL))[0] == 200
    third = web.emulator.mailbox(EMAIL)[-1].code
    assert (await web.post("/auth/verify-email", email=EMAIL, code=third))[0] == 200
    assert (await web.post("/auth/resend-code", email=EMAIL))[0] == 400, "verified already"
    assert (await web.post("/auth/resend-code", email="no@example.com"))[0] == 404


@pytest.mark.parametrize(
    ("content", "status", "number"),
    [
        ({"email": EMAIL}, 400, 0),
        ({"email": "ada", "password": "x"}, 400, 9),
        ({"email": "no@example.com", "password": "x"}, 404, 3),
        ({"email": EMAIL, "password": "x"}, 401, 4),
    ],
)
async def test_a_bad_login_says_why_in_a_number(
    web: Web, content: dict[str, Any], status: int, number: int
) -> None:
    await web.join()
    seen, body = await web.post("/auth/login", **content)
    assert (seen, body["loginStatus"]) == (status, number)


async def test_a_token_lives_two_hours_of_virtual_time(web: Web) -> None:
    await web.join()
    _, body = await web.log_in()
    _, before = await web.post("/auth/login", email=web.emulator.email, password="x")
    assert before["loginStatus"] == 4
    expires_at = datetime.fromisoformat(body["expirationTime"])
    issued_at = datetime.fromisoformat(web.emulator.mailbox(EMAIL)[0].sent_at)
    assert TWO_HOURS - 60 < (expires_at - issued_at).total_seconds() < TWO_HOURS + 60
    web.emulator.advance(TWO_HOURS - 60)
    assert await web.is_good(body["token"])
    web.emulator.advance(60)
    assert not await web.is_good(body["token"])
    assert not await web.is_good(web.emulator.token)


async def test_a_refresh_misspells_its_key_and_rotates_the_refresh_token(web: Web) -> None:
    web.emulator.expire_token()
    assert not await web.is_good(web.emulator.token)
    old = web.emulator.refresh_token
    status, body = await web.post("/auth/refresh-token", refreshToken=old)
    assert status == 200
    assert set(body) == {"token", "resfreshToken", "expirationTime"}
    assert await web.is_good(body["token"])
    assert (await web.post("/auth/refresh-token", refreshToken=old))[0] == 401
    new = body["resfreshToken"]
    assert (await web.post("/auth/refresh-token", refreshToken=new))[0] == 200
    assert web.emulator.calls_of("refreshToken") == 3
    with pytest.raises(ValueError, match="no operation"):
        web.emulator.calls_of("refresh")


async def test_a_refresh_token_grows_old_and_its_owner_may_be_gone(web: Web) -> None:
    token = web.emulator.refresh_token
    web.emulator.forget_user(web.emulator.email)
    assert (await web.post("/auth/refresh-token", refreshToken=token))[0] == 404
    web.emulator.advance(31 * 86400)
    assert (await web.post("/auth/refresh-token", refreshToken=token))[0] == 401
    assert (await web.get("/project", **{"x-api-key": web.emulator.api_key}))[0] == 401


@pytest.mark.parametrize(
    ("quirks", "key", "is_same", "old_status"),
    [
        (Quirks(refresh_token_key="refreshToken"), "refreshToken", False, 401),
        (Quirks(old_refresh_token_dies=False), "resfreshToken", False, 200),
        (Quirks(refresh_token_rotates=False), "resfreshToken", True, 200),
        (Quirks(refresh_token_rotates=False, refresh_token_key=None), None, True, 200),
    ],
)
async def test_how_a_refresh_answers_is_a_quirk(
    session: aiohttp.ClientSession,
    quirks: Quirks,
    key: str | None,
    is_same: bool,
    old_status: int,
) -> None:
    async with Emulator(quirks=quirks) as emulator:
        web, old = Web(emulator, session), emulator.refresh_token
        _, body = await web.post("/auth/refresh-token", refreshToken=old)
        assert set(body) - {"token", "expirationTime"} == ({key} if key else set())
        if key is not None:
            assert (body[key] == old) is is_same
        assert (await web.post("/auth/refresh-token", refreshToken=old))[0] == old_status


async def test_a_refresh_whose_reply_is_lost_has_happened_all_the_same(web: Web) -> None:
    web.emulator.add_fault(Fault("drop", operation="refreshToken", moment="on_reply", times=1))
    old = web.emulator.refresh_token
    assert (await web.post("/auth/refresh-token"))[0] == 400, "a refusal is not struck"
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await web.post("/auth/refresh-token", refreshToken=old)
    assert (await web.post("/auth/refresh-token", refreshToken=old))[0] == 401


async def test_a_slow_reply_comes_after_the_deed(web: Web) -> None:
    slow = Fault("slow", operation="signup", moment="on_reply", seconds=0.01)
    web.emulator.add_fault(slow)
    await web.join()
    assert (await web.log_in())[0] == 200


async def test_a_password_is_changed_only_by_who_knows_the_old_one(web: Web) -> None:
    await web.join()
    _, body = await web.log_in()
    token = body["token"]
    change = "/auth/change-password"
    wanted = {"oldPassword": PASSWORD, "newPassword": "new"}
    assert (await web.post(change, **wanted))[0] == 401
    assert (await web.post(change, token, oldPassword="x", newPassword="new"))[0] == 401
    assert (await web.post(change, token, oldPassword=PASSWORD))[0] == 400
    assert (await web.post(change, token, **wanted))[0] == 200
    assert (await web.log_in())[0] == 401
    assert (await web.log_in("new"))[0] == 200


async def test_a_forgotten_password_is_reset_once_with_a_mailed_token(web: Web) -> None:
    await web.join()
    assert (await web.post("/auth/forgot-password", email=EMAIL))[0] == 200
    mail = web.emulator.mailbox(EMAIL)[-1]
    assert mail.kind == "password_reset"
    reset = {"token": mail.code, "newPassword": "new"}
    assert (await web.post("/auth/reset-password", **reset))[0] == 200
    assert (await web.post("/auth/reset-password", **reset))[0] == 400
    assert (await web.log_in("new"))[0] == 200
    await web.post("/auth/forgot-password", email=EMAIL)
    web.emulator.advance(3600)
    reset["token"] = web.emulator.mailbox(EMAIL)[-1].code
    assert (await web.post("/auth/reset-password", **reset))[0] == 400


async def test_an_api_key_is_made_with_a_token_only_and_kills_the_one_before(web: Web) -> None:
    path, old = "/user/generate-apikey", web.emulator.api_key
    assert (await web.get(path, **{"x-api-key": old}))[0] == 401
    status, body = await web.get(path, Authorization=f"Bearer {web.emulator.token}")
    assert status == 200
    assert len(bytes.fromhex(body["apiKey"])) == 32
    assert web.emulator.api_key == body["apiKey"] != old
    assert (await web.get("/project", **{"x-api-key": old}))[0] == 401
    assert (await web.get("/project", **{"x-api-key": body["apiKey"]}))[0] == 200
    web.emulator.reset()
    assert web.emulator.api_key == old


async def test_each_user_sees_only_what_is_theirs(web: Web) -> None:
    await web.join()
    token = (await web.log_in())[1]["token"]
    project, agent = web.emulator.project_id, web.emulator.agent_id
    assert (await web.get("/project", Authorization=f"Bearer {token}"))[1]["data"] == []
    status, _ = await web.get(f"/project/{project}", Authorization=f"Bearer {token}")
    assert status == 400
    ids = {"projectId": project, "agentId": agent}
    assert (await web.post("/agent", token, **ids))[0] == 404
    assert (await web.post("/phone-number", token, **ids))[0] == 404
    assert (await web.post("/agent", web.emulator.token, **ids))[0] == 200


async def test_the_control_plane_shows_mails_and_counts_and_expires_tokens(web: Web) -> None:
    await web.join()
    _, body = await web.get(f"/_emulator/mailbox?email={EMAIL}")
    (mail,) = body["mails"]
    assert (mail["to"], mail["kind"]) == (EMAIL, "verification")
    assert mail["code"] == web.emulator.mailbox(EMAIL)[0].code
    assert (await web.get("/_emulator/mailbox"))[0] == 400
    counted = (await web.get("/_emulator/operations"))[1]["operations"]
    assert (counted["signup"], counted["makeCall"], len(counted)) == (1, 0, 34)
    _, who = await web.get("/_emulator/whoami")
    assert (who["email"], who["password"]) == (web.emulator.email, web.emulator.password)
    assert await web.is_good(who["token"])
    assert (await web.post("/_emulator/expire-token"))[0] == 200
    assert not await web.is_good(who["token"])
    url = f"{web.emulator.url}/_emulator/users?email={EMAIL}"
    for forgotten in (True, False):
        async with web.session.delete(url) as reply:
            assert await reply.json() == {"forgotten": forgotten}
    web.emulator.reset()
    assert web.emulator.mailbox(EMAIL) == []
