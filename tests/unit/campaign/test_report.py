"""The report: its figures, and the page they stand in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pytest

from talkstack_async.campaign.ledger import open_ledger
from talkstack_async.campaign.ledger.base import CampaignFacts
from talkstack_async.campaign.report import write_report
from talkstack_async.campaign.report.charts import chart_of
from talkstack_async.campaign.report.figures import Figures, figures_of
from talkstack_async.campaign.report.page import render
from talkstack_async.campaign.states import AttemptState, ContactState
from talkstack_async.clock import ManualClock
from talkstack_async.errors import CampaignError
from tests.support.ledgers import campaign_of
from tests.support.reports import ADA, EMPTY, EVIL, HEAD, NOW, busy, campaign, hostile, look


def figures(facts: CampaignFacts, *, show_numbers: bool = False) -> Figures:
    return figures_of(facts, head=HEAD, show_numbers=show_numbers, now=NOW)


def half_written(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


class Page(HTMLParser):
    """What of a page could do something, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


# --- Figures.


def test_parts_of_a_whole_add_up_to_it() -> None:
    it = figures(busy())
    assert sum(part.count for part in it.contacts) == 5_354
    for parts in (it.contacts, it.calls, it.tries, it.reasons):
        assert sum(part.share for part in parts) == pytest.approx(100)


def test_what_was_never_sent_is_no_call() -> None:
    it = figures(busy())
    assert it.unsent == 33
    assert sum(part.count for part in it.calls) == busy().counts.rings
    assert "Not sent" not in [part.label for part in it.calls]


def test_headlines_say_what_matters() -> None:
    it = {each.label: each for each in figures(busy()).headlines}
    assert it["contacts"].value == "5,354"
    assert it["contacts"].note == "84 % finished"
    assert it["answered"].value == "2,470"
    assert it["answered"].note == "35 % of the calls that ended"
    assert (it["to look at"].value, it["to look at"].is_alert) == ("9", True)
    assert it["spent"].value == "213.48"


@pytest.mark.parametrize(
    ("done", "note"), [(0, "0 % finished"), (1, "under 1 % finished"), (500, "50 % finished"),
                       (999, "over 99 % finished"), (1000, "100 % finished")]
)  # fmt: skip
def test_not_quite_all_is_not_all(done: int, note: str) -> None:
    counts = attrs.evolve(
        EMPTY.counts, contacts={ContactState.DONE: done, ContactState.READY: 1000 - done}
    )
    assert figures(attrs.evolve(EMPTY, counts=counts)).headlines[0].note == note


@pytest.mark.parametrize(
    ("minutes", "step"),
    [
        (1, "minute"), (239, "minute"), (240, "2 minutes"), (3 * 60 + 10, "minute"),
        (1440, "10 minutes"), (3 * 1440, "30 minutes"), (10 * 1440, "2 hours"),
        (100 * 1440, "12 hours"), (365 * 1440, "2 days"), (3000 * 1440, "2 weeks"),
    ],
)  # fmt: skip
def test_a_timeline_fits_however_long_it_took(minutes: int, step: str) -> None:
    last = NOW + timedelta(minutes=minutes - 1)
    calls = [(NOW, "answered", 2), (last, "busy", 3)]
    it = figures(attrs.evolve(busy(), per_minute=calls))
    assert it.step == step
    assert 1 <= len(it.timeline.columns) <= 240
    assert sum(column.total for column in it.timeline.columns) == 5
    assert it.timeline.columns[0].total >= 2
    assert it.timeline.columns[-1].total >= 3


def test_a_timeline_has_no_gaps_and_no_calls_that_were_never_sent() -> None:
    calls = [
        (NOW, "answered", 1),
        (NOW + timedelta(minutes=2), "released", 50),
        (NOW + timedelta(minutes=4), "answered", 1),
    ]
    it = figures(attrs.evolve(busy(), per_minute=calls)).timeline
    assert [column.total for column in it.columns] == [1, 0, 0, 0, 1]
    assert [column.label for column in it.columns][:2] == ["13:00", "13:01"]


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (9, 10), (11, 12), (13, 16), (47, 50), (101, 120),
                      (1_055, 1_200), (999_999, 1_000_000)]
)  # fmt: skip
def test_the_edge_of_a_chart_is_good_to_read(most: int, top: int) -> None:
    chart = chart_of([("a", {"answered": most})])
    assert chart.top == top
    assert chart.top % 2 == 0


def test_boxes_stand_on_each_other_and_stay_inside() -> None:
    for chart in (figures(busy()).timeline, figures(busy()).hours):
        for column in chart.columns:
            bottom = 100.0
            for box in column.boxes:
                assert box.y + box.height == pytest.approx(bottom, abs=0.01)
                bottom = box.y
            assert bottom >= -0.01


