from __future__ import annotations

import pickle
import ssl
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async import Client, ClientConfig, PoolSettings, RetrySettings, Timeouts
from talkstack_async.config import API_URL, CALLS_URL, is_loopback
from talkstack_async.errors import ConfigurationError
from talkstack_async.secret import Secret

KEY = "9f86d081884c7d659a2feaa0c55ad015"
NAN = float("nan")
URLS = ("calls_url", "api_url")


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Timeouts)])
@pytest.mark.parametrize("value", [0, 0.0, -1, -0.5, NAN, "5", None])
def test_a_timeout_that_cannot_work_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be more than 0") as refusal:
        Timeouts(**{name: value})
    assert repr(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (PoolSettings, "max_connections", 0),
        (PoolSettings, "max_connections", -5),
        (PoolSettings, "max_connections", "10"),
        (PoolSettings, "max_connections", 2.5),
        (PoolSettings, "idle_seconds", 0),
        (PoolSettings, "idle_seconds", NAN),
        (PoolSettings, "idle_seconds", None),
        (PoolSettings, "close_grace_seconds", -0.1),
        (PoolSettings, "close_grace_seconds", NAN),
        (RetrySettings, "max_retries", -1),
        (RetrySettings, "max_retries", "3"),
        (RetrySettings, "first_wait_seconds", -1),
        (RetrySettings, "first_wait_seconds", NAN),
        (RetrySettings, "max_wait_seconds", -1),
        (RetrySettings, "max_wait_seconds", None),
        (ClientConfig, "max_reply_bytes", 0),
        (ClientConfig, "max_reply_bytes", -1),
        (ClientConfig, "max_reply_bytes", "1M"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_its_name(
    kind: type, name: str, value: Any
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be"):
        kind(**{name: value})


def test_the_edges_of_what_can_work_are_taken() -> None:
    assert PoolSettings(max_connections=1).max_connections == 1
    assert PoolSettings(close_grace_seconds=0).close_grace_seconds == 0
    assert RetrySettings(max_retries=0, first_wait_seconds=0, max_wait_seconds=0).max_retries == 0
    assert Timeouts(total=float("inf")).total == float("inf")


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "calls.talkstack.ai",
        "//calls.talkstack.ai",
        "ftp://calls.talkstack.ai",
        "file:///etc/passwd",
        "https://",
        "https:///call",
        "https://:443",
        "https://h:0",
        "https://h:x",
        "https://h:99999",
        "https://h:-1",
        "http://[::1",
        "http://[zz]",
        "https://foo bar",
        "https://h/\tx",
        "https://h/\r\nX-Injected: yes",
        "https://h\x00.test",
        "https://\u2100.test",
        "https://b\u00fccher.test",
        "https://h/a?b=c",
        "https://h/a#b",
    ],
)
def test_an_address_that_is_none_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} "):
        ClientConfig(**{name: value})


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("value", [None, 5, b"https://h.test", object()])
def test_an_address_that_is_not_text_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        ClientConfig(**{name: value})


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "user", ["ada:hunter2@", "ada@", ":hunter2@", "@", "x\\@", "a%40b:hunter2@"]
)
def test_user_and_password_in_an_address_are_refused_and_not_quoted(name: str, user: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must not hold a user") as refusal:
        ClientConfig(**{name: f"https://{user}calls.talkstack.ai"})
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("port", ["x", "99999"])
def test_a_malformed_address_with_a_password_does_not_show_it(port: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        ClientConfig(calls_url=f"https://ada:hunter2@h:{port}")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        (" https://h.test/ ", "https://h.test"),
        ("https://h.test/base//", "https://h.test/base"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://[::1]:8080", "https://[::1]:8080"),
    ],
)
def test_an_address_is_kept_without_blanks_and_trailing_slashes(given_url: str, kept: str) -> None:
    assert ClientConfig(calls_url=given_url).calls_url == kept


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    [
        "http://calls.talkstack.ai",
        "HTTP://CALLS.TALKSTACK.AI",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://evil.com/localhost",
        "http://notlocalhost",
        "http://localhost-evil.com",
        "http://10.0.0.1",
        "http://192.168.1.1:8080",
        "http://169.254.169.254",
        "http://0.0.0.0",
        "http://[::]",
        "http://[2001:db8::1]",
        "http://[::ffff:10.0.0.1]",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
    ],
)
def test_a_credential_does_not_travel_unencrypted_to_another_machine(name: str, url: str) -> None:
    config = ClientConfig(api_key=KEY, **{name: url})
    with pytest.raises(ConfigurationError, match=f"^{name} is plain http"):
        config.refuse_plain_http()
    with pytest.raises(ConfigurationError, match=name):
        Client(config=config)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "http://LOCALHOST:8080",
        "http://api.localhost",
        "http://127.0.0.1",
        "http://127.9.8.7:1",
        "http://[::1]",
        "http://[::1]:8080/base",
        "https://calls.talkstack.ai",
        "https://10.0.0.1",
    ],
)
def test_https_and_this_machine_are_fine(url: str) -> None:
    ClientConfig(calls_url=url, api_url=url).refuse_plain_http()


