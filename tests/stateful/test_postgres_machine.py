"""The same machine as for files, over a ledger that others may be using: nobody recovers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import attrs
import psycopg
from hypothesis.stateful import initialize

from talkstack_async.campaign.records import Settlement
from talkstack_async.campaign.settings import CampaignSettings
from tests.stateful.test_ledger_machine import QUICK, LedgerMachine, search
from tests.support.drawing import Round, rounds, tellings
from tests.support.postgres import Databases


class PostgresMachine(LedgerMachine):
    """A ledger on a server. Campaigns have one shard: only then is the order exact."""

    databases: ClassVar[Databases]

    @initialize(one=tellings(), two=tellings(), several=rounds)
    def begin(self, one: CampaignSettings, two: CampaignSettings, several: list[Round]) -> None:
        told = (attrs.evolve(each, max_concurrency=1) for each in (one, two))
        super().begin(*told, several)

    def _make_ledger(self) -> None:
        self.place = self.on_exit.enter_context(self.databases.fresh())

    def _opened_reader(self) -> Any:
        return psycopg.connect(str(self.place), autocommit=True)

    def _recover(self, letter: str) -> None:
        """Nobody knows yet who is dead: what they left is found when it is old."""

    def _settle(self, group: Sequence[Settlement]) -> None:
        for told, is_true in zip(group, self.run(self.ledger.settle(group)), strict=True):
            # One after the other: what comes later in a group may move the attempt on.
            one = self.books.tries[told.attempt_id]
            was_written = (one.worker, one.state) == (told.worker, told.after)
            (changed,) = self.books.settle([told])
            assert is_true == changed or (is_true and was_written)


def test_any_order_of_events_keeps_the_law_on_a_server(databases: Databases) -> None:
    PostgresMachine.databases = databases
    PostgresMachine.tally.clear()
    search(PostgresMachine, examples=10, steps=35, phases=QUICK, report_multiple_bugs=False)
    reached = ("UNKNOWN to LOST", "taken over: DISPATCHING, stale", "PLACED to FINAL")
    assert set(reached) <= set(PostgresMachine.tally)
