"""The page in a real browser: it shows what the endpoint says, in every state, and asks nobody else for anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feeds.units import MS
from oracle.model.risk import LiveRisk, LiveRiskCode, RiskCode
from oracle.model.spec import Mode
from oracle.model.status import Reason, Status, Why
from oracle.serve.interface import Update
from tests.oracle.serve.browser import CHROMIUM
from tests.oracle.serve.memory_service import (
    ALONE,
    MOVABLE,
    ROUND_S,
    STRANGE,
    UNPUBLISHED,
    MemoryService,
    half_an_hour,
    record,
    specs,
)
from tests.oracle.serve.operators_world import DIALLING, seen
from tests.oracle.serve.page_world import has, now_ms, shown

pytestmark = [
    pytest.mark.loopback,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
]
BAND = """(() => {
  const canvas = document.querySelector("#chart canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let red = 0, market = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b, a] = data.slice(i, i + 4);
    if (r > 180 && g < 90 && b < 90 && a > 30 && a < 45) red += 1;
    if (r < 80 && b > 180 && a > 200) market += 1;
  }
  return market > 100 && [Math.round(100 * red / (canvas.width * canvas.height)), market];
})()"""
"""How much of the chart, in percent, has the colour of depeg, and how many pixels the market's line has."""


async def test_a_calm_token(tmp_path: Path) -> None:
    async with shown(half_an_hour(now_ms() // MS, depeg=False), tmp_path) as (_, page):
        text = await has(page, "The market agrees with the protocol's rate.")
        assert "4 ok" in text
        assert STRANGE in text
        assert await page.until("document.querySelector('#chart canvas') !== null")
        assert (await page.until(BAND))[0] == 0
        assert page.complaints == []


async def test_a_depeg_is_shown_in_words_and_colour(tmp_path: Path) -> None:
    async with shown(half_an_hour(now_ms() // MS, depeg=True), tmp_path) as (_, page):
        text = await has(page, "6.29 % below redemption")
        assert "-6.29 %" in text
        assert "2 depeg" in text
        assert "no new price" in text
        chip = "getComputedStyle(document.querySelector('.chip.depeg')).color"
        assert await page.value(chip) == "rgb(184, 38, 29)"
        assert await page.value("document.getElementById('detail-title').textContent") == "wdivETH/ETH"
        assert 20 < (await page.until(BAND))[0] < 95
        await page.value("document.querySelectorAll('#rows tr')[2].click()")
        await has(page, "The last price is shown unchanged.")
        assert page.complaints == []


async def test_updates_arrive_without_a_reload(tmp_path: Path) -> None:
    now_s = now_ms() // MS
    service = half_an_hour(now_s, depeg=False)
    async with shown(service, tmp_path) as (server, page):
        await page.until("document.getElementById('link').textContent === 'live'")
        assert len(server.hub) == 1
        live = record("wdivETH/ETH", now_s, market="1.0437", final=False)
        service.put(live)
        service.notify(Update(indications=(live,)))
        await has(page, "live 1.043700")
        why = Reason(code=Why.NO_QUORUM, text="halted: 0 of 2 groups for 300 s")
        service.put(record("wdivETH/ETH", now_s + 10, status=Status.HALT, reasons=[why]))
        service.notify(Update(round_time_s=now_s + 10))
        text = await has(page, "halted: 0 of 2 groups for 300 s")
        assert "1 halt" in text


async def test_before_the_first_round_and_without_feeds(tmp_path: Path) -> None:
    async with shown(MemoryService(specs()), tmp_path / "a") as (_, page):
        text = await has(page, "No round of this feed is kept in this time range.")
        assert "4 without a new price" in text
    async with shown(MemoryService({}), tmp_path / "b") as (_, page):
        await has(page, "No feeds are configured.")


async def test_operators_are_shown_ours_first_and_who_is_missing_with_the_reason(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    async with shown(service, tmp_path) as (_, page):
        await has(page, "4 ok")
        assert await page.value("document.getElementById('operators').hidden"), "nobody to show"
        service.seen = seen()
        service.notify(Update(round_time_s=now_ms() // MS))
        text = await has(page, "359 rounds in a row without its signature")
        assert f"not connected: {DIALLING}" in text
        assert "evidence: two_items: its key signed two different items" in text
        assert "1 lost: values of weight 300, 400 are needed" in text
        assert "the announcement of this operator on chain is not true any more" in text
        first = "document.querySelector('#operator-rows tr')"
        assert (
            await page.value(f"{first}.className + ' ' + {first}.children[0].textContent") == "ours alicethis process"
        )
        assert await page.value("document.querySelectorAll('#operator-rows b').length") == 0, "a name stays text"
        headed = "[...document.querySelectorAll('#operator-rows tr')].every((r) => r.children[0].scope === 'row')"
        assert await page.value(headed)
        assert page.complaints == []


@pytest.mark.parametrize("width", [360, 780, 1280])
async def test_operators_are_no_wider_than_the_screen(tmp_path: Path, width: int) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    service.seen = seen(31)
    async with shown(service, tmp_path, width=width, height=844) as (_, page):
        await has(page, "not reached")
        assert await page.value("document.documentElement.scrollWidth") <= width
        card = "document.querySelector('#operators .card')"
        fits = await page.value(f"{card}.scrollWidth <= {card}.clientWidth")
        scrolls = await page.value(f"getComputedStyle({card}).overflowX === 'auto' && {card}.tabIndex === 0")
        assert scrolls, "what does not fit is reached by keyboard"
        assert fits or width == 780


async def test_a_lost_connection_is_shown(tmp_path: Path) -> None:
    async with shown(half_an_hour(now_ms() // MS, depeg=False), tmp_path) as (server, page):
        await page.until("document.getElementById('link').textContent === 'live'")
        await server.close()
        await has(page, "What is shown may be old")


async def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    last = service.rounds["wdivETH/ETH"][-1]
    evil = Reason(code=Why.DISCOUNT, text="<img src=x onerror=alert(1)><b>bold</b>")
    service.put(replace(last, reasons=(evil,), report=replace(last.report, status=Status.WATCH), mode=Mode.MIN))
    async with shown(service, tmp_path) as (_, page):
        await has(page, "<img src=x onerror=alert(1)>")
        assert await page.value("document.querySelectorAll('main img, main b').length") == 0


async def test_on_a_phone_nothing_is_wider_than_the_screen(tmp_path: Path) -> None:
    async with shown(half_an_hour(now_ms() // MS, depeg=True), tmp_path, width=360, height=740, dark=True) as (_, page):
        await has(page, "6.29 % below redemption")
        await page.until("document.querySelector('#chart canvas') !== null")
        assert await page.value("document.documentElement.scrollWidth") <= 360
        assert await page.value("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 28)"


async def test_labels_tell_the_grid_lines_of_a_ratio_apart(tmp_path: Path) -> None:
    script = "import('/page/chart.js').then(m => { window.found = [m.digits(0.00025, 1.05), m.digits(0.01, 1.05), \
m.digits(0.0001, 1.05), m.digits(50, 3400), m.digits(0.125, 3400)].join(); })"
    async with shown(half_an_hour(now_ms() // MS, depeg=False), tmp_path) as (_, page):
        await page.value(script)
        assert await page.until("window.found") == "5,4,4,2,3"


async def test_risks_are_shown_with_their_source_and_what_is_unknown_is_named(tmp_path: Path) -> None:
    service = half_an_hour(now_ms() // MS, depeg=False)
    chain = replace(MOVABLE, code=RiskCode.SINGLE_CHAIN, of="wdivETH/ETH", text="every source is on one chain")
    now_chain = replace(chain, code=LiveRiskCode.ONE_CHAIN_NOW, text="every source was read on one chain")
    evil = replace(MOVABLE, text="<img src=x onerror=alert(1)> moves it")
    service.risks["wdivETH/ETH"] = replace(service.risks["wdivETH/ETH"], facts=(evil, UNPUBLISHED))
    async with shown(service, tmp_path) as (_, page):
        text = await has(page, "<img src=x onerror=alert(1)> moves it\nwhere@it was:published")
        assert "1 independent group is behind the market price: kraken" in text
        assert "1 not known" in text
        assert "whether somebody can stop its contracts" not in text, "folded"
        await page.value("document.querySelector('#risks summary').click()")
        await has(page, "not known of wdivETH: whether somebody can stop its contracts")
        assert "balances stay and a share is worth more" not in await page.text(), "what is not there is not a risk"
        codes = "[...document.querySelectorAll('#risks li')].map((li) => li.title).join()"
        assert await page.value(codes) == "ONE_GROUP_NOW,RATE_MOVABLE_BY_TRANSFER,PAUSABLE"
        assert await page.value("document.querySelectorAll('main img, main b').length") == 0
        await page.value("document.querySelectorAll('#rows tr')[2].click()")
        await has(page, "None is known, and nothing is unknown.")
        service.risks["wdivETH/ETH"] = replace(service.risks["wdivETH/ETH"], facts=(chain, evil))
        service.live_risks["wdivETH/ETH"] = LiveRisk(round_time_s=ROUND_S, facts=(now_chain, ALONE))
        await page.value("document.querySelectorAll('#rows tr')[0].click()")
        await has(page, "every source is on one chain")
        assert await page.value(codes) == "ONE_GROUP_NOW,SINGLE_CHAIN,RATE_MOVABLE_BY_TRANSFER", (
            "one chain is said once"
        )
        assert page.complaints == []
