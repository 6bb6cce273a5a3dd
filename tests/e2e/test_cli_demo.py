"""`talkstack demo`: a whole campaign with faults, and the proof that it rang nobody too often."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from talkstack_async.campaign.records import AttemptRecord, ContactRecord
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.cli.proof import Proof, proof_of
from tests.e2e.test_cli import environment, talkstack

ADA, BOB = "+12025550101", "+12025550102"


def test_the_demo_accounts_for_everybody_and_ends_with_a_report(tmp_path: Path):
    env = environment(TMPDIR=str(tmp_path))

    done = talkstack("demo", "--json", "--calls-per-second", "400", env=env, cwd=tmp_path)

    shown = json.loads(done.stdout)
    proof, report = shown["proof"], Path(shown["report"])
    assert (done.returncode, shown["exit_code"]) == (0, 0), done.stderr
    assert shown["proof_holds"] is True
    assert proof["accounted"] == proof["rows"] == 500
    assert proof["certain_rang"] == proof["certain"]
    assert (proof["beyond"], proof["strangers"]) == (0, 0)
    assert shown["contacts"]["ready"] == shown["contacts"]["active"] == 0
    assert min(shown["attempts"][state] for state in ("final", "rejected", "lost")) > 0
    assert shown["rings"] > shown["total"], "there were redials"
    assert report.is_relative_to(tmp_path)
    assert "<html" in report.read_text(encoding="utf-8")
    assert str(report) in done.stderr
    assert "No phone rang more often than it was to be called." in done.stderr


def contact(number: str, state: ContactState = ContactState.DONE) -> ContactRecord:
    return ContactRecord(
        contact_id=int(number[1:]),
        campaign_id=1,
        row=1,
        number=number,
        variables={},
        zones=(),
        regions=(),
        state=state,
        attempts=1,
        next_at=None,
        reason=None,
        detail=None,
    )


def attempt(state: AttemptState) -> AttemptRecord:
    return AttemptRecord(
        attempt_id=1,
        contact_id=1,
        number=1,
        state=state,
        worker="w",
        sent_at=datetime(2026, 11, 22, tzinfo=UTC),
        call_id=None,
        disposition=None,
        seconds=None,
        cost_micros=None,
        error=None,
        settled_at=None,
    )


def proof(
    *contacts: tuple[ContactRecord, Sequence[AttemptState]],
    rang: Sequence[str],
    rows: int = 1,
    apart: int = 0,
) -> Proof:
    async def exported() -> AsyncIterator[tuple[ContactRecord, Sequence[AttemptRecord]]]:
        for one, states in contacts:
            yield one, [attempt(state) for state in states]

    return asyncio.run(proof_of(exported(), rang=rang, rows=rows, apart=apart))


@pytest.mark.parametrize(
    ("states", "rings"),
    [
        ([AttemptState.FINAL], 1),
        ([AttemptState.FINAL, AttemptState.FINAL], 2),
        ([AttemptState.LOST], 0),
        ([AttemptState.LOST], 1),
        ([AttemptState.REJECTED, AttemptState.RELEASED], 0),
    ],
)
def test_the_proof_holds_where_no_attempt_rang_twice(states: list[AttemptState], rings: int):
    assert proof((contact(ADA), states), rang=[ADA] * rings).holds


@pytest.mark.parametrize(
    ("states", "rings"),
    [
        ([AttemptState.FINAL], 2),
        ([AttemptState.FINAL], 0),
        ([AttemptState.PLACED, AttemptState.REJECTED], 2),
        ([AttemptState.RELEASED], 1),
        ([], 1),
    ],
)
def test_the_proof_fails_where_a_phone_rang_too_often_or_not_at_all(
    states: list[AttemptState], rings: int
):
    assert not proof((contact(ADA), states), rang=[ADA] * rings).holds


def test_the_proof_fails_for_a_stranger_and_for_a_row_that_is_not_accounted_for():
    done = (contact(ADA), [AttemptState.FINAL])
    ready = (contact(BOB, ContactState.READY), [])

    assert proof(done, rang=[ADA], rows=3, apart=2).holds
    assert not proof(done, rang=[ADA, BOB]).holds
    assert not proof(done, ready, rang=[ADA], rows=2).holds
    assert not proof(done, rang=[ADA], rows=2).holds
