"""What a ledger tells: counts, facts, stories, lists, and whether it is whole."""

from __future__ import annotations

import contextlib
import sqlite3
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from talkstack_async.campaign.decisions import Candidate, Decision, Reason, Wait
from talkstack_async.campaign.ledger import Ledger, open_ledger
from talkstack_async.campaign.ledger.addresses import is_server
from talkstack_async.campaign.ledger.reading import Reading
from talkstack_async.campaign.records import CampaignRecord, EventRecord, NewContact, Suppression
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import CampaignError, LedgerCorruptError, LedgerError
from talkstack_async.models.statuses import Disposition
from tests.support.ledgers import (
    NOW,
    SETTINGS,
    at,
    bring,
    campaign_of,
    claim,
    claim_one,
    number,
    row,
    settlement,
)
from tests.support.postgres import on_server

PLACED, FINAL, LOST = AttemptState.PLACED, AttemptState.FINAL, AttemptState.LOST
REJECTED, RELEASED, UNKNOWN = AttemptState.REJECTED, AttemptState.RELEASED, AttemptState.UNKNOWN
READY, ACTIVE, DONE = ContactState.READY, ContactState.ACTIVE, ContactState.DONE
REVIEW, EXCLUDED = ContactState.REVIEW, ContactState.EXCLUDED


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the ledger is: its file, or its address."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "ledger.db")


@pytest.fixture
async def ledger(place: str) -> AsyncIterator[Ledger]:
    async with open_ledger(
        place, exclusive=True, clock=ManualClock(NOW), max_clock_skew_seconds=None
    ) as opened:
        yield opened


@pytest.fixture
def reading(place: str) -> Iterator[Reading]:
    opened = Reading(place if is_server(place) else f"sqlite:///{place}")
    yield opened
    opened.close()


@pytest.fixture
def tamper(place: str) -> Callable[..., None]:
    """Change the database behind the ledger's back, as somebody could who has it."""

    def in_file(*statements: str) -> None:
        with contextlib.closing(sqlite3.connect(place)) as connection:
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in triggers.fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def on_the_server(*statements: str) -> None:
        for statement in ("DROP TRIGGER audit_no_change ON audit", *statements):
            on_server(place, statement)

    return on_the_server if is_server(place) else in_file


async def played(ledger: Ledger) -> CampaignRecord:
    """Seven contacts, one for each way things may stand."""
    campaign = await campaign_of(
        ledger, 1, 2, 3, 4, 5, 6, row(7, excluded=(Reason.PLACEHOLDER, "name"))
    )
    taken = (await claim(ledger, campaign, limit=5)).claims
    await ledger.settle(
        [
            settlement(taken[0], FINAL, disposition=Disposition.ANSWERED, call_id="C1",
                       seconds=31.5, cost_micros=120_000, at=at(40)),
            settlement(taken[1], LOST, error="the service did not answer in time", at=at(90)),
            settlement(taken[2], RELEASED, next_at=at(600), at=at(1)),
            settlement(taken[3], PLACED, call_id="C4", at=at(2)),
            settlement(taken[4], FINAL, contact=READY, reason=Reason.REDIAL, call_id="C5",
                       disposition=Disposition.BUSY, cost_micros=0, next_at=at(900), at=at(30)),
        ]
    )  # fmt: skip
    return campaign


# --- How a campaign stands.


async def test_counts_tell_how_everybody_stands(ledger: Ledger) -> None:
    campaign = await played(ledger)
    counts = await ledger.counts(campaign.campaign_id, now=at(60))
    assert counts.contacts == {READY: 3, ACTIVE: 1, DONE: 1, REVIEW: 1, EXCLUDED: 1}
    assert counts.attempts == {FINAL: 2, LOST: 1, RELEASED: 1, PLACED: 1}
    assert counts.dispositions == {"answered": 1, "busy": 1}
    assert counts.reasons == {"placeholder": 1, "lost": 1, "not_sent": 1, "redial": 1}
    assert (counts.waiting, counts.next_due_at, counts.rings) == (2, at(600), 4)


