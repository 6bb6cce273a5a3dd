from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import re
import string
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import talkstack_async
from talkstack_async import Client, ClientConfig
from talkstack_async.errors import ConfigurationError
from talkstack_async.secret import Secret
from talkstack_async.transport.credentials import Credentials

KEY = "9f86d081884c7d659a2feaa0c55ad015"
keys = st.text(string.ascii_letters + string.digits + "-_./+=", min_size=16, max_size=80)
quick = settings(deadline=None, max_examples=60)


def _logged(value: object) -> str:
    record = logging.LogRecord("n", 40, "p", 1, "got %s and %r", (value, value), None)
    return logging.Formatter().format(record)


def _formatted(value: object) -> str:
    percent = "%s %r" % (value, value)  # noqa: UP031 # one of the ways
    return f"{value} {value!r:>90} {value!s} {[value]} {percent}" + str.format("{0}", value)


def _vars(value: object) -> str:
    try:
        return str(vars(value))
    except TypeError as error:
        return str(error)


SHOWN: list[Callable[[object], str]] = [
    repr,
    str,
    ascii,
    _formatted,
    _logged,
    _vars,
    pprint.pformat,
    lambda value: str(dir(value)),
]


@quick
@given(keys)
def test_a_secret_is_never_shown(key: str) -> None:
    for show in SHOWN:
        assert key not in show(Secret(key))


@quick
@given(keys)
def test_what_holds_a_secret_does_not_show_it(key: str) -> None:
    config = ClientConfig(api_key=key, proxy=f"http://user:{key}@proxy.test")
    credentials = Credentials(api_key=Secret(key), token=None)
    for holder in (config, credentials, attrs.asdict(config), {"token": Secret(key)}):
        for show in SHOWN:
            assert key not in show(holder)


def test_a_client_shows_neither_key_nor_token() -> None:
    for client in (
        Client(KEY),
        Client(token=KEY),
        Client(config=ClientConfig(api_key=KEY)),
        Client(Secret(KEY)),
    ):
        for show in SHOWN:
            assert KEY not in show(client)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "holder", [Secret(KEY), ClientConfig(api_key=KEY), ClientConfig(token=KEY), {"a": Secret(KEY)}]
)
def test_a_secret_does_not_travel_in_a_pickle(holder: Any, protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled") as refusal:
        pickle.dumps(holder, protocol)
    assert KEY not in str(refusal.value)


def test_a_configuration_without_a_secret_travels() -> None:
    config = ClientConfig(project_id="p", calls_url="https://calls.test")
    assert pickle.loads(pickle.dumps(config)) == config


def test_json_refuses_a_secret_without_quoting_it() -> None:
    with pytest.raises(TypeError) as refusal:
        json.dumps({"key": Secret(KEY)})
    assert KEY not in str(refusal.value)


def test_a_copy_is_the_secret_itself() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret
    assert copy.deepcopy({"key": secret})["key"] is secret
    assert copy.deepcopy(ClientConfig(api_key=secret)).api_key is secret


def test_a_secret_cannot_be_given_a_second_home() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))
    with pytest.raises(AttributeError):
        Secret(KEY).note = "x"  # type: ignore[attr-defined]


def test_a_report_with_local_variables_does_not_show_a_refused_credential() -> None:
    # Sentry, rich and `traceback` print the locals of every frame of an exception.
    config = ClientConfig.from_env({"TALKSTACK_API_KEY": KEY + " "})
    with pytest.raises(ConfigurationError) as refusal:
        Credentials(api_key=config.api_key, token=config.token)
    report = traceback.TracebackException.from_exception(refusal.value, capture_locals=True)
    assert KEY not in "".join(report.format())


@quick
@given(keys)
def test_only_reveal_gives_it_back(key: str) -> None:
    assert Secret(key).reveal() == key


@quick
@given(keys, keys)
def test_secrets_are_equal_if_their_texts_are(one: str, other: str) -> None:
    assert Secret(one) == Secret(one)
    assert hash(Secret(one)) == hash(Secret(one))
    assert (Secret(one) == Secret(other)) == (one == other)


def test_a_secret_is_not_equal_to_its_text() -> None:
    assert Secret(KEY) != KEY
    assert KEY not in (Secret(KEY),)


@pytest.mark.parametrize("text", ["schlüssel", "\U0001f511", "\udcff from a broken locale"])
def test_any_text_can_be_compared(text: str) -> None:
    # os.environ hands out lone surrogates for bytes that are not UTF-8.
    assert Secret(text) == Secret(text)
    assert Secret(text) != Secret(KEY)


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret(" ")


@quick
@given(keys, st.lists(st.text(), max_size=4))
def test_redacting_leaves_no_occurrence_and_nothing_else_changes(
    key: str, pieces: list[str]
) -> None:
    secret = Secret(key)
    text = key.join(pieces)
    assert key not in secret.redact(text)
    if all(key not in piece for piece in pieces):
        assert secret.redact(text).count("***") >= max(0, len(pieces) - 1)
    assert secret.redact("nothing of the kind") == "nothing of the kind"


def test_an_empty_secret_redacts_nothing() -> None:
    assert Secret("").redact("abc") == "abc"


def test_secrets_are_revealed_only_where_they_are_put_to_use() -> None:
    package = Path(talkstack_async.__file__).parent
    revealing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"\.reveal\(", line)
    }
    assert revealing == {
        "secret.py",  # compares two
        "transport/credentials.py",  # puts the credential on the wire
        "transport/sessions.py",  # reads the proxy's address, which may hold a password
        "wire/requests.py",  # puts passwords and refresh tokens into bodies
        "cli/private.py",  # writes the token file
    }
