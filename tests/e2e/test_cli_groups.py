"""The groups of the command line, one per noun, against the emulator."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

from talkstack_async.cli.app import run
from talkstack_async.cli.output import Screen
from talkstack_async.cli.tables import record_of, show_many, show_one
from talkstack_async.emulator import EmulatorThread, Fault
from talkstack_async.errors import UnexpectedReplyError
from talkstack_async.models import ApiKey, Call, Voice
from talkstack_async.secret import Secret
from tests.e2e.test_cli import environment, one_line, talkstack

NUMBER = "+12025550101"


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Command: TypeAlias = Callable[..., Done]


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorThread]:
    with EmulatorThread() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: EmulatorThread) -> EmulatorThread:
    running.reset()
    return running


@pytest.fixture
def command(
    emulator: EmulatorThread,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Command:
    """Run a command in this process: starting one takes most of the time."""
    env = environment(emulator, XDG_CONFIG_HOME=str(tmp_path))
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def perform(*arguments: str | Path) -> Done:
        secrets = (emulator.api_key, emulator.token, emulator.password)
        code = run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert not any(secret in out + err for secret in secrets)
        return Done(int(code), out, err)

    return perform


def place_call(emulator: EmulatorThread, number: str = NUMBER) -> str:
    body = {"number": number, "projectId": emulator.project_id, "agentId": emulator.agent_id}
    request = urllib.request.Request(
        f"{emulator.calls_url}/call/makeCall",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "x-api-key": emulator.api_key},
    )
    with urllib.request.urlopen(request) as reply:
        return str(json.load(reply)["call"]["call_id"])


def test_an_agent_is_created_shown_changed_and_deleted(command: Command):
    made = command(
        "agents", "create", "Bo", "--instruction", "Greet {{ name }} of {{town}}", "--json"
    )
    bo = made.document["id"]
    shown = command("agents", "get", bo)
    changed = command("agents", "update", bo, "--name", "Bob", "--json")
    listed = command("agents", "list", "--json")
    deleted = command("agents", "delete", bo, "--yes", "--json")
    gone = command("agents", "get", bo)

    assert made.code == shown.code == changed.code == listed.code == deleted.code == 0
    assert ["placeholders", "name,", "town"] in [line.split() for line in shown.out.splitlines()]
    assert made.document["placeholders"] == ["name", "town"]
    assert changed.document["name"] == "Bob"
    assert "Bob" in [agent["name"] for agent in listed.records]
    assert deleted.document == {"deleted": bo}
    assert (gone.code, gone.out, one_line(gone.err)) == (1, "", True)


def test_voices_are_listed_and_shown(command: Command):
    listed, plain = command("voices", "list", "--json"), command("voices", "list")
    one = command("voices", "get", listed.records[0]["id"], "--json")

    assert plain.out.splitlines()[0].split()[:2] == ["id", "name"]
    assert len(plain.out.splitlines()) == 1 + len(listed.records)
    assert one.document == listed.records[0]


def test_numbers_are_masked_for_people_and_whole_for_programs(
    command: Command, emulator: EmulatorThread
):
    assigned = command("numbers", "assign", NUMBER)
    for_people = command("numbers", "get", "--agent-id", emulator.agent_id)
    for_programs = command("numbers", "get", "--agent-id", emulator.agent_id, "--json")
    both = command("numbers", "get", "--agent-id", "a", "--project-id", "p")

    assert assigned.code == for_people.code == for_programs.code == 0
    assert NUMBER not in assigned.out + for_people.out
    assert "+1202" in for_people.out
    assert NUMBER in [number["e164"] for number in for_programs.records]
    assert (both.code, one_line(both.err)) == (2, True)


def test_a_project_is_created_shown_changed_and_deleted(command: Command):
    made = command("projects", "create", "Spring", "--description", "Calls", "--json")
    spring = made.document["id"]
    changed = command("projects", "update", spring, "--name", "Summer", "--json")
    webhook = command(
        "projects", "set-webhook", "https://example.com/hook", "--project-id", spring
    )
    shown = command("projects", "get", spring, "--json")
    listed = command("projects", "list", "--json")
    deleted = command("projects", "delete", spring, "--cascade", "--yes")

    assert made.code == changed.code == webhook.code == listed.code == deleted.code == 0
    assert shown.document["name"] == changed.document["name"] == "Summer"
    assert shown.document["webhook_url"] == "https://example.com/hook"
    assert len(listed.records) == 2


def test_the_active_agent_is_shown_cleared_and_set(command: Command, emulator: EmulatorThread):
    agent_id = emulator.agent_id

    shown = command("projects", "active-agent")
    cleared = command("projects", "active-agent", "--clear", "--json")
    none = command("projects", "active-agent", "--json")
    chosen = command("projects", "active-agent", "--set", agent_id)
    both = command("projects", "active-agent", "--set", agent_id, "--clear")

    assert shown.out == chosen.out == f"{agent_id}\n"
    assert cleared.document == none.document == {"active_agent": None}
    assert both.code == 2


def test_the_active_project_is_set_and_shown(command: Command, emulator: EmulatorThread):
    chosen = command("user", "active-project", emulator.project_id, "--json")
    shown = command("user", "active-project", "--json")

    assert chosen.code == shown.code == 0
    assert shown.document["id"] == chosen.document["id"] == emulator.project_id


@pytest.mark.parametrize("what", [("agents", "a"), ("projects", "p")])
def test_nothing_is_deleted_without_a_yes(
    command: Command, monkeypatch: pytest.MonkeyPatch, what: tuple[str, str], tmp_path: Path
):
    group, one = what
    (tmp_path / "answer").write_text("n\n")
    with (tmp_path / "answer").open() as answer:
        monkeypatch.setattr("sys.stdin", answer)
        done = command(group, "delete", one)

    assert done.code == 2
    assert "nothing was done" in done.err


def test_a_call_is_followed_shown_and_asked_about(command: Command, emulator: EmulatorThread):
    call_id = place_call(emulator)
    too_early = command("calls", "analyze", call_id, "--ask-boolean", "Happy?")
    emulator.advance(600)

    waited = command("calls", "wait", call_id, "--json")
    shown = command("calls", "get", call_id)
    asked = command(
        "calls", "analyze", call_id, "--ask-boolean", "Happy?", "--ask-number", "How many?",
        "--ask-text", "Why?", "--ask-choice", "Is 1=1?=yes, no", "--wait", "5", "--json",
    )  # fmt: skip
    for_people = command("calls", "analyze", call_id, "--ask-boolean", "Happy?")

    assert (too_early.code, one_line(too_early.err)) == (1, True)
    assert (waited.document["to"], waited.document["disposition"]) == (NUMBER, "answered")
    assert NUMBER not in shown.out
    assert "completed" in shown.out
    answers = asked.document["answers"]
    assert [answer["question"] for answer in answers] == ["Happy?", "Why?", "How many?", "Is 1=1?"]
    assert isinstance(answers[0]["value"], bool)
    assert answers[3]["value"] in ("yes", "no")
    assert for_people.out.startswith("Happy?")


def test_a_call_that_does_not_end_in_time_is_exit_1(command: Command, emulator: EmulatorThread):
    done = command("calls", "wait", place_call(emulator), "--timeout", "0.1")

    assert (done.code, done.out, one_line(done.err)) == (1, "", True)


@pytest.mark.parametrize(
    "wrong", [(), ("--ask-choice", "Which?"), ("--ask-choice", "Which?="), ("--ask-text", "")]
)
def test_a_question_that_makes_no_sense_is_exit_2(command: Command, wrong: tuple[str, ...]):
    done = command("calls", "analyze", "CA1", *wrong)

    assert (done.code, one_line(done.err)) == (2, True)


def test_the_history_is_filtered_and_masked(command: Command, emulator: EmulatorThread):
    first, second = place_call(emulator), place_call(emulator, "+12025550102")

    every = command("calls", "history", "--json")
    of_one = command("calls", "history", "--to", NUMBER, "--json")
    limited = command("calls", "history", "--limit", "1", "--json")
    before = command("calls", "history", "--until", "2020-01-01", "--json")
    since = command("calls", "history", "--since", "2020-01-01", "--json")
    busy = command("calls", "history", "--status", "busy")
    for_people = command("calls", "history")
    wrong = command("calls", "history", "--status", "nonsense")

    assert {call["call_id"] for call in every.records} == {first, second}
    assert [call["call_id"] for call in of_one.records] == [first]
    assert (len(limited.records), len(before.records), len(since.records)) == (1, 0, 2)
    assert (busy.code, busy.out, busy.err) == (0, "", "no calls\n")
    assert first in for_people.out
    assert NUMBER not in for_people.out
    assert (wrong.code, one_line(wrong.err)) == (2, True)


def test_a_history_that_breaks_off_shows_what_was_read(
    command: Command, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object, **__: object) -> AsyncIterator[Call]:
        yield Call(call_id="CA1")
        raise UnexpectedReplyError("there are more", status=200)

    monkeypatch.setattr("talkstack_async.resources.calls.Calls.history", broken)
    done = command("calls", "history", "--json")

    first, last = done.records
    assert (done.code, first["call_id"], last["exit_code"]) == (1, "CA1", 1)


def test_a_refused_history_does_not_say_that_there_are_no_calls(
    command: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TALKSTACK_API_KEY", "wrong-key")

    done = command("calls", "history")

    assert (done.code, done.out, one_line(done.err)) == (2, "", True)


def test_on_a_terminal_lists_are_tables_and_markup_is_text(monkeypatch: pytest.MonkeyPatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()

    show_many(
        [Voice(id="v", name="[red]x")], {"name": lambda v: v.name}, screen=screen, nothing=""
    )
    show_one(Voice(id="v"), {"the id": lambda v: v.id}, screen=screen)

    shown = terminal.getvalue()
    assert "[red]x" in shown
    assert "the id" in shown
    assert "╭" in shown


def test_a_batch_rings_nobody_until_it_is_confirmed_and_then_everybody_once(
    emulator: EmulatorThread, tmp_path: Path
):
    env, file = environment(emulator), tmp_path / "list.csv"
    file.write_text("number\n+12025550101\n+12025550102\n")

    nobody = talkstack("calls", "batch", file, env=env, stdin=subprocess.DEVNULL)
    no = talkstack("calls", "batch", file, env=env, input="n\n")
    before = len(emulator.rings)
    yes = talkstack("calls", "batch", file, "--json", env=env, input="y\n")

    assert (nobody.returncode, no.returncode, before) == (2, 2, 0)
    assert "ring all 2 numbers" in no.stderr
    assert (yes.returncode, json.loads(yes.stdout)["rows"]) == (0, 2)
    assert len(emulator.rings) == 2
    assert [len(emulator.rings_to(f"+1202555010{end}")) for end in (1, 2)] == [1, 1]


def test_a_batch_that_is_not_fit_is_not_sent(
    command: Command, emulator: EmulatorThread, tmp_path: Path
):
    file = tmp_path / "list.csv"
    file.write_text("number\n123\n")

    bad = command("calls", "batch", file, "--yes")
    missing = command("calls", "batch", tmp_path / "none.csv", "--yes")

    assert (bad.code, missing.code) == (2, 2)
    assert not emulator.calls_of("batchCall")


def test_a_batch_whose_answer_is_lost_is_uncertain(
    command: Command, emulator: EmulatorThread, tmp_path: Path
):
    file = tmp_path / "list.csv"
    file.write_text("number\n+12025550101\n")
    emulator.add_fault(Fault(operation="batchCall", kind="status", status=500))

    done = command("calls", "batch", file, "--yes", "--json")

    assert (done.code, done.document["exit_code"]) == (3, 3)
    assert "uncertain" in done.err


def test_the_help_of_groups_is_plain_in_a_pipe_and_names_their_exit_codes(
    emulator: EmulatorThread,
):
    group = talkstack("calls", "--help", env=environment(emulator))
    batch = talkstack("calls", "batch", "--help", env=environment(emulator))

    assert "Exit codes: 0 done" in group.stdout
    assert "talkstack dial" in batch.stdout
    assert not {"│", "\x1b"} & set(group.stdout + batch.stdout)


def test_errors_are_one_line_with_their_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch
):
    unknown = command("voices", "get", "none", "--json")
    monkeypatch.setenv("TALKSTACK_PROJECT_ID", "")
    no_project = command("agents", "list")
    monkeypatch.setenv("TALKSTACK_API_KEY", "wrong-key")
    refused = command("voices", "list")
    monkeypatch.setenv("TALKSTACK_API_KEY", "")
    nothing = command("voices", "list")

    assert (unknown.code, unknown.document["exit_code"]) == (1, 1)
    assert (no_project.code, refused.code, nothing.code) == (2, 2, 2)
    assert "talkstack auth login" in nothing.err
    assert all(one_line(done.err) for done in (unknown, no_project, refused, nothing))


def test_what_the_service_sends_cannot_steer_the_terminal(command: Command):
    name = "Bo\x1b[31m\u202e [red]x[/red]\nzz"
    made = command("agents", "create", name, "--instruction", "Call +1 202 555 0177 back")

    assert made.code == 0
    assert not {"\x1b", "\u202e"} & set(made.out)
    assert "[red]x[/red]" in made.out
    assert "0177" not in made.out


def test_records_hold_no_secret_and_no_raw_answer():
    assert record_of(ApiKey(key=Secret("abc"), raw={"a": 1})) == {}
    assert "raw" not in record_of(Voice(id="v", raw={"a": 1}))