async def test_who_is_due_again_does_not_wait_any_more(ledger: Ledger) -> None:
    campaign = await played(ledger)
    counts = await ledger.counts(campaign.campaign_id, now=at(600))
    assert (counts.waiting, counts.next_due_at) == (1, at(900))
    assert "not_sent" not in counts.reasons


async def test_campaigns_are_counted_apart(ledger: Ledger) -> None:
    spring = await played(ledger)
    autumn = await campaign_of(ledger, 101, 102, name="autumn")
    counts = await ledger.counts(autumn.campaign_id, now=NOW)
    assert (counts.contacts, counts.attempts, counts.rings) == ({READY: 2}, {}, 0)
    assert [each.name for each in await ledger.campaigns()] == ["autumn", "spring"]
    assert await ledger.campaign("winter") is None
    assert (await ledger.campaign("spring")) != spring  # calls were priced meanwhile


async def test_facts_group_attempts_by_minute_and_by_how_they_ended(ledger: Ledger) -> None:
    campaign = await played(ledger)
    await claim(ledger, campaign, limit=1, now=at(61))
    facts = await ledger.facts(campaign.campaign_id, now=at(100))
    assert sorted(facts.per_minute) == [
        (NOW, "answered", 1),
        (NOW, "busy", 1),
        (NOW, "lost", 1),
        (NOW, "placed", 1),
        (NOW, "released", 1),
        (at(60), "dispatching", 1),
    ]
    assert facts.tries == {0: 2, 1: 5}
    assert (facts.first_at, facts.last_at) == (NOW, at(61))
    assert [(source, dict(counts)) for _, source, counts in facts.imports] == [
        ("list.csv", {"added": 7})
    ]
    ((contact, last),) = facts.look
    assert (contact.row, contact.state, last and last.state) == (2, REVIEW, LOST)


@pytest.mark.parametrize(
    ("sent_at", "zones", "hour"),
    [
        (datetime(2026, 1, 5, 12, 29, tzinfo=UTC), ("Asia/Kolkata",), 17),
        (datetime(2026, 1, 5, 12, 30, tzinfo=UTC), ("Asia/Kolkata",), 18),
        (datetime(2026, 1, 5, 12, 15, tzinfo=UTC), ("Asia/Kathmandu",), 18),
        (datetime(2026, 3, 8, 6, 59, tzinfo=UTC), ("America/New_York",), 1),
        (datetime(2026, 3, 8, 7, 0, tzinfo=UTC), ("America/New_York",), 3),
        (datetime(2026, 1, 5, 20, 0, tzinfo=UTC), ("America/Boise", "Europe/Paris"), 13),
        (datetime(2026, 1, 5, 20, 0, tzinfo=UTC), (), 20),
        (datetime(2026, 1, 5, 20, 0, tzinfo=UTC), ("Mars/Olympus",), 20),
    ],
)
async def test_hours_are_those_of_the_person_called(
    ledger: Ledger, sent_at: datetime, zones: tuple[str, ...], hour: int
) -> None:
    campaign = await campaign_of(ledger, row(1, zones=zones))
    taken = await claim_one(ledger, campaign, now=sent_at)
    await ledger.settle(
        [settlement(taken, FINAL, disposition=Disposition.ANSWERED, at=sent_at, call_id="C1")]
    )
    facts = await ledger.facts(campaign.campaign_id, now=sent_at)
    assert facts.by_hour == ((hour, "answered", 1),)


async def test_facts_of_no_campaign_are_an_error(ledger: Ledger) -> None:
    with pytest.raises(CampaignError, match="no campaign 7"):
        await ledger.facts(7, now=NOW)


# --- People.