@pytest.mark.parametrize(
    ("by_hour", "said"),
    [
        ([(9, "answered", 5), (9, "busy", 15), (17, "answered", 10), (17, "busy", 10)],
         "Best between 17:00 and 18:00: 50 % answered."),
        ([(9, "answered", 5), (9, "busy", 15), (23, "answered", 9), (23, "busy", 11)],
         "Best between 23:00 and 00:00: 45 % answered."),
        ([(9, "answered", 5), (9, "busy", 15), (17, "answered", 3)], ""),
        ([(9, "busy", 50), (10, "busy", 50)], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_the_best_hour_is_named_if_there_are_enough_calls(
    by_hour: list[tuple[int, str, int]], said: str
) -> None:
    assert figures(attrs.evolve(busy(), by_hour=by_hour)).best_hour == said


def test_many_tries_are_one_group() -> None:
    assert [(part.label, part.count) for part in figures(busy()).tries] == [
        ("Not called", 800), ("1 call", 2_900), ("2 calls", 1_200), ("3 calls", 444),
        ("8 calls or more", 10),
    ]  # fmt: skip


def test_reasons_are_in_plain_words_the_commonest_first() -> None:
    assert [part.label for part in figures(busy()).reasons][:2] == [
        "Not reached, and all attempts are used",
        "Waiting for the hours in which calling is allowed",
    ]


def test_cost_without_budget_and_answers_is_only_what_was_spent() -> None:
    plain = attrs.evolve(campaign().settings, budget=None)
    cost = figures(attrs.evolve(EMPTY, campaign=campaign(settings=plain))).cost
    assert (cost.spent, cost.per_answer, cost.budget, cost.used) == ("213.48", None, None, None)


def test_a_call_whose_end_nobody_knows_is_not_one_that_may_have_rung() -> None:
    counts = attrs.evolve(
        EMPTY.counts,
        attempts={AttemptState.FINAL: 2, AttemptState.UNKNOWN: 3},
        dispositions={"unknown": 2},
        rings=5,
    )
    parts = figures(attrs.evolve(EMPTY, counts=counts)).calls
    assert {part.label: part.count for part in parts} == {
        "Ended, not known how": 2,
        "May have rung": 3,
    }


# --- The page.


@pytest.mark.parametrize("facts", [EMPTY, busy(), hostile(), busy(minutes=1)])
def test_a_page_needs_no_script_and_asks_for_nothing(facts: CampaignFacts) -> None:
    page = Page(render(figures(facts)))
    assert page.tags.isdisjoint({"script", "iframe", "object", "embed", "img", "form", "base"})
    assert not any(name.startswith("on") for name, _ in page.attributes)
    addresses = [value for name, value in page.attributes if name in ("href", "src", "action")]
    assert addresses == ["data:,"]
    assert "url(" not in page.text
    assert "@import" not in page.text
    assert any("default-src 'none'" in value for _, value in page.attributes)


def test_hostile_words_are_text() -> None:
    text = render(figures(hostile()))
    assert "<script" not in text
    assert "alert('x')" not in text.replace("&#39;", "\\'")
    assert EVIL in Page(text).text


def test_numbers_are_masked_unless_asked() -> None:
    assert ADA.removeprefix("+") not in render(figures(hostile()))
    shown = render(figures(hostile(), show_numbers=True))
    assert ADA in Page(shown).text
    assert "whole phone numbers" in shown


def test_an_empty_campaign_has_a_page(tmp_path: Path) -> None:
    page = Page(render(figures(EMPTY)))
    assert "No calls yet" in page.text
    assert "The list is empty." in page.text
    assert "nan" not in page.text.lower().replace("finance", "")


def test_a_long_list_of_open_calls_says_how_long_it_is() -> None:
    counts = attrs.evolve(busy().counts, contacts={ContactState.REVIEW: 1500})
    facts = attrs.evolve(busy(), counts=counts, look=[look(row) for row in range(1, 1001)])
    assert "The first 1,000 of 1,500." in Page(render(figures(facts))).text


def test_a_page_stays_small_whatever_the_campaign() -> None:
    hours: list[tuple[datetime, str, int]] = [
        (NOW + timedelta(minutes=minute), word, 100_000)
        for minute in range(7 * 1440)
        for word in ("answered", "busy", "no_answer", "voicemail")
    ]
    assert len(render(figures(attrs.evolve(busy(), per_minute=hours)))) < 600_000


def contrast(first: str, second: str) -> float:
    """The contrast of two colours, as the web's accessibility guidelines count it."""

    def light(colour: str) -> float:
        colour = colour * 2 if len(colour) == 3 else colour
        parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([light(first), light(second)])
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[Mapping[str, str]]:
    style = render(figures(EMPTY)).partition("</style>")[0]
    return [dict(re.findall(r"--([a-z-]+): #([0-9a-f]+)", block))
            for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)]  # fmt: skip


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark", "print"])
def test_everything_can_be_told_from_its_ground(scheme: Mapping[str, str]) -> None:
    for text in ("text", "soft"):
        assert contrast(scheme[text], scheme["card"]) >= 4.5
        assert contrast(scheme[text], scheme["page"]) >= 4.5
    assert contrast(scheme["alert-text"], scheme["alert"]) >= 4.5
    for colour in ("good", "blue", "violet", "sand", "amber", "bad", "odd", "grey"):
        assert contrast(scheme[colour], scheme["card"]) >= 3


async def test_a_report_is_written_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    async with open_ledger(tmp_path / "ledger.db", clock=ManualClock(NOW)) as ledger:
        found = await campaign_of(ledger, 1, 2, 3)
        assert await write_report(ledger, found, path, now=NOW) == path
        head = await ledger.head()
        with pytest.raises(CampaignError, match="exists already"):
            await write_report(ledger, found, path, now=NOW, overwrite=False)
        await write_report(ledger, found, path, now=NOW)
    text = path.read_text("utf-8")
    assert head[1] in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert half_written(tmp_path) == []