@settings(deadline=None, max_examples=100)
@given(st.from_regex(r"[a-z0-9.-]{1,20}\.[a-z]{2,6}", fullmatch=True))
def test_a_public_name_is_never_this_machine(host: str) -> None:
    assert not is_loopback(host)


def test_the_default_addresses_are_the_documented_ones_and_encrypted() -> None:
    config = ClientConfig()
    assert config.calls_url == CALLS_URL == "https://calls.talkstack.ai"
    assert config.api_url == API_URL == "https://api.talkstackai.com"
    config.refuse_plain_http()


def test_idle_connections_are_retired_before_most_servers_close_them() -> None:
    assert PoolSettings().idle_seconds < 5


def test_everything_is_read_from_the_environment() -> None:
    config = ClientConfig.from_env(
        {
            "TALKSTACK_API_KEY": KEY,
            "TALKSTACK_CALLS_URL": "https://calls.test/",
            "TALKSTACK_API_URL": "https://api.test",
            "TALKSTACK_PROJECT_ID": "p1",
            "TALKSTACK_AGENT_ID": "a1",
            "PATH": "/bin",
        }
    )
    assert config == ClientConfig(
        api_key=KEY,
        calls_url="https://calls.test",
        api_url="https://api.test",
        project_id="p1",
        agent_id="a1",
    )


def test_a_token_is_read_from_the_environment() -> None:
    config = ClientConfig.from_env({"TALKSTACK_TOKEN": KEY})
    assert config.token == Secret(KEY)
    assert config.api_key is None


def test_a_refresh_token_is_read_from_the_environment_and_does_not_print() -> None:
    config = ClientConfig.from_env({"TALKSTACK_TOKEN": KEY, "TALKSTACK_REFRESH_TOKEN": "r-" + KEY})
    assert config.refresh_token == Secret("r-" + KEY)
    assert KEY not in repr(config)
    assert Client(config=config)


def test_an_empty_variable_counts_as_absent() -> None:
    names = ("API_KEY", "TOKEN", "REFRESH_TOKEN", "CALLS_URL", "API_URL", "PROJECT_ID", "AGENT_ID")
    assert ClientConfig.from_env({f"TALKSTACK_{name}": "" for name in names}) == ClientConfig()


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKSTACK_API_KEY", KEY)
    monkeypatch.setenv("TALKSTACK_PROJECT_ID", "from the process")
    assert ClientConfig.from_env().project_id == "from the process"
    assert Client.from_env().config.api_key == Secret(KEY)


def test_an_empty_environment_handed_in_is_not_the_process_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TALKSTACK_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="no credential"):
        Client.from_env({})


def test_a_malformed_address_from_the_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="api_url"):
        ClientConfig.from_env({"TALKSTACK_API_URL": "talkstack"})


@pytest.mark.parametrize("extra", [{}, {"api_key": ""}, {"token": ""}, {"api_key": Secret("")}])
def test_no_credential_is_said_at_once(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="no credential"):
        Client(**extra)


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        ({"api_key": KEY, "token": KEY}, {}),
        ({}, {"api_key": KEY, "token": KEY}),
    ],
)
def test_two_credentials_are_one_too_many(
    arguments: dict[str, Any], config: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="exactly one of an API key"):
        Client(**arguments, config=ClientConfig(**config))


@pytest.mark.parametrize("name", ["api_key", "token", "refresh_token", "proxy"])
@pytest.mark.parametrize("value", [KEY.encode(), bytearray(KEY.encode()), [KEY], 12345678901])
def test_a_credential_that_is_not_text_is_refused_and_not_shown(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name) as refusal:
        ClientConfig(**{name: value})
    assert KEY not in str(refusal.value)
    assert "12345678901" not in str(refusal.value)


def test_authorities_are_given_in_one_way_only() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ConfigurationError, match="ca_file or ssl_context"):
        ClientConfig(ca_file="ca.pem", ssl_context=context)


def test_a_file_of_authorities_may_be_named_by_text() -> None:
    assert ClientConfig(ca_file="ca.pem").ca_file == Path("ca.pem")


@pytest.mark.parametrize("kind", [ClientConfig, Timeouts, PoolSettings, RetrySettings])
def test_settings_are_values(kind: type) -> None:
    assert kind() == kind()
    assert hash(kind()) == hash(kind())
    assert pickle.loads(pickle.dumps(kind())) == kind()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(kind(), attrs.fields(kind)[0].name, 1)
    with pytest.raises(TypeError):
        kind(1.0)


def test_changed_settings_are_checked_again() -> None:
    with pytest.raises(ConfigurationError, match=r"^calls_url"):
        attrs.evolve(ClientConfig(), calls_url="nowhere")