async def test_a_story_has_everything_in_the_order_of_time(ledger: Ledger) -> None:
    campaign = await played(ledger)
    event = EventRecord(
        event_id=0, call_id="C1", digest="d", status="completed", received_at=at(20)
    )
    await ledger.receive(event)
    story = await ledger.story(number(1))
    assert [line.what for line in story.lines] == ["listed", "dial", "event", "final"]
    assert story.lines[2].detail["applied"] is False
    assert [name.name for name, _ in story.contacts] == ["spring"]
    (attempt,) = story.attempts
    assert (attempt.call_id, attempt.seconds, attempt.cost_micros) == ("C1", 31.5, 120_000)
    assert {line.campaign for line in story.lines} == {campaign.name}


async def test_a_story_goes_over_all_campaigns(ledger: Ledger) -> None:
    await played(ledger)
    await campaign_of(ledger, 1, name="autumn")
    await ledger.suppress(
        [Suppression(number=number(1), reason="asked", source="desk", added_at=at(5))]
    )
    story = await ledger.story(number(1))
    assert [campaign.name for campaign, _ in story.contacts] == ["spring", "autumn"]
    assert story.suppression is not None
    assert story.suppression.reason == "asked"


async def test_of_a_number_nobody_knows_there_is_an_empty_story(ledger: Ledger) -> None:
    story = await ledger.story("+12025550199")
    assert (story.contacts, story.attempts, story.lines, story.suppression) == ((), (), (), None)


async def test_reviews_come_with_their_last_attempt(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, 1, 2)
    first = await claim_one(ledger, campaign)
    await ledger.settle([settlement(first, RELEASED, next_at=NOW)])
    for taken in (await claim(ledger, campaign)).claims:
        await ledger.settle([settlement(taken, LOST)])
    reviews = await ledger.reviews(campaign.campaign_id)
    assert [(contact.row, attempt.phone) for contact, attempt in reviews] == [
        (1, number(1)), (2, number(2))
    ]  # fmt: skip
    assert all(attempt.state is LOST and attempt.attempts == 1 for _, attempt in reviews)
    assert reviews[0][1].attempt_id != first.attempt_id


async def test_an_export_is_in_the_order_of_the_rows(ledger: Ledger) -> None:
    campaign = await campaign_of(ledger, *range(2, 2200, 2))
    await bring(ledger, campaign, *range(1, 2200, 2))
    await claim(ledger, campaign, limit=1)
    exported = [each async for each in ledger.export(campaign.campaign_id)]
    assert [contact.row for contact, _ in exported] == list(range(1, 2200))
    assert [contact.row for contact, attempts in exported if attempts] == [2]


async def test_only_ready_contacts_are_gone_through(ledger: Ledger) -> None:
    campaign = await played(ledger)
    rows = [contact.row async for contact in ledger.ready_contacts(campaign.campaign_id)]
    assert rows == [3, 5, 6]


async def test_suppressions_are_in_the_order_of_the_numbers(ledger: Ledger) -> None:
    entries = [
        Suppression(number=number(n), reason="asked", source="csv", added_at=NOW)
        for n in (9, 3, 7)
    ]
    await ledger.suppress(entries)
    assert [entry.number async for entry in ledger.suppressions()] == [
        number(3), number(7), number(9)
    ]  # fmt: skip


async def test_an_iterator_sees_one_state_of_things(ledger: Ledger, reading: Reading) -> None:
    campaign = await campaign_of(ledger, 1, 2, 3)
    rows = reading.export(campaign.campaign_id)
    assert next(rows)[0].row == 1
    await claim(ledger, campaign)
    assert [contact.state for contact, _ in rows] == [READY, READY]
    assert [contact.state for contact, _ in reading.export(campaign.campaign_id)] == [ACTIVE] * 3


