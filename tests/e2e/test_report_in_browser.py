"""The report in a real browser: it is quiet, asks for nothing, and fits."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from talkstack_async.campaign.ledger.base import CampaignFacts
from talkstack_async.campaign.report.figures import figures_of
from talkstack_async.campaign.report.page import render
from tests.support.browser import Browser, Tab, chromium
from tests.support.reports import EMPTY, EVIL, HEAD, NOW, busy, hostile

PROGRAM = chromium()

pytestmark = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("CI"), reason="there is no Chromium on this machine"
)

FACTS = {"busy": busy(), "long": busy(minutes=9 * 1440, step=7), "empty": EMPTY, "odd": hostile()}


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    assert PROGRAM is not None, "install chromium: in CI this test may not be left out"
    async with Browser(PROGRAM) as browser:
        yield await browser.tab()


def written(path: Path, facts: CampaignFacts) -> str:
    page = path / "report.html"
    page.write_text(render(figures_of(facts, head=HEAD, show_numbers=False, now=NOW)), "utf-8")
    return page.as_uri()


async def widen(tab: Tab, width: int) -> None:
    await tab.ask(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", FACTS)
async def test_a_report_is_quiet_asks_for_nothing_and_fits(
    tab: Tab, tmp_path: Path, kind: str
) -> None:
    address = written(tmp_path, FACTS[kind])
    for width in (320, 400, 1200):
        await widen(tab, width)
        await tab.go(address)
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.errors == []
    assert {url for url in tab.requests if not url.startswith("data:")} == {address}


async def test_key_numbers_stand_on_the_page(tab: Tab, tmp_path: Path) -> None:
    await tab.go(written(tmp_path, busy()))
    values = await tab.evaluate(
        "[...document.querySelectorAll('.cards .value')].map(each => each.textContent)"
    )
    assert values == ["5,354", "7,051", "2,470", "9", "213.48"]
    assert await tab.evaluate("document.querySelectorAll('#timeline svg g').length") == 190
    assert await tab.evaluate("document.querySelectorAll('#look tbody tr').length") == 9
    assert await tab.evaluate("document.title") == "Spring renewal \u2013 campaign report"
    tallest = "Math.max(...[...document.querySelectorAll('#timeline rect')].map(r => r.getBoundingClientRect().height))"  # noqa: E501
    assert await tab.evaluate(tallest) > 10


async def test_hostile_words_run_nothing(tab: Tab, tmp_path: Path) -> None:
    await tab.go(written(tmp_path, hostile()))
    assert await tab.evaluate("document.scripts.length") == 0
    assert (await tab.evaluate("document.querySelector('h1').textContent")).startswith(EVIL)


@pytest.mark.parametrize(("scheme", "ground"), [("light", "245"), ("dark", "20")])
async def test_it_keeps_to_the_colours_the_reader_likes(
    tab: Tab, tmp_path: Path, scheme: str, ground: str
) -> None:
    await tab.ask(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": scheme}],
    )
    await tab.go(written(tmp_path, busy()))
    colour = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour.startswith(f"rgb({ground}, ")


async def test_on_paper_everything_is_shown_on_white(tab: Tab, tmp_path: Path) -> None:
    await tab.ask("Emulation.setEmulatedMedia", media="print")
    await widen(tab, 720)
    await tab.go(written(tmp_path, busy()))
    assert await tab.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.clientHeight < e.scrollHeight - 2).length"  # noqa: E501
    assert await tab.evaluate(cut) == 0
    assert await tab.evaluate("document.documentElement.scrollWidth") <= 720


async def test_a_page_that_is_not_quiet_would_be_noticed(tab: Tab, tmp_path: Path) -> None:
    """The negative control of this file."""
    page = tmp_path / "loud.html"
    page.write_text(
        "<!DOCTYPE html><body><script>console.error('x'); nothing.at_all</script>"
        "<div style='width:2000px'>wide</div><img src='missing.png'>"
    )
    await widen(tab, 400)
    await tab.go(page.as_uri())
    assert len(tab.errors) >= 2
    assert any(url.endswith("missing.png") for url in tab.requests)
    assert await tab.evaluate("document.documentElement.scrollWidth") > 400
