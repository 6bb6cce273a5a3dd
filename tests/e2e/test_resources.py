"""Accounts, projects, agents, voices and numbers, against the emulator."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from talkstack_async import Client, ClientConfig, InvalidRequestError
from talkstack_async.emulator import Emulator, Fault, Quirks
from talkstack_async.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    ReplyLostError,
    ServerError,
    TalkstackError,
)
from talkstack_async.models import LoginStatus, SignupStatus, VerificationStatus
from talkstack_async.secret import Secret
from tests.support.clients import config_for

pytestmark = pytest.mark.usefixtures("lane")

EMAIL, PASSWORD = "ada@example.com", "correct-horse-battery"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as running:
        yield running


def settings(emulator: Emulator) -> ClientConfig:
    return config_for(emulator.url, project_id=emulator.project_id, agent_id=emulator.agent_id)


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[Client]:
    async with Client(emulator.api_key, config=settings(emulator)) as opened:
        yield opened


@pytest.fixture
async def anonymous(emulator: Emulator) -> AsyncIterator[Client]:
    async with Client.anonymous(config=settings(emulator)) as opened:
        yield opened


class TestAuth:
    async def test_a_user_signs_up_verifies_logs_in_and_works_with_the_token(
        self, emulator: Emulator, anonymous: Client
    ) -> None:
        signup = await anonymous.auth.signup(EMAIL, password=PASSWORD, name="Ada")
        assert signup.status == SignupStatus.SUCCESS
        assert signup.token is None
        assert signup.user is not None
        assert signup.user.email == EMAIL
        await anonymous.auth.resend_code(EMAIL)
        code = emulator.mailbox(EMAIL)[-1].code
        verified = await anonymous.auth.verify_email(EMAIL, code=code)
        assert verified.status == VerificationStatus.SUCCESS
        session = await anonymous.auth.login(EMAIL, password=Secret(PASSWORD))
        assert session.status == LoginStatus.SUCCESS
        assert session.expires_at is not None
        async with Client(token=session.token, config=settings(emulator)) as client:
            assert await client.projects.list() == []

    async def test_a_refresh_reads_the_misspelt_token(self, emulator: Emulator) -> None:
        async with Client.anonymous(config=settings(emulator)) as client:
            pair = await client.auth.refresh(emulator.refresh_token)
            assert pair.refresh_token is not None
            assert pair.refresh_token != Secret(emulator.refresh_token)
            again = await client.auth.refresh(pair.refresh_token)
            assert again.token != pair.token

    async def test_a_refresh_without_a_new_refresh_token_says_none(self) -> None:
        quirks = Quirks(refresh_token_key=None)
        async with Emulator(quirks=quirks) as emulator:
            async with Client.anonymous(config=settings(emulator)) as client:
                pair = await client.auth.refresh(emulator.refresh_token)
        assert pair.refresh_token is None

    async def test_a_password_is_changed_and_the_old_one_is_refused(
        self, emulator: Emulator, client: Client
    ) -> None:
        old = emulator.password
        await client.auth.change_password(old_password=old, new_password="another one")
        with pytest.raises(AuthenticationError):
            await client.auth.change_password(old_password=old, new_password="third")
        await client.auth.login(emulator.email, password="another one")

    async def test_a_forgotten_password_is_set_anew(
        self, emulator: Emulator, anonymous: Client
    ) -> None:
        await anonymous.auth.forgot_password(emulator.email)
        token = emulator.mailbox(emulator.email)[-1].code
        await anonymous.auth.reset_password(token, new_password="brand new")
        await anonymous.auth.login(emulator.email, password="brand new")
        with pytest.raises(BadRequestError):
            await anonymous.auth.reset_password(token, new_password="again")

    async def test_unknown_and_wrong_people_are_told_apart(
        self, emulator: Emulator, anonymous: Client
    ) -> None:
        with pytest.raises(NotFoundError):
            await anonymous.auth.login("nobody@example.com", password="x")
        with pytest.raises(AuthenticationError):
            await anonymous.auth.login(emulator.email, password="wrong")
        with pytest.raises(BadRequestError):
            await anonymous.auth.signup(emulator.email, password="x", name="Eve")

    async def test_nothing_that_is_secret_shows_anywhere(
        self, emulator: Emulator, anonymous: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        shown: list[str] = []
        session = await anonymous.auth.login(emulator.email, password=emulator.password)
        token, refresh = session.token.reveal(), emulator.refresh_token
        shown += [repr(session), repr(session.raw), str(session)]
        for attempt in (
            anonymous.auth.login(emulator.email, password="hunter2-hunter2"),
            anonymous.auth.signup(emulator.email, password="hunter2-hunter2", name="Ada"),
            anonymous.auth.verify_email(emulator.email, code="hunter2-hunter2"),
            anonymous.auth.refresh("hunter2-hunter2"),
            anonymous.auth.reset_password("hunter2-hunter2", new_password="hunter2-hunter2"),
        ):
            with pytest.raises(TalkstackError) as caught:
                await attempt
            shown += [str(caught.value), repr(caught.value), repr(caught.value.__dict__)]
        everything = "\n".join([*shown, caplog.text])
        for secret in ("hunter2-hunter2", token, refresh, emulator.password):
            assert secret not in everything

    @pytest.mark.parametrize("password", [None, 5, b"bytes", ""])
    async def test_what_is_no_password_is_refused_unseen(
        self, anonymous: Client, password: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match="password"):
            await anonymous.auth.login(EMAIL, password=password)

    async def test_a_lost_refresh_is_uncertain_and_not_repeated(
        self, emulator: Emulator, anonymous: Client
    ) -> None:
        emulator.add_fault(Fault("drop", operation="refreshToken", moment="on_reply"))
        with pytest.raises(ReplyLostError) as caught:
            await anonymous.auth.refresh(emulator.refresh_token)
        assert caught.value.uncertain
        assert emulator.calls_of("refreshToken") == 1


class TestUser:
    async def test_a_new_key_works_and_does_not_show(self, emulator: Emulator) -> None:
        async with Client(token=emulator.token, config=settings(emulator)) as client:
            made = await client.user.generate_api_key()
        text = made.key.reveal()
        assert text == emulator.api_key
        assert text not in repr(made)
        assert text not in repr(made.raw)
        async with Client(made.key, config=settings(emulator)) as client:
            assert await client.projects.list()

    async def test_a_key_cannot_make_a_key(self, client: Client) -> None:
        with pytest.raises(ConfigurationError, match="token"):
            await client.user.generate_api_key()

    async def test_the_get_that_rotates_is_never_repeated(self, emulator: Emulator) -> None:
        emulator.add_fault(Fault("drop", operation="generateApiKey", moment="on_reply"))
        async with Client(token=emulator.token, config=settings(emulator)) as client:
            with pytest.raises(ReplyLostError) as caught:
                await client.user.generate_api_key()
        assert caught.value.uncertain
        assert emulator.calls_of("generateApiKey") == 1

    async def test_the_active_project_is_none_until_it_is_set(self, client: Client) -> None:
        project = await client.projects.create("Second", description="d")
        assert project.id is not None
        active = await client.user.set_active_project(project.id)
        assert active.id == project.id
        found = await client.user.get_active_project()
        assert found is not None
        assert found.name == "Second"
        await client.projects.delete(project.id)
        assert await client.user.get_active_project() is None
        with pytest.raises(NotFoundError):
            await client.user.get_active_project(required=True)

    async def test_an_unknown_project_is_a_bad_request(self, client: Client) -> None:
        with pytest.raises(BadRequestError):
            await client.user.set_active_project("no-such-project")


class TestProjects:
    async def test_a_project_lives(self, client: Client) -> None:
        made = await client.projects.create("New", description="first")
        assert made.id is not None
        assert (await client.projects.get(made.id)).name == "New"
        assert made.id in [project.id for project in await client.projects.list()]
        changed = await client.projects.update(made.id, description="second")
        assert (changed.name, changed.description) == ("New", "second")
        await client.projects.delete(made.id)
        with pytest.raises(BadRequestError):
            await client.projects.get(made.id)

    async def test_the_webhook_has_one_name(self, emulator: Emulator, client: Client) -> None:
        await client.projects.set_webhook("http://127.0.0.1:9/one")
        assert (await client.projects.get()).webhook_url == "http://127.0.0.1:9/one"
        changed = await client.projects.update(webhook_url="http://127.0.0.1:9/two")
        assert changed.webhook_url == "http://127.0.0.1:9/two"
        assert emulator.calls_of("updateProject") == 1

    async def test_a_name_may_be_used_once(self, client: Client) -> None:
        await client.projects.create("Twice", description="d")
        with pytest.raises(BadRequestError):
            await client.projects.create("Twice", description="d")

    async def test_an_update_of_nothing_is_refused(
        self, emulator: Emulator, client: Client
    ) -> None:
        with pytest.raises(InvalidRequestError):
            await client.projects.update()
        assert emulator.calls_of("updateProject") == 0

    async def test_an_inhabited_project_goes_only_with_cascade(
        self, emulator: Emulator, client: Client
    ) -> None:
        with pytest.raises(BadRequestError):
            await client.projects.delete(emulator.project_id)
        await client.projects.delete(emulator.project_id, cascade=True)
        with pytest.raises(NotFoundError):
            await client.projects.delete(emulator.project_id)

    async def test_the_active_agent_is_set_read_and_removed(
        self, emulator: Emulator, client: Client
    ) -> None:
        project = await client.projects.set_active_agent(emulator.agent_id)
        assert project.id == emulator.project_id
        assert project.active_agent == emulator.agent_id
        assert await client.projects.get_active_agent() == emulator.agent_id
        await client.projects.remove_active_agent(emulator.agent_id)
        assert await client.projects.get_active_agent() is None
        with pytest.raises(NotFoundError):
            await client.projects.get_active_agent(required=True)

    async def test_a_read_by_post_is_repeated_and_a_write_is_not(
        self, emulator: Emulator, client: Client
    ) -> None:
        emulator.add_fault(Fault("status", operation="getActiveAgent", times=1))
        assert await client.projects.get_active_agent() == emulator.agent_id
        assert emulator.calls_of("getActiveAgent") == 2
        emulator.add_fault(Fault("status", operation="createProject", moment="on_reply"))
        with pytest.raises(ServerError) as caught:
            await client.projects.create("Once", description="d")
        assert caught.value.uncertain
        assert emulator.calls_of("createProject") == 1


class TestAgents:
    async def test_an_agent_lives(self, client: Client) -> None:
        made = await client.agents.create(
            "Jack", instruction="You are {{ name }} of {{company}}, {{name}}.", voice_id="VOICE-1"
        )
        assert made.id is not None
        assert made.placeholders() == ("name", "company")
        assert (await client.agents.get(made.id)).name == "Jack"
        changed = await client.agents.update(made.id, instruction="You are Jack.")
        assert (changed.id, changed.instruction) == (made.id, "You are Jack.")
        assert made.id in [agent.id for agent in await client.agents.list()]
        await client.agents.delete(made.id)
        with pytest.raises(NotFoundError):
            await client.agents.get(made.id)

    async def test_a_voice_alone_can_be_changed(self, emulator: Emulator, client: Client) -> None:
        before = await client.agents.get()
        changed = await client.agents.update(voice_id="VOICE-2")
        assert changed.voice_id == "VOICE-2"
        assert changed.name == before.name
        assert emulator.calls_of("updateAgent") == 1

    async def test_no_agents_is_an_empty_list(self, client: Client) -> None:
        project = await client.projects.create("Empty", description="d")
        assert await client.agents.list(project.id) == []
        with pytest.raises(NotFoundError):
            await client.agents.list(project.id, required=True)

    async def test_a_phone_number_may_be_demanded(self) -> None:
        async with Emulator(quirks=Quirks(agent_needs_number=True)) as emulator:
            async with Client(emulator.api_key, config=settings(emulator)) as client:
                with pytest.raises(BadRequestError, match="phoneNumber"):
                    await client.agents.create("Jack", instruction="x")
                made = await client.agents.create(
                    "Jack", instruction="x", phone_number="+12025550111"
                )
                assert "+12025550111" not in repr(made)


class TestVoicesAndNumbers:
    async def test_voices_are_listed_and_read(self, client: Client) -> None:
        voices = await client.voices.list()
        assert voices
        assert voices[0].id is not None
        voice = await client.voices.get(voices[0].id)
        assert voice == voices[0]
        assert voice.labels["accent"]
        with pytest.raises(NotFoundError):
            await client.voices.get("no such voice")

    async def test_a_number_is_assigned_and_found(
        self, emulator: Emulator, client: Client
    ) -> None:
        await client.numbers.assign("+1 202 555 0111")
        numbers = await client.numbers.get()
        assert {number.e164 for number in numbers} >= {"+12025550111"}
        assert all("+12025550111" not in repr(number) for number in numbers)
        by_agent = await client.numbers.get(agent_id=emulator.agent_id)
        (found,) = [number for number in by_agent if number.e164 == "+12025550111"]
        assert found.id is not None
        (same,) = await client.numbers.get(number_id=found.id)
        assert same == found

    async def test_one_number_comes_as_a_list_too(
        self, emulator: Emulator, client: Client
    ) -> None:
        (number,) = await client.numbers.get(agent_id=emulator.agent_id)
        assert number.agent_id == emulator.agent_id

    async def test_exactly_one_id_is_looked_up(self, client: Client) -> None:
        with pytest.raises(InvalidRequestError, match="one of"):
            await client.numbers.get(agent_id="a", project_id="p")