async def test_a_long_list_is_not_held_in_memory(ledger: Ledger, reading: Reading) -> None:
    campaign = await ledger.create_campaign("spring", SETTINGS, now=NOW)
    import_id = await ledger.begin_import(campaign.campaign_id, source="x", now=NOW)
    contacts = [
        NewContact(row=n, number=f"+1415{n:07d}", variables='{"name": "Ada Lovelace"}')
        for n in range(1, 6_001)
    ]
    await ledger.add_contacts(
        campaign.campaign_id, import_id=import_id, contacts=contacts, now=NOW
    )
    await ledger.finish_import(import_id, counts={"added": 6_000}, digest=None, now=NOW)
    tracemalloc.start()
    try:
        assert sum(1 for _ in reading.export(campaign.campaign_id)) == 6_000
        assert sum(1 for _ in reading.ready_contacts(campaign.campaign_id)) == 6_000
        assert reading.verify() == []
        assert tracemalloc.get_traced_memory()[1] < 3 * 1024 * 1024
    finally:
        tracemalloc.stop()


# --- Trust.


async def test_reading_cannot_write(ledger: Ledger, reading: Reading) -> None:
    await played(ledger)
    with pytest.raises(LedgerError, match=r"may (not be written|only be read)"):
        with reading._transaction() as connection:
            connection.execute(sa.text("UPDATE contact SET attempts = 0"))


async def test_a_ledger_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"nowhere\.db cannot be read"):
        Reading(f"sqlite:///{tmp_path / 'nowhere.db'}").campaigns()
    assert not (tmp_path / "nowhere.db").exists()


async def test_a_file_name_may_hold_what_addresses_may_not(tmp_path: Path) -> None:
    path = tmp_path / "list of 100%?#&.db"
    async with open_ledger(path, clock=ManualClock(NOW)) as ledger:
        await campaign_of(ledger, 1)
        assert await ledger.verify() == []


async def test_the_newest_moment_and_the_head_follow_what_is_written(ledger: Ledger) -> None:
    assert await ledger.newest() is None
    assert await ledger.head() == (0, "0" * 64)
    campaign = await campaign_of(ledger, 1)
    before = await ledger.head()
    await claim(ledger, campaign, now=NOW + timedelta(hours=3))
    assert await ledger.newest() == NOW + timedelta(hours=3)
    after = await ledger.head()
    assert after[0] == before[0] + 1
    assert after[1] != before[1]


async def test_all_that_may_happen_leaves_the_ledger_whole(ledger: Ledger) -> None:
    campaign = await played(ledger)

    def wait(candidate: Candidate, now: datetime) -> Decision:
        return Wait(until=now + timedelta(hours=1), reason=Reason.GAP)

    await claim(ledger, campaign, decide=wait, now=at(2000))
    for taken in (await claim(ledger, campaign, now=at(9000))).claims:
        await ledger.settle([settlement(taken, UNKNOWN, at=at(9001))])
    await ledger.take_stale(campaign.campaign_id, worker="other", before=at(9500), limit=10)
    await bring(ledger, campaign, 1, 2, 50)
    assert await ledger.verify() == []


