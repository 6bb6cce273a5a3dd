"""Logins on the command line: where they are kept, and what is never shown."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkstack_async.cli.exits import CliError
from talkstack_async.cli.prompts import ask_secret
from talkstack_async.cli.token_file import StoredLogin, TokenFile
from talkstack_async.emulator import EmulatorThread
from talkstack_async.secret import Secret
from tests.e2e.test_cli import environment, one_line, talkstack
from tests.e2e.test_cli_groups import Command, command

__all__ = ["command"]

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "talkstack" / "tokens.json"


@pytest.fixture
def logged_in(
    command: Command, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """A login in the file, and no credential in the environment."""
    monkeypatch.setenv("TALKSTACK_API_KEY", "")
    monkeypatch.setenv("TALKSTACK_PASSWORD", emulator.password)
    assert command("auth", "login", emulator.email).code == 0
    monkeypatch.delenv("TALKSTACK_PASSWORD")
    return command


def test_a_login_is_kept_in_a_private_file_and_used(emulator: EmulatorThread, tmp_path: Path):
    file = tmp_path / "here" / "tokens.json"
    env = environment(
        emulator,
        TALKSTACK_API_KEY="",
        TALKSTACK_PASSWORD=emulator.password,
        TALKSTACK_TOKEN_FILE=str(file),
    )

    login = talkstack("auth", "login", emulator.email, env=env)
    listed = talkstack("voices", "list", "--json", env=env)
    kept = json.loads(file.read_text())
    called = talkstack("call", "+12025550101", env=env)

    assert login.returncode == listed.returncode == called.returncode == 0, login.stderr
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert (kept["api_url"], kept["email"]) == (emulator.api_url, emulator.email)
    everything = "".join(done.stdout + done.stderr for done in (login, listed, called))
    for secret in (emulator.password, kept["token"], kept["refresh_token"]):
        assert secret not in everything
    assert list(file.parent.iterdir()) == [file]


@posix
def test_a_file_that_others_may_read_is_refused_with_what_to_do(logged_in: Command, file: Path):
    file.chmod(0o640)

    done = logged_in("voices", "list")

    assert (done.code, one_line(done.err)) == (2, True)
    assert f"chmod 600 {file}" in done.err


def test_a_login_is_sent_to_its_own_address_only(
    logged_in: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TALKSTACK_API_URL", "https://elsewhere.invalid")

    done, status = logged_in("voices", "list"), logged_in("auth", "status", "--json")
    refresh = logged_in("auth", "refresh")

    assert (done.code, status.code, refresh.code) == (2, 2, 2)
    assert "belongs to" in done.err
    assert status.document["credential"] is None


def test_a_renewed_login_is_written_back(logged_in: Command, emulator: EmulatorThread, file: Path):
    before = json.loads(file.read_text())
    emulator.expire_token()

    done = logged_in("voices", "list")

    after = json.loads(file.read_text())
    assert done.code == 0
    assert after["token"] != before["token"]
    assert (after["api_url"], after["email"]) == (before["api_url"], before["email"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_login_that_ended_is_renewed_by_its_refresh_token(
    logged_in: Command, emulator: EmulatorThread, file: Path
):
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"expires_at": "2020-01-01T00:00:00+00:00"}))
    renewed = logged_in("voices", "list")
    file.write_text(
        json.dumps(kept | {"expires_at": "2020-01-01T00:00:00+00:00", "refresh_token": None})
    )
    dead = logged_in("voices", "list")

    assert (renewed.code, dead.code) == (0, 2)
    assert "talkstack auth login" in dead.err


def test_status_refresh_and_logout(
    logged_in: Command, emulator: EmulatorThread, file: Path, monkeypatch: pytest.MonkeyPatch
):
    status, for_people = logged_in("auth", "status", "--json"), logged_in("auth", "status")
    refreshed = logged_in("auth", "refresh", "--json")
    out = logged_in("auth", "logout", "--json")
    again = logged_in("auth", "logout")
    nothing = logged_in("auth", "status", "--json")
    unable = logged_in("auth", "refresh")
    monkeypatch.setenv("TALKSTACK_API_KEY", emulator.api_key)
    key = logged_in("auth", "status", "--json")

    assert (status.document["credential"], status.document["email"]) == (
        "stored login",
        emulator.email,
    )
    assert "stored login" in for_people.out
    assert refreshed.document["file"] == str(file)
    assert (out.document["deleted"], again.code, file.exists()) == (True, 0, False)
    assert (nothing.code, unable.code, key.code) == (2, 2, 0)
    assert key.document["credential"] == "TALKSTACK_API_KEY"


def test_a_file_that_is_none_of_ours_is_refused(logged_in: Command, file: Path):
    for content in ("", "[]", "{}", '{"api_url": "x", "token": 7}', "\ufffd"):
        file.write_text(content)
        done = logged_in("voices", "list")
        assert (done.code, one_line(done.err)) == (2, True), content
    file.unlink()
    file.mkdir()
    assert logged_in("voices", "list").code == 2


def test_a_wrong_password_is_exit_2_and_keeps_the_old_login(
    logged_in: Command, emulator: EmulatorThread, file: Path, monkeypatch: pytest.MonkeyPatch
):
    before = file.read_bytes()
    monkeypatch.setenv("TALKSTACK_PASSWORD", "wrong-password")

    done = logged_in("auth", "login", emulator.email)

    assert (done.code, one_line(done.err)) == (2, True)
    assert "wrong-password" not in done.err
    assert file.read_bytes() == before


def test_an_account_is_made_verified_and_its_password_replaced(
    command: Command, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
):
    email = "new@example.com"
    for name in ("API_KEY", "TOKEN"):
        monkeypatch.setenv(f"TALKSTACK_{name}", "")
    monkeypatch.setenv("TALKSTACK_PASSWORD", "first-password")
    signed_up = command("auth", "signup", email, "--name", "Bo", "--json")
    mailed = command("auth", "verify", email, "--resend")
    monkeypatch.setenv("TALKSTACK_CODE", emulator.mailbox(email)[-1].code)
    verified = command("auth", "verify", email)
    logged_in = command("auth", "login", email)
    monkeypatch.setenv("TALKSTACK_NEW_PASSWORD", "second-password")
    changed = command("auth", "change-password")
    forgotten = command("auth", "forgot-password", email)
    monkeypatch.setenv("TALKSTACK_CODE", emulator.mailbox(email)[-1].code)
    monkeypatch.setenv("TALKSTACK_NEW_PASSWORD", "third-password")
    reset = command("auth", "reset-password")
    monkeypatch.setenv("TALKSTACK_PASSWORD", "third-password")
    again = command("auth", "login", email, "--json")

    steps = [signed_up, mailed, verified, logged_in, changed, forgotten, reset, again]
    assert [step.code for step in steps] == [0] * len(steps), steps
    assert not any("-password\n" in step.out for step in steps if step is not forgotten)
    assert signed_up.document == {"registered": email}


def test_secrets_are_asked_for_at_a_terminal_only_and_without_echo(
    monkeypatch: pytest.MonkeyPatch,
):
    typed = iter(["one", "one", "one", "two", ""])
    monkeypatch.delenv("TALKSTACK_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CliError, match="TALKSTACK_PASSWORD"):
        ask_secret("Password", variable="TALKSTACK_PASSWORD")

    monkeypatch.setattr("talkstack_async.cli.prompts._at_a_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    assert ask_secret("Password", variable="TALKSTACK_PASSWORD", twice=True) == Secret("one")
    with pytest.raises(CliError, match="not the same"):
        ask_secret("Password", variable="TALKSTACK_PASSWORD", twice=True)
    with pytest.raises(CliError, match="nothing was typed"):
        ask_secret("Password", variable="TALKSTACK_PASSWORD")


def test_the_key_is_replaced_only_after_a_yes_and_goes_to_a_private_file(
    emulator: EmulatorThread, tmp_path: Path
):
    env = environment(
        emulator, TALKSTACK_API_KEY="", TALKSTACK_TOKEN=emulator.token, HOME=str(tmp_path)
    )
    out = tmp_path / "key"
    verb = ("user", "generate-api-key")

    nowhere = talkstack(*verb, "--yes", env=env)
    nobody = talkstack(*verb, "--out", out, env=env, stdin=subprocess.DEVNULL)
    asked = emulator.calls_of("generateApiKey")
    yes = talkstack(*verb, "--out", out, env=env, input="yes\n")
    there = talkstack(*verb, "--out", out, "--yes", env=env)
    key = out.read_text().strip()
    used = talkstack("voices", "list", env=environment(emulator, TALKSTACK_API_KEY=key))

    assert (nowhere.returncode, nobody.returncode, asked, there.returncode) == (2, 2, 0, 2)
    assert "dies at once" in nobody.stderr
    assert (yes.returncode, used.returncode) == (0, 0), yes.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert key not in yes.stdout + yes.stderr
    assert emulator.calls_of("generateApiKey") == 1


def test_the_key_is_shown_only_when_asked_for(logged_in: Command, tmp_path: Path):
    shown = logged_in("user", "generate-api-key", "--show", "--yes", "--json")
    quiet = logged_in("user", "generate-api-key", "--out", tmp_path / "k", "--yes", "--json")

    assert shown.document["api_key"]
    assert (tmp_path / "k").read_text().strip() not in quiet.out + quiet.err
    assert quiet.document == {"out": str(tmp_path / "k")}


def test_a_refused_rotation_leaves_no_file_behind(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("TALKSTACK_TOKEN", "wrong")

    done = command("user", "generate-api-key", "--out", tmp_path / "k", "--yes")

    assert (done.code, (tmp_path / "k").exists()) == (2, False)


def test_the_file_is_where_the_environment_says(tmp_path: Path):
    def path(**env: str) -> Path:
        return TokenFile.of_user(env).path

    assert path(TALKSTACK_TOKEN_FILE="/x/y", XDG_CONFIG_HOME="/z") == Path("/x/y")
    assert path(XDG_CONFIG_HOME="/z") == Path("/z/talkstack/tokens.json")
    assert path(XDG_CONFIG_HOME="rel") == path() == Path.home() / ".config/talkstack/tokens.json"


def test_a_login_that_cannot_be_written_leaves_the_old_one(tmp_path: Path):
    (tmp_path / "file").write_text("")
    login = StoredLogin(api_url="https://x", token=Secret("t"))

    with pytest.raises(CliError, match="cannot be written"):
        TokenFile(tmp_path / "file" / "tokens.json").write(login)


def test_what_goes_before_the_stored_login_is_said(
    command: Command, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TALKSTACK_PASSWORD", emulator.password)

    done = command("auth", "login", emulator.email)

    assert done.code == 0
    assert "TALKSTACK_API_KEY" in done.err


def test_a_renewed_token_of_the_environment_is_said(
    command: Command, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TALKSTACK_API_KEY", "")
    monkeypatch.setenv("TALKSTACK_REFRESH_TOKEN", emulator.refresh_token)

    done = command("voices", "list", "--json")

    assert (done.code, one_line(done.err)) == (0, True)
    assert "may be spent" in done.err
    assert len(done.records) == 5


def test_a_renewed_login_that_cannot_be_kept_is_said_and_used(
    logged_in: Command, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch
):
    emulator.expire_token()

    def refuse(*_: object) -> None:
        raise CliError("no space left")

    monkeypatch.setattr("talkstack_async.cli.token_file.replace_private", refuse)
    done = logged_in("voices", "list")

    assert done.code == 0
    assert "no space left" in done.err


def test_without_a_home_folder_it_is_one_line(monkeypatch: pytest.MonkeyPatch):
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", homeless)
    with pytest.raises(CliError, match="home folder"):
        TokenFile.of_user({})