MADE_UP = (
    "INSERT INTO attempt (contact_id, campaign_id, n, number, state, worker, sent_at) "
    "SELECT contact_id, campaign_id, 9, number, 5, 'w', 0 FROM contact WHERE number LIKE '%6'"
)
TAMPERINGS = {
    "a word of the audit": (
        "UPDATE audit SET detail = '{}' WHERE what = 'final'",
        "one unbroken chain",
    ),
    "an entry of the audit is gone": ("DELETE FROM audit WHERE seq = 4", "one unbroken chain"),
    "two entries change places": (
        "UPDATE audit SET at = CASE seq WHEN 3 THEN at + 1 ELSE at END",
        "one unbroken chain",
    ),
    "a ring is denied": ("DELETE FROM attempt WHERE attempt_id = 1", "every dial in the audit"),
    "a ring is made up": (
        MADE_UP,
        "every attempt is in the audit",
    ),
    "a refused call is made one that ended": (
        "UPDATE attempt SET state = 4 WHERE attempt_id = 1",
        "where an attempt stands is in the audit",
    ),
    "somebody is to be called again": (
        'UPDATE contact SET attempts = 0 WHERE "row" = 1',
        "as many as were made",
    ),
    "tries are forgotten": (
        'UPDATE contact SET tries = 0 WHERE "row" = 1',
        "as many as were made",
    ),
    "who is being called is ready": (
        "UPDATE attempt SET state = 6 WHERE attempt_id = 1",
        "whose attempt is open is active",
    ),
    "who is not being called is active": (
        'UPDATE contact SET state = 1 WHERE "row" = 1',
        "who is active has an attempt",
    ),
    "two attempts on one number are open": (
        "DROP INDEX attempt_open",
        "UPDATE attempt SET state = 1, number = '+14155550001'",
        "one open attempt at most",
    ),
    "a call belongs to two attempts": (
        "DROP INDEX attempt_call",
        "UPDATE attempt SET call_id = 'C1' WHERE attempt_id < 3",
        "a call belongs to one attempt",
    ),
    "an attempt is another's": (
        "UPDATE attempt SET number = '+12025550100' WHERE attempt_id = 1",
        "a contact of its number",
    ),
    "a contact is gone": ('DELETE FROM contact WHERE "row" = 6', "every contact of the lists"),
    "a campaign is gone": ("DELETE FROM campaign", "every contact belongs to a campaign"),
    "somebody is where nobody looks": (
        "UPDATE contact SET shard = 99 WHERE contact_id = 6",
        "every contact is in a shard",
    ),
    "money is gone": ("UPDATE campaign SET spent_micros = 5", "the sum of all calls"),
    "a reservation is gone": ("UPDATE campaign SET unpriced = 0", "are counted right"),
    "an attempt nobody understands": (
        "UPDATE attempt SET state = 77 WHERE attempt_id = 1",
        "every attempt has a state",
    ),
    "a contact nobody understands": (
        'UPDATE contact SET state = 77 WHERE "row" = 1',
        "every contact has a state",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
async def test_verify_finds_what_was_tampered_with(
    ledger: Ledger, tamper: Callable[..., None], what: str
) -> None:
    await played(ledger)
    assert await ledger.verify() == []
    *statements, rule = TAMPERINGS[what]
    tamper(*statements)
    found = await ledger.verify()
    assert any(rule in finding.rule for finding in found), found
    assert not any(number(1) in finding.detail for finding in found)


async def test_each_chain_of_the_audit_is_checked_by_itself(
    ledger: Ledger, tamper: Callable[..., None]
) -> None:
    await played(ledger)
    forged = (
        "INSERT INTO audit (seq, chain, at, what, detail, hash) VALUES (%d, %d, 0, '', '', '')"
    )
    tamper(forged % (1001, 77), forged % (1002, 78), forged % (1003, 77))
    found = await ledger.verify()
    assert [finding.detail.partition(" does")[0] for finding in found] == [
        "entry 1001 of chain 77", "entry 1002 of chain 78",
    ]  # fmt: skip


async def test_a_finding_counts_and_names_the_first_few(
    ledger: Ledger, tamper: Callable[..., None]
) -> None:
    await campaign_of(ledger, *range(1, 2001))
    tamper("UPDATE contact SET attempts = 1")
    (finding,) = await ledger.verify()
    assert finding.detail == "2,000 contacts with another number: 1, 2, 3, 4, 5, ..."


async def test_an_import_that_broke_off_is_no_finding(ledger: Ledger) -> None:
    campaign = await ledger.create_campaign("spring", SETTINGS, now=NOW)
    first = await ledger.begin_import(campaign.campaign_id, source="list.csv", now=NOW)
    await ledger.add_contacts(
        campaign.campaign_id, import_id=first, contacts=[row(1), row(2)], now=NOW
    )
    await bring(ledger, campaign, 1, 2, 3)
    assert await ledger.verify() == []


async def test_what_nobody_wrote_is_called_corrupt(
    ledger: Ledger, tamper: Callable[..., None]
) -> None:
    campaign = await played(ledger)
    tamper('UPDATE contact SET state = 77 WHERE "row" = 1')
    with pytest.raises(LedgerCorruptError, match="restore a copy"):
        await ledger.counts(campaign.campaign_id, now=NOW)
